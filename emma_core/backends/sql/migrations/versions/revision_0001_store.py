"""Makes the tables of documents, trails and tenants, as "The house stands" left them in SQLite files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from emma_core.backends.sql import row_security
from emma_core.backends.sql.columns import NUMBER, REAL_NUMBER, TEXT

revision = "0001"
down_revision = None


def _text(*names: str, null: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, TEXT, nullable=null) for name in names]


def _table(name: str, *columns: sa.Column[Any], key: tuple[str, ...], rowid: bool = True) -> None:
    parts = (*columns, sa.PrimaryKeyConstraint("tenant", *key))
    op.create_table(name, *parts, sqlite_strict=True, sqlite_with_rowid=rowid)
    row_security.protect(op, name)


def upgrade() -> None:
    """The tables are there, and the tenant `default`."""
    if row_security.makes(op, "tenant"):
        _store()
    if row_security.makes(op, "installation"):
        _table("tenants", *_text("tenant", "title", "created_at"), key=(), rowid=False)
        row_security.let_list(op, "tenants")
        row_security.speak_as(op, "default")
        tenants = sa.table("tenants", *(sa.column(name) for name in ("tenant", "title", "created_at")))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        op.bulk_insert(tenants, [{"tenant": "default", "title": "Default tenant", "created_at": now}])


def _store() -> None:
    expires_at = sa.Column("expires_at", REAL_NUMBER)
    named = _text("tenant", "kind", "id", "in_group", "subject", "etag")
    _table("documents", *named, expires_at, *_text("body"), key=("kind", "id"))
    op.create_index("documents_by_group", "documents", ["tenant", "kind", "in_group", "id"])
    _partial_index("documents_by_expiry", "documents", ["expires_at"], "expires_at IS NOT NULL")
    said = _text("turn", "conversation", null=True)
    _table("lines", *_text("tenant"), _seq(), *_text("kind", "at"), *said, *_text("line", "hash"), key=("seq",))
    for name in ("turn", "conversation"):
        _partial_index(f"lines_by_{name}", "lines", ["tenant", name, "seq"], f"{name} IS NOT NULL")
    _table("payloads", *_text("tenant"), _seq(), *_text("subject", "salt", "body"), key=("seq",))
    _table("heads", *_text("tenant"), _seq(), *_text("hash", "at"), key=(), rowid=False)


def _seq() -> sa.Column[Any]:
    return sa.Column("seq", NUMBER, nullable=False)


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
