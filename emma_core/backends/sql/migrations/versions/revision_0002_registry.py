"""Makes the registry's tables, and gives a tenant its state, region, data class and plan."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from emma_core.backends.sql import row_security
from emma_core.backends.sql.columns import DAY, FLAG, JSON, MOMENT, NUMBER, TEXT
from emma_core.errors import StoreError

revision = "0002"
down_revision = "0001"

_OF_A_TENANT = {"state": "active", "region": "", "data_class": "confidential", "plan": "", "state_since": ""}


def upgrade() -> None:
    """The tables are there, empty."""
    if row_security.makes(op, "installation"):
        for name, default in _OF_A_TENANT.items():
            op.add_column("tenants", sa.Column(name, TEXT, nullable=False, server_default=default))
    if row_security.makes(op, "tenant"):
        for table, (columns, key) in _tables().items():
            whole = (sa.Column("tenant", TEXT, nullable=False), *columns, sa.PrimaryKeyConstraint("tenant", *key))
            op.create_table(table, *whole, sqlite_strict=True, sqlite_with_rowid=bool(key))
            row_security.protect(op, table)


def downgrade() -> None:
    """The tables are gone with what they held. Raises `StoreError` while a tenant is in a state that would be lost."""
    if row_security.makes(op, "tenant"):
        for table in reversed(_tables()):
            op.drop_table(table)
    if row_security.makes(op, "installation"):
        row_security.speak_as(op, row_security.EVERY_TENANT)
        held = op.get_bind().exec_driver_sql("SELECT tenant FROM tenants WHERE state <> 'active' ORDER BY tenant")
        if names := [row[0] for row in held]:
            raise StoreError(f"Revision 0001 cannot hold that {names} may not be asked; resume or erase them first")
        for name in reversed(_OF_A_TENANT):
            op.drop_column("tenants", name)


def _tables() -> dict[str, tuple[list[sa.Column[Any]], tuple[str, ...]]]:
    """By table, its columns after the tenant, and its key after the tenant."""
    return {
        "members": ([*_text("user", "title"), _must("since", MOMENT)], ("user",)),
        "role_assignments": (
            [*_text("user", "role", "given_by"), _must("given_at", MOMENT), _may("until", MOMENT), *_text("reason")],
            ("user", "role"),
        ),
        "subscriptions": (
            [*_text("id", "plan"), _must("starts_on", DAY), _may("ends_on", DAY), _must("limits", JSON)],
            ("id",),
        ),
        "settings": ([*_text("name"), _may("value", JSON), *_text("set_by"), _must("set_at", MOMENT)], ("name",)),
        "model_deployments": (
            [
                *_text("name"),
                _must("version", NUMBER),
                *_text("address"),
                _must("in_use", FLAG),
                _must("added_at", MOMENT),
            ],
            ("name", "version"),
        ),
        "api_keys": (
            [*_text("id", "hash", "user"), _must("roles", JSON), _must("made_at", MOMENT), _may("until", MOMENT)],
            ("id",),
        ),
        "erasures": ([*_text("id", "subject_hash"), _must("at", MOMENT), *_text("by", "reason")], ("id",)),
        "idempotency_keys": (
            [*_text("key", "fingerprint"), _may("result", JSON), _must("until", MOMENT)],
            ("key",),
        ),
        "usage": ([_must("day", DAY), *_text("counter"), _must("amount", NUMBER)], ("day", "counter")),
        "usage_cursors": ([_must("seen", NUMBER)], ()),
    }


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [_must(name, TEXT) for name in names]
