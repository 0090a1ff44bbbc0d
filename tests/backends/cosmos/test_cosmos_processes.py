"""Holds the Cosmos store to its promise across processes: nothing forks, nothing acknowledged is lost or doubled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from services.cosmos_fake import CosmosFake

from emma_core import audit
from emma_core.backends.cosmos import CosmosStore
from emma_core.backends.cosmos.address import read as read_address
from emma_core.backends.cosmos.trail import Sizes

SIZES = Sizes(kept=10, part=64)  # as append_loop.py has them
LOOP = str(Path(__file__).with_name("append_loop.py"))


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, LOOP, *arguments], stdout=subprocess.PIPE, text=True)


async def held(address: str, acknowledged: list[list[str]]) -> int:
    """How many lines the trail has; it holds, and everything acknowledged is there once with its document."""
    store = CosmosStore(read_address(address), sizes=SIZES)
    await store.open()
    handle = store.for_tenant("a")
    checked = await audit.verify_trail(handle)
    assert checked.ok, checked.reason
    lines = await handle.lines(limit=100_000)
    hashes = {str(line.seq): line.hash for line in lines}
    documents = {document.id for document in await handle.query("note", limit=100_000)}
    assert [row for row in acknowledged if hashes.get(row[0]) != row[1] or row[2] not in documents] == []
    # a line and its document are there together or not at all, and once
    assert len(documents) == len(hashes)
    await store.close()
    return checked.lines


def rows(child: subprocess.Popen[str]) -> list[list[str]]:
    assert child.stdout is not None
    with child.stdout as said:
        return [row.split() for row in said.read().splitlines(keepends=True) if row.endswith("\n")]


async def test_appends_from_several_processes_never_fork(cosmos_address: str, cosmos_fake: CosmosFake) -> None:
    cosmos_fake.lost = 5  # answers that never come, among others
    children = [started(cosmos_address, f"child{number}", "15") for number in range(2)]
    acknowledged = [row for child in children for row in await asyncio.to_thread(rows, child)]

    assert [child.wait() for child in children] == [0, 0]
    assert sorted(int(row[0]) for row in acknowledged) == list(range(1, 31))
    assert await held(cosmos_address, acknowledged) == 30


async def kill_and_count(address: str, times: int) -> int:
    acknowledged: list[list[str]] = []
    for time in range(times):
        child = started(address, f"child{time}")
        assert child.stdout is not None
        acknowledged += [(await asyncio.to_thread(child.stdout.readline)).split() for _ in range(8 + 7 * time % 30)]
        child.kill()
        acknowledged += await asyncio.to_thread(rows, child)
        child.wait()
        assert await held(address, acknowledged) >= len(acknowledged)
    return len(acknowledged)


async def test_a_process_killed_amid_appends_loses_nothing_it_acknowledged(cosmos_address: str) -> None:
    assert await kill_and_count(cosmos_address, 2) >= 20


@pytest.mark.prove
async def test_fifty_processes_killed_over_cosmos_lose_nothing(
    cosmos_address: str, proof: Callable[[str], None]
) -> None:
    count = await kill_and_count(cosmos_address, 50)
    proof(f"Cosmos (protocol fake): 50 processes killed (-9) amid appends: {count} acknowledged, none lost, none twice")
