"""Keeps a few connections to one PostgreSQL: a transaction in one round trip, asked again while the server is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError, errors
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from emma_core.backends.sql import explaining, row_security
from emma_core.backends.sql.connecting import Place
from emma_core.errors import StoreError

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]
Asked = tuple[str, Sequence[Any]]
"""A statement and its values."""
Rows = list[tuple[Any, ...]]

MOST = 10
"""How many connections there are at most; who finds none free waits for one."""
PATIENCE = 10.0
"""Seconds for which a server that went away is asked again, so that a restart of it stops no turn."""
BUSY = 30
"""Seconds for which a transaction waits for another one's lock."""
BEGIN: Asked = ("BEGIN", ())
COMMIT: Asked = ("COMMIT", ())
_BUSY = f"SELECT set_config('lock_timeout', '{BUSY}s', true)"
# a transaction whose client is gone lets go of its locks before others give up waiting for them
_HURRY = f"SELECT set_config('idle_in_transaction_session_timeout', '{BUSY - 10}s', true)"
_LOG = logging.getLogger("emma")


class Lost(Exception):
    """The server went away; its cause says how."""


class Connections:
    """Connections to one place; a transaction speaks for one tenant, or for none."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._idle: deque[Connection] | None = None
        self._free = asyncio.Semaphore(MOST)
        self._listeners: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Ready. Raises `StoreError` where the server cannot be reached, or this role or its tables do not fit."""
        if self._idle is not None:
            return
        try:
            connection = await self._connect()
            try:
                await self._admit(connection)
            except BaseException:
                await connection.close()
                raise
        except Exception as error:
            raise explaining.explained(error, self.place) from error
        self._idle, self._free = deque([connection]), asyncio.Semaphore(MOST)

    async def close(self) -> None:
        """What was asked before is done, and no connection is left."""
        idle, self._idle = self._idle, None
        if idle is None:
            return
        for listener in self._listeners:
            listener.cancel()
        for _ in range(MOST):
            await self._free.acquire()
        for connection in idle:
            await connection.close()
        await asyncio.gather(*self._listeners, return_exceptions=True)

    async def ask(self, tenant: str, *asked: Asked) -> list[Rows]:
        """The rows of each statement, all of them in one transaction that speaks for that tenant.

        Where the server goes away they are asked again: they must do no harm when they are done twice.
        """
        answered = await self.patiently(lambda connection: exchange(connection, self.binding(tenant), *asked))
        return answered[1:]

    async def patiently(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What the work came to, begun again where the server went away. Raises `StoreError` where it stays away."""
        until, pause = time.monotonic() + PATIENCE, 0.0
        while True:
            try:
                async with self._one() as connection:
                    return await work(connection)
            except Lost as lost:
                if time.monotonic() + pause > until:
                    raise explaining.explained(lost.__cause__ or lost, self.place) from lost.__cause__
            except errors.LockNotAvailable as error:
                raise StoreError(
                    f"Database {self.place.shown!r} was busy for {BUSY} seconds; find the transaction that holds the"
                    " lock (pg_locks), then try again"
                ) from error
            except Exception as error:
                raise explaining.explained(error, self.place) from error
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 2 + 0.02)

    def binding(self, tenant: str) -> Asked:
        """The statement after which the rest of the transaction speaks for that tenant."""
        return row_security.BIND, (tenant, row_security.path(tenant, per_tenant=self.place.per_tenant))

    def beginning(self, tenant: str) -> list[Asked]:
        """The statements that begin a transaction of that tenant that takes more than one round trip."""
        return [BEGIN, self.binding(tenant), (_BUSY, ()), (_HURRY, ())]

    async def hear(self, channel: str) -> AsyncGenerator[str]:
        """What is said on the channel, in any process, until this is closed; `""` first and again after each gap."""
        self._opened()
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        listener = asyncio.create_task(self._listen(channel, heard))
        self._listeners.add(listener)
        try:
            while (word := await heard.get()) is not None:
                yield word
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
            self._listeners.discard(listener)

    async def _listen(self, channel: str, heard: asyncio.Queue[str | None]) -> None:
        try:
            while True:
                with contextlib.suppress(OperationalError):
                    async with await self._connect() as connection:
                        await connection.execute(f"LISTEN {channel}".encode())
                        heard.put_nowait("")
                        async for told in connection.notifies():
                            heard.put_nowait(told.payload)
                _LOG.warning("Database %r is away; whoever waits for its trails will look again", self.place.shown)
                await asyncio.sleep(0.5)
        finally:
            heard.put_nowait(None)

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[Connection]:
        """A connection; afterwards it is clean, or closed. Raises `Lost` where the server went away."""
        self._opened()
        async with self._free:
            idle = self._opened()
            connection = idle.pop() if idle else await self._connected()
            try:
                yield connection
            except OperationalError as error:
                if connection.closed:
                    await self._forget_idle()  # they were cut too
                    raise Lost from error
                raise
            finally:
                await self._put_back(connection)

    async def _connected(self) -> Connection:
        try:
            return await self._connect()
        except OperationalError as error:
            raise Lost from error

    async def _put_back(self, connection: Connection) -> None:
        with contextlib.suppress(OperationalError):
            if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.rollback()
        if self._idle is None or connection.info.transaction_status is not TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)

    async def _forget_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    def _opened(self) -> deque[Connection]:
        if self._idle is None:
            raise StoreError(f"Store {self.place.shown!r} is not open; await its open() first")
        return self._idle

    async def _connect(self) -> Connection:
        # no BEGIN but our own; each statement is planned once per connection
        settings: dict[str, Any] = dict(self.place.libpq)
        return await AsyncConnection.connect(**settings, autocommit=True, prepare_threshold=0)

    async def _admit(self, connection: Connection) -> None:
        async with connection.cursor(row_factory=dict_row) as cursor:
            role = await (await cursor.execute(row_security.ROLE.encode(), ())).fetchone()
            row_security.admit(role or {}, self.place.shown)
            form = await (await cursor.execute(row_security.FORM.encode(), ())).fetchone()
            row_security.fit(form or {}, self.place.shown, per_tenant=self.place.per_tenant)


async def exchange(connection: Connection, *asked: Asked) -> list[Rows]:
    """The rows of each statement, in one round trip; without a BEGIN among them they are one transaction."""
    async with connection.pipeline():
        cursors = [await connection.execute(sql.encode(), values) for sql, values in asked]
    return [await cursor.fetchall() if cursor.description else [] for cursor in cursors]
