"""Holds the cache of the process to the contract of all caches, and to its bounds."""

from __future__ import annotations

import pytest

from emma_core.backends import memory_cache
from emma_core.backends.memory_cache import MemoryCache, open_cache
from emma_core.testing.cache_contract import *  # noqa: F403


@pytest.fixture
def new_cache():
    return lambda: open_cache("memory:")


async def test_what_was_used_longest_ago_makes_room() -> None:
    handle = MemoryCache().for_tenant("a")
    for number in range(memory_cache.ITEMS):
        await handle.put(str(number), b"v", seconds=60)

    await handle.get("0")
    await handle.put("one more", b"v", seconds=60)

    assert [await handle.get(key) for key in ("0", "1", "2", "one more")] == [b"v", None, b"v", b"v"]


async def test_one_tenants_items_make_room_for_none_of_anothers() -> None:
    cache = MemoryCache()
    await cache.for_tenant("a").put("k", b"v", seconds=60)

    for number in range(3 * memory_cache.ITEMS):
        await cache.for_tenant("b").put(str(number), b"v" * 5000, seconds=60)

    assert await cache.for_tenant("a").get("k") == b"v"
    held = [await cache.for_tenant("b").get(str(number)) for number in range(3 * memory_cache.ITEMS)]
    assert sum(len(value) for value in held if value) <= memory_cache.BYTES


async def test_what_is_larger_than_a_tenant_may_hold_is_not_kept() -> None:
    handle = MemoryCache().for_tenant("a")
    await handle.put("k", b"old", seconds=60)

    await handle.put("k", b"v" * (memory_cache.BYTES + 1), seconds=60)

    assert await handle.get("k") is None


async def test_only_so_many_tenants_are_held() -> None:
    cache = MemoryCache()
    for number in range(memory_cache.TENANTS + 1):
        await cache.for_tenant(f"t{number}").put("k", b"v", seconds=60)

    found = [await cache.for_tenant(f"t{number}").get("k") for number in range(memory_cache.TENANTS + 1)]

    assert found == [None] + [b"v"] * memory_cache.TENANTS
