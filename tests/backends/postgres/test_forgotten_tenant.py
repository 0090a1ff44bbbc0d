"""Holds the pool to showing nothing to whoever forgets to say the tenant, and to keeping no tenant in mind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from services import Addresses

from emma_core.backends.postgres import PostgresStore, open_store
from emma_core.backends.sql import row_security
from emma_core.backends.sql.connections import MOST, Connection, exchange
from emma_core.errors import StoreError
from emma_core.testing.samples import note

ROWS = 10_000


@pytest.fixture
async def pooled(emma_database: Addresses) -> AsyncIterator[PostgresStore]:
    """A store whose every connection has just spoken for a tenant with ten thousand documents."""
    with psycopg.connect(emma_database.owner) as connection:
        connection.execute(row_security.BIND.encode(), ("a", row_security.path("a", per_tenant=False)))
        connection.execute(
            b"INSERT INTO documents SELECT 'a', 'note', n::text, '', '', 'e', NULL, '{}' FROM generate_series(1, %s) n",
            (ROWS,),
        )
    store = open_store(emma_database.app)
    assert isinstance(store, PostgresStore)
    await store.open()
    found = await asyncio.gather(*(store.for_tenant("a").query("note", limit=ROWS) for _ in range(2 * MOST)))
    assert {len(documents) for documents in found} == {ROWS}
    yield store
    await store.close()


async def test_a_caller_who_forgets_the_tenant_gets_none_of_ten_thousand_rows(pooled: PostgresStore) -> None:
    held, all_hold = 0, asyncio.Event()

    async def forget(connection: Connection) -> list[int]:
        nonlocal held
        held += 1
        if held == MOST:
            all_hold.set()
        await all_hold.wait()  # so that every connection of the pool is asked
        read = await exchange(connection, ("SELECT count(*) FROM documents", ()))
        changed = await exchange(connection, ("UPDATE documents SET etag = 'mine' RETURNING 1", ()))
        deleted = await exchange(connection, ("DELETE FROM documents RETURNING 1", ()))
        return [read[0][0][0], len(changed[0]), len(deleted[0])]

    found = await asyncio.gather(*(pooled.connections.patiently(forget) for _ in range(MOST)))

    assert found == [[0, 0, 0]] * MOST
    assert len(await pooled.for_tenant("a").query("note", limit=2 * ROWS)) == ROWS


async def test_what_is_written_for_nobody_is_refused(pooled: PostgresStore) -> None:
    row = ("INSERT INTO documents VALUES ('a', 'note', 'new', '', '', 'e', NULL, '{}')", ())

    with pytest.raises(StoreError, match="refused a row of another tenant"):
        await pooled.connections.patiently(lambda connection: exchange(connection, row))


async def test_two_tenants_at_once_over_one_pool_never_see_each_other(pooled: PostgresStore) -> None:
    async def take_turns(tenant: str) -> set[int]:
        handle = pooled.for_tenant(tenant)
        counts = set()
        for number in range(25):
            await handle.put(note(f"mine {number}", kind="mine"))
            counts.add((await handle.census())["documents"] - number)
        return counts

    found = await asyncio.gather(*(take_turns(tenant) for tenant in ("a", "b", "c", "a-a", "b-b")))

    assert found == [{ROWS + 1}, {1}, {1}, {1}, {1}]
