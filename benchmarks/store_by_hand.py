"""Does a store's four verbs with the bare drivers, as somebody would by hand: what the store is timed beside."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from psycopg import AsyncConnection

from benchmarks.store import DOCUMENTS, GROUP, WORDS
from emma_core import canonical
from emma_core.backends.sql import row_security
from emma_core.nouns import Head
from emma_core.testing.samples import sealing

GET = (
    "SELECT kind, id, in_group, subject, etag, expires_at, body FROM documents WHERE tenant = ? AND kind = ? AND id = ?"
)
QUERY = (
    "SELECT kind, id, in_group, subject, etag, expires_at, body FROM documents WHERE tenant = ? AND kind = ?"
    " AND in_group = ? ORDER BY id LIMIT 100"
)
WRITE = "UPDATE documents SET etag = ?, body = ? WHERE tenant = ? AND kind = 'mine' AND id = 'written' AND etag = ?"
ETAG = "SELECT etag FROM documents WHERE tenant = ? AND kind = 'mine' AND id = 'written'"
HEAD = "SELECT seq, hash, at FROM heads WHERE tenant = ?"
LINE = "INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PAYLOAD = "INSERT INTO payloads VALUES (?, ?, ?, ?, ?)"
MOVE = "UPDATE heads SET seq = ?, hash = ?, at = ? WHERE tenant = ?"
BODY = {"words": WORDS}


class BlockingSqlite:
    """`sqlite3` where the event loop runs."""

    def __init__(self, path: Path, tenant: str) -> None:
        self._tenant = tenant
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._etag = self._connection.execute(ETAG, (tenant,)).fetchone()[0]

    def close(self) -> None:
        """Nothing is held."""
        self._connection.close()

    async def do(self, verb: str, number: int) -> None:
        """The verb, done once."""
        self._do(verb, number)

    def _do(self, verb: str, number: int) -> None:
        execute = self._connection.execute
        if verb == "point read":
            assert json.loads(execute(GET, (self._tenant, "note", f"{number % DOCUMENTS:04}")).fetchone()[6])
            return
        if verb == "query":
            rows = execute(QUERY, (self._tenant, "note", f"g{number % (DOCUMENTS // GROUP)}")).fetchall()
            assert len([json.loads(row[6]) for row in rows]) == GROUP
            return
        execute("BEGIN IMMEDIATE")
        if verb == "append":
            head = execute(HEAD, (self._tenant,)).fetchone()
            for statement, values in rows_of(self._tenant, number, head):
                execute(statement, values)
        else:
            etag = secrets.token_hex(16)
            assert execute(WRITE, (etag, canonical.text(BODY), self._tenant, self._etag)).rowcount == 1
            self._etag = etag
        execute("COMMIT")


class ThreadedSqlite(BlockingSqlite):
    """`sqlite3` on a thread of its own."""

    def __init__(self, path: Path, tenant: str) -> None:
        super().__init__(path, tenant)
        self._thread = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Nothing is held."""
        self._thread.shutdown()
        super().close()

    async def do(self, verb: str, number: int) -> None:
        """The verb, done once."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._do, verb, number)


class AutocommitPostgres:
    """psycopg that commits each statement by itself, as a role that sees everything."""

    def __init__(self, connection: AsyncConnection[Any], tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._etag = ""

    @classmethod
    async def open(cls, address: str, tenant: str) -> Self:
        """Connected, as a program of its own would be."""
        made = cls(await AsyncConnection.connect(address, autocommit=True, prepare_threshold=0), tenant)
        made._etag = (await made._speaking(ETAG, (tenant,)))[0][0]
        return made

    async def close(self) -> None:
        """Nothing is held."""
        await self._connection.close()

    async def do(self, verb: str, number: int) -> None:
        """The verb, done once."""
        if verb == "point read":
            assert json.loads((await self._speaking(GET, (self._tenant, "note", f"{number % DOCUMENTS:04}")))[0][6])
        elif verb == "query":
            group = f"g{number % (DOCUMENTS // GROUP)}"
            rows = await self._speaking(QUERY, (self._tenant, "note", group))
            assert len([json.loads(row[6]) for row in rows]) == GROUP
        elif verb == "append":
            await self._append(number)
        else:
            etag = secrets.token_hex(16)
            values = (etag, canonical.text(BODY), self._tenant, self._etag)
            assert await self._speaking(f"{WRITE} RETURNING 1", values)
            self._etag = etag

    async def _append(self, number: int) -> None:
        head = (await self._execute(HEAD, (self._tenant,)))[0]
        for statement, values in rows_of(self._tenant, number, head):
            await self._execute(statement, values)

    async def _speaking(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        return await self._execute(statement, values)

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        cursor = await self._connection.execute(statement.replace("?", "%s").encode(), values)
        return await cursor.fetchall() if cursor.description else []


class TransactionPostgres(AutocommitPostgres):
    """psycopg in a transaction that speaks for the tenant."""

    async def _append(self, number: int) -> None:
        async with self._connection.transaction():
            await self._bind()
            head = (await self._execute(f"{HEAD} FOR UPDATE", (self._tenant,)))[0]
            for statement, values in rows_of(self._tenant, number, head):
                await self._execute(statement, values)

    async def _speaking(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        async with self._connection.transaction():
            await self._bind()
            return await self._execute(statement, values)

    async def _bind(self) -> None:
        path = row_security.path(self._tenant, per_tenant=False)
        await self._connection.execute(row_security.BIND.encode(), (self._tenant, path))


def rows_of(tenant: str, number: int, head: tuple[int, str, str]) -> list[tuple[str, tuple[Any, ...]]]:
    """The statements that append the next line after that head."""
    seq, hash, at = head
    line = sealing(tenant, number, words=WORDS)(Head(seq=seq, hash=hash, at=at))
    assert line.payload is not None
    kept = (tenant, line.seq, line.payload.subject, line.payload.salt, line.payload.body)
    said = (tenant, line.seq, line.kind, line.at, line.turn, line.conversation, line.line, line.hash)
    return [(LINE, said), (PAYLOAD, kept), (MOVE, (line.seq, line.hash, line.at, tenant))]
