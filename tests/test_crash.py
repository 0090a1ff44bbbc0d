"""Kills processes and servers in the middle of turns and looks for what had been acknowledged."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from services import PostgresServer
from services.emma_databases import migrated

from emma_core import Emma, Settings, StoreError, audit
from emma_core.backends.sql import connections
from emma_core.nouns import Piece, Prompt
from emma_core.testing import Says, ScriptedModel, ScriptedPack

# Forks, for each address it reads, a process that takes turns there until it is killed: starting Emma takes longer.
TURNS = """
import asyncio, os, sys
from emma_core import Emma, Settings, StoreError
from emma_core.backends import postgres, sqlite
from emma_core.backends.sql import registry
from emma_core import packs

async def take_turns(address, many):
    async with Emma.open(Settings(store=address, model="offline:")) as emma:
        desk = emma.tenant("default")
        at_once = asyncio.Semaphore(4)
        async def one(n):
          async with at_once:
            await asyncio.sleep(0.1)  # so that the kill falls among turns that have not begun, begun, and ended
            words = f"Is {40 + n % 10}% debt-to-income fine?"
            try:
                turn = await desk.ask("loan_officer", words, conversation=f"c-{n % 7}")
            except StoreError as error:
                print("refused:", str(error).replace("\\n", " "), flush=True)
            else:
                print(turn.id, flush=True)
        await asyncio.gather(*(one(n) for n in range(many)))

packs.find(None)
for line in sys.stdin:
    address, many = line.split()
    pid = os.fork()
    if not pid:
        asyncio.run(take_turns(address, int(many)))
        os._exit(0)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
"""
MANY = 400
"""More turns than a child comes to before it is killed."""


class Nursery:
    """Brings forth processes that take turns."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", TURNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def new(self, address: str) -> int:
        """The id of a new process that takes turns there."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{address} {MANY}\n")
        self._process.stdin.flush()
        return int(self.hear())

    def hear(self) -> str:
        """The next line that the last process wrote; `ended` after all of them."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def close(self) -> None:
        """It has ended."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@dataclass
class Ground:
    """A store that outlives the processes that write to it, and the turns it has acknowledged."""

    address: str
    server: PostgresServer | None = None
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What was said where a turn came to nothing because the server was away."""

    def kill_amid_turns(self, nursery: Nursery, after: int, *, server_too: bool = False) -> None:
        """A process was killed (-9) after so many turns more; before it, its server was, and came back."""
        pid = nursery.new(self.address)
        told = [nursery.hear() for _ in range(after)]
        if server_too:
            assert self.server is not None
            self.server.kill9()
            self.server.start()
            while len([line for line in told if line.startswith("t-")]) < 2 * after:
                told.append(nursery.hear())
        os.kill(pid, signal.SIGKILL)
        while (line := nursery.hear()) != "ended":
            told.append(line)
        turns = [line for line in told if line.startswith("t-")]
        refused = [line for line in told if line.startswith("refused: ")]
        assert len(turns) + len(refused) == len(told), told
        assert len(told) < MANY, "the kill came too late to interrupt anything"
        assert server_too or not refused, refused
        self.acknowledged += turns
        self.refused += refused

    async def holds(self) -> int:
        """How many turns the trail has: each acknowledged one among them, each judged once and ended once."""
        later = datetime.now(UTC) + timedelta(minutes=10)
        async with Emma.open(Settings(store=self.address, model="offline:"), clock=lambda: later) as emma:
            trail = await emma.tenant("default").trail()
            lines, after = [], 0
            while page := await trail.lines(after=after):
                lines += page
                after = page[-1].seq
            verified = await audit.verify_trail(trail)
        assert verified.ok, verified.reason
        told = Counter((line.turn, line.kind) for line in lines)
        assert len(set(self.acknowledged)) == len(self.acknowledged)
        lost = [turn for turn in self.acknowledged if not told[turn, "judged"] == told[turn, "answered"] == 1]
        assert lost == []
        turns = {line.turn for line in lines}
        for turn in turns:
            assert told[turn, "judged"] == 1
            assert told[turn, "answered"] + told[turn, "stopped"] == 1, "a turn without an end, or with two"
        return len(turns)


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "sqlite":
        yield Ground(f"sqlite:///{tmp_path}/emma.db")
        return
    server: PostgresServer = request.getfixturevalue("durable_postgres")
    addresses = server.database(prepare=migrated)
    yield Ground(addresses.app, server)
    server.drop(addresses)


async def test_nothing_acknowledged_is_missing_after_kills_in_the_middle_of_turns(
    ground: Ground, nursery: Nursery
) -> None:
    # five in all: two on SQLite, two on PostgreSQL and one of PostgreSQL itself
    ground.kill_amid_turns(nursery, 10, server_too=ground.server is not None)
    ground.kill_amid_turns(nursery, 3)

    assert await ground.holds() >= len(ground.acknowledged) >= 13


@pytest.mark.prove
async def test_a_hundred_kills_amid_a_thousand_turns_lose_nothing(
    ground: Ground, nursery: Nursery, proof: Callable[..., None]
) -> None:
    servers = 0
    for round in range(100):
        server_too = ground.server is not None and round % 5 == 4
        servers += server_too
        ground.kill_amid_turns(nursery, 8 + round % 7, server_too=server_too)
        if round % 10 == 9:
            await ground.holds()
    turns = await ground.holds()

    assert len(ground.acknowledged) >= 1000
    backend = ground.address.partition(":")[0]
    and_servers = f", and PostgreSQL itself {servers} times" if servers else ""
    proof(
        f"{backend}: 100 processes killed (-9) amid {turns} turns{and_servers}: {len(ground.acknowledged)} turns"
        f" acknowledged, none lost, none ended twice, every other one ended as stopped; {len(ground.refused)} refused"
        " with a clear error; the trail verifies",
        backend,
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


class Held(ScriptedModel):
    """Says its word when it is let go."""

    def __init__(self) -> None:
        super().__init__(Says("It is above the limit [1]."), again=True)
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """The word."""
        self.asked.set()
        await self.go.wait()
        async for piece in super().reply(prompt):
            yield piece


@pytest.fixture
def on_postgresql(durable_postgres: PostgresServer) -> Iterator[Ground]:
    addresses = durable_postgres.database(prepare=migrated)
    yield Ground(addresses.app, durable_postgres)
    durable_postgres.drop(addresses)


@pytest.mark.parametrize("end", ["stop", "kill9"])
async def test_a_database_that_went_away_amid_a_turn_and_returned_has_the_whole_turn(
    on_postgresql: Ground, end: str
) -> None:
    server, model = on_postgresql.server, Held()
    settings = Settings(store=on_postgresql.address, model="scripted:")
    async with Emma.open(settings, plugins={"scripted": ScriptedPack(model)}) as emma:
        desk = emma.tenant("default")
        asked = asyncio.create_task(desk.ask("loan_officer", "Is 47% debt-to-income fine?"))
        await model.asked.wait()

        getattr(server, end)()
        model.go.set()
        await asyncio.sleep(0.3)  # the answer is on its way to a server that is not there
        assert not asked.done()
        await asyncio.to_thread(server.start)
        turn = await asked

        assert turn.answer is not None, turn.stopped
        trail = await desk.trail()
        assert [(line.kind, line.turn) for line in await trail.lines()] == [("judged", turn.id), ("answered", turn.id)]
        assert (await audit.verify_trail(trail)).ok


async def test_a_database_that_stays_away_amid_a_turn_ends_it_with_a_clear_error(
    on_postgresql: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, model = on_postgresql.server, Held()
    settings = Settings(store=on_postgresql.address, model="scripted:")
    async with Emma.open(settings, plugins={"scripted": ScriptedPack(model)}) as emma:
        desk = emma.tenant("default")
        asked = asyncio.create_task(desk.ask("loan_officer", "Is 47% debt-to-income fine?"))
        await model.asked.wait()
        monkeypatch.setattr(connections, "PATIENCE", 0.5)

        server.stop()
        model.go.set()
        try:
            with pytest.raises(StoreError, match=r"is not reached .*; check that it runs"):
                await asked
        finally:
            await asyncio.to_thread(server.start)

    assert await on_postgresql.holds() == 1
