"""Brings the embedded store under its contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from emma_core.backends.sqlite import open_store
from emma_core.ports import Store

# before the contract is imported, so that its assertions say what they compared
for module in (
    "store_contract",
    "document_contract",
    "trail_contract",
    "two_tenants",
    "registry_contract",
    "registry_row_contract",
):
    pytest.register_assert_rewrite(f"emma_core.testing.{module}")


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'emma.db'}"


@pytest.fixture
def new_store(address: str):
    def open_another() -> Store:
        return open_store(address)

    return open_another
