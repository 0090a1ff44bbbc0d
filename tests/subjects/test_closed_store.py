"""Holds a store whose persons are under keys to all that any store must do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emma_core.backends import sqlite
from emma_core.ports import Store
from emma_core.subjects import SubjectStore, masters
from emma_core.testing.store_contract import *  # noqa: F403


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[[], Store]:
    return lambda: SubjectStore(sqlite.open_store(f"sqlite:///{tmp_path}/emma.db"), masters("00" * 32))
