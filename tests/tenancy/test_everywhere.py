"""Carries one tenant from SQLite to PostgreSQL, on to Cosmos and back: the same documents, trail, rows and content."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from services import Addresses
from services.cosmos_fake import CosmosFake

from emma_core import Conflict, Emma, Settings, audit
from emma_core.backends.cosmos import open_store
from emma_core.tenancy import Manifest

from .furnishing import QUESTION, sizes


@pytest.fixture
async def places(emma_database: Addresses, tmp_path: Path) -> AsyncIterator[dict[str, Settings]]:
    """By name, a whole set of stores with nothing in it."""
    cosmos = CosmosFake()
    address = cosmos.address("emma")
    await open_store(address).upgrade()
    stores = {
        "PostgreSQL": {"store": emma_database.app, "database_owner": emma_database.owner},
        "Cosmos": {"store": address, "database": f"sqlite:///{tmp_path}/registry.db"},
        "SQLite": {"store": f"sqlite:///{tmp_path}/back.db"},
    }
    yield {
        name: Settings(model="offline:", blobs=f"file:{tmp_path}/blobs-{name}", **said) for name, said in stores.items()
    }
    cosmos.stop()


async def test_a_tenant_goes_from_database_to_database_and_comes_back_the_same(
    places: dict[str, Settings], taken: Path, tmp_path: Path
) -> None:
    first = Manifest.model_validate_json((taken / "manifest.json").read_text())
    folder = taken
    for name, chosen in places.items():
        async with Emma.open(chosen) as emma:
            await emma.tenancy.arrive(folder)
            with pytest.raises(Conflict, match="'acme' has data here already"):
                await emma.tenancy.arrive(folder)
            folder = tmp_path / f"from {name}"
            again = await emma.tenancy.export("acme", folder)
            verified = await audit.verify_trail(await emma.tenant("acme").trail())

        assert (sizes(again), again.counts, again.head, again.counted) == (
            sizes(first),
            first.counts,
            first.head,
            first.counted,
        ), name
        assert verified.ok and verified.lines == 6
        print(f"\n{name}: {again.counts['trail']['lines']} lines, head {again.head.hash[:12]}, files equal")  # type: ignore[union-attr]


async def test_a_tenant_goes_on_where_it_arrived(places: dict[str, Settings], taken: Path) -> None:
    for name, chosen in places.items():
        async with Emma.open(chosen) as emma:
            await emma.tenancy.arrive(taken)
            desk = emma.tenant("acme")
            [override] = await desk.overrides()
            turn = await desk.ask(
                "loan_officer", QUESTION, conversation=override.conversation, subject=override.subject
            )
            assert turn.overrides[0].state == "granted", name
            assert turn.trail[0].seq == 7, name
            assert (await emma.tenancy.show("acme")).usage["turns"] == 2, name
