"""Holds the reading of a write-ahead log to telling every commit once, or that it cannot tell."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emma_core.backends import sqlite_log
from emma_core.backends.sqlite_log import Place


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file with a log that stays, because somebody has it open."""
    path = tmp_path / "a.db"
    with closing(connect(path)) as idle:
        idle.execute("PRAGMA journal_mode = WAL")
        idle.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB)")
        yield path


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def grow(path: Path, count: int, *, size: int = 900) -> None:
    with closing(connect(path)) as writing:
        for _ in range(count):
            writing.execute("INSERT INTO t (x) VALUES (randomblob(?))", (size,))


def copied(path: Path) -> bytearray:
    base = path.with_name("base.db")
    with closing(connect(path)) as reading, closing(connect(base)) as copy:
        reading.backup(copy)
    return bytearray(base.read_bytes())


def followed(log: Path, place: Place, file: bytearray) -> Place | None:
    """The place after what was committed since, which `file` holds now too."""
    found = sqlite_log.read_since(log, place)
    if found is None:
        return None
    for commit in found.commits:
        for number, page in commit.pages.items():
            file[(number - 1) * len(page) : number * len(page)] = page
        del file[commit.size * 4096 :]
    return found.place


def test_every_commit_is_told_once_however_often_the_log_begins_anew(path: Path) -> None:
    dice, log = random.Random(7), sqlite_log.of(path)
    assert sqlite_log.read_since(log, Place()) is None  # what was committed before it was first seen
    place, file, logs, anew = sqlite_log.end_of(log, Place()), copied(path), set(), 0

    for _ in range(60):
        for _ in range(dice.randrange(1, 9)):
            grow(path, dice.randrange(1, 12))
            if dice.random() < 0.3:
                with closing(connect(path)) as writing:
                    writing.execute("DELETE FROM t WHERE n % 3 = ?", (dice.randrange(3),))
        if dice.random() < 0.5:
            with closing(connect(path)) as writing:
                writing.execute("PRAGMA wal_checkpoint(PASSIVE)")
        told = followed(log, place, file)
        if told is None:
            place, file, anew = sqlite_log.end_of(log, Place()), copied(path), anew + 1
        else:
            place = told
        logs.add(place.salts)

    assert len(logs) > 10 and 0 < anew < 30, (len(logs), anew)
    built = path.with_name("built.db")
    built.write_bytes(file)
    with closing(connect(path)) as one, closing(connect(built)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = "SELECT n, x FROM t ORDER BY n"
        assert one.execute(rows).fetchall() == other.execute(rows).fetchall()


def test_it_says_so_where_the_log_was_emptied_or_written_over_before_it_was_read(path: Path) -> None:
    log = sqlite_log.of(path)
    grow(path, 3)
    place = sqlite_log.end_of(log, Place())
    with closing(connect(path)) as writing:
        writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert sqlite_log.read_since(log, place) is None  # emptied, as after a purge

    grow(path, 3)
    place = sqlite_log.end_of(log, Place())
    with closing(connect(path)) as writing:
        writing.execute("PRAGMA wal_checkpoint(PASSIVE)")
    grow(path, place.frames + 1)
    assert sqlite_log.read_since(log, place) is None  # frames after the place may have been there, and are gone

    place = sqlite_log.end_of(log, Place())
    for _ in range(2):
        with closing(connect(path)) as writing:
            writing.execute("PRAGMA wal_checkpoint(PASSIVE)")
        grow(path, 1)
    assert sqlite_log.read_since(log, place) is None  # begun anew twice


def test_a_transaction_that_is_not_whole_is_not_told(path: Path) -> None:
    log = sqlite_log.of(path)
    place = sqlite_log.end_of(log, Place())
    grow(path, 1)
    whole = log.read_bytes()
    frames = (len(whole) - 32) // (24 + 4096)

    for cut in (len(whole) - 1, 32 + (frames - 1) * (24 + 4096), len(whole)):
        log.with_name("cut").write_bytes(whole[:cut])
        found = sqlite_log.read_since(log.with_name("cut"), place)
        assert found is not None and len(found.commits) == (1 if cut == len(whole) else 0)

    spoilt = bytearray(whole)
    spoilt[-100] ^= 1
    log.with_name("spoilt").write_bytes(spoilt)
    found = sqlite_log.read_since(log.with_name("spoilt"), place)
    assert found is not None and found.commits == ()


def test_a_commit_that_another_one_was_written_over_is_noticed(path: Path) -> None:
    log = sqlite_log.of(path)
    before = log.read_bytes()
    grow(path, 1)
    place = sqlite_log.end_of(log, Place())  # of a writer that is killed before anybody else knows of its commit
    theirs = bytearray(log.read_bytes())
    found = sqlite_log.read_since(log, place)
    assert found is not None and found.place == place

    theirs[len(before) + 8 :] = bytes(len(theirs) - len(before) - 8)
    log.with_name("theirs").write_bytes(theirs)
    assert sqlite_log.read_since(log.with_name("theirs"), place) is None
