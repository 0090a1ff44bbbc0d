"""Keeps documents and trails in one PostgreSQL, under row-level security."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from weakref import WeakValueDictionary

from emma_core.backends import admission, checked
from emma_core.backends.sql import connecting, migrating, row_security
from emma_core.backends.sql import store_statements as sql
from emma_core.backends.sql.appending import Append, Import, document_row, head_of, payload_replaced
from emma_core.backends.sql.characters import read, spell
from emma_core.backends.sql.connections import Asked, Connection, Connections, exchange
from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import Blobs, Seal, Store, TenantStore

SWEEP = 60.0
"""Seconds after which a tenant's expired documents are deleted together with its next put."""


def open_store(address: str) -> Store:
    """A store in the database that the address names; it is touched at `open()`."""
    return PostgresStore(Connections(connecting.place(address)))


class PostgresStore:
    """Documents and trails of all tenants in one database, reached by handle."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._swept: dict[str, float] = {}

    async def open(self, *, overflow: Blobs | None = None) -> None:
        """Ready. Raises `StoreError` where it cannot be; rows take what is large, so nothing overflows."""
        await self.connections.open()

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held."""
        await self.connections.close()

    def for_tenant(self, tenant: str) -> TenantStore:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return PostgresTenantStore(self, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The database has the tables of this release; what was done, a line each."""
        owned = connecting.place(owner) if owner else None
        return await asyncio.to_thread(migrating.upgrade, self.connections.place, owned)

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """The database has the tables of an earlier revision; what was done, a line each."""
        owned = connecting.place(owner) if owner else None
        return await asyncio.to_thread(migrating.downgrade, self.connections.place, revision, owned)

    async def watch(self) -> AsyncGenerator[str]:
        """Every registered tenant that has a trail, then each whose trail grew, until the store is closed."""
        async with aclosing(self.connections.hear(sql.CHANNEL)) as heard:
            async for word in heard:
                for tenant in [word] if word else await self._with_trails():
                    yield tenant

    async def _with_trails(self) -> list[str]:
        rows = (await self.connections.ask(row_security.EVERY_TENANT, (sql.TENANTS, ())))[0]
        return [tenant for (tenant,) in rows if await self.for_tenant(tenant).head()]

    def turn(self, tenant: str) -> asyncio.Lock:
        """Held by whoever appends for that tenant, so that those who wait for it hold no connection."""
        return self._turns.setdefault(tenant, asyncio.Lock())

    def sweeping(self, tenant: str) -> list[Asked]:
        """What deletes the tenant's expired documents, where that is due."""
        now = time.monotonic()
        if now < self._swept.get(tenant, now - SWEEP) + SWEEP:
            return []
        self._swept[tenant] = now
        return [(sql.FORGET, (tenant, time.time()))]


class PostgresTenantStore:
    """One tenant's documents and trail."""

    def __init__(self, store: PostgresStore, tenant: str) -> None:
        self.tenant = tenant
        self.spent = 0.0
        self._store = store

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""
        rows = await self._ask((sql.GET, (self.tenant, spell(kind), spell(id), time.time())))
        return _document(rows[0]) if rows else None

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored, with its new etag. Raises `Conflict` where `if_match` does not hold."""
        etag = secrets.token_hex(16)
        row = document_row(self.tenant, document, etag, admission.body(document))
        if if_match is None:
            asked: Asked = (sql.PUT, row)
        elif if_match == "":
            asked = (sql.PUT_NEW, (*row, time.time()))
        else:
            asked = (sql.PUT_OVER, (*row[3:], *row[:3], spell(if_match), time.time()))
        if not await self._ask(*self._store.sweeping(self.tenant), asked):
            found = await self._etag(document.kind, document.id)
            if found != etag:  # else an earlier try of this very put went through, and its answer was lost
                raise admission.conflict(document.kind, document.id, found=found, wanted=if_match)
        return document.model_copy(update={"etag": etag})

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        name, tries = (self.tenant, spell(kind), spell(id)), 0
        if if_match is None:
            await self._ask((sql.DELETE, name))
            return

        async def delete(connection: Connection) -> bool:
            nonlocal tries
            tries += 1
            that = (sql.DELETE_THAT, (*name, spell(if_match), time.time()))
            return bool((await exchange(connection, connections.binding(self.tenant), that))[-1])

        connections = self._store.connections
        done = await connections.patiently(delete) if if_match else False
        if done:
            return
        found = await self._etag(kind, id)
        gone = found is None and tries > 1  # an earlier try of this very delete, whose answer was lost
        if (found or "") != if_match and not gone:
            raise admission.conflict(kind, id, found=found, wanted=if_match)

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids' code points, after the id `after`."""
        grouped = () if group is None else (spell(group),)
        values = (self.tenant, spell(kind), *grouped, spell(after), time.time(), admission.counted("limit", limit))
        rows = await self._ask((sql.QUERY if group is None else sql.QUERY_GROUP, values))
        return [_document(row) for row in rows]

    async def append(
        self,
        seal: Seal,
        *,
        puts: Sequence[tuple[Document, str | None]] = (),
        deletes: Sequence[tuple[str, str]] = (),
        needs: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put and deleted, or nothing of it.

        Raises `Conflict` where an `if_match` does not hold or a document to delete or needed is not there,
        `CallerError` for a kind that stands on a shelf.
        """
        append = Append(self.tenant, seal, puts, deletes, needs)
        async with self._store.turn(self.tenant):
            return await append.run(self._store.connections)

    async def lines(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        turn: str | None = None,
        conversation: str | None = None,
        newest_first: bool = False,
    ) -> list[TrailLine]:
        """Up to `limit` lines past the line `after` in the direction asked for, as they lie in the table."""
        where, values = "", list[Any]([self.tenant])
        for column, wanted in (("turn", turn), ("conversation", conversation)):
            if wanted is not None:
                where, values = f"{where} AND l.{column} = %s", [*values, spell(wanted)]
        past, order = ("<", "DESC") if newest_first else (">", "ASC")
        # from the very first row: a line that was slipped in under number 1 must reach the verifier, and nobody else
        start = admission.counted("after", after) or (2**63 - 1 if newest_first else -(2**63))
        if newest_first:
            where += " AND l.seq > 0"
        statement = f"{sql.LINES}{where} AND l.seq {past} %s ORDER BY l.seq {order} LIMIT %s"
        rows = await self._ask((statement, (*values, start, admission.counted("limit", limit))))
        return [_line(row) for row in rows]

    async def head(self) -> Head | None:
        """The last line's number and hash, as kept apart from the lines; None on an empty trail."""
        return head_of(await self._ask((sql.HEAD, (self.tenant,))))

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""
        return [read(kind) for (kind,) in await self._ask((sql.KINDS, (self.tenant, time.time())))]

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines as they are; the new head. Raises `TrailError` and imports none."""
        async with self._store.turn(self.tenant):
            return await Import(self.tenant, lines).run(self._store.connections)

    async def replace_payloads(self, payloads: Mapping[int, Payload | None]) -> None:
        """Beside each of these lines lies this payload, or none; a vacuum gives back the room that the old ones had."""
        asked = [payload_replaced(self.tenant, seq, payload) for seq, payload in payloads.items()]
        if asked:
            await self._store.connections.ask(self.tenant, *asked)

    async def census(self) -> Mapping[str, int]:
        """How many rows are held of this tenant, by table."""
        asked = [(statement, (self.tenant,)) for statement in sql.COUNT.values()]
        counted = await self._store.connections.ask(self.tenant, *asked)
        return {table: rows[0][0] for table, rows in zip(sql.COUNT, counted, strict=True)}

    async def purge(self) -> None:
        """Nothing is held of this tenant."""
        async with self._store.turn(self.tenant):
            asked = [(statement, (self.tenant,)) for statement in (sql.LOCK, *sql.EMPTY.values())]
            await self._store.connections.ask(self.tenant, *asked)

    async def _ask(self, *asked: Asked) -> list[tuple[Any, ...]]:
        """The rows of the last statement."""
        return (await self._store.connections.ask(self.tenant, *asked))[-1]

    async def _etag(self, kind: str, id: str) -> str | None:
        rows = await self._ask((sql.ETAG, (self.tenant, spell(kind), spell(id), time.time())))
        return str(rows[0][0]) if rows else None


def _document(row: tuple[Any, ...]) -> Document:
    kind, id, group, subject, *rest = row
    return admission.document((read(kind), read(id), read(group), read(subject), *rest))


def _line(row: tuple[Any, ...]) -> TrailLine:
    seq, kind, at, turn, conversation, line, hash, subject, *rest = row
    turn, conversation, subject = (None if text is None else read(text) for text in (turn, conversation, subject))
    return admission.line((seq, kind, at, turn, conversation, line, hash, subject, *rest))
