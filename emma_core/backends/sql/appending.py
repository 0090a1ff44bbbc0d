"""Appends one line with its documents in two round trips, and knows after a lost connection whether it is there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from psycopg import errors

from emma_core.backends import admission
from emma_core.backends.sql import store_statements as sql
from emma_core.backends.sql.characters import read, spell
from emma_core.backends.sql.connections import COMMIT, Asked, Connection, Connections, Rows, exchange
from emma_core.errors import StoreError, TrailError
from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import Seal

Name = tuple[str, str]
"""A document's kind and id."""


class Append:
    """One line to be appended for a tenant, with documents put and deleted, all of it or nothing, and once."""

    def __init__(
        self,
        tenant: str,
        seal: Seal,
        puts: Sequence[tuple[Document, str | None]],
        deletes: Sequence[Name],
        needs: Sequence[Name] = (),
    ) -> None:
        admission.beside_the_trail([*((document.kind, document.id) for document, _ in puts), *deletes, *needs])
        self._tenant = tenant
        self._seal = seal
        self._puts = [(document, admission.body(document), if_match) for document, if_match in puts]
        self._deletes = deletes
        self._needs = needs
        self._sent: TrailLine | None = None
        """The line whose commit was asked for and not answered yet."""

    async def run(self, connections: Connections) -> Sealed:
        """The sealed line. Where the server goes away it is looked for before it is appended again."""
        try:
            return await connections.patiently(lambda connection: self._attempt(connection, connections))
        except StoreError as error:
            if self._sent is None:
                raise
            raise StoreError(
                f"{error}; whether line {self._sent.seq} of the trail of tenant {self._tenant!r} was written cannot be"
                " told before it is back: look with emma audit show"
            ) from error

    async def _attempt(self, connection: Connection, connections: Connections) -> Sealed:
        while True:
            head, there, committed = await self._look(connection, connections)
            if committed is not None:
                return committed
            writes = self._writes(there)
            line = self._seal(head)
            admission.fitting(line, head, self._tenant)
            self._sent = line
            try:
                await exchange(connection, *writes, *line_written(self._tenant, line), *committing(self._tenant, line))
                return _sealed(line)
            except errors.UniqueViolation as error:
                self._sent = None
                await connection.rollback()
                if error.diag.table_name != "documents":
                    raise past_the_head(self._tenant, line.seq) from error
                # a document came to be since it was looked for: look again, and say so

    async def _look(
        self, connection: Connection, connections: Connections
    ) -> tuple[Head | None, dict[Name, str], Sealed | None]:
        """In a transaction that is now the only one to append: the head, the etags of the documents named, and the
        line sent before where it turns out to be there, the transaction then given up."""
        sent, names = (
            self._sent,
            sorted({*((each.kind, each.id) for each, _, _ in self._puts), *self._deletes, *self._needs}),
        )
        asked = [*connections.beginning(self._tenant), (sql.LOCK, (self._tenant,))]
        begun = len(asked)
        asked.append((sql.HEAD, (self._tenant,)))
        if names:
            columns = ([spell(kind) for kind, _ in names], [spell(id) for _, id in names])
            asked.append((sql.FORGET_NAMED, (self._tenant, *columns, time.time())))
            asked.append((sql.HOLD_NAMED, (self._tenant, *columns)))
        if sent is not None:
            asked.append((sql.HASH, (self._tenant, sent.seq)))
        answered = (await exchange(connection, *asked))[begun:]
        if sent is not None and answered[-1] == [(sent.hash,)]:
            return None, {}, _sealed(sent)
        self._sent = None
        there = {(read(kind), read(id)): etag for kind, id, etag in answered[2]} if names else {}
        return head_of(answered[0]), there, None

    def _writes(self, there: dict[Name, str]) -> list[Asked]:
        """The statements that put and delete, in order. Raises `Conflict` where one of them does not hold."""
        writes: list[Asked] = []
        for kind, id in self._needs:
            if (kind, id) not in there:
                raise admission.conflict(kind, id, found=None, wanted=None)
        for document, body, if_match in self._puts:
            name = (document.kind, document.id)
            if if_match is not None and there.get(name, "") != if_match:
                raise admission.conflict(*name, found=there.get(name), wanted=if_match)
            etag = secrets.token_hex(16)
            new = if_match == "" and name not in there
            writes.append((sql.INSERT if new else sql.PUT, document_row(self._tenant, document, etag, body)))
            there[name] = etag
        for kind, id in self._deletes:
            if there.pop((kind, id), None) is None:
                raise admission.conflict(kind, id, found=None, wanted=None)
            writes.append((sql.DELETE, (self._tenant, spell(kind), spell(id))))
        return writes


class Import:
    """Lines with which a tenant's trail goes on, all of them or none."""

    def __init__(self, tenant: str, lines: Sequence[TrailLine]) -> None:
        self._tenant = tenant
        self._lines = lines
        self._sent: Head | None = None

    async def run(self, connections: Connections) -> Head:
        """The new head. Raises `TrailError` for a line that does not follow."""
        return await connections.patiently(lambda connection: self._attempt(connection, connections))

    async def _attempt(self, connection: Connection, connections: Connections) -> Head:
        begun = [*connections.beginning(self._tenant), (sql.LOCK, (self._tenant,)), (sql.HEAD, (self._tenant,))]
        before = head_of((await exchange(connection, *begun))[-1])
        if self._sent is not None and before == self._sent:  # its answer was lost, and nothing else
            return before
        head = admission.following(self._lines, before, self._tenant)
        if not self._lines:
            return head
        self._sent = head
        written = [statement for line in self._lines for statement in line_written(self._tenant, line)]
        try:
            await exchange(connection, *written, *committing(self._tenant, head))
        except errors.UniqueViolation as error:
            raise past_the_head(self._tenant, self._lines[0].seq) from error
        return head


def document_row(tenant: str, document: Document, etag: str, body: str) -> tuple[object, ...]:
    """The values of a document's row, in the order that statements name them."""
    texts = [spell(text) for text in (document.kind, document.id, document.group, document.subject)]
    return (tenant, *texts, etag, document.expires_at, body)


def line_written(tenant: str, line: TrailLine) -> list[Asked]:
    """The statements after which the line is there."""
    turn, conversation = (None if name is None else spell(name) for name in (line.turn, line.conversation))
    row = (tenant, line.seq, line.kind, line.at, turn, conversation, line.line, line.hash)
    kept = line.payload
    if kept is None:
        return [(sql.LINE, row)]
    return [(sql.LINE, row), (sql.PAYLOAD, (tenant, line.seq, spell(kept.subject), kept.salt, kept.body))]


def payload_replaced(tenant: str, seq: int, payload: Payload | None) -> Asked:
    """The statement after which this payload lies beside the line of that number, or none does."""
    if payload is None:
        return (sql.DELETE_PAYLOAD, (tenant, seq))
    return (sql.REPLACE_PAYLOAD, (spell(payload.subject), payload.salt, payload.body, tenant, seq))


def committing(tenant: str, head: TrailLine | Head) -> list[Asked]:
    """The statements after which that line is the trail's last, for good, and whoever watches is woken."""
    # told in a transaction of its own: one that tells holds a lock of the whole server until it is on the disk
    return [(sql.MOVE_HEAD, (tenant, head.seq, head.hash, head.at)), COMMIT, (sql.TELL, (tenant,))]


def head_of(rows: Rows) -> Head | None:
    """The head that the row says, as it lies there; None where there is none."""
    return Head.model_construct(seq=rows[0][0], hash=rows[0][1], at=rows[0][2]) if rows else None


def past_the_head(tenant: str, seq: int) -> TrailError:
    """What is said where a line lies past the trail's head."""
    return TrailError(f"Trail of tenant {tenant!r} already holds line {seq}, past its head; run: emma audit verify")


def _sealed(line: TrailLine) -> Sealed:
    return Sealed(seq=line.seq, kind=line.kind, at=line.at, hash=line.hash)
