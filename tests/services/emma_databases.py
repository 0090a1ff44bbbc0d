"""PostgreSQL databases with Emma's tables in them, copied from one that was migrated."""

from __future__ import annotations

from emma_core.backends.sql import connecting, migrating
from services.postgres_server import Addresses


def migrated(addresses: Addresses) -> None:
    """The empty database has the tables of this release, and the app's role may use them."""
    migrating.upgrade(connecting.place(addresses.app), connecting.place(addresses.owner))
