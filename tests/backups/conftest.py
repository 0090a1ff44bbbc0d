"""Gives the tests of backups installations that are written to, backed up, lost and restored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, Settings, audit, backups, packs
from emma_core.backups import Restored, Taking
from emma_core.opening import opened, resolved
from emma_core.runtime import House
from emma_core.testing.samples import note, sealing


@dataclass
class Installation:
    """An installation in a folder of its own."""

    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Where it lies."""
        addresses = {"store": f"sqlite:///{self.folder}/emma.db", "blobs": f"file:{self.folder}/blobs"}
        return Settings(**{**addresses, "model": "offline:", **self.more})

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        """It, opened, and nothing recovered."""
        async with opened(self.settings, found(), clock=now) as house:
            yield house

    @asynccontextmanager
    async def taking(self, target: Path, house: House) -> AsyncIterator[Taking]:
        """A backup of it that is kept up to date."""
        async with resolved(self.settings, house.packs) as (_, read), backups.taking(house, read, target) as taking:
            yield taking

    async def back_up(self, target: Path) -> None:
        """The backup holds all of it."""
        async with self.house() as house, self.taking(target, house) as taking:
            await taking.step()
            await taking.note()

    async def restore(self, target: Path, to: datetime | None = None, **more: Any) -> Restored:
        """What came of restoring it."""
        order = backups.Order(target, to, now, **more)
        return (await backups.restore(self.settings, found(), order)).report

    async def append(self, count: int, tenant: str = "default") -> None:
        """So many lines more, each with a document."""
        async with self.house() as house:
            await grow(house, count, tenant)

    async def holds(self, tenant: str = "default") -> tuple[int, int]:
        """How many lines its verified trail has, and how many notes lie beside it."""
        async with self.house() as house:
            store = house.store.for_tenant(tenant)
            verified = await audit.verify_trail(store)
            assert verified.ok, verified.reason
            return verified.lines, len(await store.query("note", limit=10_000))

    async def ask(self, words: str = "Can we approve at 47% debt-to-income?") -> None:
        """A turn was taken."""
        async with Emma.open(self.settings) as emma:
            await emma.tenant("default").ask("loan_officer", words)


async def grow(house: House, count: int, tenant: str = "default") -> None:
    """So many lines more, each with a document."""
    store = house.store.for_tenant(tenant)
    for _ in range(count):
        head = await store.head()
        number = (head.seq if head else 0) + 1
        await store.append(sealing(tenant, number), puts=[(note(f"n-{number}", n=number), "")])


@cache
def found() -> packs.Packs:
    """The installed packs, asked once."""
    return packs.find()


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@pytest.fixture
def installation(tmp_path: Path) -> Callable[..., Installation]:
    """An installation by name."""
    return lambda name="here", **more: Installation(tmp_path / name, more)
