"""Brings the Cosmos store under the contract of stores, over the protocol fake or an account that is named."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from azure.cosmos.aio import CosmosClient
from services.cosmos_fake import CosmosFake

from emma_core.backends.cosmos import open_store
from emma_core.backends.cosmos.address import read as read_address
from emma_core.backends.folder_blobs import open_blobs
from emma_core.ports import Blobs

_NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def cosmos_fake() -> Iterator[CosmosFake]:
    """A protocol fake of Cosmos shared by all tests; one that makes something go wrong there mends it again."""
    wrong = os.environ.get("EMMA_TEST_COSMOS_MUTATION")  # what a run of the contract must notice
    fake = CosmosFake(**({wrong: True} if wrong else {}))
    yield fake
    fake.stop()


@pytest.fixture
def fake() -> Iterator[CosmosFake]:
    """A protocol fake of the test's own, that may be broken."""
    own = CosmosFake()
    yield own
    own.stop()


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[Blobs]:
    """Where the store puts what is too large for an item."""
    opened = open_blobs(f"file:{tmp_path / 'blobs'}")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def cosmos_address(cosmos_fake: CosmosFake) -> Iterator[str]:
    """An empty database of the test's own with its containers: of the fake, or of the account that is named."""
    name = f"emma-{next(_NAMES)}"
    if named := os.environ.get("EMMA_TEST_COSMOS_URL"):
        where, _, options = named.partition("?")
        address = f"{where.rstrip('/')}-{os.getpid()}-{name}?{options}"
        asyncio.run(open_store(address).upgrade())
        yield address
        asyncio.run(_dropped(address))
        return
    if "made" not in cosmos_fake.databases:
        asyncio.run(open_store(cosmos_fake.address("made")).upgrade())
    cosmos_fake.empty("made", name)
    yield cosmos_fake.address(name)


async def _dropped(address: str) -> None:
    where = read_address(address)
    async with CosmosClient(where.url, where.key) as client:
        await client.delete_database(where.database)
