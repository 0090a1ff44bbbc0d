"""Runs SQLAlchemy's statements over a SQLite file on the one thread that has its connection."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, create_engine, pool

from emma_core.backends.sqlite_file import BUSY_SECONDS

T = TypeVar("T")


class FileEngine:
    """Transactions on one file, one after the other."""

    def __init__(self, path: Path) -> None:
        self._lane = ThreadPoolExecutor(1, "emma-registry")
        self._one = asyncio.Lock()
        self._engine = create_engine("sqlite://", creator=lambda: _connected(path), poolclass=pool.NullPool)
        self._connection: Connection | None = None

    @asynccontextmanager
    async def begin(self, *, writes: bool) -> AsyncIterator[FileConnection]:
        """A transaction, committed at the end, or nothing of it where that is not reached."""
        async with self._one:
            try:
                yield FileConnection(self._hop, await self._hop(self._begin, writes))
                await self._hop(self._end, True)
            except BaseException:
                # queued behind what a cancelled caller left running there, and not to be cancelled itself, so that no
                # lock outlives whoever is cancelled twice
                await asyncio.shield(asyncio.wrap_future(self._lane.submit(self._end, False)))
                raise

    async def dispose(self) -> None:
        """The file is closed, and so is the thread."""
        await self._hop(self._close)
        self._lane.shutdown()

    async def _hop(self, work: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lane, work, *given)

    def _begin(self, writes: bool) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        # a transaction that will write takes the lock at once: one that asks for it later may be refused
        self._connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        return self._connection

    def _end(self, kept: bool) -> None:
        if self._connection is not None:
            self._connection.commit() if kept else self._connection.rollback()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class FileConnection:
    """The connection of a transaction."""

    def __init__(self, hop: Callable[..., Any], connection: Connection) -> None:
        self._hop = hop
        self._connection = connection

    async def execute(self, statement: Any, /) -> Rows:
        """What the statement came to, all of it read."""
        rows: Rows = await self._hop(lambda: Rows(self._connection.execute(statement)))
        return rows


class Rows:
    """The rows of a statement, and how many it changed; as SQLAlchemy's own results are asked."""

    def __init__(self, result: Any) -> None:
        self._rows: list[Row[Any]] = list(result) if result.returns_rows else []
        self.rowcount: int = result.rowcount

    def __iter__(self) -> Iterator[Row[Any]]:
        return iter(self._rows)

    def first(self) -> Row[Any] | None:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def one(self) -> Row[Any]:
        """The only row."""
        (row,) = self._rows
        return row

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first value of the only row."""
        return self.one()[0]


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection
