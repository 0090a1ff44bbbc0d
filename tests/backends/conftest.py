"""Brings the embedded store under its contract."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from services.cosmos_fake import CosmosFake

from emma_core.backends.cosmos import open_store as open_cosmos_store
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


_NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def cosmos_fake() -> Iterator[CosmosFake]:
    """A protocol fake of Cosmos shared by all tests; one that makes something go wrong there mends it again."""
    fake = CosmosFake()
    yield fake
    fake.stop()


@pytest.fixture
def cosmos_address(cosmos_fake: CosmosFake) -> str:
    """An empty database of the test's own, its containers made."""
    address = cosmos_fake.address(f"emma-{next(_NAMES)}")
    asyncio.run(open_cosmos_store(address).upgrade())
    return address
