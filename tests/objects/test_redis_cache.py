"""Holds the cache on Redis to the contract of all caches, and to being lost without harm."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from services import ValkeyServer

from emma_core import OperatorError, StoreError
from emma_core.backends.redis_cache import RedisCache, RedisTenantCache, open_cache
from emma_core.ports import Cache
from emma_core.testing import cache_contract
from emma_core.testing.cache_contract import *  # noqa: F403


@pytest.fixture
def address(valkey: ValkeyServer) -> str:
    valkey.flush()
    return f"{valkey.address}?patience=30"  # a machine that stalls loses nothing


@pytest.fixture
def new_cache(address: str):
    return lambda: open_cache(address)


MUTATIONS: dict[str, dict[str, Any]] = {
    "no tenant in the key": {"_prefix": lambda self: "emma:"},
    "no end to the tenant in the key": {
        "_prefix": lambda self: f"emma:{self.tenant}",
        "_key": lambda self, key: f"emma:{self.tenant}" + key.encode(errors="replace").decode(),
    },
    "all tenants purged": {"purge": lambda self: purge_all(self)},
    "no end to what is kept": {"put": lambda self, key, value, *, seconds: put_for_ever(self, key, value)},
}
"""What may go wrong in the few lines that keep tenants apart, each as it would be written."""


async def purge_all(handle: Any) -> int:
    handle._prefix = lambda: "emma:"
    return int(await RedisTenantCache.purge(handle))


async def put_for_ever(handle: Any, key: str, value: bytes) -> None:
    await handle._cache.losably(lambda client: client.set(handle._key(key), value), None)


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_contract_finds_a_cache_that_mixes_tenants(valkey: ValkeyServer, faults: Any, mutation: str) -> None:
    broken = type("Broken", (RedisTenantCache,), MUTATIONS[mutation])

    class Mutated(RedisCache):
        def for_tenant(self, tenant: str) -> RedisTenantCache:
            super().for_tenant(tenant)
            return broken(self, tenant)

    def make() -> Cache:
        valkey.flush()
        honest: Any = open_cache(f"{valkey.address}?patience=30")
        return Mutated(honest.client, honest.where, honest.patience)

    assert await faults(cache_contract, "cache", make)


async def test_the_contract_finds_no_fault_in_the_cache_itself(valkey: ValkeyServer, faults: Any) -> None:
    def make() -> Cache:
        valkey.flush()
        return open_cache(f"{valkey.address}?patience=30")

    assert await faults(cache_contract, "cache", make) == []


async def test_two_processes_share_what_is_kept(new_cache: Callable[[], Cache]) -> None:
    one, other = new_cache(), new_cache()
    await one.for_tenant("a").put("k", b"v", seconds=60)

    assert await other.for_tenant("a").get("k") == b"v"
    await one.close()
    await other.close()


async def test_installations_that_share_a_server_are_apart_by_their_namespaces(address: str) -> None:
    one, other, none = (open_cache(f"{address}{more}") for more in ("&namespace=one", "&namespace=o", ""))
    for number, cache in enumerate((one, other, none)):
        await cache.for_tenant("a").put("k", b"%d" % number, seconds=60)

    assert await one.for_tenant("a").purge() == 1

    assert [await cache.for_tenant("a").get("k") for cache in (one, other, none)] == [None, b"1", b"2"]
    for cache in (one, other, none):
        await cache.close()


async def test_a_caller_who_leaves_amid_an_answer_leaves_no_answer_to_the_next(new_cache: Callable[[], Cache]) -> None:
    cache = new_cache()
    for number in range(50):
        await cache.for_tenant("a").put(str(number), f"a{number}".encode() * 5000, seconds=60)
        await cache.for_tenant("b").put(str(number), f"b{number}".encode() * 5000, seconds=60)

    for number in range(50):
        asked = [asyncio.create_task(cache.for_tenant("a").get(str(each))) for each in range(5)]
        for _ in range(number % 7):
            await asyncio.sleep(0)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

        assert await cache.for_tenant("b").get(str(number)) == f"b{number}".encode() * 5000
    await cache.close()


async def test_a_cache_that_is_killed_is_a_miss_and_found_again_when_it_returns(
    caplog: pytest.LogCaptureFixture, own_valkey: ValkeyServer
) -> None:
    server, now = own_valkey, [0.0]
    honest: Any = open_cache(f"{server.address}?patience=30")
    cache = RedisCache(honest.client, honest.where, honest.patience, clock=lambda: now[0])
    handle = cache.for_tenant("a")
    await handle.put("k", b"v", seconds=60)

    with caplog.at_level(logging.INFO, "emma.cache"):
        server.kill9()
        for _ in range(20):
            assert await handle.get("k") is None
            await handle.put("k", b"v", seconds=60)
            now[0] += 5
        with pytest.raises(StoreError, match="start it, or correct EMMA_CACHE"):
            await handle.purge()
        server.start()
        now[0] += 60
        await handle.put("k", b"again", seconds=60)

    assert await handle.get("k") == b"again"
    said = [record.getMessage() for record in caplog.records if record.name == "emma.cache"]
    assert [line.split()[2] for line in said] == ["is", "answers"], said
    await cache.close()


@asynccontextmanager
async def black_hole(**tls: Any) -> AsyncIterator[tuple[int, list[object]]]:
    """A server that takes connections and never answers, and those that came."""
    came: list[object] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0, **tls)
    async with server:
        yield server.sockets[0].getsockname()[1], came


async def test_a_cache_that_never_answers_is_asked_once_and_then_left_alone() -> None:
    async with black_hole() as (port, came):
        honest: Any = open_cache(f"redis://127.0.0.1:{port}/0")
        now = [0.0]
        cache = RedisCache(honest.client, honest.where, clock=lambda: now[0])
        handle = cache.for_tenant("a")

        assert [await handle.get("k") for _ in range(200)] == [None] * 200
        assert len(came) == 1
        now[0] += 1.5
        assert await asyncio.gather(*(handle.get("k") for _ in range(200))) == [None] * 200
        assert len(came) == 2

        with pytest.raises(StoreError, match=r"no answer within 0\.25 s"):
            await cache.state()
        await cache.close()


async def test_a_wrong_password_is_a_miss_and_said_to_whoever_looks(address: str) -> None:
    cache = open_cache(address.replace("redis://", "redis://emma:canary-password@"))
    handle = cache.for_tenant("a")

    await handle.put("k", b"v", seconds=60)

    assert await handle.get("k") is None
    with pytest.raises(StoreError, match="it refuses the password or the user") as raised:
        await cache.state()
    assert "canary" not in str(raised.value)
    await cache.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with black_hole(ssl=context) as (port, _):
        cache = open_cache(f"rediss://127.0.0.1:{port}/0")

        assert await cache.for_tenant("a").get("k") is None
        with pytest.raises(StoreError, match="certificate"):
            await cache.state()
        await cache.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://cache.example.com:6379/0", "in the clear; write 'rediss://"),
        ("redis://10.0.0.5/0", "in the clear"),
        ("redis://localhost.example.com/0", "in the clear"),
        ("redis:", "names no host"),
        ("redis://127.0.0.1:x/0", "does not fit"),
        ("redis://127.0.0.1/0?nonsense=1", "does not fit"),
        ("redis://127.0.0.1/0?patience=x", "write seconds, up to 60"),
        ("redis://127.0.0.1/0?namespace=a:b", "write a-z, 0-9 and '-'"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(address: str, words: str) -> None:
    with pytest.raises(OperatorError, match="EMMA_CACHE") as raised:
        open_cache(address)

    assert words in str(raised.value)
