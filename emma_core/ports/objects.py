"""What Emma needs beside its databases: content by hash, a cache that may be lost, secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from emma_core.nouns import BlobKind, BlobRef


class TenantBlobs(Protocol):
    """One tenant's content by hash; no verb of it can name another tenant."""

    tenant: str

    async def put(self, data: bytes, *, kind: BlobKind, name: str = "", days: int | None = None) -> BlobRef:
        """The content is durable under its hash, written once however often it is put; the name it had first stays.

        `days`: how long nobody may delete it (None: as the policy of its kind says); what was promised before is never
        shortened. Raises `CallerError` where it cannot be kept.
        """

    async def get(self, kind: BlobKind, sha256: str) -> bytes | None:
        """The content, its hash checked, or None. Raises `StoreError` where it is not what its hash says."""

    async def list(self, kind: BlobKind, *, after: str = "", limit: int = 1000) -> list[BlobRef]:
        """Up to `limit` of that kind in the order of their hashes, after the hash `after`."""

    async def delete(self, kind: BlobKind, sha256: str) -> bool:
        """Gone; whether it was there. Raises `Conflict` while it is to be kept."""

    async def census(self) -> Mapping[str, int]:
        """How many pieces are held of this tenant, by kind."""

    async def purge(self) -> None:
        """Nothing is held of this tenant. Raises `Conflict` naming what is to be kept, and until when; then nothing of
        it is gone."""


class Blobs(Protocol):
    """Content too large for a store's items, and what leaves the house: attachments, exports, checkpoints."""

    async def open(self) -> None:
        """Ready. Raises `StoreError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantBlobs:
        """The handle of one tenant."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """What they lie in is there; what was done, a line each. They need not be open."""

    async def state(self) -> str:
        """How they stand, in one sentence for whoever runs this. Raises `StoreError` where they cannot be used."""


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

    async def state(self) -> str:
        """How it stands, in one sentence for whoever runs this. Raises `StoreError` where it is away."""


class Secrets(Protocol):
    """Words that open something: read when needed, and never shown."""

    async def open(self) -> None:
        """Ready. Raises `OperatorError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    async def read(self, name: str) -> str:
        """The secret of that name. Raises `OperatorError` where there is none, or it may not be read."""

    async def state(self) -> str:
        """How they stand, in one sentence for whoever runs this. Raises `OperatorError` where none can be read."""


class Signer(Protocol):
    """Signs for this installation; what it signed is verified with its public key alone."""

    name: str
    """Whose signature it is."""
    public: bytes
    """The Ed25519 public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes (RFC 8032)."""
