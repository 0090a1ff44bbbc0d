"""Keeps a cache in Redis: every key begins with its tenant, and whatever goes wrong is a miss."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, TimeoutError

from emma_core import redaction
from emma_core.backends import checked
from emma_core.backends.loopback import is_loopback
from emma_core.errors import OperatorError, StoreError
from emma_core.ports import Cache, TenantCache

T = TypeVar("T")

PATIENCE = 0.25
"""Seconds that a turn waits for an answer of the cache at most, where its address does not say `?patience=`."""
CONNECTIONS = 32
"""How many a process holds at most; who finds none free waits, within its patience."""
PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds in which nobody asks a cache that was away: at first, doubled each time that it still is, and at most."""
_WENT_WRONG = (RedisError, OSError, asyncio.TimeoutError)
_LOG = logging.getLogger("emma.cache")


def open_cache(address: str) -> Cache:
    """The cache at `redis://…` or, with TLS, `rediss://…`. Raises `OperatorError` where the address does not fit."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OperatorError(f"EMMA_CACHE: {address!r} does not fit: {error}; write 'rediss://host:port/0'") from error
    if not host:
        raise OperatorError(f"EMMA_CACHE: {address!r} names no host; write 'rediss://host:port/0'")
    if parts.scheme == "redis" and not is_loopback(host):
        raise OperatorError(f"EMMA_CACHE: {address!r} would send what it keeps in the clear; write 'rediss://…'")
    query = dict(parse_qsl(parts.query))
    patience, namespace = _patience(query.pop("patience", "")), query.pop("namespace", "")
    if not re.fullmatch("[a-z0-9-]*", namespace):
        raise OperatorError(f"EMMA_CACHE: namespace={namespace!r} does not fit; write a-z, 0-9 and '-'")
    try:
        pool = BlockingConnectionPool.from_url(
            urlunsplit(parts._replace(query=urlencode(query))),
            max_connections=CONNECTIONS,
            timeout=patience,
            socket_connect_timeout=patience,
            socket_timeout=patience,
            retry=Retry(NoBackoff(), 0),
            client_name="emma",
        )
        pool.make_connection()  # type: ignore[no-untyped-call]  # here it is held against what there is
    except (ValueError, TypeError) as error:
        raise OperatorError(f"EMMA_CACHE: {address!r} does not fit: {error}") from error
    return RedisCache(Redis.from_pool(pool), f"{host}:{port or 6379}", patience, namespace=namespace)


def _patience(said: str) -> float:
    try:
        patience = float(said or PATIENCE)
    except ValueError:
        patience = 0.0
    if not 0 < patience <= 60:
        raise OperatorError(f"EMMA_CACHE: patience={said!r} does not fit; write seconds, up to 60")
    return patience


class RedisCache:
    """A server shared by all processes, and what is known of its being away."""

    def __init__(
        self,
        client: Redis,
        where: str,
        patience: float = PATIENCE,
        *,
        namespace: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.where = where
        self.patience = patience
        self.namespace = namespace
        """What sets this installation's keys apart from another's on the same server."""
        self._clock = clock
        self._pause = 0.0
        """How long it is left alone after the last try; 0 while it answers."""
        self._again_at = 0.0

    async def open(self) -> None:
        """Ready, whether the server is there or not."""

    async def close(self) -> None:
        """Nothing is held."""
        try:
            await self.client.aclose()
        except _WENT_WRONG as error:
            _LOG.info("cache %s: closed after %s", self.where, type(error).__name__)

    def for_tenant(self, tenant: str) -> TenantCache:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return RedisTenantCache(self, checked.tenant(tenant))

    async def state(self) -> str:
        """Which server it is. Raises `StoreError` where it does not answer."""
        said: dict[str, Any] = await self.surely(lambda client: client.info("server"))
        return f"{self.where} answers, Redis {said.get('redis_version', 'of an unknown version')}"

    async def losably(self, ask: Callable[[Redis], Awaitable[T]], missed: T) -> T:
        """What the server said; where it is away, `missed`: at once while it is left alone, else soon."""
        if self._pause and self._clock() < self._again_at:
            return missed
        if self._pause:
            self._again_at = (
                self._clock() + self.patience
            )  # one asks whether it is back; the others need not wait for it
        try:
            async with asyncio.timeout(self.patience):
                said = await ask(self.client)
        except _WENT_WRONG as error:
            self._lost(error)
            return missed
        if self._pause:
            self._pause = 0.0
            _LOG.warning("cache %s: answers again", self.where)
        return said

    async def surely(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """What the server said. Raises `StoreError` where it did not."""
        try:
            return await ask(self.client)
        except _WENT_WRONG as error:
            raise StoreError(f"Cache {self.where}: {self._reason(error)}") from error

    def _lost(self, error: BaseException) -> None:
        if not self._pause:
            _LOG.warning(
                "cache %s is away, and everything is a miss until it returns: %s", self.where, self._reason(error)
            )
        self._pause = min(max(2 * self._pause, PAUSE), LONGEST_PAUSE)
        self._again_at = self._clock() + self._pause

    def _reason(self, error: BaseException) -> str:
        """What went wrong, and what to do."""
        said = redaction.mask(" ".join(str(error).split()))
        if isinstance(error, AuthenticationError | NoPermissionError):
            return f"it refuses the password or the user ({said}); correct EMMA_CACHE"
        if isinstance(error, TimeoutError | asyncio.TimeoutError):
            return f"no answer within {self.patience:g} s; see that it can be reached"
        return f"{said or type(error).__name__}; start it, or correct EMMA_CACHE"


class RedisTenantCache:
    """One tenant's items, under keys that begin with it."""

    def __init__(self, cache: RedisCache, tenant: str) -> None:
        self.tenant = tenant
        self._cache = cache

    async def get(self, key: str) -> bytes | None:
        """What was put there, or None."""

        async def get(client: Redis) -> bytes | None:
            found = await client.get(self._key(key))
            return found if isinstance(found, bytes) else None

        return await self._cache.losably(get, None)

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Kept for at most so long, where it can be."""
        milliseconds = int(seconds * 1000)
        if milliseconds <= 0:
            await self.delete(key)
            return
        await self._cache.losably(lambda client: client.set(self._key(key), value, px=milliseconds), None)

    async def delete(self, key: str) -> None:
        """Not there any more, where the server can be reached."""
        await self._cache.losably(lambda client: client.unlink(self._key(key)), 0)

    async def purge(self) -> int:
        """Nothing is held of this tenant; how many items there were. Raises `StoreError` where that cannot be told."""

        async def purge(client: Redis) -> int:
            gone = 0
            async for key in client.scan_iter(match=f"{self._prefix()}*", count=1000):
                gone += await client.unlink(key)
            return gone

        return await self._cache.surely(purge)

    def _prefix(self) -> str:
        # neither holds a colon, so no name with what follows it reads as another name with something else
        return f"emma:{self._cache.namespace}:{self.tenant}:"

    def _key(self, key: str) -> str:
        return self._prefix() + hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
