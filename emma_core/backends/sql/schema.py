"""The tables as this release writes them; how a database comes to them is said in `migrations/`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, text

from emma_core.backends.sql.columns import DAY, FLAG, JSON, MOMENT, NUMBER, REAL_NUMBER, TEXT

METADATA = MetaData()


def _table(name: str, *columns: Any, key: tuple[str, ...], rowid: bool = True) -> Table:
    """A table that SQLite keeps to its types; the tenant stands first in its key."""
    parts = (Column("tenant", TEXT, nullable=False), *columns, PrimaryKeyConstraint("tenant", *key))
    return Table(name, METADATA, *parts, sqlite_strict=True, sqlite_with_rowid=rowid)


def _text(*names: str, null: bool = False) -> list[Column[Any]]:
    return [Column(name, TEXT, nullable=null) for name in names]


tenants = _table(
    "tenants",
    *_text("title", "created_at"),
    Column("state", TEXT, nullable=False, server_default="active"),
    Column("region", TEXT, nullable=False, server_default=""),
    Column("data_class", TEXT, nullable=False, server_default="confidential"),
    Column("plan", TEXT, nullable=False, server_default=""),
    Column("state_since", TEXT, nullable=False, server_default=""),
    key=(),
    rowid=False,
)

# the store's: documents, and the trail with its payloads beside it

documents = _table(
    "documents",
    *_text("kind", "id", "in_group", "subject", "etag"),
    Column("expires_at", REAL_NUMBER),
    *_text("body"),
    key=("kind", "id"),
)
Index("documents_by_group", *(documents.c[name] for name in ("tenant", "kind", "in_group", "id")))
_EXPIRING = text("expires_at IS NOT NULL")
Index("documents_by_expiry", documents.c.expires_at, sqlite_where=_EXPIRING, postgresql_where=_EXPIRING)

lines = _table(
    "lines",
    Column("seq", NUMBER, nullable=False),
    *_text("kind", "at"),
    *_text("turn", "conversation", null=True),
    *_text("line", "hash"),
    key=("seq",),
)
for _name in ("turn", "conversation"):
    _SAID, _OF = text(f"{_name} IS NOT NULL"), [lines.c[each] for each in ("tenant", _name, "seq")]
    Index(f"lines_by_{_name}", *_OF, sqlite_where=_SAID, postgresql_where=_SAID)

payloads = _table("payloads", Column("seq", NUMBER, nullable=False), *_text("subject", "salt", "body"), key=("seq",))
heads = _table("heads", Column("seq", NUMBER, nullable=False), *_text("hash", "at"), key=(), rowid=False)

# the registry's: a table for each noun of a tenant, its columns the noun's fields

members = _table("members", *_text("user", "title"), Column("since", MOMENT, nullable=False), key=("user",))
role_assignments = _table(
    "role_assignments",
    *_text("user", "role", "given_by"),
    Column("given_at", MOMENT, nullable=False),
    Column("until", MOMENT),
    *_text("reason"),
    key=("user", "role"),
)
subscriptions = _table(
    "subscriptions",
    *_text("id", "plan"),
    Column("starts_on", DAY, nullable=False),
    Column("ends_on", DAY),
    Column("limits", JSON, nullable=False),
    key=("id",),
)
settings = _table(
    "settings",
    *_text("name"),
    Column("value", JSON),
    *_text("set_by"),
    Column("set_at", MOMENT, nullable=False),
    key=("name",),
)
model_deployments = _table(
    "model_deployments",
    *_text("name"),
    Column("version", NUMBER, nullable=False),
    *_text("address"),
    Column("in_use", FLAG, nullable=False),
    Column("added_at", MOMENT, nullable=False),
    key=("name", "version"),
)
api_keys = _table(
    "api_keys",
    *_text("id", "hash", "user"),
    Column("roles", JSON, nullable=False),
    Column("made_at", MOMENT, nullable=False),
    Column("until", MOMENT),
    key=("id",),
)
erasures = _table(
    "erasures",
    *_text("id", "subject_hash"),
    Column("at", MOMENT, nullable=False),
    *_text("by", "reason"),
    key=("id",),
)
idempotency_keys = _table(
    "idempotency_keys",
    *_text("key", "fingerprint"),
    Column("result", JSON),
    Column("until", MOMENT, nullable=False),
    key=("key",),
)
usage = _table(
    "usage",
    Column("day", DAY, nullable=False),
    *_text("counter"),
    Column("amount", NUMBER, nullable=False),
    key=("day", "counter"),
)
usage_cursors = _table("usage_cursors", Column("seen", NUMBER, nullable=False), key=(), rowid=False)

OF_TENANTS = tuple(table for table in METADATA.sorted_tables if table is not tenants)
"""Every table whose rows are a tenant's; `tenants` is the installation's."""
