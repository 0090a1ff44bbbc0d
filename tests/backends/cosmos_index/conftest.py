"""Brings the index on Cosmos DB under the cases of indexes, over the protocol fake or an account that is named."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from services.cosmos_fake import CosmosFake

from emma_core.backends.cosmos_index import CosmosIndex, open_index

_NAMES = itertools.count(1)


@pytest.fixture(scope="session")
def cosmos_fake() -> Iterator[CosmosFake]:
    """A protocol fake of Cosmos shared by all tests of this folder."""
    fake = CosmosFake()
    yield fake
    fake.stop()


@pytest.fixture
def fake() -> Iterator[CosmosFake]:
    """A protocol fake of the test's own, that may be broken."""
    own = CosmosFake()
    yield own
    own.stop()


@pytest.fixture
def dimension() -> int:
    """Of the vectors of these tests."""
    return 32


@pytest.fixture
def new_index(cosmos_fake: CosmosFake) -> Callable[[], CosmosIndex]:
    """Unopened indexes on one address that was empty."""
    name = f"index-{os.getpid()}-{next(_NAMES)}"
    if named := os.environ.get("EMMA_TEST_COSMOS_URL"):
        where, _, options = named.partition("?")
        address = f"{where.rstrip('/')}-{name}?{options}&dimension=32"
    else:
        address = f"{cosmos_fake.address(name)}&dimension=32"
    asyncio.run(open_index(address).upgrade())
    return lambda: open_index(address)
