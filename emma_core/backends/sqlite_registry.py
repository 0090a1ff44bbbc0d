"""Keeps the tenants of this installation, in the same SQLite file as their store or in one of its own."""

from __future__ import annotations

import sqlite3

from emma_core.backends.sqlite_file import DatabaseFile, path_of
from emma_core.errors import Conflict
from emma_core.nouns import Tenant
from emma_core.ports import Registry


def open_registry(address: str) -> Registry:
    """A registry over the file that the address names; it is touched at `open()`."""
    return SqliteRegistry(DatabaseFile(path_of(address)))


class SqliteRegistry:
    """The tenants of one file; `default` exists in a new one."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    async def open(self) -> None:
        """Ready. Raises `StoreError` where it cannot be."""
        await self._file.open()

    async def close(self) -> None:
        """Nothing is held."""
        await self._file.close()

    async def tenant(self, id: str) -> Tenant | None:
        """The tenant, or None."""
        rows = await self._file.read(
            lambda connection: connection.execute(
                "SELECT tenant, title, created_at FROM tenants WHERE tenant = ?", (id,)
            ).fetchall()
        )
        return _tenant(rows[0]) if rows else None

    async def tenants(self) -> list[Tenant]:
        """All tenants by id."""
        rows = await self._file.read(
            lambda connection: connection.execute(
                "SELECT tenant, title, created_at FROM tenants ORDER BY tenant"
            ).fetchall()
        )
        return [_tenant(row) for row in rows]

    async def create(self, tenant: Tenant) -> None:
        """It exists from now on. Raises `Conflict` where it did before."""
        await self._file.write(lambda connection: _insert(connection, tenant))


def _insert(connection: sqlite3.Connection, tenant: Tenant) -> None:
    try:
        connection.execute(
            "INSERT INTO tenants (tenant, title, created_at) VALUES (?, ?, ?)",
            (tenant.id, tenant.title, tenant.created_at),
        )
    except sqlite3.IntegrityError as error:
        raise Conflict(f"Tenant {tenant.id!r} exists; choose another id") from error


def _tenant(row: tuple[str, str, str]) -> Tenant:
    return Tenant(id=row[0], title=row[1], created_at=row[2])
