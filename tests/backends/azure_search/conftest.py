"""Brings Azure AI Search under the contract of indexes, over the protocol fake or a service that is named."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from services.search_fake import SearchFake

from emma_core.backends.azure_search import AzureSearchIndex, open_index

_NAMES = itertools.count(1)
DIMENSION = 32


@pytest.fixture(scope="session")
def search_fake() -> Iterator[SearchFake]:
    """A protocol fake shared by all tests; one that makes something go wrong there mends it again."""
    wrong = os.environ.get("EMMA_TEST_AZURE_SEARCH_MUTATION")  # what a run of the contract must notice
    fake = SearchFake(**({wrong: True} if wrong else {}))
    yield fake
    fake.stop()


@pytest.fixture
def fake() -> Iterator[SearchFake]:
    """A protocol fake of the test's own, that may be broken."""
    own = SearchFake()
    yield own
    own.stop()


@pytest.fixture
def dimension() -> int:
    """Of the vectors of these tests."""
    return DIMENSION


@pytest.fixture
def search_address(search_fake: SearchFake) -> str:
    """An index of the test's own, empty: of the fake, or of the service that is named."""
    name = f"emma-{os.getpid()}-{next(_NAMES)}"
    if named := os.environ.get("EMMA_TEST_AZURE_SEARCH_URL"):
        where, _, options = named.partition("?")
        address = f"{where.rstrip('/')}-{name}?{options}&dimension={DIMENSION}"
    else:
        address = search_fake.address(name, more=f"&dimension={DIMENSION}&settle=0")
    asyncio.run(open_index(address).upgrade())
    return address


@pytest.fixture
def new_index(search_address: str) -> Callable[[], AzureSearchIndex]:
    """Unopened indexes on one address."""
    return lambda: open_index(search_address)
