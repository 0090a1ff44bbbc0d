"""Removes each predicate and policy that keeps tenants apart, one at a time, and holds the tests to finding it out."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from services import Addresses, PostgresServer
from services.emma_databases import migrated
from services.wire import Wire

from emma_core.backends import postgres, sqlite
from emma_core.backends.sql import row_security, store_statements
from emma_core.errors import Conflict, TrailError
from emma_core.ports import Store
from emma_core.testing.samples import note, sealing
from emma_core.testing.walk_apart import walk_apart

TABLES = ("documents", "lines", "payloads", "heads")
PREDICATE = re.compile(r"(?<![\w.])((?:[lp]\.)?tenant = (?:\?|%s|l\.tenant))")
SOURCE = Path(sqlite.__file__).read_text()


def removed(text: str, found: re.Match[str]) -> str:
    """The text with a predicate in that place that always holds; it takes as many values."""
    instead = (
        "TRUE" if found[1].endswith("l.tenant") else "? IS NOT NULL" if "?" in found[1] else "%s::text IS NOT NULL"
    )
    return text[: found.start()] + instead + text[found.end() :]


def of_sqlite() -> list[Any]:
    """The source of the SQLite store, less one predicate each."""
    found = list(PREDICATE.finditer(SOURCE))
    assert len(found) >= 10
    names = [f"{number}: {SOURCE[: each.start()].splitlines()[-1].strip()[:60]}" for number, each in enumerate(found)]
    return [pytest.param(removed(SOURCE, each), id=name) for each, name in zip(found, names, strict=True)]


def module_of(source: str) -> Callable[[str], Store]:
    """The store that such a source opens."""
    module = types.ModuleType("emma_core.backends.sqlite_mutant")
    module.__file__ = sqlite.__file__
    sys.modules[module.__name__] = module
    exec(compile(source, sqlite.__file__, "exec"), module.__dict__)
    opened: Callable[[str], Store] = module.open_store
    return opened


def caught(proof: Coroutine[Any, Any, None]) -> None:
    """The proof fails, and not for want of a store."""
    with pytest.raises((AssertionError, Conflict, TrailError, pytest.fail.Exception)) as failed:
        asyncio.run(proof)
    print(f"caught by {type(failed.value).__name__}: {str(failed.value)[:100]!r}")


@pytest.mark.parametrize("source", of_sqlite())
def test_each_predicate_of_the_sqlite_store_is_missed(source: str, address: str) -> None:
    open_mutant = module_of(source)

    async def walk() -> None:
        store = open_mutant(address)
        await store.open()
        try:
            await walk_apart(store)
        finally:
            await store.close()

    caught(walk())


# --- PostgreSQL: two walls, so each is tried with the other one down


def statements() -> dict[tuple[str, str], str]:
    """Every statement of the PostgreSQL store, by its name and, of several, its table."""
    said = {}
    for name, value in vars(store_statements).items():
        if name.isupper() and not name.startswith("_"):
            parts = value.items() if isinstance(value, dict) else [("", value)]
            said |= {(name, table): statement for table, statement in parts}
    return said


def put_in(monkeypatch: pytest.MonkeyPatch, name: str, table: str, statement: str) -> None:
    if table:
        monkeypatch.setitem(getattr(store_statements, name), table, statement)
    else:
        monkeypatch.setattr(store_statements, name, statement)


def of_postgres() -> list[Any]:
    """The statements of the PostgreSQL store, less one predicate each."""
    mutants = []
    for (name, table), statement in statements().items():
        for number, found in enumerate(PREDICATE.finditer(statement)):
            id = " ".join(filter(None, (name, table, str(number) if number else "")))
            mutants.append(pytest.param(name, table, removed(statement, found), id=id))
    assert len(mutants) >= 23
    return mutants


@pytest.fixture(scope="module")
def unprotected(postgres: PostgresServer) -> Iterator[Addresses]:
    """A database whose row-level security is off: only the statements keep tenants apart."""
    addresses = postgres.database(prepare=migrated)
    with psycopg.connect(addresses.superuser, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def protected(postgres: PostgresServer) -> Iterator[Addresses]:
    """A database as it is to be, for one test to break."""
    addresses = postgres.database(prepare=migrated)
    yield addresses
    postgres.drop(addresses)


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's statements name no tenant in any predicate: only row-level security keeps tenants apart."""
    for (name, table), statement in statements().items():
        while found := PREDICATE.search(statement):
            statement = removed(statement, found)
        put_in(monkeypatch, name, table, statement)


async def prove_all_apart(address: str) -> None:
    """Tenants are apart in every verb, in what has expired, and where an answer was lost."""
    store = postgres.open_store(address)
    await store.open()
    try:
        await walk_apart(store)
        await prove_expired_apart(store)
    finally:
        await store.close()
    await prove_lost_apart(address)


async def prove_expired_apart(store: Any) -> None:
    """A tenant's writes forget what has expired of its own, and leave another's to it."""
    one, other = store.for_tenant("one"), store.for_tenant("other")
    for handle in (one, other):
        await handle.purge()
        await handle.put(note().model_copy(update={"expires_at": 1.0}))
    store._swept.clear()
    store._swept["one"] = -1e9
    await one.put(note("new"))
    assert ((await one.census())["documents"], (await other.census())["documents"]) == (1, 1)
    await one.put(note().model_copy(update={"expires_at": 1.0}))
    await one.append(sealing("one"), puts=[(note(), "")])
    assert ((await one.census())["documents"], (await other.census())["documents"]) == (2, 1)


async def prove_lost_apart(address: str) -> None:
    """A line whose answer was lost is found among the tenant's own, whatever another has under its number."""
    port = int(address.rpartition(":")[2].partition("/")[0])
    async with Wire(port) as wire:
        store = postgres.open_store(address.replace(f":{port}/", f":{wire.port}/"))
        await store.open()
        try:
            for tenant in ("one", "other"):
                await store.for_tenant(tenant).purge()
            await store.for_tenant("other").append(sealing("other"))
            await store.close()
            await store.open()
            wire.decide = lambda sent: "after" if b"COMMIT" in sent and not wire.cuts else None
            await store.for_tenant("one").append(sealing("one"))
            assert len(await store.for_tenant("one").lines()) == wire.cuts == 1
        finally:
            await store.close()


def test_statements_alone_keep_tenants_apart(unprotected: Addresses) -> None:
    asyncio.run(prove_all_apart(unprotected.app))


@pytest.mark.parametrize(("name", "table", "statement"), of_postgres())
def test_each_predicate_of_the_postgresql_store_is_missed(
    name: str, table: str, statement: str, unprotected: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(monkeypatch, name, table, statement)

    caught(prove_all_apart(unprotected.app))


def test_row_level_security_alone_keeps_tenants_apart(protected: Addresses, careless: None) -> None:
    asyncio.run(prove_all_apart(protected.app))


@pytest.mark.parametrize("table", TABLES)
def test_each_policy_is_missed(protected: Addresses, careless: None, table: str) -> None:
    with psycopg.connect(protected.superuser, autocommit=True) as connection:
        policies = connection.execute("SELECT policyname FROM pg_policies WHERE tablename = %s", (table,)).fetchall()
        assert len(policies) == 1
        connection.execute(f"ALTER POLICY {policies[0][0]} ON {table} USING (true)".encode())

    caught(prove_all_apart(protected.app))


def write_for_another(address: str, table: str) -> None:
    """Speaks for one tenant and writes a row of another's."""
    values = {
        "documents": "('b', 'note', 'one', '', '', 'e', NULL, '{}')",
        "lines": "('b', 1, 'judged', '', NULL, NULL, '', '')",
        "payloads": "('b', 1, '', '', '')",
        "heads": "('b', 1, '', '')",
    }
    with psycopg.connect(address) as connection:
        connection.execute(row_security.BIND.encode(), ("a", row_security.path("a", per_tenant=False)))
        connection.execute(f"INSERT INTO {table} VALUES {values[table]}".encode())


@pytest.mark.parametrize("table", TABLES)
def test_a_row_of_another_tenant_cannot_be_written_but_where_the_policy_does_not_check(
    protected: Addresses, table: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        write_for_another(protected.app, table)

    with psycopg.connect(protected.superuser, autocommit=True) as connection:
        connection.execute(f"ALTER POLICY of_tenant ON {table} WITH CHECK (true)".encode())
    write_for_another(protected.app, table)
