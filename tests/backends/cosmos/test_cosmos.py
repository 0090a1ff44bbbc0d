"""Holds the Cosmos store to the contract of all stores: over the protocol fake, or an account where one is named."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from services.cosmos_fake import CosmosFake

from emma_core.backends.cosmos import CosmosStore, open_store
from emma_core.backends.cosmos.address import read as read_address
from emma_core.backends.folder_blobs import open_blobs
from emma_core.ports import Blobs, Store
from emma_core.testing.samples import note
from emma_core.testing.store_contract import *  # noqa: F403
from emma_core.testing.two_tenants import prove_apart

# aiohttp would rather be given a file than a megabyte
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
NewStore = Callable[[], Store]


class WithBlobs(CosmosStore):
    """The store as the house opens it: with blobs for what is too large for an item."""

    blobs: Blobs

    async def open(self, *, overflow: Blobs | None = None) -> None:
        await super().open(overflow=overflow or self.blobs)


@pytest.fixture
def new_store(cosmos_address: str, tmp_path: Path) -> NewStore:
    def open_another() -> Store:
        store = WithBlobs(read_address(cosmos_address))
        store.blobs = open_blobs(f"file:{tmp_path / 'blobs'}")
        return store

    return open_another


def test_two_tenants_never_meet_in_any_verb(new_store: NewStore) -> None:
    # fewer steps than over a file: each asks ten times over HTTP; `make prove` takes 500 by 50
    prove_apart(new_store, examples=3, steps=20)


async def test_what_has_expired_is_not_held_any_more(store: Store) -> None:
    handle = store.for_tenant("a")
    await handle.put(note().model_copy(update={"expires_at": time.time() + 0.2}))
    assert (await handle.census())["documents"] == 1

    for _ in range(15):
        if not (await handle.census())["documents"]:
            break
        await asyncio.sleep(0.2)

    assert (await handle.census())["documents"] == 0


async def test_what_it_cost_is_told_by_each_handle(store: Store) -> None:
    busy, idle = store.for_tenant("a"), store.for_tenant("a")

    await busy.put(note())
    cost = busy.spent
    await busy.get("note", "one")

    assert idle.spent == 0
    assert 0 < cost < busy.spent


@pytest.mark.prove
def test_tenants_stay_apart_through_twenty_five_thousand_steps_on_cosmos(
    cosmos_address: str, cosmos_fake: CosmosFake, proof: Callable[[str], None]
) -> None:
    prove_apart(lambda: open_store(cosmos_address), examples=500, steps=50)
    asked = len(cosmos_fake.requests)
    proof(f"Cosmos (protocol fake): 500 sequences of 50 verbs over three tenants, {asked:,} requests: no leak")


@pytest.mark.skipif("EMMA_TEST_COSMOS_URL" not in os.environ, reason="expected: EMMA_TEST_COSMOS_URL names no account")
def test_the_contract_ran_on_a_real_account(cosmos_address: str) -> None:
    assert "127.0.0.1" not in cosmos_address
