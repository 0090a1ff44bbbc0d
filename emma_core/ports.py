"""The ports: what Emma needs of the outside, each answered by whatever its address names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emma_core.nouns import Document, FactSpec, Finding, Head, Moment, Piece, Prompt, Sealed, Table, Tenant, TrailLine

if TYPE_CHECKING:
    from emma_core.rules import CompiledRule, Totals

Seal = Callable[[Head | None], TrailLine]
"""Makes the next line from the last one's head; pure, so a store may call it inside its transaction, and again."""

Guard = Callable[[Moment, Mapping[str, Any]], tuple[Finding, ...]]
"""Holds what is about to happen against the rules: the moment, and what is judged (`text`, `tool`)."""


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
    ) -> Sealed:
        """The sealed line, durable together with the documents put (each with its `if_match`) and deleted
        (kind, id), or nothing of it. Raises `Conflict` where an `if_match` does not hold or a document to delete
        is not there."""

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


class Store(Protocol):
    """Documents and trails of all tenants, reached by handle."""

    async def open(self) -> None:
        """Ready, its schema created or checked. Raises `StoreError` where it cannot be, saying what to do."""

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held."""

    def for_tenant(self, tenant: str) -> TenantStore:
        """The handle of one tenant."""


class Registry(Protocol):
    """The tenants of this installation; `default` exists in a new one."""

    async def open(self) -> None:
        """Ready. Raises `StoreError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    async def tenant(self, id: str) -> Tenant | None:
        """The tenant, or None."""

    async def tenants(self) -> list[Tenant]:
        """All tenants by id."""

    async def create(self, tenant: Tenant) -> None:
        """It exists from now on. Raises `Conflict` where it did before."""


class Index(Protocol):
    """Texts by collection, found by nearness to words."""

    async def put(self, collection: str, texts: Mapping[str, str]) -> None:
        """The collection holds exactly these texts by id."""

    async def search(self, collection: str, words: str, *, limit: int) -> list[str]:
        """Ids of the nearest texts, best first; those that share no word are left out."""

    async def close(self) -> None:
        """Nothing is held."""


class Model(Protocol):
    """Whatever speaks: a language model, or the offline responder."""

    name: str
    """The address as configured, such as `offline:` or `azure_openai:gpt-4o`."""
    usd_per_token: float | None
    """What a token costs; 0 for a model that costs nothing, None where nobody said."""

    def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """The pieces of one reply as they come. Raises `ModelError` where it does not answer."""


class Reader(Protocol):
    """Makes a table of a file of one format."""

    suffixes: tuple[str, ...]
    """Of file names, in lower case, such as `.csv`."""
    model: str | None
    """The facts model it fills, whatever the file's suffix; None: any, by columns that bear the facts' names."""

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The table of a file that is not empty. `edition`: that of the rules, where somebody named one.

        A record that cannot be read is a `Problem` of the table; raises `CallerError` where the file is none of this
        format at all.
        """


@dataclass(frozen=True)
class Stretch:
    """Some records of a table, one after the other, as an engine saw them."""

    records: int
    """How many there were."""
    standing: Sequence[tuple[Mapping[str, Any], Sequence[int]]]
    """In order, those for which some predicate is not TRUE: the record's typed facts, and which rules by number."""


class Engine(Protocol):
    """Holds the rows of a table against predicates; it tells where one is not TRUE, and never what that means."""

    name: str

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, those of `table.unread` left out of `standing`. `shared`: facts that hold for all."""

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to, those that could not be read among them; or what its function raised.

        Of `unique`, TRUE where all differ, FALSE where some are alike, None where that cannot be told.
        """

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
        """The records that a rule's `unique` finds alike, group by group in the order of their first, each with
        `record`, and at least the first of a group with the facts that the rule reads."""
