"""Holds migrations to their word: the tables as described, nothing lost on the way, whole or not at all."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from services import Addresses
from sqlalchemy import create_engine, pool

from emma_core import audit
from emma_core.backends.sql import connecting, embedded, migrating, schema
from emma_core.backends.sql.registry import open_registry
from emma_core.backends.sqlite import open_store
from emma_core.errors import CallerError, EmmaError, StoreError
from emma_core.nouns import Member
from emma_core.testing.registry_samples import AT, member

FIXTURE = Path(__file__).with_name("fixtures") / "store_v1.db"
KILLED = str(Path(__file__).with_name("killed_migration.py"))


@pytest.fixture
def first_file(tmp_path: Path) -> Path:
    """A copy of the file that "The house stands" left."""
    return Path(shutil.copy(FIXTURE, tmp_path / "emma.db"))


def form(path: Path) -> dict[str, Any]:
    """How a file's tables are made, however that was written; Alembic's own aside."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
        named = {name: (wr, strict) for name, wr, strict in tables if not name.startswith(("sqlite_", "alembic_"))}
        found: dict[str, Any] = {}
        for name, kept in named.items():
            indices = connection.execute(f"PRAGMA index_list({name})").fetchall()
            columns = connection.execute(f"PRAGMA table_info({name})").fetchall()
            parts = {each[1]: connection.execute(f"PRAGMA index_xinfo({each[1]})").fetchall() for each in indices}
            found[name] = (kept, columns, sorted(each[2:] for each in indices), parts)
        return found


def kept(path: Path) -> dict[str, list[Any]]:
    """Every row of a file that its first form could hold."""
    with closing(sqlite3.connect(path)) as connection:
        rows = {name: f"SELECT * FROM {name} ORDER BY 1, 2" for name in ("documents", "lines", "payloads", "heads")}
        rows["tenants"] = "SELECT tenant, title, created_at FROM tenants ORDER BY 1"
        return {name: connection.execute(query).fetchall() for name, query in rows.items()}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


async def holds(path: Path) -> None:
    """The file opens, its trails verify and its documents are those that were put."""
    store = open_store(f"sqlite:///{path}")
    await store.open()
    for tenant in ("acme", "default"):
        handle = store.for_tenant(tenant)
        assert (await audit.verify_trail(handle)).lines == 3
        documents = {each.id: each.body for each in await handle.query("note", group="c")}
        assert documents == {f"n{n}": {"of": tenant, "text": "é🏠"} for n in (1, 2, 3)}
    await store.close()


async def test_the_first_releases_file_goes_up_down_and_up_again_and_loses_nothing(first_file: Path) -> None:
    store, before, first = open_store(f"sqlite:///{first_file}"), kept(first_file), form(first_file)

    assert await store.upgrade() == [f"{first_file} went from revision 0001 to 0002"]
    assert kept(first_file) == before
    await holds(first_file)
    assert await store.downgrade("0001") == [f"{first_file} went from revision 0002 to 0001"]
    assert kept(first_file) == before
    assert form(first_file) == first
    assert version(first_file) == 1
    assert await store.upgrade() == [f"{first_file} went from revision 0001 to 0002"]
    assert await store.upgrade() == [f"{first_file} is at revision 0002 already"]

    assert kept(first_file) == before
    await holds(first_file)


async def test_a_file_of_an_earlier_release_is_refused_untouched_and_says_what_to_run(first_file: Path) -> None:
    before = first_file.read_bytes()

    for part in (open_store(f"sqlite:///{first_file}"), open_registry(f"sqlite:///{first_file}")):
        with pytest.raises(StoreError, match=r"is of an earlier Emma .* run: emma db upgrade$"):
            await part.open()

    assert first_file.read_bytes() == before


async def test_what_is_not_emmas_or_is_newer_is_not_upgraded(tmp_path: Path) -> None:
    theirs, newer, text = tmp_path / "theirs.db", tmp_path / "newer.db", tmp_path / "text"
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("CREATE TABLE documents (x)")
    await open_store(f"sqlite:///{newer}").upgrade()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 9")
    text.write_text("no database at all " * 99)
    words = {theirs: "another program's database", newer: "written by a newer Emma", text: "is no SQLite database"}

    for path, said in words.items():
        before = path.read_bytes()
        store = open_store(f"sqlite:///{path}")
        for change in (store.upgrade(), store.downgrade("0001")):
            with pytest.raises(StoreError, match=said):
                await change
        assert path.read_bytes() == before


async def test_a_new_file_is_made_as_an_upgraded_one_is(tmp_path: Path, first_file: Path) -> None:
    await open_store(f"sqlite:///{first_file}").upgrade()
    new, opened = tmp_path / "new.db", tmp_path / "two" / "opened.db"
    assert await open_store(f"sqlite:///{new}").upgrade() == [f"{new} was made at revision 0002"]
    store = open_store(f"sqlite:///{opened}")
    await store.open()
    await store.close()

    assert form(new) == form(opened) == form(first_file)
    assert version(new) == version(opened) == version(first_file) == 2


def test_the_tables_as_described_are_the_tables_as_migrated(tmp_path: Path, emma_database: Addresses) -> None:
    embedded.upgrade(tmp_path / "emma.db")
    server = connecting.place(emma_database.superuser).libpq
    engines = [
        create_engine(f"sqlite:///{tmp_path / 'emma.db'}", poolclass=pool.NullPool),
        create_engine("postgresql+psycopg://", connect_args=dict(server), poolclass=pool.NullPool),
    ]

    for engine in engines:
        with engine.connect() as connection:
            found = compare_metadata(
                MigrationContext.configure(connection, opts={"compare_type": True}), schema.METADATA
            )
        assert found == [], engine.dialect.name


def test_the_newest_revision_is_the_one_that_files_are_held_to() -> None:
    assert ScriptDirectory(migrating._MIGRATIONS).get_heads() == [embedded.REVISION]


async def test_a_revision_that_there_is_not_or_that_lies_ahead_is_refused(first_file: Path) -> None:
    store = open_store(f"sqlite:///{first_file}")
    for odd in ("0009", "base", "head", "", "../0001"):
        with pytest.raises(CallerError, match=r"There is no revision .*; there are \['0001', '0002'\]"):
            await store.downgrade(odd)
    for ahead in ("0001", "0002"):
        with pytest.raises(CallerError, match=f"is at revision 0001; {ahead} is not before it"):
            await store.downgrade(ahead)
    with pytest.raises(StoreError, match="There is no store"):
        await open_store(f"sqlite:///{first_file}.not").downgrade("0001")

    assert version(first_file) == 1


async def test_no_downgrade_forgets_that_a_tenant_may_not_be_asked(tmp_path: Path) -> None:
    registry = open_registry(f"sqlite:///{tmp_path / 'emma.db'}")
    await registry.open()
    await registry.for_tenant("default").put(member())
    await registry.move("default", "suspended", was=["active"], at=AT)

    with pytest.raises(StoreError, match=r"cannot hold that \['default'\] may not be asked; resume or erase them"):
        await registry.downgrade("0001")

    assert await registry.for_tenant("default").all(Member) == [member()]
    await registry.move("default", "active", was=["suspended"], at=AT)
    await registry.close()
    await registry.downgrade("0001")
    assert version(tmp_path / "emma.db") == 1


@pytest.mark.parametrize("statement", [2, 9, 17])
async def test_a_migration_that_is_killed_midway_has_not_begun(statement: int, first_file: Path) -> None:
    before, first = kept(first_file), form(first_file)

    child = subprocess.run([sys.executable, KILLED, f"sqlite:///{first_file}", "", str(statement)], check=False)

    assert child.returncode == -signal.SIGKILL
    assert (kept(first_file), form(first_file), version(first_file)) == (before, first, 1)
    await open_store(f"sqlite:///{first_file}").upgrade()
    await holds(first_file)


def test_a_migration_of_postgresql_that_is_killed_midway_has_not_begun(database: Addresses) -> None:
    app, owner = connecting.place(database.app), connecting.place(database.owner)

    child = subprocess.run([sys.executable, KILLED, database.app, database.owner, "30"], check=False)

    assert child.returncode == -signal.SIGKILL
    assert migrating.upgrade(app, owner) == [f"{app.shown} was made at revision 0002"]


def test_many_who_upgrade_at_once_do_it_once(first_file: Path, database: Addresses) -> None:
    app, owner = connecting.place(database.app), connecting.place(database.owner)

    with ThreadPoolExecutor(4) as threads:
        files = [threads.submit(embedded.upgrade, first_file) for _ in range(4)]
        servers = [threads.submit(migrating.upgrade, app, owner) for _ in range(4)]
    said = [sorted(" ".join(each.result()[0].split()[1:3]) for each in done) for done in (files, servers)]

    assert said == [["is at", "is at", "is at", "went from"], ["is at", "is at", "is at", "was made"]]


def test_postgresql_goes_down_and_up_again(emma_database: Addresses) -> None:
    app, owner = connecting.place(emma_database.app), connecting.place(emma_database.owner)

    assert migrating.downgrade(app, "0001", owner) == [f"{app.shown} went from revision 0002 to 0001"]
    with pytest.raises(EmmaError, match="is at revision 0001; 0001 is not before it"):
        migrating.downgrade(app, "0001", owner)
    assert migrating.upgrade(app, owner) == [f"{app.shown} went from revision 0001 to 0002"]
