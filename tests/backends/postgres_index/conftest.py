"""Brings the index in PostgreSQL under the contract of all indexes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import psycopg
import pytest
from services import Addresses, PostgresServer

from emma_core.backends.postgres_index import PostgresIndex, open_index


def indexed(addresses: Addresses) -> None:
    """The empty database has the store's tables and the index's."""
    with psycopg.connect(addresses.superuser, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    asyncio.run(open_index(addresses.app).upgrade(addresses.owner))


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer) -> Iterator[Addresses]:
    """One database for a module's tests; each finds it empty."""
    addresses = postgres.database(prepare=indexed)
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def dimension() -> int:
    """Of the vectors of these tests."""
    return 32


@pytest.fixture
def new_index(postgres: PostgresServer, shared_database: Addresses) -> Iterator[Callable[[], PostgresIndex]]:
    """Unopened indexes on one address."""
    yield lambda: open_index(shared_database.app)
    name = shared_database.app.rpartition("/")[2]
    postgres.execute("TRUNCATE index_chunks, index_collections", database=name)
