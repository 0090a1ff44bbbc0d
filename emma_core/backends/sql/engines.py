"""Makes the engines of SQLAlchemy over a place, and says for whom each of their transactions speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from emma_core.backends.sql import explaining, row_security
from emma_core.backends.sql.connecting import Place, psycopg
from emma_core.backends.sqlite_file import BUSY_SECONDS


def engine(place: Place) -> AsyncEngine:
    """An engine; it connects when it is first used."""
    return _file_engine(place) if place.path is not None else _server_engine(place)


@asynccontextmanager
async def speaking(
    engine: AsyncEngine, place: Place, tenant: str, *, writes: bool = False
) -> AsyncIterator[AsyncConnection]:
    """A transaction in which only that tenant's rows are there; committed at the end. Raises `StoreError`."""
    try:
        async with engine.execution_options(writes=writes).begin() as connection:
            if place.path is None:
                path = row_security.path(tenant, per_tenant=place.per_tenant)
                await connection.exec_driver_sql(row_security.BIND, (tenant, path))
            yield connection
    except Exception as error:
        raise explaining.explained(error, place) from error


async def admit(engine: AsyncEngine, place: Place) -> None:
    """The role may not see more than it should, and the tables are of this release. Raises `StoreError`."""
    try:
        async with engine.connect() as connection:
            role = (await connection.exec_driver_sql(row_security.ROLE)).mappings().one()
            row_security.admit(dict(role), place.shown)
            form = (await connection.exec_driver_sql(row_security.FORM)).mappings().one()
            row_security.fit(dict(form), place.shown, per_tenant=place.per_tenant)
    except Exception as error:
        raise explaining.explained(error, place) from error


def _server_engine(place: Place) -> AsyncEngine:
    psycopg()
    # a connection that the server dropped while it lay in the pool is replaced, and nobody sees an error
    return create_async_engine("postgresql+psycopg://", connect_args=dict(place.libpq), pool_pre_ping=True)


def _file_engine(place: Place) -> AsyncEngine:
    async def connect() -> Any:
        return await aiosqlite.connect(str(place.path), timeout=BUSY_SECONDS, isolation_level=None)

    # one connection: what one waits for the others would wait for too
    pool = {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": BUSY_SECONDS}
    made = create_async_engine("sqlite+aiosqlite://", async_creator=connect, **pool)

    @event.listens_for(made.sync_engine, "connect")
    def durable(raw: Any, record: Any) -> None:
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("PRAGMA secure_delete = ON")

    @event.listens_for(made.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # a transaction that will write takes the lock at once: one that asks for it later may be refused
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return made
