"""Keeps documents and trails in one SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from emma_core.backends import admission, checked
from emma_core.backends.sqlite_file import DatabaseFile, path_of
from emma_core.errors import TrailError
from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import Blobs, Seal, Store, TenantStore

_TABLES = ("documents", "lines", "payloads", "heads")
_DOCUMENT = "kind, id, in_group, subject, etag, expires_at, body"
_LINE = "l.seq, l.kind, l.at, l.turn, l.conversation, l.line, l.hash, p.subject, p.salt, p.body"


def open_store(address: str) -> Store:
    """A store over the file that the address names; it is touched at `open()`."""
    return SqliteStore(DatabaseFile(path_of(address)))


class SqliteStore:
    """Documents and trails of all tenants in one file, reached by handle."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def open(self, *, overflow: Blobs | None = None) -> None:
        """Ready, and what has expired is gone from the disk too; nothing is too large for a row, so none overflows."""
        await self._file.open()
        await self._file.write(_forget_expired)

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held."""
        await self._file.close()

    async def upgrade(self, owner: str = "") -> list[str]:
        """The file has the tables of this release; what was done, a line each."""
        return await self._file.upgrade()

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """The file has the tables of an earlier revision; what was done, a line each."""
        return await self._file.downgrade(revision)

    def for_tenant(self, tenant: str) -> TenantStore:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return SqliteTenantStore(self._file, checked.tenant(tenant))

    async def watch(self) -> AsyncGenerator[str]:
        """Every tenant that has a trail, then each whose trail grew, in any process, until the store is closed."""
        known: dict[str, int] = {}
        async with aclosing(self._file.changes()) as changes:
            async for _ in changes:
                heads = await self._file.read(_heads)
                grown = [tenant for tenant, seq in heads.items() if seq != known.get(tenant)]
                known = heads
                for tenant in grown:
                    yield tenant


class SqliteTenantStore:
    """One tenant's documents and trail."""

    def __init__(self, file: DatabaseFile, tenant: str) -> None:
        self.tenant = tenant
        self.spent = 0.0
        self._file = file

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""
        key = (self.tenant, kind, id, time.time())

        def get(connection: sqlite3.Connection) -> Document | None:
            row = connection.execute(
                f"SELECT {_DOCUMENT} FROM documents WHERE tenant = ? AND kind = ? AND id = ?"
                " AND (expires_at IS NULL OR expires_at > ?)",
                key,
            ).fetchone()
            return admission.document(row) if row else None

        return await self._file.read(get)

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored, with its new etag. Raises `Conflict` where `if_match` does not hold."""
        body = admission.body(document)
        etag = await self._file.write(lambda connection: _put(connection, self.tenant, document, body, if_match))
        return document.model_copy(update={"etag": etag})

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        await self._file.write(lambda connection: _delete(connection, self.tenant, kind, id, if_match))

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids' code points, after the id `after`."""
        where, values = "tenant = ? AND kind = ? AND id > ?", list[Any]([self.tenant, kind, after])
        if group is not None:
            where, values = where + " AND in_group = ?", [*values, group]
        values = [*values, time.time(), admission.counted("limit", limit)]

        def query(connection: sqlite3.Connection) -> list[Document]:
            found = connection.execute(
                f"SELECT {_DOCUMENT} FROM documents WHERE {where} AND (expires_at IS NULL OR expires_at > ?)"
                " ORDER BY id LIMIT ?",
                values,
            )
            return [admission.document(row) for row in found]

        return await self._file.read(query)

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
        admission.beside_the_trail([*((document.kind, document.id) for document, _ in puts), *deletes, *needs])
        written = [(document, admission.body(document), if_match) for document, if_match in puts]

        def append(connection: sqlite3.Connection) -> Sealed:
            for kind, id in needs:
                _there(connection, self.tenant, kind, id)
            sealed = _append(connection, self.tenant, seal)
            for document, body, if_match in written:
                _put(connection, self.tenant, document, body, if_match)
            for kind, id in deletes:
                _remove(connection, self.tenant, kind, id)
            return sealed

        return await self._file.write(append)

    async def lines(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        turn: str | None = None,
        conversation: str | None = None,
        newest_first: bool = False,
    ) -> list[TrailLine]:
        """Up to `limit` lines past the line `after` in the direction asked for, as they lie on the disk."""
        where, values = "l.tenant = ?", [self.tenant]
        for column, wanted in (("turn", turn), ("conversation", conversation)):
            if wanted is not None:
                where, values = f"{where} AND l.{column} = ?", [*values, wanted]
        past, order = ("<", "DESC") if newest_first else (">", "ASC")
        # from the very first row: a line that was slipped in under number 1 must reach the verifier, and nobody else
        start = admission.counted("after", after) or (2**63 - 1 if newest_first else -(2**63))
        if newest_first:
            where += " AND l.seq > 0"
        rows = await self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_LINE} FROM lines l LEFT JOIN payloads p ON p.tenant = l.tenant AND p.seq = l.seq"
                f" WHERE {where} AND l.seq {past} ? ORDER BY l.seq {order} LIMIT ?",
                (*values, start, admission.counted("limit", limit)),
            ).fetchall()
        )
        return [admission.line(row) for row in rows]

    async def head(self) -> Head | None:
        """The last line's number and hash, as kept apart from the lines; None on an empty trail."""
        return await self._file.read(lambda connection: _head(connection, self.tenant))

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""
        rows = await self._file.read(
            lambda connection: connection.execute(
                "SELECT DISTINCT kind FROM documents WHERE tenant = ? AND (expires_at IS NULL OR expires_at > ?)"
                " ORDER BY kind",
                (self.tenant, time.time()),
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines as they are; the new head. Raises `TrailError` and imports none."""
        return await self._file.write(lambda connection: _import(connection, self.tenant, lines))

    async def replace_payloads(self, payloads: Mapping[int, Payload | None]) -> None:
        """Beside each of these lines lies this payload, or none; what lay there is in no free part of the file."""

        def replace(connection: sqlite3.Connection) -> None:
            for seq, payload in payloads.items():
                _lay_beside(connection, self.tenant, seq, payload)

        await self._file.write(replace)
        await self._file.fold()

    async def census(self) -> Mapping[str, int]:
        """How many rows are held of this tenant, by table."""

        def count(connection: sqlite3.Connection) -> dict[str, int]:
            counts = {}
            for table in _TABLES:
                found = connection.execute(f"SELECT count(*) FROM {table} WHERE tenant = ?", (self.tenant,))
                counts[table] = found.fetchone()[0]
            return counts

        return await self._file.read(count)

    async def purge(self) -> None:
        """Nothing is held of this tenant, in no table and in no free part of the file."""

        def purge(connection: sqlite3.Connection) -> None:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (self.tenant,))

        await self._file.write(purge)
        await self._file.fold()


def _put(connection: sqlite3.Connection, tenant: str, document: Document, body: str, if_match: str | None) -> str:
    _forget_expired(connection)
    _hold(connection, tenant, document.kind, document.id, if_match)
    etag = secrets.token_hex(16)
    connection.execute(
        "INSERT OR REPLACE INTO documents (tenant, kind, id, in_group, subject, etag, expires_at, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (tenant, document.kind, document.id, document.group, document.subject, etag, document.expires_at, body),
    )
    return etag


def _delete(connection: sqlite3.Connection, tenant: str, kind: str, id: str, if_match: str | None) -> int:
    """How many documents there were to delete."""
    _forget_expired(connection)
    _hold(connection, tenant, kind, id, if_match)
    return connection.execute(
        "DELETE FROM documents WHERE tenant = ? AND kind = ? AND id = ?", (tenant, kind, id)
    ).rowcount


def _remove(connection: sqlite3.Connection, tenant: str, kind: str, id: str) -> None:
    if not _delete(connection, tenant, kind, id, None):
        raise admission.conflict(kind, id, found=None, wanted=None)


def _hold(connection: sqlite3.Connection, tenant: str, kind: str, id: str, if_match: str | None) -> None:
    """The etag is the one asked for. Raises `Conflict` where it is not."""
    if if_match is None:
        return
    row = connection.execute(
        "SELECT etag FROM documents WHERE tenant = ? AND kind = ? AND id = ?", (tenant, kind, id)
    ).fetchone()
    found = row[0] if row else None
    if (found or "") != if_match:
        raise admission.conflict(kind, id, found=found, wanted=if_match)


def _there(connection: sqlite3.Connection, tenant: str, kind: str, id: str) -> None:
    found = connection.execute(
        "SELECT 1 FROM documents WHERE tenant = ? AND kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)",
        (tenant, kind, id, time.time()),
    )
    if found.fetchone() is None:
        raise admission.conflict(kind, id, found=None, wanted=None)


def _forget_expired(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM documents WHERE expires_at <= ?", (time.time(),))


def _append(connection: sqlite3.Connection, tenant: str, seal: Seal) -> Sealed:
    head = _head(connection, tenant)
    line = seal(head)
    admission.fitting(line, head, tenant)
    _write_line(connection, tenant, line)
    _move_head(connection, tenant, Head.model_construct(seq=line.seq, hash=line.hash, at=line.at))
    return Sealed(seq=line.seq, kind=line.kind, at=line.at, hash=line.hash)


def _import(connection: sqlite3.Connection, tenant: str, lines: Sequence[TrailLine]) -> Head:
    head = admission.following(lines, _head(connection, tenant), tenant)
    for line in lines:
        _write_line(connection, tenant, line)
    _move_head(connection, tenant, head)
    return head


def _write_line(connection: sqlite3.Connection, tenant: str, line: TrailLine) -> None:
    try:
        connection.execute(
            "INSERT INTO lines (tenant, seq, kind, at, turn, conversation, line, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (tenant, line.seq, line.kind, line.at, line.turn, line.conversation, line.line, line.hash),
        )
        if line.payload is not None:
            connection.execute(
                "INSERT OR REPLACE INTO payloads (tenant, seq, subject, salt, body) VALUES (?, ?, ?, ?, ?)",
                (tenant, line.seq, line.payload.subject, line.payload.salt, line.payload.body),
            )
    except sqlite3.IntegrityError as error:
        raise TrailError(
            f"Trail of tenant {tenant!r} already holds line {line.seq}, past its head; run: emma audit verify"
        ) from error


def _lay_beside(connection: sqlite3.Connection, tenant: str, seq: int, payload: Payload | None) -> None:
    if payload is None:
        connection.execute("DELETE FROM payloads WHERE tenant = ? AND seq = ?", (tenant, seq))
        return
    connection.execute(
        "INSERT OR REPLACE INTO payloads (tenant, seq, subject, salt, body)"
        " SELECT tenant, seq, ?, ?, ? FROM lines WHERE tenant = ? AND seq = ?",
        (payload.subject, payload.salt, payload.body, tenant, seq),
    )


def _move_head(connection: sqlite3.Connection, tenant: str, head: Head) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO heads (tenant, seq, hash, at) VALUES (?, ?, ?, ?)",
        (tenant, head.seq, head.hash, head.at),
    )


def _heads(connection: sqlite3.Connection) -> dict[str, int]:
    """By tenant, the number of its last line."""
    return dict(connection.execute("SELECT tenant, seq FROM heads ORDER BY tenant").fetchall())


def _head(connection: sqlite3.Connection, tenant: str) -> Head | None:
    row = connection.execute("SELECT seq, hash, at FROM heads WHERE tenant = ?", (tenant,)).fetchone()
    return Head.model_construct(seq=row[0], hash=row[1], at=row[2]) if row else None
