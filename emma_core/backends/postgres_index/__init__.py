"""Keeps chunks in PostgreSQL, and finds them by their words and by pgvector, tenant by tenant."""

from emma_core.backends.postgres_index.index import PostgresIndex
from emma_core.backends.sql import connecting
from emma_core.backends.sql.connections import Connections


def open_index(address: str) -> PostgresIndex:
    """An index in the database that the address names; it is touched at `open()`. Raises `OperatorError`."""
    return PostgresIndex(Connections(connecting.place(address)))
