"""Says what any Cache must do, as tests that each backend runs over its own.

A backend's test module brings a fixture `new_cache`, a function that returns an unopened cache at each call, all of
them on one place that was empty when the test began, and takes the tests over:

    from emma_core.testing.cache_contract import *
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from emma_core.errors import CallerError
from emma_core.ports import Cache
from emma_core.testing.samples import NO_TENANTS, PREFIX_TENANTS, STRANGE


@pytest.fixture
async def cache(new_cache: Callable[[], Cache]) -> AsyncIterator[Cache]:
    """An open cache, empty but for what it makes itself."""
    opened = new_cache()
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("value", [b"words", b"", b"\x00\xff\r\n", b"x" * 1_000_000], ids=len)
async def test_what_was_put_is_found_again_byte_by_byte(cache: Cache, value: bytes) -> None:
    handle = cache.for_tenant("a")

    await handle.put("k", value, seconds=60)

    assert await handle.get("k") == value
    assert await handle.get("other") is None


async def test_what_is_put_again_replaces_what_was_there(cache: Cache) -> None:
    handle = cache.for_tenant("a")
    await handle.put("k", b"old", seconds=60)

    await handle.put("k", b"new", seconds=60)

    assert await handle.get("k") == b"new"


async def test_what_is_deleted_is_a_miss_whether_it_was_there_or_not(cache: Cache) -> None:
    handle = cache.for_tenant("a")
    await handle.put("k", b"v", seconds=60)

    await handle.delete("k")
    await handle.delete("never there")

    assert await handle.get("k") is None


async def test_what_has_had_its_time_is_a_miss(cache: Cache) -> None:
    handle = cache.for_tenant("a")
    await handle.put("short", b"v", seconds=0.05)
    await handle.put("lasting", b"v", seconds=600)

    async with asyncio.timeout(10):  # an answer that never goes ends the test, and is no figure
        while await handle.get("short") is not None:
            await asyncio.sleep(0.01)

    assert await handle.get("lasting") == b"v"


@pytest.mark.parametrize("seconds", [0, -1])
async def test_what_is_kept_for_no_time_is_not_kept(cache: Cache, seconds: float) -> None:
    handle = cache.for_tenant("a")
    await handle.put("k", b"old", seconds=60)

    await handle.put("k", b"new", seconds=seconds)

    assert await handle.get("k") is None


@pytest.mark.parametrize("key", [*STRANGE, "", "*", "a*", "[a-z]", "\ud800"], ids=ascii)
async def test_any_text_may_be_a_key(cache: Cache, key: str) -> None:
    handle = cache.for_tenant("a")

    await handle.put(key, b"v", seconds=60)

    assert await handle.get(key) == b"v"
    assert await handle.get(key + "x") is None


async def test_no_tenant_finds_what_another_put_however_their_names_and_keys_join(cache: Cache) -> None:
    keys = ["k", "a:k", "a-a:k", ":k", "aa", "a", ""]
    pairs = list(itertools.product(PREFIX_TENANTS, keys))
    assert len({tenant + key for tenant, key in pairs}) < len(pairs)  # some do join to the same text

    for tenant, key in pairs:
        await cache.for_tenant(tenant).put(key, f"{tenant}|{key}".encode(), seconds=60)

    assert [await cache.for_tenant(tenant).get(key) for tenant, key in pairs] == [
        f"{tenant}|{key}".encode() for tenant, key in pairs
    ]


async def test_a_delete_of_one_tenant_is_none_of_another(cache: Cache) -> None:
    for tenant in PREFIX_TENANTS:
        await cache.for_tenant(tenant).put("k", tenant.encode(), seconds=60)

    await cache.for_tenant("a").delete("k")

    assert [await cache.for_tenant(tenant).get("k") for tenant in PREFIX_TENANTS] == [
        None if tenant == "a" else tenant.encode() for tenant in PREFIX_TENANTS
    ]


async def test_a_purge_leaves_nothing_of_a_tenant_and_all_of_the_others(cache: Cache) -> None:
    for tenant in PREFIX_TENANTS:
        for number in range(30):
            await cache.for_tenant(tenant).put(str(number), tenant.encode(), seconds=60)

    for gone in (["aa"], ["aa", "a"]):
        assert await cache.for_tenant(gone[-1]).purge() == 30
        assert await cache.for_tenant(gone[-1]).purge() == 0
        for tenant in PREFIX_TENANTS:
            found = [await cache.for_tenant(tenant).get(str(number)) for number in range(30)]
            assert found == [None if tenant in gone else tenant.encode()] * 30


async def test_many_at_once_each_find_their_own(cache: Cache) -> None:
    async def put_and_get(number: int) -> bytes | None:
        handle = cache.for_tenant(PREFIX_TENANTS[number % len(PREFIX_TENANTS)])
        await handle.put(f"k{number // 7}", str(number).encode(), seconds=60)
        await handle.put(f"own {number}", str(number).encode(), seconds=60)
        return await handle.get(f"own {number}")

    found = await asyncio.gather(*(put_and_get(number) for number in range(100)))

    assert found == [str(number).encode() for number in range(100)]


@pytest.mark.parametrize("tenant", NO_TENANTS)
async def test_what_is_no_tenants_id_gets_no_handle(cache: Cache, tenant: str) -> None:
    with pytest.raises(CallerError, match="No tenant can be called"):
        cache.for_tenant(tenant)


async def test_a_cache_says_how_it_stands_and_closes_twice(new_cache: Callable[[], Cache]) -> None:
    cache = new_cache()
    await cache.open()

    assert await cache.state()

    await cache.close()
    await cache.close()
