"""Holds the registry and the store to their contracts with a schema for each tenant, row-level security within."""

from __future__ import annotations

import psycopg
import pytest
from services import Addresses

from emma_core import audit
from emma_core.backends.postgres import open_store
from emma_core.backends.sql import connecting, engines, lint, migrating, row_security
from emma_core.backends.sql.registry import open_registry
from emma_core.errors import StoreError
from emma_core.nouns import Member, Tenant
from emma_core.testing.registry_samples import AT, member
from emma_core.testing.samples import note, sealing

APART = "?schemas=per_tenant"


@pytest.fixture
def apart(database: Addresses) -> Addresses:
    """A database in which each tenant has a schema; `default`, `a`, `a-a` and one with the longest id are there."""
    migrating.upgrade(connecting.place(database.app + APART), connecting.place(database.owner))
    return database


async def test_each_tenant_gets_a_schema_and_its_rows_lie_there(apart: Addresses) -> None:
    registry, store = open_registry(apart.app + APART), open_store(apart.app + APART)
    await registry.open(owner=apart.owner)
    await store.open()
    tenants = ["a", "a-a", "a" * 55, "b" * 63, "b" * 62 + "c"]
    for tenant in tenants:
        await registry.create(Tenant(id=tenant, title=tenant, created_at=AT))
        await registry.for_tenant(tenant).put(member(title=tenant))
        await store.for_tenant(tenant).append(sealing(tenant), puts=[(note(of=tenant), "")])

    for tenant in tenants:
        assert await registry.for_tenant(tenant).all(Member) == [member(title=tenant)]
        found = await store.for_tenant(tenant).get("note", "one")
        assert found is not None
        assert found.body == {"of": tenant}
        assert (await audit.verify_trail(store.for_tenant(tenant))).lines == 1
    with psycopg.connect(apart.superuser) as connection:
        schemas = connection.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'members' ORDER BY 1"
        ).fetchall()
        named = {row_security.schema_of(each, per_tenant=True) for each in [*tenants, "default"]}
        assert {name for (name,) in schemas} == named
        assert len(named) == 6
        assert max(map(len, named)) < 64
        rows = [connection.execute(f'SELECT title FROM "{name}".members'.encode()).fetchall() for name in sorted(named)]
        assert sorted(title for found in rows for (title,) in found) == sorted(tenants)
    assert await lint.flaws(connecting.place(apart.app + APART)) == []
    await registry.for_tenant("a").purge()
    await store.for_tenant("a").purge()
    await registry.drop("a")
    assert await registry.tenant("a") is None
    for each in (registry, store):
        await each.close()


async def test_row_security_holds_within_a_schema_too(apart: Addresses) -> None:
    place = connecting.place(apart.app + APART)
    pool = engines.engine(place)
    async with engines.speaking(pool, place, "default", writes=True) as connection:
        await connection.exec_driver_sql("INSERT INTO members VALUES ('default', 'ann', '', now())")

    async with engines.speaking(pool, place, "default") as connection:
        await connection.exec_driver_sql("SELECT set_config('app.tenant', 'another', true)")
        seen = (await connection.exec_driver_sql("SELECT count(*) FROM members")).scalar_one()
    with pytest.raises(StoreError, match="refused a row of another tenant"):
        async with engines.speaking(pool, place, "default") as connection:
            await connection.exec_driver_sql("INSERT INTO members VALUES ('another', 'ann', '', now())")
    await pool.dispose()

    assert seen == 0


async def test_a_tenant_whose_schema_only_the_owner_can_make_is_not_half_made(apart: Addresses) -> None:
    registry = open_registry(apart.app + APART)
    await registry.open()

    with pytest.raises(StoreError, match="a new tenant needs a schema, which only the owner of the tables makes"):
        await registry.create(Tenant(id="acme", title="Acme", created_at=AT))

    assert [tenant.id for tenant in await registry.tenants()] == ["default"]
    await registry.close()


async def test_a_database_is_opened_and_upgraded_only_as_it_lies(apart: Addresses, emma_database: Addresses) -> None:
    words = {apart.app: "keeps each tenant's tables apart; add", emma_database.app + APART: "together; drop"}

    for address, said in words.items():
        registry = open_registry(address)
        owner = apart.owner if address == apart.app else emma_database.owner
        for refused in (registry.open(), registry.upgrade(owner)):
            with pytest.raises(StoreError, match=said):
                await refused


async def test_every_schema_goes_down_and_up_together(apart: Addresses) -> None:
    registry = open_registry(apart.app + APART)

    assert [line.split()[-1] for line in await registry.downgrade("0001", apart.owner)] == ["0001", "0001"]
    assert [line.split()[-1] for line in await registry.upgrade(apart.owner)] == ["0002", "0002"]
