"""Brings the index's tables to the form of this release, beside the store's and counted apart from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from emma_core.backends.sql import explaining, migrating, row_security
from emma_core.backends.sql.connecting import Place
from emma_core.errors import StoreError

REVISION = "i0001"
"""The newest migration of the index."""
TABLES = ["index_chunks", "index_collections"]
VERSIONS = "index_version"
_MIGRATIONS = str(Path(__file__).parent / "migrations")


def upgrade(place: Place, owner: Place | None) -> list[str]:
    """The index's tables are there for the app's role, and the store's, whose guard they share. Raises `StoreError`."""
    said = migrating.upgrade(place, owner)
    try:
        with migrating.server(place, owner) as connection:
            return [*said, _upgraded(connection, place)]
    except Exception as error:
        raise _told(error, place, owner) from error


def _upgraded(connection: Connection, place: Place) -> str:
    schema = row_security.INSTALLATION_SCHEMA
    connection.exec_driver_sql(row_security.BIND, ("", f'"{schema}", pg_temp'))
    options = {"version_table": VERSIONS, "version_table_schema": schema}
    was = MigrationContext.configure(connection, opts=options).get_current_revision()
    if was is not None and was > REVISION:
        raise StoreError(
            f"The index at {place.shown!r} was written by a newer Emma (revision {was}, this one knows up to"
            f" {REVISION}); upgrade emma-core"
        )
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS.replace("%", "%%"))
    config.attributes |= {"connection": connection, "schema": schema, "table": VERSIONS}
    with migrating.ALEMBIC:
        command.upgrade(config, "head")
    for statement in row_security.grants(schema, TABLES, place.role, versions=VERSIONS):
        connection.exec_driver_sql(statement.replace("%", "%%"))
    if was == REVISION:
        return f"the index at {place.shown} is at revision {REVISION} already"
    return f"the index at {place.shown} was made at revision {REVISION}"


def _told(error: Exception, place: Place, owner: Place | None) -> BaseException:
    cause: Any = getattr(error, "orig", error)
    if 'extension "vector"' in str(cause):  # it is not installed, or is for an administrator to make
        return StoreError(
            f"Database {place.shown!r} has no pgvector; install it on the server, let an administrator say"
            " 'CREATE EXTENSION vector' in this database, then run: emma db upgrade"
        )
    return explaining.explained(error, owner or place)
