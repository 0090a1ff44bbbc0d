"""Holds the registry over PostgreSQL to its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from services import Addresses, PostgresServer

from emma_core.backends.sql import connecting, migrating, schema
from emma_core.backends.sql.registry import open_registry
from emma_core.ports import Registry
from emma_core.testing.registry_contract import *  # noqa: F403


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer) -> Iterator[Addresses]:
    """A database with the tables of this release."""
    addresses = postgres.database()
    migrating.upgrade(connecting.place(addresses.app), connecting.place(addresses.owner))
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def new_registry(shared: Addresses) -> Callable[[], Registry]:
    with psycopg.connect(shared.superuser) as connection:
        for table in schema.METADATA.tables:
            connection.execute(f"DELETE FROM {table}".encode())
        connection.execute("INSERT INTO tenants VALUES ('default', 'Default tenant', '2026-11-23T00:00:00Z')")
    return lambda: open_registry(shared.app)
