"""Holds the Cosmos store to the contract of all stores, over the protocol fake."""

from __future__ import annotations

import pytest

from emma_core.backends.cosmos import open_store
from emma_core.ports import Store
from emma_core.testing.store_contract import *  # noqa: F403

# aiohttp would rather be given a file than a megabyte
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def new_store(cosmos_address: str):
    def open_another() -> Store:
        return open_store(cosmos_address)

    return open_another
