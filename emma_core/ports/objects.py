"""What Emma needs beside its databases: content by hash, a cache that may be lost, secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from emma_core.nouns import BlobKind, BlobRef


class TenantBlobs(Protocol):
    """One tenant's content by hash; no verb of it can name another tenant."""

    tenant: str

    async def put(self, data: bytes, *, kind: BlobKind, name: str = "", days: int | None = None) -> BlobRef:
        """The content is durable under its hash, written once however often it is put. `days`: how long nobody may
        delete it; what was promised before is never shortened."""

    async def get(self, kind: BlobKind, sha256: str) -> bytes | None:
        """The content, its hash checked, or None. Raises `StoreError` where it is not what its hash says."""

    async def list(self, kind: BlobKind, *, after: str = "", limit: int = 1000) -> list[BlobRef]:
        """Up to `limit` of that kind in the order of their hashes, after the hash `after`."""

    async def delete(self, kind: BlobKind, sha256: str) -> bool:
        """Gone; whether it was there. Raises `Conflict` while it is to be kept."""

    async def census(self) -> Mapping[str, int]:
        """How many pieces are held of this tenant, by kind."""

    async def purge(self) -> None:
        """Nothing is held of this tenant. Raises `Conflict` naming what is to be kept, and until when."""


class Blobs(Protocol):
    """Content too large for a store's items, and what leaves the house: attachments, exports, checkpoints."""

    async def open(self) -> None:
        """Ready. Raises `StoreError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantBlobs:
        """The handle of one tenant."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """The containers are there, with their retention and tiers; what was done, a line each."""


class TenantCache(Protocol):
    """What one tenant may find again sooner. Losable: whatever goes wrong is a miss, and never an error."""

    tenant: str

    async def get(self, key: str) -> bytes | None:
        """What was put there, or None."""

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Kept for at most so long, where it can be."""

    async def delete(self, key: str) -> None:
        """Not there any more, where the cache can be reached."""

    async def purge(self) -> int:
        """Nothing is held of this tenant; how many there were. Raises `StoreError` where that cannot be told."""


class Cache(Protocol):
    """A shared memory of what can be made again."""

    async def open(self) -> None:
        """Ready; a cache that is away opens too, and misses."""

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantCache:
        """The handle of one tenant."""


class Secrets(Protocol):
    """Words that open something: read when needed, and never shown."""

    async def open(self) -> None:
        """Ready. Raises `OperatorError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    async def read(self, name: str) -> str:
        """The secret of that name. Raises `OperatorError` where there is none, or it may not be read."""
