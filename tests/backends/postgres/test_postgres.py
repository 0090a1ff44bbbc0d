"""Holds the PostgreSQL store to the contract of all stores."""

from __future__ import annotations

from emma_core.testing.store_contract import *  # noqa: F403
