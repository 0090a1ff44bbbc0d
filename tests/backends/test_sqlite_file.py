"""Holds the SQLite file to being opened, refused, upgraded and shared without harm."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from emma_core import audit
from emma_core.backends.sql.registry import open_registry
from emma_core.backends.sqlite import SqliteStore, open_store
from emma_core.backends.sqlite_file import DatabaseFile, path_of
from emma_core.errors import CallerError, OperatorError, StoreError
from emma_core.testing.samples import note, sealing

FIXTURES = Path(__file__).with_name("fixtures")


async def refused(path: Path, words: str) -> str:
    """The text of the error that both the store and the registry raise; the file is as it was."""
    before = path.read_bytes() if path.is_file() else None
    for opened in (open_registry(f"sqlite:///{path}"), open_store(f"sqlite:///{path}")):
        with pytest.raises(StoreError, match=words) as caught:
            await opened.open()
        assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not path.with_name(path.name + "-wal").exists()
    return str(caught.value)


def test_an_address_names_a_relative_or_an_absolute_file() -> None:
    assert path_of("sqlite:///folder/emma.db") == Path.cwd() / "folder/emma.db"
    assert path_of("sqlite:////var/emma.db") == Path("/var/emma.db")


@pytest.mark.parametrize(
    "address",
    ["sqlite:///", "sqlite:////", "sqlite://", "sqlite:", "sqlite://host/x.db", "sqlite:///:memory:", "", "x\0y"],
)
def test_an_address_that_names_no_file_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="write 'sqlite:///"):
        open_store(address)
    with pytest.raises(OperatorError, match=r"write '(sqlite:///|postgresql://)"):
        open_registry(address)


async def test_missing_folders_are_made_and_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "two" / "folders" / "é #1 ?x=y.db"
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.close()
    empty = tmp_path / "empty.db"
    empty.touch()
    registry = open_registry(f"sqlite:///{empty}")
    await registry.open()

    assert path.is_file()
    assert [tenant.id for tenant in await registry.tenants()] == ["default"]
    await registry.close()


async def test_what_is_no_place_for_a_store_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a text that is long enough to be no database at all " * 20)

    await refused(tmp_path, "is a folder; name a file in it")
    await refused(tmp_path / "file", "is no SQLite database; name another file")
    await refused(tmp_path / "file" / "emma.db", "its folder cannot be made .*; name a folder that can be written")
    await refused(Path("/proc/emma.db"), "cannot be opened; check that its folder exists and can be written")


async def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "emma.db"
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")

    words = await refused(path, "was written by a newer Emma")

    assert "schema 7" in words
    assert "upgrade emma-core" in words


@pytest.mark.parametrize("version", [0, 1, 9])
async def test_another_programs_database_is_refused_untouched(tmp_path: Path, version: int) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute(f"PRAGMA user_version = {version}")

    await refused(path, "is another program's database; name a file of its own")


async def test_a_file_that_cannot_be_written_is_refused() -> None:
    with TemporaryDirectory() as folder, ExitStack() as undone:  # of its own: pytest's folders are closed to others
        path = Path(folder) / "emma.db"
        store = open_store(f"sqlite:///{path}")
        await store.open()
        await store.for_tenant("a").append(sealing("a"))
        await store.close()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        undone.callback(path.parent.chmod, 0o700)
        if os.geteuid() == 0:  # who may write any file
            os.seteuid(65534)
            undone.callback(os.seteuid, 0)

        await refused(path, "cannot be (written|opened); check")


async def test_a_damaged_file_is_one_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "emma.db"
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.for_tenant("acme").append(sealing("acme"))
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)

    with pytest.raises(StoreError, match=r"emma\.db' is damaged; restore it from a backup"):
        await store.open()
        await store.for_tenant("acme").lines()
    await store.close()


async def test_a_full_disk_is_one_error_and_acknowledges_nothing(address: str) -> None:
    store: Any = open_store(address)
    await store.open()
    handle = store.for_tenant("a")
    await handle.append(sealing("a"))
    await store._file.write(lambda connection: connection.execute("PRAGMA max_page_count = 40"))
    appends = [handle.append(sealing("a", words="x" * 20_000), puts=[(note(str(n)), "")]) for n in range(20)]

    ended = await asyncio.gather(*appends, return_exceptions=True)

    failed = [each for each in ended if isinstance(each, StoreError)]
    assert "no room left on its disk; make room" in str(failed[0])
    acknowledged = {each.hash for each in ended if not isinstance(each, BaseException)}
    assert len(failed) + len(acknowledged) == 20
    assert acknowledged <= {line.hash for line in await handle.lines()}
    checked = await audit.verify_trail(handle)
    assert (checked.ok, checked.lines) == (True, len(acknowledged) + 1)
    assert len(await handle.query("note")) == len(acknowledged)
    await store.close()


async def test_store_and_registry_share_one_new_file_in_any_order_and_at_once(tmp_path: Path) -> None:
    for number in range(5):
        address = f"sqlite:///{tmp_path / str(number)}.db"
        parts = [opened(address) for opened in (open_store, open_registry, open_store, open_registry)]

        await asyncio.gather(*(part.open() for part in parts))

        for part in parts:
            await part.close()


async def test_a_file_of_the_first_version_is_upgraded_opens_and_verifies(tmp_path: Path) -> None:
    path = tmp_path / "emma.db"
    shutil.copy(FIXTURES / "store_v1.db", path)
    store, registry = open_store(f"sqlite:///{path}"), open_registry(f"sqlite:///{path}")
    await store.upgrade()
    await store.open()
    await registry.open()

    assert [tenant.id for tenant in await registry.tenants()] == ["acme", "default"]
    for tenant in ("acme", "default"):
        handle = store.for_tenant(tenant)
        assert (await audit.verify_trail(handle)).lines == 3
        assert [document.id for document in await handle.query("note", group="c")] == ["n1", "n2", "n3"]
        assert [line.seq for line in await handle.lines(turn="t2", conversation="c")] == [2]
        document = await handle.get("note", "n3")
        assert document is not None
        assert document.body == {"of": tenant, "text": "é🏠"}
        await handle.append(sealing(tenant))
        assert (await audit.verify_trail(handle)).lines == 4
    await registry.close()
    await store.close()


def test_the_kept_file_is_small_and_whole() -> None:
    assert (FIXTURES / "store_v1.db").stat().st_size < 60_000
    assert sorted(path.name for path in FIXTURES.iterdir()) == ["store_v1.db"]


async def test_what_has_expired_leaves_the_disk_at_the_next_opening(address: str) -> None:
    store = open_store(address)
    await store.open()
    await store.for_tenant("a").put(note().model_copy(update={"expires_at": 1.0}))
    await store.close()
    await store.open()
    await store.close()

    with closing(sqlite3.connect(path_of(address))) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (0,)


async def test_what_was_purged_is_in_no_byte_of_the_file_and_its_log(address: str) -> None:
    store = open_store(address)
    await store.open()
    for tenant in ("a", "aa"):
        handle = store.for_tenant(tenant)
        await handle.put(note("old", secret=f"deleted of {tenant}."))
        await handle.delete("note", "old")
        for number in range(50):
            words = f"secret of {tenant}." + "x" * 3000
            await handle.append(sealing(tenant, words=words), puts=[(note(str(number), words=words), "")])

    await store.for_tenant("aa").purge()

    on_disk = b"".join(path.read_bytes() for path in path_of(address).parent.iterdir())
    assert b"secret of a." in on_disk
    assert b"secret of aa." not in on_disk
    assert b"deleted of" not in on_disk
    await store.close()


async def test_a_store_that_is_not_open_cannot_be_watched(address: str) -> None:
    with pytest.raises(StoreError, match="not open"):
        await anext(open_store(address).watch())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM lines WHERE tenant = ? AND turn = ? AND seq > ? ORDER BY seq", "lines_by_turn"),
        (
            "SELECT * FROM lines WHERE tenant = ? AND conversation = ? AND seq < ? ORDER BY seq DESC",
            "lines_by_conversation",
        ),
        ("SELECT * FROM documents WHERE tenant = ? AND kind = ? AND in_group = ? ORDER BY id", "documents_by_group"),
        ("DELETE FROM documents WHERE expires_at <= ?", "documents_by_expiry"),
    ],
)
async def test_what_is_looked_for_often_is_indexed(address: str, query: str, index: str) -> None:
    store = open_store(address)
    await store.open()
    await store.close()

    with closing(sqlite3.connect(path_of(address))) as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN " + query, ("x",) * query.count("?")).fetchall()
    assert [row[3] for row in plan if index in row[3]]
    assert not [row[3] for row in plan if "TEMP B-TREE" in row[3]]


async def test_names_that_are_no_unicode_are_refused_by_every_verb(address: str) -> None:
    store = open_store(address)
    await store.open()
    handle = store.for_tenant("a")

    for verb in (
        handle.get("note", "\ud800"),
        handle.delete("note", "\ud800"),
        handle.query("\ud800"),
        handle.lines(turn="\ud800"),
        handle.append(sealing("a"), deletes=[("note", "\ud800")]),
    ):
        with pytest.raises(CallerError, match="whole characters"):
            await verb
    assert await handle.head() is None
    await store.close()


async def test_an_append_costs_one_hop_to_another_thread(tmp_path: Path) -> None:
    class Counting(ThreadPoolExecutor):
        """An executor that counts what it is given."""

        given = 0

        def submit(self, *arguments: Any, **more: Any) -> Any:
            Counting.given += 1
            return super().submit(*arguments, **more)

    file = DatabaseFile(tmp_path / "emma.db")
    store = SqliteStore(file)
    await store.open()
    lanes = file._ready()
    for lane in ("reader", "writer"):
        getattr(lanes, lane).shutdown()
        setattr(lanes, lane, Counting(1))
    await store.for_tenant("a").append(sealing("a"), puts=[(note("1"), "")])
    assert Counting.given == 1
    await store.close()
