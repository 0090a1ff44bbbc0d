"""The store over a Cosmos account: a handle for each tenant, and the wake-up for consumers of the trail."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from emma_core.backends import admission, checked
from emma_core.backends.cosmos import address, schema
from emma_core.backends.cosmos.account import Account
from emma_core.backends.cosmos.address import Address
from emma_core.backends.cosmos.bodies import Bodies
from emma_core.backends.cosmos.documents import Documents
from emma_core.backends.cosmos.feed import Feed
from emma_core.backends.cosmos.holdings import Holdings
from emma_core.backends.cosmos.lines import Sought
from emma_core.backends.cosmos.scope import Scope
from emma_core.backends.cosmos.trail import Sizes, Tail, Trail
from emma_core.errors import StoreError
from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import Blobs, Seal, Store, TenantStore


def open_store(text: str) -> Store:
    """A store over the database that the address names; it is reached at `open()`."""
    return CosmosStore(address.read(text))


class CosmosStore:
    """Documents and trails of all tenants in one database of an account."""

    def __init__(self, where: Address, *, sizes: Sizes | None = None) -> None:
        self._address = where
        self._account = Account(where)
        self._sizes = sizes or Sizes()
        self._tails: dict[str, Tail] = {}
        self._overflow: Blobs | None = None

    async def open(self, *, overflow: Blobs | None = None) -> None:
        """Ready: the containers are there, and the account can keep a trail. Raises `StoreError` where it is not so."""
        self._overflow = overflow
        await self._account.open()
        try:
            await schema.check(self._account)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held."""
        self._tails.clear()
        await self._account.close()

    def for_tenant(self, tenant: str) -> TenantStore:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        scope = Scope(self._account, checked.tenant(tenant))
        return CosmosTenantStore(scope, self._tails, lambda: self._overflow, self._sizes)

    async def upgrade(self, owner: str = "") -> list[str]:
        """The database and its containers are there; what was done, a line each."""
        return await schema.upgrade(address.read(owner) if owner else self._address)

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """Raises `StoreError`: there is one revision of what is kept here."""
        raise StoreError(
            f"Store {str(self._address)!r} knows one revision only, so there is nothing to go back to at {revision!r};"
            " leave it as it is"
        )

    def watch(self) -> AsyncGenerator[str, None]:
        """The tenants whose trail grew: those of the last five minutes, then each soon after it did."""
        return Feed(self._account).watch()


class CosmosTenantStore:
    """One tenant's documents and trail."""

    def __init__(self, scope: Scope, tails: dict[str, Tail], overflow: Any, sizes: Sizes) -> None:
        self.tenant = scope.tenant
        self._scope = scope
        self._tails = tails
        self._overflow = overflow
        self._sizes = sizes

    @property
    def spent(self) -> float:
        """Request units that this handle has cost since it was made."""
        return self._scope.spent

    @spent.setter
    def spent(self, units: float) -> None:
        self._scope.spent = units

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""
        return await self._documents.get(kind, id)

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored, with its new etag. Raises `Conflict` where `if_match` does not hold."""
        return await self._documents.put(document, if_match)

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        await self._documents.delete(kind, id, if_match)

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids' code points, after the id `after`."""
        return await self._documents.query(kind, group=group, after=after, limit=admission.counted("limit", limit))

    async def append(
        self,
        seal: Seal,
        *,
        puts: Sequence[tuple[Document, str | None]] = (),
        deletes: Sequence[tuple[str, str]] = (),
        needs: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put and deleted, or nothing of it.

        Raises `Conflict` where an `if_match` does not hold or a document to delete or needed is not there.
        """
        return await self._trail.append(seal, puts, deletes, needs)

    async def lines(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        turn: str | None = None,
        conversation: str | None = None,
        newest_first: bool = False,
    ) -> list[TrailLine]:
        """Up to `limit` lines past the line `after` in the direction asked for, as they lie there."""
        after, limit = admission.counted("after", after), admission.counted("limit", limit)
        return await self._trail.lines(Sought(after, limit, turn, conversation, newest_first))

    async def head(self) -> Head | None:
        """The last line's number and hash, as kept apart from the lines; None on an empty trail."""
        return await self._trail.head()

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""
        return await self._holdings.kinds()

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines as they are; the new head. Raises `TrailError` and imports none."""
        return await self._trail.import_lines(lines)

    async def replace_payloads(self, payloads: Mapping[int, Payload | None]) -> None:
        """Beside each of these lines lies this payload, or none; a body among the blobs is gone from there too."""
        for seq, payload in payloads.items():
            await self._trail.replace_payload(seq, payload)

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is; of what Cosmos has let expire, nothing is."""
        return await self._holdings.census((await self._trail.stand()).moved)

    async def purge(self) -> None:
        """Nothing is held of this tenant; its bodies among the blobs go with the blobs."""
        await self._holdings.purge()
        self._tails.pop(self.tenant, None)

    @property
    def _bodies(self) -> Bodies:
        blobs: Blobs | None = self._overflow()
        return Bodies(None if blobs is None else blobs.for_tenant(self.tenant))

    @property
    def _documents(self) -> Documents:
        return Documents(self._scope, self._bodies)

    @property
    def _trail(self) -> Trail:
        tail = self._tails.setdefault(self.tenant, Tail())
        return Trail(self._scope, self._bodies, self._documents, tail, self._sizes)

    @property
    def _holdings(self) -> Holdings:
        return Holdings(self._scope)
