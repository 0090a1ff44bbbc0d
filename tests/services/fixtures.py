"""Hands tests the servers: started when first asked for, shared by the whole run, ended with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services import Addresses, AzuriteServer, PostgresServer, ValkeyServer, azurite_server
from services.emma_databases import migrated


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL shared by all tests; it does not wait for the disk, so nothing about a crash may be shown on it."""
    server = PostgresServer(fsync=False, settings=("full_page_writes=off",))
    yield server
    server.forget()


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that waits for the disk, for tests that stop, kill and start it; they leave it running."""
    server = PostgresServer()
    yield server
    server.forget()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Addresses]:
    """An empty PostgreSQL database of the test's own."""
    addresses = postgres.database()
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def emma_database(postgres: PostgresServer) -> Iterator[Addresses]:
    """A PostgreSQL database of the test's own with Emma's tables, as `emma db upgrade` leaves it."""
    addresses = postgres.database(prepare=migrated)
    yield addresses
    postgres.drop(addresses)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey shared by all tests; one that stops it starts it again."""
    server = ValkeyServer()
    yield server
    server.forget()


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    """An Azurite shared by all tests; one that stops it starts it again."""
    if reason := azurite_server.missing():
        pytest.skip(reason)
    server = AzuriteServer()
    yield server
    server.forget()
