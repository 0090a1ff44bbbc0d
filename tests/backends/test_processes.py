"""Holds the SQLite store to its promise across processes: nothing forks, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emma_core import audit
from emma_core.backends.sqlite import open_store
from emma_core.testing.samples import sealing

LOOP = str(Path(__file__).with_name("append_loop.py"))


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-W", "error", LOOP, *arguments], stdout=subprocess.PIPE, text=True)


async def held(address: str, tenant: str, acknowledged: list[list[str]]) -> int:
    """How many lines the trail has; it holds, and everything acknowledged is there with its document."""
    store = open_store(address)
    await store.open()
    handle = store.for_tenant(tenant)
    checked = await audit.verify_trail(handle)
    assert checked.ok, checked.reason
    hashes = {str(line.seq): line.hash for line in await handle.lines(limit=100_000)}
    documents = {document.id for document in await handle.query("note", limit=100_000)}
    assert [row for row in acknowledged if hashes.get(row[0]) != row[1] or row[2] not in documents] == []
    # a line and its document are there together or not at all
    assert len(documents) == len(hashes)
    await store.close()
    return checked.lines


async def test_appends_from_several_processes_never_fork(address: str) -> None:
    children = [started(address, "a", f"child{number}", "40") for number in range(3)]
    acknowledged = [row.split() for child in children for row in child.communicate(timeout=120)[0].splitlines()]

    assert [child.returncode for child in children] == [0, 0, 0]
    assert sorted(int(row[0]) for row in acknowledged) == list(range(1, 121))
    assert await held(address, "a", acknowledged) == 120


async def test_a_watcher_is_woken_by_another_process(address: str) -> None:
    store = open_store(address)
    await store.open()
    watch = store.watch()
    child = started(address, "a", "child", "1")

    async with asyncio.timeout(120):
        assert await anext(watch) == "a"

    assert await asyncio.to_thread(child.communicate) != ("", None)
    await watch.aclose()
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="expected: no limits of that kind on this system")
async def test_a_disk_that_takes_no_more_is_one_error_and_loses_nothing_acknowledged(address: str) -> None:
    import resource

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, LOOP, address, "a", "child", "5000"],
        capture_output=True,
        text=True,
        preexec_fn=little_room,
    )

    assert done.returncode == 1
    assert re.search(r"StoreError: Store '.*emma.db' (has no room left|failed \(disk I/O error\); check)", done.stderr)
    acknowledged = [row.split() for row in done.stdout.splitlines()]
    assert len(acknowledged) >= 20
    assert await held(address, "a", acknowledged) >= len(acknowledged)


async def kill_and_count(address: str, times: int) -> int:
    acknowledged: list[list[str]] = []
    for time in range(times):
        child = started(address, "a", f"child{time}")
        assert child.stdout is not None
        acknowledged += [child.stdout.readline().split() for _ in range(20 + 7 * time)]
        child.kill()
        rest = child.stdout.read().splitlines(keepends=True)
        acknowledged += [row.split() for row in rest if row.endswith("\n")]
        child.wait()
        child.stdout.close()
        assert await held(address, "a", acknowledged) >= len(acknowledged)
    return len(acknowledged)


async def test_a_process_killed_amid_appends_loses_nothing_it_acknowledged(address: str) -> None:
    assert await kill_and_count(address, 5) >= 100


@pytest.mark.prove
async def test_fifty_killed_processes_lose_nothing_they_acknowledged(
    address: str, proof: Callable[[str], None]
) -> None:
    proof(f"50 processes killed (-9) amid appends: {await kill_and_count(address, 50)} acknowledged, none lost")


@pytest.mark.parametrize("lines", [200, pytest.param(10_000, marks=pytest.mark.prove)])
async def test_sixteen_writers_leave_no_gap_and_one_head(
    address: str, lines: int, proof: Callable[[str], None]
) -> None:
    store = open_store(address)
    await store.open()
    trail = store.for_tenant("one")

    async def write(writer: int) -> list[int]:
        return [(await trail.append(sealing("one", writer * lines + number))).seq for number in range(lines)]

    numbers = [seq for each in await asyncio.gather(*map(write, range(16))) for seq in each]
    verified, head = await audit.verify_trail(trail), await trail.head()
    await store.close()

    assert sorted(numbers) == list(range(1, 16 * lines + 1))
    assert verified.ok and head is not None
    assert verified.lines == head.seq == 16 * lines
    if lines == 10_000:
        proof(f"16 writers of {lines:,} lines each: {head.seq:,} lines, no gap, one head; the trail verifies")
