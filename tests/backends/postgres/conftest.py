"""Brings the PostgreSQL store under the contract of all stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from services import Addresses, PostgresServer
from services.emma_databases import migrated

from emma_core.backends.postgres import open_store
from emma_core.ports import Store


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer) -> Iterator[Addresses]:
    """One database for a module's tests; each finds it empty."""
    addresses = postgres.database(prepare=migrated)
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def address(postgres: PostgresServer, shared_database: Addresses) -> Iterator[str]:
    yield shared_database.app
    name = shared_database.app.rpartition("/")[2]
    postgres.execute("TRUNCATE documents, lines, payloads, heads", database=name)


@pytest.fixture
def new_store(address: str):
    def open_another() -> Store:
        return open_store(address)

    return open_another
