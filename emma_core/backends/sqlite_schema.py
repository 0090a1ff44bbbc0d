"""Brings a SQLite file to the tables that this Emma knows, or refuses it untouched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from emma_core.errors import StoreError

APPLICATION_ID = 0x454D4D41
"""Marks a file as Emma's; the ASCII letters of the name."""

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE documents (tenant TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, in_group TEXT NOT NULL,"
        " subject TEXT NOT NULL, etag TEXT NOT NULL, expires_at REAL, body TEXT NOT NULL,"
        " PRIMARY KEY (tenant, kind, id)) STRICT",
        "CREATE INDEX documents_by_group ON documents (tenant, kind, in_group, id)",
        "CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL",
        "CREATE TABLE lines (tenant TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,"
        " turn TEXT, conversation TEXT, line TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (tenant, seq)) STRICT",
        "CREATE INDEX lines_by_turn ON lines (tenant, turn, seq) WHERE turn IS NOT NULL",
        "CREATE INDEX lines_by_conversation ON lines (tenant, conversation, seq) WHERE conversation IS NOT NULL",
        "CREATE TABLE payloads (tenant TEXT NOT NULL, seq INTEGER NOT NULL, subject TEXT NOT NULL,"
        " salt TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (tenant, seq)) STRICT",
        "CREATE TABLE heads (tenant TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL,"
        " at TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE tenants (tenant TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, created_at TEXT NOT NULL)"
        " STRICT, WITHOUT ROWID",
        "INSERT INTO tenants VALUES ('default', 'Default tenant', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
    ),
)
"""One step per schema version, in order; a step that was ever released is never edited."""

VERSION = len(_MIGRATIONS)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """The file is empty, or Emma's and no newer than this one knows; nothing was written. Raises `StoreError`."""
    connection.execute("BEGIN")  # one snapshot: another process may be making the tables
    try:
        _judge(connection, path)
    finally:
        connection.execute("ROLLBACK")


def bring_up(connection: sqlite3.Connection, path: Path) -> None:
    """Every table is there, in one transaction; another process may be doing the same."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _judge(connection, path)
        for version in range(_number(connection, "user_version"), VERSION):
            for statement in _MIGRATIONS[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _judge(connection: sqlite3.Connection, path: Path) -> None:
    version = _number(connection, "user_version")
    mark = _number(connection, "application_id")
    foreign = mark != APPLICATION_ID if version else _number_of_tables(connection) > 0
    if foreign:
        raise StoreError(f"Store '{path}' is another program's database; name a file of its own, or one that is new")
    if version > VERSION:
        raise StoreError(
            f"Store '{path}' was written by a newer Emma (schema {version}, this one knows up to {VERSION}); "
            "upgrade emma-core, or name another file"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _number_of_tables(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
