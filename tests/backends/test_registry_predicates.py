"""Takes away, one at a time, each predicate and policy that keeps tenants apart in the registry, and sees it missed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from services import Addresses
from sqlalchemy import Engine, event

from emma_core.backends.sql import connecting, engines, lint, row_security, schema
from emma_core.backends.sql.registry import open_registry
from emma_core.testing.registry_contract import test_no_verb_of_a_tenant_reaches_another as contract

PREDICATE = re.compile(r'\w+\.tenant = (?:\?|%\(\w+\)s(?:::\w+)?)(?: COLLATE "C")?')
TABLES = [table for table in schema.METADATA.tables if table not in ("documents", "lines", "payloads", "heads")]
"""The registry's; the store's own tests do the same with the store's."""
Predicate = tuple[str, int]
"""A statement, and which of its predicates on the tenant."""
Change = Callable[[str], str]


@contextmanager
def said(change: Change) -> Iterator[None]:
    """Every statement is said as `change` makes it."""

    def changed(connection: Any, cursor: Any, statement: str, values: Any, *more: Any) -> tuple[str, Any]:
        return change(statement), values

    event.listen(Engine, "before_cursor_execute", changed, retval=True)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", changed)


def without(statement: str, number: int | None = None) -> str:
    """The statement without its predicate of that number, or without any on the tenant."""
    counted = iter(range(statement.count(".tenant = ") + 1))
    return PREDICATE.sub(
        lambda found: f"({found[0]} OR 1 = 1)" if number in (None, next(counted)) else found[0], statement
    )


def one_less(gone: Predicate) -> Change:
    return lambda statement: without(statement, gone[1]) if statement == gone[0] else statement


async def holds(address: str) -> bool:
    """Whether the contract's test of isolation passes."""
    registry = open_registry(address)
    await registry.open()
    try:
        await contract(registry)
    except Exception:
        return False
    finally:
        await registry.close()
    return True


def test_each_predicate_on_the_tenant_that_is_taken_away_is_missed(tmp_path: Path) -> None:
    found: dict[Predicate, None] = {}

    def noted(statement: str) -> str:
        found.update({(statement, number): None for number, _ in enumerate(PREDICATE.finditer(statement))})
        return statement

    with said(noted):
        assert asyncio.run(holds(f"sqlite:///{tmp_path / 'whole.db'}"))
    survived = []
    for number, gone in enumerate(found):
        with said(one_less(gone)):
            missed = not asyncio.run(holds(f"sqlite:///{tmp_path / f'{number}.db'}"))
        print("missed" if missed else "SURVIVED", f"predicate {gone[1] + 1} of", " ".join(gone[0].split())[:150])
        survived += [] if missed else [gone]

    assert survived == []
    assert len(found) >= 45
    assert [table for table in TABLES if any(f"{table}.tenant" in gone[0] for gone in found)] == TABLES


async def test_with_every_predicate_gone_row_security_alone_keeps_tenants_apart(emma_database: Addresses) -> None:
    with said(without):
        assert await holds(emma_database.app)


def furnish(address: str) -> None:
    """Every table holds a row of the tenant `acme`."""
    samples = {"TEXT": "x", "BIGINT": 1, "BOOLEAN": True, "DATE": datetime.now(UTC).date(), "DOUBLE": 1.0}
    with psycopg.connect(address) as connection:
        for table in (schema.METADATA.tables[name] for name in TABLES):
            named = [column for column in table.columns if column.name != "tenant" and not column.nullable]
            values = [samples.get(str(column.type).split("(")[0].split()[0], datetime.now(UTC)) for column in named]
            columns = ", ".join(f'"{column.name}"' for column in named)
            marks = ", ".join(["%s"] * len(values))
            connection.execute(
                f"INSERT INTO {table.name} (tenant, {columns}) VALUES ('acme', {marks})".encode(), values
            )


async def leaking(address: str, tables: Iterable[str] = tuple(TABLES)) -> set[str]:
    """The tables of which a neighbour, or who says no tenant, sees a row, or into which one writes another's."""
    place = connecting.place(address)
    engine, leaks = engines.engine(place), set()
    for table in tables:
        columns = ", ".join(f'"{each.name}"' for each in schema.METADATA.tables[table].columns if each.name != "tenant")
        for tenant in ("acm", ""):
            async with engines.speaking(engine, place, tenant) as connection:
                if (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one():
                    leaks.add(table)
        try:
            async with engines.speaking(engine, place, "acme") as connection:
                copied = f"INSERT INTO {table} (tenant, {columns}) SELECT 'acm', {columns} FROM {table}"
                await connection.exec_driver_sql(f"{copied} WHERE tenant = 'acme'")
                leaks.add(table)
                await connection.rollback()
        except Exception as refused:
            assert "refused a row of another tenant" in str(refused), refused
    await engine.dispose()
    return leaks


RULE = f"tenant = {row_security.SPOKEN_FOR}"
WEAKENED = {
    "row security off": "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "policy shows all": f"ALTER POLICY of_tenant ON {{table}} USING (true) WITH CHECK ({RULE})",
    "policy takes all": f"ALTER POLICY of_tenant ON {{table}} USING ({RULE}) WITH CHECK (true)",
}


async def test_each_policy_that_is_weakened_is_missed(emma_database: Addresses) -> None:
    furnish(emma_database.superuser)
    place = connecting.place(emma_database.app)
    assert await leaking(emma_database.app) == set()
    survived = []

    with psycopg.connect(emma_database.superuser, autocommit=True) as connection:
        for table in TABLES:
            for name, statement in WEAKENED.items():
                connection.execute(statement.format(table=table).encode())
                missed = await leaking(emma_database.app, [table]) == {table}
                linted = [words for words, _ in await lint.flaws(place) if f"public.{table} " in words]
                print("missed" if missed and linted else "SURVIVED", name, "of", table)
                survived += [] if missed and linted else [(table, name)]
                connection.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
                connection.execute(f"ALTER POLICY of_tenant ON {table} USING ({RULE}) WITH CHECK ({RULE})".encode())

    assert survived == []
    assert await leaking(emma_database.app) == set()
