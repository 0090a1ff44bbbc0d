"""Makes the engines of SQLAlchemy over a place, and says for whom each of their transactions speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from emma_core.backends.sql import explaining, row_security
from emma_core.backends.sql.connecting import Place, psycopg
from emma_core.backends.sql.file_engine import FileEngine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class Asks(Protocol):
    """A transaction's connection, as far as both databases have it."""

    async def execute(self, statement: Any, /) -> Any:
        """What the statement came to, as SQLAlchemy tells it."""


def engine(place: Place) -> AsyncEngine | FileEngine:
    """An engine; it connects when it is first used."""
    return FileEngine(place.path) if place.path is not None else server_engine(place)


def server_engine(place: Place) -> AsyncEngine:
    """An engine over PostgreSQL."""
    psycopg()
    # imported where it is used: it brings SQLAlchemy's ORM, a third of a second that a file needs not wait for
    from sqlalchemy.ext.asyncio import create_async_engine

    # a connection that the server dropped while it lay in the pool is replaced, and nobody sees an error
    return create_async_engine("postgresql+psycopg://", connect_args=dict(place.libpq), pool_pre_ping=True)


@asynccontextmanager
async def speaking(
    engine: AsyncEngine | FileEngine, place: Place, tenant: str, *, writes: bool = False
) -> AsyncIterator[Asks]:
    """A transaction in which only that tenant's rows are there; committed at the end. Raises `StoreError`."""
    try:
        if isinstance(engine, FileEngine):
            async with engine.begin(writes=writes) as asks:
                yield asks
        else:
            async with engine.begin() as connection:
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
