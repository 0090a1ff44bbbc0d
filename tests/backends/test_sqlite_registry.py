"""Holds the registry over a SQLite file to its contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emma_core.backends.sql.registry import open_registry
from emma_core.ports import Registry
from emma_core.testing.registry_contract import *  # noqa: F403


@pytest.fixture
def new_registry(address: str) -> Callable[[], Registry]:
    return lambda: open_registry(address)
