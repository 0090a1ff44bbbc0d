"""What Emma needs of a store: one tenant's documents and trail by handle."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol

from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports.objects import Blobs

Seal = Callable[[Head | None], TrailLine]
"""Makes the next line from the last one's head; pure, so a store may call it inside its transaction, and again."""

CLOSED = "emma1:"
"""How the body of a payload begins that only the key of its subject opens. JSON never begins so."""

SHELVES = {
    "blueprint": "agent-blueprints",
    "blueprint_label": "agent-blueprints",
    "prompt": "rag-prompts",
    "rule_words": "rag-prompts",
    "answer": "conversations",
    "attachment": "conversations",
    "turn_telemetry": "telemetry",
}
"""By kind, the shelf that a document stands on where a store keeps several, such as Cosmos its containers. Kinds that
are not named here lie beside the trail, and only they may be put or deleted together with a line of it."""


class TenantStore(Protocol):
    """One tenant's documents and trail; no verb of it can name another tenant."""

    tenant: str

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored, with its new etag.

        `if_match`: the etag it must have; `""` where it must not exist yet; None writes over whatever is there.
        Raises `Conflict` where that does not hold.
        """

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids, after the id `after`."""

    async def append(
        self,
        seal: Seal,
        *,
        puts: Sequence[tuple[Document, str | None]] = (),
        deletes: Sequence[tuple[str, str]] = (),
        needs: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put (each with its `if_match`) and deleted
        (kind, id), or nothing of it. `needs`: documents that must be there at that moment, and stay as they are.
        Raises `Conflict` where an `if_match` does not hold or a document to delete or needed is not there,
        `CallerError` for a kind that stands on a shelf (`SHELVES`)."""

    async def lines(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        turn: str | None = None,
        conversation: str | None = None,
        newest_first: bool = False,
    ) -> list[TrailLine]:
        """Up to `limit` lines with their payloads, by number; `after` counts in the direction asked for
        (0: from the start, or from the end)."""

    async def head(self) -> Head | None:
        """The last line's number and hash, from where the store keeps it apart; None on an empty trail."""

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines, byte by byte as they are, each chained to the one before it; the new
        head. Raises `TrailError` for one that does not follow, and then none of them is there."""

    async def replace_payloads(self, payloads: Mapping[int, Payload | None]) -> None:
        """Beside each of these lines, by number, lies this payload, or none any more; the lines are as they were, and
        a number that no line has is passed over. What lay there before is in no free part of the disk that this store
        can reach."""

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is (`documents`, `lines`, `payloads`, …), expired things
        among it; a tenant of whom nothing is held has only zeros."""

    async def purge(self) -> None:
        """Nothing is held of this tenant: `census()` has only zeros. Repeatable after a crash."""

    spent: float
    """What this handle has cost since it was made, in the store's own unit (Cosmos: request units); else 0."""


class Store(Protocol):
    """Documents and trails of all tenants, reached by handle."""

    async def open(self, *, overflow: Blobs | None = None) -> None:
        """Ready, its schema checked (an embedded one: created). Raises `StoreError` where it cannot be, saying what
        to do. `overflow`: where a store that bounds its items puts what is too large for one."""

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held."""

    def for_tenant(self, tenant: str) -> TenantStore:
        """The handle of one tenant."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """The schema is what this release writes; what was done, a line each. `owner`: the address of a role that
        may change the schema, where the store's own may not. The store need not be open."""

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """The schema is that of an earlier revision, all that it can hold still there; what was done, a line each."""

    def watch(self) -> AsyncGenerator[str]:
        """The tenants whose trail grew, each soon after it did, in any process: a wake-up and no delivery. It may
        name a tenant twice; what it names first are those that grew while nobody watched, where it can tell. It ends
        when the store is closed."""
