"""Holds the tables of the index in PostgreSQL to two walls, each of which keeps tenants apart alone."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from index_cases import apart as contract
from index_cases.samples import HOUSES, put
from services import Addresses, PostgresServer

from emma_core.backends.postgres_index import PostgresIndex, migrating, open_index
from emma_core.backends.sql import connecting, lint
from emma_core.errors import StoreError

TABLES = ("index_chunks", "index_collections")


@pytest.fixture
async def index(new_index):  # type: ignore[no-untyped-def]
    opened = new_index()
    await opened.open()
    yield opened
    await opened.close()


def counted(address: str, *before: str) -> list[int]:
    with psycopg.connect(address) as connection:
        for statement in before:
            connection.execute(statement.encode())
        return [connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()[0] for table in TABLES]  # type: ignore[index]


async def test_rows_are_seen_by_their_tenant_only(index: PostgresIndex, shared_database: Addresses) -> None:
    for tenant in ("a", "aa"):
        await put(index.for_tenant(tenant), HOUSES, 32)

    for address in (shared_database.app, shared_database.owner):
        assert counted(address) == [0, 0]
        assert counted(address, "SELECT set_config('app.tenant', 'a', true)") == [4, 1]
        assert counted(address, "SELECT set_config('app.tenant', '*', true)") == [0, 0]
    planted = "INSERT INTO index_collections VALUES ('aa', 'planted', '', 0)"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        counted(shared_database.app, "SELECT set_config('app.tenant', 'a', true)", planted)
    moved = "UPDATE index_chunks SET tenant = 'aa'"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        counted(shared_database.app, "SELECT set_config('app.tenant', 'a', true)", moved)


@pytest.mark.parametrize(
    "case",
    [
        contract.test_no_tenant_finds_what_another_has_however_near_it_is,
        contract.test_a_purge_leaves_nothing_of_a_tenant_and_all_of_the_others,
        contract.test_nothing_of_a_forgotten_person_is_left_in_any_collection,
    ],
)
async def test_the_statements_alone_keep_tenants_apart_too(
    case: Any, index: PostgresIndex, postgres: PostgresServer, shared_database: Addresses
) -> None:
    name = shared_database.app.rpartition("/")[2]
    postgres.execute(*(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in TABLES), database=name)
    try:
        await case(index, 32)
    finally:
        postgres.execute(*(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in TABLES), database=name)


async def test_the_lint_finds_no_way_around(index: PostgresIndex, shared_database: Addresses) -> None:
    assert await lint.flaws(connecting.place(shared_database.app)) == []


async def test_a_second_upgrade_has_nothing_to_do(index: PostgresIndex, shared_database: Addresses) -> None:
    await put(index.for_tenant("a"), HOUSES, 32)

    said = await open_index(shared_database.app).upgrade(shared_database.owner)

    assert said[-1].endswith(f"is at revision {migrating.REVISION} already")
    assert len(await index.for_tenant("a").ids("c")) == len(HOUSES)


async def test_a_server_without_pgvector_is_one_error(database: Addresses) -> None:
    with pytest.raises(StoreError, match="has no pgvector"):
        await open_index(database.app).upgrade(database.owner)


async def test_what_is_not_set_up_says_how(emma_database: Addresses) -> None:
    index = open_index(emma_database.app)

    with pytest.raises(StoreError, match="has no index; run: emma db upgrade"):
        await index.open()


async def test_an_index_of_another_emma_is_not_opened(
    new_index, postgres: PostgresServer, shared_database: Addresses
) -> None:
    name = shared_database.app.rpartition("/")[2]
    for revision, what in (("i0000", "run: emma db upgrade"), ("i9999", "upgrade emma-core")):
        postgres.execute(f"UPDATE index_version SET version_num = '{revision}'", database=name)
        with pytest.raises(StoreError, match=what):
            await new_index().open()
    with pytest.raises(StoreError, match="newer Emma"):
        await open_index(shared_database.app).upgrade(shared_database.owner)
    postgres.execute(f"UPDATE index_version SET version_num = '{migrating.REVISION}'", database=name)
