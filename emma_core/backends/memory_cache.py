"""Keeps a cache in this process, bounded for each tenant, the least used forgotten first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from emma_core.backends import checked
from emma_core.ports import Cache, TenantCache

TENANTS, ITEMS, BYTES = 64, 1_000, 2 * 1024 * 1024
"""How many tenants are held at most, and of each how many items of how many bytes together."""

_Shelf = OrderedDict[str, tuple[float, bytes]]


def open_cache(address: str) -> Cache:
    """An empty cache of this process."""
    return MemoryCache()


class MemoryCache:
    """Tenants with their items, those used longest ago first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()

    async def open(self) -> None:
        """Ready."""

    async def close(self) -> None:
        """Nothing is held."""
        self._shelves.clear()

    def for_tenant(self, tenant: str) -> TenantCache:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return MemoryTenantCache(self, checked.tenant(tenant))

    async def state(self) -> str:
        """What is held."""
        held = sum(len(shelf) for shelf in self._shelves.values())
        return f"in this process, {held} items of {len(self._shelves)} tenants"

    def shelf(self, tenant: str) -> _Shelf:
        """The tenant's items."""
        return self._shelves.get(tenant) or OrderedDict()

    def shelf_in_use(self, tenant: str) -> _Shelf:
        """The tenant's items, now the most recently used; where there are too many tenants, one is forgotten."""
        shelf = self._shelves.setdefault(tenant, OrderedDict())
        self._shelves.move_to_end(tenant)
        if len(self._shelves) > TENANTS:
            self._shelves.popitem(last=False)
        return shelf

    def drop(self, tenant: str) -> int:
        """Nothing is held of the tenant; how many items there were."""
        return len(self._shelves.pop(tenant, ()))

    def now(self) -> float:
        """Seconds, by a clock that is never set back."""
        return self._clock()


class MemoryTenantCache:
    """One tenant's items."""

    def __init__(self, cache: MemoryCache, tenant: str) -> None:
        self.tenant = tenant
        self._cache = cache

    async def get(self, key: str) -> bytes | None:
        """What was put there, or None where its time is over or it was forgotten."""
        shelf = self._cache.shelf(self.tenant)
        until, value = shelf.get(key, (0.0, b""))
        if key not in shelf or until <= self._cache.now():
            shelf.pop(key, None)
            return None
        shelf.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Kept for at most so long; what was used longest ago makes room."""
        shelf = self._cache.shelf_in_use(self.tenant)
        shelf.pop(key, None)
        if seconds <= 0 or len(value) > BYTES:
            return
        shelf[key] = (self._cache.now() + seconds, value)
        while len(shelf) > ITEMS or sum(len(value) for _, value in shelf.values()) > BYTES:
            shelf.popitem(last=False)

    async def delete(self, key: str) -> None:
        """Not there any more."""
        self._cache.shelf(self.tenant).pop(key, None)

    async def purge(self) -> int:
        """Nothing is held of this tenant; how many items there were."""
        return self._cache.drop(self.tenant)
