"""Holds PostgreSQL's row-level security to keeping tenants apart, whoever forgets what, and the lint to seeing it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from services import Addresses, PostgresServer

from emma_core.backends.postgres import open_store
from emma_core.backends.sql import connecting, engines, lint, row_security, schema
from emma_core.backends.sql.registry import open_registry
from emma_core.errors import StoreError
from emma_core.nouns import Tenant
from emma_core.testing.registry_samples import AT, DAY, ROWS, claimed, member

Role = Callable[[str], str]


@pytest.fixture
def role(postgres: PostgresServer, emma_database: Addresses) -> Iterator[Role]:
    """Makes a role with those attributes and says the address at which it finds the database."""
    made: list[str] = []

    def make(attributes: str) -> str:
        made.append(f"guest{len(made)}")
        postgres.execute(f"CREATE ROLE {made[-1]} LOGIN {attributes}")
        return emma_database.app.replace("emma_app@", f"{made[-1]}@")

    yield make
    for name in made:
        postgres.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}", database=emma_database.app.rpartition("/")[2])


def break_in(addresses: Addresses, *statements: str) -> None:
    with psycopg.connect(addresses.superuser, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def flaws(address: str) -> list[tuple[str, str]]:
    return await lint.flaws(connecting.place(address))


@pytest.mark.parametrize("query", ["", "?schemas=per_tenant"])
async def test_the_lint_is_clean_where_emma_made_the_tables(database: Addresses, query: str) -> None:
    registry = open_registry(database.app + query)
    await registry.upgrade(database.owner)

    assert await registry.lint() == []


DEFINER = "CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM members'"
PLANTED = {
    "a table without row security": (["ALTER TABLE members DISABLE ROW LEVEL SECURITY"], "members has no row-level"),
    "an owner without FORCE": (["ALTER TABLE lines NO FORCE ROW LEVEL SECURITY"], "lines shows its owner every row"),
    "a superuser's definer function": ([DEFINER], r"function public\.peek\(\) runs with the rights of 'postgres'"),
    "the owner's definer function": (
        [DEFINER, "ALTER FUNCTION public.peek() OWNER TO emma_owner"],
        r"peek\(\) runs with the rights of 'emma_owner'",
    ),
    "a superuser's view": (
        ["CREATE VIEW public.everybody AS SELECT * FROM members", "GRANT SELECT ON public.everybody TO emma_app"],
        r"view public\.everybody reads with the rights of 'postgres', whom no policy holds",
    ),
    "a superuser's view of a view that is the caller's": (
        [
            "CREATE VIEW public.inner_one WITH (security_invoker = true) AS SELECT * FROM payloads",
            "CREATE VIEW public.outer_one AS SELECT * FROM public.inner_one",
            "GRANT SELECT ON public.inner_one, public.outer_one TO emma_app",
        ],
        r"view public\.outer_one reads with the rights",
    ),
    "a stored view": (
        ["CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM documents", "GRANT SELECT ON kept TO emma_app"],
        r"materialized view public\.kept holds every tenant's rows",
    ),
    "a policy that lets all be seen": (
        ["CREATE POLICY more ON settings USING (true) WITH CHECK (false)"],
        r"policy 'more' of table public\.settings lets more be seen",
    ),
    "a policy that lets all be written": (
        [
            "DROP POLICY of_tenant ON usage",
            f"CREATE POLICY of_tenant ON usage USING (tenant = {row_security.SPOKEN_FOR})",
        ],
        r"table public\.usage has no policy that holds reading and writing",
    ),
    "a table of tenants with no policy": (
        ["CREATE TABLE notes (tenant text, note text)", "GRANT SELECT ON notes TO emma_app"],
        r"table public\.notes has no row-level security",
    ),
    "a schema in which the app may hide tables": (
        ["GRANT CREATE ON SCHEMA public TO emma_app"],
        "may put tables and functions into public",
    ),
    "a tenant that is set for the session": (
        ["ALTER ROLE emma_app IN DATABASE {database} SET app.tenant = 'acme'"],
        "who forgets the tenant speaks for 'acme'",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
async def test_the_lint_sees_each_way_around_and_says_what_closes_it(name: str, emma_database: Addresses) -> None:
    statements, words = PLANTED[name]
    database = emma_database.app.rpartition("/")[2]
    break_in(emma_database, *(each.replace("{database}", database) for each in statements))

    found = await flaws(emma_database.app)

    assert [said for said, _ in found if re.search(words, said)], found
    for _ in range(2):  # what closes one may let the next be seen
        break_in(emma_database, *(do for _, do in await flaws(emma_database.app)))
    assert await flaws(emma_database.app) == []


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ("SUPERUSER", "is a superuser"),
        ("BYPASSRLS", "bypasses row-level security"),
        ("IN ROLE emma_owner", "may become 'emma_owner', who owns table"),
    ],
)
async def test_a_role_that_row_security_does_not_hold_is_refused_and_linted(
    attributes: str, words: str, role: Role
) -> None:
    address = role(attributes)

    for part in (open_registry(address), open_store(address)):
        with pytest.raises(StoreError, match=f"role 'guest0' {words}.* and would see every tenant's rows; name a role"):
            await part.open()

    assert [said for said, _ in await flaws(address) if words in said]


async def test_the_owner_of_the_tables_is_refused_and_linted(emma_database: Addresses) -> None:
    for part in (open_registry(emma_database.owner), open_store(emma_database.owner)):
        with pytest.raises(
            StoreError, match=r"role 'emma_owner' owns table .* put the owner's address in EMMA_DATABASE"
        ):
            await part.open()

    assert [said for said, _ in await flaws(emma_database.owner) if "'emma_owner' owns table" in said]


async def test_roles_that_may_make_roles_or_read_the_servers_files_are_linted(role: Role) -> None:
    makes, reads = role("CREATEROLE"), role("IN ROLE pg_read_server_files")

    assert [said for said, _ in await flaws(makes)] == ["role 'guest0' may make roles, or copy the server"]
    assert [said for said, _ in await flaws(reads)] == [
        "role 'guest1' reaches the server's files: pg_read_server_files"
    ]


async def test_pooled_connections_whose_callers_forget_the_tenant_see_none_of_ten_thousand_rows(
    emma_database: Addresses,
) -> None:
    tenants = [f"t{number}" for number in range(10)]
    break_in(
        emma_database,
        *(
            f"INSERT INTO members SELECT '{tenant}', 'u' || n, '', now() FROM generate_series(1, 1000) n"
            for tenant in tenants
        ),
    )
    place = connecting.place(emma_database.app)
    pool = engines.engine(place)

    async def speaks_and_forgets(tenant: str) -> tuple[int, ...]:
        async with engines.speaking(pool, place, tenant) as connection:
            own = (await connection.exec_driver_sql("SELECT count(*) FROM members")).scalar_one()
        async with pool.begin() as connection:
            forgot = (await connection.exec_driver_sql("SELECT count(*) FROM members")).scalar_one()
            changed = (await connection.exec_driver_sql("UPDATE members SET title = 'x'")).rowcount
            deleted = (await connection.exec_driver_sql("DELETE FROM members")).rowcount
        return own, forgot, changed, deleted

    seen = await asyncio.gather(*(speaks_and_forgets(tenant) for tenant in tenants * 5))
    await pool.dispose()

    assert seen == [(1000, 0, 0, 0)] * 50
    with psycopg.connect(emma_database.superuser) as connection:
        assert connection.execute("SELECT count(*) FROM members").fetchone() == (10_000,)


async def test_no_table_takes_or_shows_a_row_of_another_tenant(emma_database: Addresses) -> None:
    place = connecting.place(emma_database.app)
    registry, pool = open_registry(emma_database.app), engines.engine(place)
    await registry.open()
    handle = registry.for_tenant("acme")
    await registry.create(Tenant(id="acme", title="Acme", created_at=AT))
    for row in ROWS:
        await handle.put(row)
    await handle.count(DAY, {"turns": 1}, seen=1)
    await handle.claim(claimed())
    store = ("documents", "lines", "payloads", "heads")  # of these their own tests tell
    tables = [table for table in schema.METADATA.tables if table not in store]

    for table in tables:
        async with engines.speaking(pool, place, "acme") as connection:
            assert (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one() == 1
        async with engines.speaking(pool, place, "acm") as connection:
            assert (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one() == 0
            assert (await connection.exec_driver_sql(f"DELETE FROM {table}")).rowcount == 0
        with pytest.raises(StoreError, match="refused a row of another tenant"):
            async with engines.speaking(pool, place, "acme") as connection:
                await connection.exec_driver_sql(f"UPDATE {table} SET tenant = 'acm'")
    await pool.dispose()
    await registry.close()


async def test_who_speaks_for_every_tenant_may_list_them_and_do_nothing_else(emma_database: Addresses) -> None:
    registry, place = open_registry(emma_database.app), connecting.place(emma_database.app)
    await registry.open()
    await registry.for_tenant("default").put(member())
    await registry.close()
    pool = engines.engine(place)

    async with engines.speaking(pool, place, row_security.EVERY_TENANT) as connection:
        tables = [table for table in schema.METADATA.tables if table != "tenants"]
        counts = [(await connection.exec_driver_sql(f"SELECT count(*) FROM {each}")).scalar_one() for each in tables]
        listed = (await connection.exec_driver_sql("SELECT tenant FROM tenants")).scalars().all()
        changed = (await connection.exec_driver_sql("UPDATE tenants SET state = 'offboarded'")).rowcount
        deleted = (await connection.exec_driver_sql("DELETE FROM tenants")).rowcount
    with pytest.raises(StoreError, match="refused a row"):
        async with engines.speaking(pool, place, row_security.EVERY_TENANT) as connection:
            await connection.exec_driver_sql("INSERT INTO tenants VALUES ('x', 'x', 'x')")
    await pool.dispose()

    assert (sum(counts), listed, changed, deleted) == (0, ["default"], 0, 0)
