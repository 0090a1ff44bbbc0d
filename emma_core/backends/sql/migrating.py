"""Brings a database to a revision of the schema, whole or not at all."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool

from emma_core.backends import sqlite_file
from emma_core.backends.sql import embedded, explaining, row_security, schema
from emma_core.backends.sql.connecting import Place, psycopg
from emma_core.errors import CallerError, StoreError

_MIGRATIONS = str(Path(__file__).parent / "migrations")
_BOTH = ("installation", "tenant")
ALEMBIC = threading.Lock()
"""Alembic keeps what a migration is about in its modules, so a process does one at a time."""


def upgrade(place: Place, owner: Place | None = None, *, tenant: str | None = None) -> list[str]:
    """The database has every table of this release; what was done, a line each. Raises `OperatorError`.

    `tenant`: where each has a schema of its own, only that one's is looked at.
    """
    return _changed(place, owner, None, tenant)


def downgrade(place: Place, revision: str, owner: Place | None = None) -> list[str]:
    """The database has the tables of an earlier revision; what was done, a line each. Raises `EmmaError`."""
    known = [each.revision for each in _scripts().walk_revisions()]
    if revision not in known:
        raise CallerError(f"There is no revision {revision!r}; there are {sorted(known)}")
    return _changed(place, owner, revision)


def _changed(place: Place, owner: Place | None, to: str | None, tenant: str | None = None) -> list[str]:
    try:
        if place.path is not None:
            with _file(place.path) as connection:
                return [_file_changed(connection, place.path, to)]
        with server(place, owner) as connection:
            return _server_changed(connection, place, to, tenant)
    except Exception as error:
        raise explaining.explained(error, place if place.path or owner is None else owner) from error


@contextmanager
def _file(path: Path) -> Iterator[Connection]:
    """A transaction on a file that is locked meanwhile."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=sqlite_file.BUSY_SECONDS, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = FULL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def _file_changed(connection: Connection, path: Path, to: str | None) -> str:
    raw: Any = connection.connection.driver_connection
    embedded.judge(raw, path)
    config = _config(connection, _BOTH, None)
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if version and _revision(connection, None) is None:  # a file of before there were migrations
        with ALEMBIC:
            command.stamp(config, f"{version:04}")
    was, now = _moved(connection, config, None, to)
    connection.exec_driver_sql(f"PRAGMA application_id = {embedded.APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {int(now)}")
    return _said(str(path), was, now)


@contextmanager
def server(place: Place, owner: Place | None) -> Iterator[Connection]:
    """A transaction of the owner's, one at a time on a database."""
    psycopg()
    if owner is None:
        raise StoreError(
            f"Database {place.shown!r}: only the owner of its tables changes them; put that role's address in"
            " EMMA_DATABASE_OWNER"
        )
    if owner.path is not None or owner.role == place.role:
        raise StoreError(
            f"EMMA_DATABASE_OWNER {owner.shown!r} names no other role than {place.role!r}, who only uses the tables;"
            " create one more role, and let it own them"
        )
    if owner.libpq["dbname"] != place.libpq["dbname"]:
        raise StoreError(
            f"EMMA_DATABASE_OWNER {owner.shown!r} is not in the database of {place.shown!r}; name the same database"
        )
    engine = create_engine("postgresql+psycopg://", connect_args=dict(owner.libpq), poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (embedded.APPLICATION_ID,))
        yield connection


def _server_changed(connection: Connection, place: Place, to: str | None, only: str | None) -> list[str]:
    """Every schema of the installation is at that revision, and the app's role may use it."""
    public = row_security.INSTALLATION_SCHEMA
    if _revision(connection, public) is not None:
        apart = connection.exec_driver_sql(f"SELECT to_regclass('{public}.documents') IS NULL").scalar_one()
        row_security.lie(apart, place.shown, per_tenant=place.per_tenant)
    said = [_schema_changed(connection, place, public, ("installation",) if place.per_tenant else _BOTH, to)]
    if place.per_tenant:
        connection.exec_driver_sql(row_security.BIND, (row_security.EVERY_TENANT, public))
        for (tenant,) in connection.exec_driver_sql("SELECT tenant FROM tenants ORDER BY tenant").all():
            if only not in (None, tenant):
                continue
            own = row_security.schema_of(tenant, per_tenant=True)
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{own}"')
            said.append(_schema_changed(connection, place, own, ("tenant",), to))
    return said


def _schema_changed(connection: Connection, place: Place, name: str, parts: tuple[str, ...], to: str | None) -> str:
    connection.exec_driver_sql(row_security.BIND, ("", f'"{name}", pg_temp'))
    was, now = _moved(connection, _config(connection, parts, name), name, to)
    tables = connection.exec_driver_sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename = ANY(%s) ORDER BY 1",
        (name, list(schema.METADATA.tables)),
    ).scalars()
    for statement in row_security.grants(name, list(tables), place.role):
        connection.exec_driver_sql(statement.replace("%", "%%"))
    return _said(place.shown if name == row_security.INSTALLATION_SCHEMA else f"{place.shown} schema {name}", was, now)


def _moved(connection: Connection, config: Config, name: str | None, to: str | None) -> tuple[str | None, str]:
    """From which revision to which. Raises `StoreError` where this release does not know it."""
    with ALEMBIC:
        return _moved_alone(connection, config, name, to)


def _moved_alone(connection: Connection, config: Config, name: str | None, to: str | None) -> tuple[str | None, str]:
    was = _revision(connection, name)
    known = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    if was is not None and was not in known:
        raise StoreError(
            f"The database was written by a newer Emma (revision {was}, this one knows up to {max(known)});"
            " upgrade emma-core"
        )
    if to is None:
        command.upgrade(config, "head")
    elif was is not None and to < was:
        command.downgrade(config, to)
    else:
        raise CallerError(f"The database is at revision {was}; {to} is not before it")
    return was, to or max(known)


def _said(what: str, was: str | None, now: str) -> str:
    if was == now:
        return f"{what} is at revision {now} already"
    return f"{what} was made at revision {now}" if was is None else f"{what} went from revision {was} to {now}"


def _revision(connection: Connection, name: str | None) -> str | None:
    """The revision that a schema is at; None where it has none."""
    return MigrationContext.configure(connection, opts={"version_table_schema": name}).get_current_revision()


def _config(connection: Connection, parts: tuple[str, ...], name: str | None) -> Config:
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS.replace("%", "%%"))
    config.attributes |= {"connection": connection, "parts": parts, "schema": name}
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(_MIGRATIONS)
