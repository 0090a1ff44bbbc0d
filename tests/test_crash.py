"""Kills a process in the middle of its turns and looks for what it had acknowledged."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emma_core import Emma, Settings, audit

TURNS = """
import asyncio, sys
from emma_core import Emma, Settings

async def main():
    async with Emma.open(Settings(store=sys.argv[1], model="offline:")) as emma:
        desk = emma.tenant("default")
        at_once = asyncio.Semaphore(4)
        async def one(n):
          async with at_once:
            await asyncio.sleep(0.1)  # so that the kill falls among turns that have not begun, begun, and ended
            turn = await desk.ask("loan_officer", f"Is {40 + n % 10}% debt-to-income fine?", conversation=f"c-{n % 7}")
            print(turn.id, flush=True)
        await asyncio.gather(*(one(n) for n in range(50)))

asyncio.run(main())
"""


async def crash_once(folder: Path, after: int) -> int:
    """How many turns a child acknowledged before it was killed; the trail holds all of them, and verifies."""
    address = f"sqlite:///{folder}/emma.db"
    child = subprocess.Popen([sys.executable, "-c", TURNS, address], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(after)]
    child.send_signal(signal.SIGKILL)
    acknowledged += child.stdout.read().split()
    child.wait()
    child.stdout.close()

    later = datetime.now(UTC) + timedelta(minutes=10)
    async with Emma.open(Settings(store=address, model="offline:"), clock=lambda: later) as emma:
        trail = await emma.tenant("default").trail()
        lines = await trail.lines(limit=10_000)
        verified = await audit.verify_trail(trail)

    assert verified.ok, verified.reason
    assert len({line.turn for line in lines}) < 50, "the kill came too late to interrupt anything"
    told = Counter((line.turn, line.kind) for line in lines)
    assert all(told[turn, "judged"] == told[turn, "answered"] == 1 for turn in acknowledged if turn.startswith("t-"))
    for turn in {line.turn for line in lines}:
        assert told[turn, "judged"] == 1
        assert told[turn, "answered"] + told[turn, "stopped"] == 1, "a turn without an end, or with two"
    return sum(turn.startswith("t-") for turn in acknowledged)


async def test_nothing_acknowledged_is_missing_after_a_kill_in_the_middle_of_turns(tmp_path: Path) -> None:
    await crash_once(tmp_path, after=10)


@pytest.mark.prove
async def test_twenty_kills_lose_nothing(tmp_path: Path, proof: Callable[[str], None]) -> None:
    acknowledged = 0
    for round in range(20):
        (tmp_path / str(round)).mkdir()
        acknowledged += await crash_once(tmp_path / str(round), after=1 + 2 * round)

    proof(
        f"20 processes killed (-9) amid 50 turns each: {acknowledged} turns acknowledged, none lost, none ended twice"
    )


async def test_a_turn_of_a_process_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/emma.db"
    async with Emma.open(Settings(store=address, model="offline:")) as emma:
        desk = emma.tenant("default")
        async for event in desk.stream("loan_officer", "Is 47% debt-to-income fine?"):
            if event.step == "judged":
                async with Emma.open(Settings(store=address, model="offline:")) as other:
                    lines = await (await other.tenant("default").trail()).lines()
                    assert [line.kind for line in lines] == ["judged"]
        lines = await (await desk.trail()).lines()

    assert [line.kind for line in lines] == ["judged", "answered"]
