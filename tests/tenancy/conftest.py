"""Gives the tests of tenants houses of their own, and a clock."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, Settings

from .furnishing import Clock, furnish

Open = Callable[..., AbstractAsyncContextManager[Emma]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Open:
    """Opens a house whose every store lies in a folder of that name."""

    @asynccontextmanager
    async def open_(name: str = "here", **more: Any) -> AsyncIterator[Emma]:
        folder = tmp_path / name
        addresses = {"store": f"sqlite:///{folder}/emma.db", "blobs": f"file:{folder}/blobs"}
        async with Emma.open(Settings(**{**addresses, "model": "offline:", **more}), clock=clock) as emma:
            yield emma

    return open_


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of a furnished tenant `acme`, for all tests; they read it and write nothing."""
    folder = tmp_path_factory.mktemp("taken")

    async def made() -> None:
        chosen = Settings(store=f"sqlite:///{folder}/emma.db", blobs=f"file:{folder}/blobs", model="offline:")
        async with Emma.open(chosen) as emma:
            await furnish(emma, "acme")
            await emma.tenancy.export("acme", folder / "acme")

    asyncio.run(made())
    return folder / "acme"


@pytest.fixture
def own(taken: Path, tmp_path: Path) -> Path:
    """A copy of that export, to be spoilt."""
    return Path(shutil.copytree(taken, tmp_path / "own"))
