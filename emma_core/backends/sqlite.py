"""Keeps documents and trails in one SQLite file."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emma_core import canonical
from emma_core.backends.sqlite_file import DatabaseFile, path_of
from emma_core.errors import CallerError, Conflict, StoreError, TrailError
from emma_core.nouns import Document, Head, Payload, Sealed, TenantId, TrailLine
from emma_core.ports import Blobs, Seal, Store, TenantStore

_TENANT_ID: TypeAdapter[str] = TypeAdapter(TenantId)
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
        """Ready, and what has expired is gone from the disk too. `overflow`: not needed here."""
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
        try:
            return SqliteTenantStore(self._file, _TENANT_ID.validate_python(tenant, strict=True))
        except ValidationError as error:
            raise CallerError(
                f"No tenant can be called {tenant!r}; use up to 63 of a-z, 0-9, '-' and '_', a letter or digit first"
            ) from error


class SqliteTenantStore:
    """One tenant's documents and trail."""

    def __init__(self, file: DatabaseFile, tenant: str) -> None:
        self.tenant = tenant
        self._file = file

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""
        key = (self.tenant, kind, id, time.time())
        rows = await self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_DOCUMENT} FROM documents WHERE tenant = ? AND kind = ? AND id = ?"
                " AND (expires_at IS NULL OR expires_at > ?)",
                key,
            ).fetchall()
        )
        return _document(rows[0]) if rows else None

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored, with its new etag. Raises `Conflict` where `if_match` does not hold."""
        body = _body(document)
        etag = await self._file.write(lambda connection: _put(connection, self.tenant, document, body, if_match))
        return document.model_copy(update={"etag": etag})

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        await self._file.write(lambda connection: _delete(connection, self.tenant, kind, id, if_match))

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids' code points, after the id `after`."""
        where, values = "tenant = ? AND kind = ? AND id > ?", [self.tenant, kind, after]
        if group is not None:
            where, values = where + " AND in_group = ?", [*values, group]
        rows = await self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_DOCUMENT} FROM documents WHERE {where} AND (expires_at IS NULL OR expires_at > ?)"
                " ORDER BY id LIMIT ?",
                (*values, time.time(), _counted("limit", limit)),
            ).fetchall()
        )
        return [_document(row) for row in rows]

    async def append(
        self,
        seal: Seal,
        *,
        puts: Sequence[tuple[Document, str | None]] = (),
        deletes: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put and deleted, or nothing of it.

        Raises `Conflict` where an `if_match` does not hold or a document to delete is not there.
        """
        written = [(document, _body(document), if_match) for document, if_match in puts]

        def append(connection: sqlite3.Connection) -> Sealed:
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
        start = _counted("after", after) or (2**63 - 1 if newest_first else -(2**63))
        if newest_first:
            where += " AND l.seq > 0"
        rows = await self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_LINE} FROM lines l LEFT JOIN payloads p ON p.tenant = l.tenant AND p.seq = l.seq"
                f" WHERE {where} AND l.seq {past} ? ORDER BY l.seq {order} LIMIT ?",
                (*values, start, _counted("limit", limit)),
            ).fetchall()
        )
        return [_line(row) for row in rows]

    async def head(self) -> Head | None:
        """The last line's number and hash, as kept apart from the lines; None on an empty trail."""
        return await self._file.read(lambda connection: _head(connection, self.tenant))


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
        raise Conflict(f"Document {id!r} of kind {kind!r} is not there any more; read again, then write")


def _hold(connection: sqlite3.Connection, tenant: str, kind: str, id: str, if_match: str | None) -> None:
    """The etag is the one asked for. Raises `Conflict` where it is not."""
    if if_match is None:
        return
    found = connection.execute(
        "SELECT etag FROM documents WHERE tenant = ? AND kind = ? AND id = ?", (tenant, kind, id)
    ).fetchone()
    if (found[0] if found else "") != if_match:
        state = "has changed since it was read" if found and if_match else "exists" if found else "does not exist"
        raise Conflict(f"Document {id!r} of kind {kind!r} {state}; read it again, then write")


def _forget_expired(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM documents WHERE expires_at <= ?", (time.time(),))


def _append(connection: sqlite3.Connection, tenant: str, seal: Seal) -> Sealed:
    head = _head(connection, tenant)
    line = seal(head)
    payload = _fitting(line, head, tenant)
    try:
        connection.execute(
            "INSERT INTO lines (tenant, seq, kind, at, turn, conversation, line, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (tenant, line.seq, line.kind, line.at, line.turn, line.conversation, line.line, line.hash),
        )
        connection.execute(
            "INSERT OR REPLACE INTO payloads (tenant, seq, subject, salt, body) VALUES (?, ?, ?, ?, ?)",
            (tenant, line.seq, payload.subject, payload.salt, payload.body),
        )
    except sqlite3.IntegrityError as error:
        raise TrailError(
            f"Trail of tenant {tenant!r} already holds line {line.seq}, past its head; run: emma audit verify"
        ) from error
    connection.execute(
        "INSERT OR REPLACE INTO heads (tenant, seq, hash, at) VALUES (?, ?, ?, ?)",
        (tenant, line.seq, line.hash, line.at),
    )
    return Sealed(seq=line.seq, kind=line.kind, at=line.at, hash=line.hash)


def _fitting(line: TrailLine, head: Head | None, tenant: str) -> Payload:
    """The line's payload; the line is this tenant's next one. Raises `TrailError` where it is not."""
    expected = head.seq + 1 if head else 1
    if line.seq != expected:
        raise TrailError(f"Trail of tenant {tenant!r}: line {line.seq} was sealed where {expected} is next")
    if json.loads(line.line).get("tenant") != tenant:
        raise TrailError(f"Trail of tenant {tenant!r}: a line sealed for another tenant was refused")
    if line.payload is None:
        raise TrailError(f"Trail of tenant {tenant!r}: line {line.seq} was sealed without its payload")
    return line.payload


def _head(connection: sqlite3.Connection, tenant: str) -> Head | None:
    row = connection.execute("SELECT seq, hash, at FROM heads WHERE tenant = ?", (tenant,)).fetchone()
    return Head.model_construct(seq=row[0], hash=row[1], at=row[2]) if row else None


def _line(row: Any) -> TrailLine:
    """The line as it lies there: not validated, for a line that was tampered with must reach the verifier."""
    seq, kind, at, turn, conversation, line, hash, subject, salt, body = row
    payload = None if body is None else Payload.model_construct(subject=subject, salt=salt, body=body)
    return TrailLine.model_construct(
        seq=seq, kind=kind, at=at, turn=turn, conversation=conversation, line=line, hash=hash, payload=payload
    )


def _document(row: Any) -> Document:
    kind, id, group, subject, etag, expires_at, body = row
    try:
        return Document(
            kind=kind, id=id, group=group, subject=subject, etag=etag, expires_at=expires_at, body=json.loads(body)
        )
    except ValueError as error:
        raise StoreError(f"Document {id!r} of kind {kind!r} is damaged; restore it from a backup") from error


def _body(document: Document) -> str:
    """The body as text. Raises `CallerError` for a document without a name, or one that JSON cannot say."""
    if not document.kind or not document.id:
        raise CallerError(f"Document {document.id!r} of kind {document.kind!r} needs both an id and a kind")
    try:
        return canonical.text(document.body)
    except (ValueError, TypeError, RecursionError) as error:
        raise CallerError(
            f"Document {document.id!r} of kind {document.kind!r} is no plain JSON ({error}); send one"
        ) from error


def _counted(name: str, number: int) -> int:
    """The number, where it counts something. Raises `CallerError` where it cannot."""
    if not 0 <= number < 2**63:
        raise CallerError(f"{name}={number} counts nothing; send 0 or more")
    return number
