"""Keeps the tenants of an installation and their rows in SQLite or PostgreSQL, one table for each noun."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from emma_core.backends import checked, sqlite_file
from emma_core.backends.sql import connecting, engines, lint, migrating, row_security, schema
from emma_core.backends.sql.connecting import Place
from emma_core.backends.sql.engines import Asks
from emma_core.backends.sql.file_engine import FileEngine
from emma_core.backends.sql.tenant_rows import SqlTenantRegistry, census, insert
from emma_core.errors import CallerError, Conflict, NotFound, OperatorError, StoreError
from emma_core.nouns import Tenant, TenantState
from emma_core.ports import Registry, TenantRegistry

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def open_registry(address: str) -> Registry:
    """A registry at that address; it is touched at `open()`."""
    return SqlRegistry(connecting.place(address))


class SqlRegistry:
    """The tenants of one database; `default` exists in a new one."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._engine: AsyncEngine | FileEngine | None = None
        self._copy: tuple[AsyncEngine, Place] | None = None
        self._owner: Place | None = None

    async def open(self, *, replica: str = "", owner: str = "") -> None:
        """Ready. Raises `StoreError` where it cannot be, or where the role could see what is not its tenant's."""
        if self._engine is not None:
            return
        if self.place.path is not None:
            await asyncio.to_thread(sqlite_file.make_ready, self.place.path)
        self._owner = connecting.place(owner) if owner else None
        try:
            self._engine = made = engines.engine(self.place)
            if not isinstance(made, FileEngine):
                await engines.admit(made, self.place)
            if replica:
                await self._open_copy(connecting.place(replica))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Nothing is held."""
        engine, copy = self._engine, self._copy
        self._engine = self._copy = None
        for each in (engine, copy and copy[0]):
            if each is not None:
                await each.dispose()

    async def tenant(self, id: str) -> Tenant | None:
        """The tenant, or None."""
        if not _may_be(id):
            return None
        async with self.speaking(id) as connection:
            return await _read(connection, id)

    async def tenants(self) -> list[Tenant]:
        """All tenants by id, as the replica has them where there is one."""
        async with self.speaking(row_security.EVERY_TENANT, may_lag=True) as connection:
            rows = await connection.execute(select(schema.tenants).order_by(schema.tenants.c.tenant))
            return [_tenant(row._asdict()) for row in rows]

    async def create(self, tenant: Tenant) -> None:
        """It exists from now on, with a schema of its own where each has one. Raises `Conflict` where it did before."""
        if self.place.per_tenant and self._owner is None:
            raise StoreError(
                f"Database {self.place.shown!r}: a new tenant needs a schema, which only the owner of the tables makes;"
                " put that role's address in EMMA_DATABASE_OWNER"
            )
        said = tenant.model_dump()
        row = {"tenant": said.pop("id"), **said}
        async with self.speaking(tenant.id, writes=True) as connection:
            kept = await connection.execute(
                insert(self.place, schema.tenants)
                .values(row)
                .on_conflict_do_nothing()
                .returning(schema.tenants.c.tenant)
            )
            if kept.first() is None:
                raise Conflict(f"Tenant {tenant.id!r} exists; choose another id")
        if self.place.per_tenant:
            await asyncio.to_thread(migrating.upgrade, self.place, self._owner, tenant=tenant.id)

    async def move(self, id: str, state: TenantState, *, was: Sequence[TenantState], at: str) -> Tenant:
        """The tenant in its new state. Raises `NotFound`, or `Conflict` where it was in none of the states `was`."""
        if not _may_be(id):
            raise _unknown(id)
        table = schema.tenants
        async with self.speaking(id, writes=True) as connection:
            changed = (
                table.update().where(table.c.tenant == id, table.c.state.in_(was)).values(state=state, state_since=at)
            )
            moved = (await connection.execute(changed)).rowcount
            found = await _read(connection, id)
            if found is None:
                raise _unknown(id)
            if not moved:
                raise Conflict(f"Tenant {id!r} is {found.state}; only one that is {' or '.join(was)} can be {state}")
            return found

    async def drop(self, id: str) -> None:
        """The tenant is not known any more. Raises `Conflict` where rows of it are still held."""
        if not _may_be(id):
            return
        async with self.speaking(id, writes=True) as connection:
            held = {table: rows for table, rows in (await census(connection, id)).items() if rows}
            if held:
                raise Conflict(f"Tenant {id!r} still holds {held}; purge it first")
            await connection.execute(schema.tenants.delete().where(schema.tenants.c.tenant == id))

    def for_tenant(self, tenant: str) -> TenantRegistry:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return SqlTenantRegistry(self, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The database has the tables of this release; what was done, a line each."""
        return await asyncio.to_thread(migrating.upgrade, self.place, connecting.place(owner) if owner else None)

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """The database has the tables of an earlier revision; what was done, a line each."""
        owned = connecting.place(owner) if owner else None
        return await asyncio.to_thread(migrating.downgrade, self.place, revision, owned)

    async def lint(self) -> list[tuple[str, str]]:
        """What lets one tenant's rows be seen by another, each with what to do; a file holds no roles to look at."""
        return [] if self.place.path is not None else await lint.flaws(self.place)

    def speaking(
        self, tenant: str, *, writes: bool = False, may_lag: bool = False
    ) -> AbstractAsyncContextManager[Asks]:
        """A transaction in which only that tenant's rows are there."""
        if self._engine is None:
            raise StoreError(f"Registry {self.place.shown!r} is not open; await its open() first")
        engine, place = self._copy if may_lag and self._copy else (self._engine, self.place)
        return engines.speaking(engine, place, tenant, writes=writes)

    async def _open_copy(self, copy: Place) -> None:
        if copy.path is not None or self.place.path is not None:
            raise OperatorError(f"EMMA_DATABASE_REPLICA {copy.shown!r}: only a PostgreSQL has copies; leave it out")
        copy = replace(copy, per_tenant=self.place.per_tenant)
        self._copy = (engines.server_engine(copy), copy)
        await engines.admit(*self._copy)


async def _read(connection: Asks, id: str) -> Tenant | None:
    row = (await connection.execute(select(schema.tenants).where(schema.tenants.c.tenant == id))).first()
    return _tenant(row._asdict()) if row else None


def _tenant(row: dict[str, str]) -> Tenant:
    return Tenant.model_validate({"id": row.pop("tenant"), **row})


def _may_be(id: str) -> bool:
    """Whether a tenant could be called so."""
    try:
        checked.tenant(id)
    except CallerError:
        return False
    return True


def _unknown(id: str) -> NotFound:
    return NotFound(f"No tenant {id!r}; `emma tenants list` shows those there are")
