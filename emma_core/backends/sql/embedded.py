"""Tells whether a SQLite file is Emma's and of this release's form, and makes a new one whole; light to import."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from emma_core.errors import StoreError

APPLICATION_ID = 0x454D4D41
"""Marks a file as Emma's; the ASCII letters of the name."""
REVISION = "0002"
"""The newest migration. A file carries its number as `user_version`, so that a look at its head tells."""


def check(connection: sqlite3.Connection, path: Path) -> None:
    """The file is new, or Emma's and of this form; nothing was written. Raises `StoreError` saying what to do."""
    connection.execute("BEGIN")  # one snapshot: another process may be making the tables
    try:
        judge(connection, path)
        version = _number(connection, "user_version")
    finally:
        connection.execute("ROLLBACK")
    if 0 < version < int(REVISION):
        raise StoreError(
            f"Store '{path}' is of an earlier Emma (revision {version:04}, this one writes {REVISION}); back it up,"
            " then run: emma db upgrade"
        )


def bring_up(connection: sqlite3.Connection, path: Path) -> None:
    """Every table is there; a new file was made in one transaction, and another process may be doing the same."""
    if _number(connection, "user_version") == 0:
        upgrade(path)


def upgrade(path: Path) -> list[str]:
    """The file has the tables of this release, and a missing one is made; what was done, a line each."""
    from emma_core.backends.sql import connecting, migrating

    make_room(path)
    return migrating.upgrade(connecting.Place(shown=str(path), path=path))


def downgrade(path: Path, revision: str) -> list[str]:
    """The file has the tables of an earlier revision; what was done, a line each."""
    from emma_core.backends.sql import connecting, migrating

    if not path.exists():
        raise StoreError(f"There is no store '{path}'; name one that is there")
    return migrating.downgrade(connecting.Place(shown=str(path), path=path), revision)


def make_room(path: Path) -> None:
    """The file's folder is there. Raises `StoreError` where it cannot be, or the path is a folder itself."""
    if path.is_dir():
        raise StoreError(f"Store '{path}' is a folder; name a file in it, such as '{path / 'emma.db'}'")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Store '{path}': its folder cannot be made ({error.strerror}); name a folder that can be written"
        ) from error


def judge(connection: sqlite3.Connection, path: Path) -> None:
    """The file is new, or Emma's and no newer than this release. Raises `StoreError` where it is not."""
    version = _number(connection, "user_version")
    mark = _number(connection, "application_id")
    foreign = mark != APPLICATION_ID if version else _number_of_tables(connection) > 0
    if foreign:
        raise StoreError(f"Store '{path}' is another program's database; name a file of its own, or one that is new")
    if version > int(REVISION):
        raise StoreError(
            f"Store '{path}' was written by a newer Emma (schema {version}, this one knows up to {int(REVISION)}); "
            "upgrade emma-core, or name another file"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _number_of_tables(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
