"""Kills workers in the middle of jobs and looks for what was lost, done twice, or told before it was done."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from services import PostgresServer

from emma_core.backends.dbos_jobs import open_jobs
from emma_core.nouns import Job
from emma_core.ports import TenantJobs

from .conftest import with_jobs

STEPS = 3
PATIENCE = 600.0


@dataclass
class Workshop:
    """Jobs that outlive their workers, what came of them, and two workers at a time."""

    address: str
    effects: Path
    nursery: subprocess.Popen[str]
    alive: list[int] = field(default_factory=list)

    def hire(self) -> None:
        """Two workers do jobs."""
        assert self.nursery.stdin is not None and self.nursery.stdout is not None
        while len(self.alive) < 2:
            self.nursery.stdin.write(f"{self.address} {self.effects}\n")
            self.nursery.stdin.flush()
            self.alive.append(int(self.nursery.stdout.readline()))

    def kill(self) -> None:
        """The one that was there longest is gone as by `kill -9`."""
        os.kill(self.alive.pop(0), signal.SIGKILL)

    def done(self) -> Counter[str]:
        """By job, how many of its steps left their effect."""
        with closing(sqlite3.connect(self.effects, timeout=30)) as kept:
            return Counter(job for (job,) in kept.execute("SELECT job FROM effects"))

    def runs(self) -> int:
        """How many steps ran, those that ran again among them."""
        with closing(sqlite3.connect(self.effects, timeout=30)) as kept:
            return int(kept.execute("SELECT count(*) FROM runs").fetchone()[0])


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("killed_worker.py")
    made = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield made
    made.kill()
    made.communicate()


@pytest.fixture(params=["sqlite", "postgresql"])
def workshop(request: pytest.FixtureRequest, tmp_path: Path, nursery: subprocess.Popen[str]) -> Iterator[Workshop]:
    effects = tmp_path / "effects.db"
    with sqlite3.connect(effects) as kept:
        kept.execute("PRAGMA journal_mode = WAL")
        kept.execute("CREATE TABLE effects (job TEXT, step INTEGER, PRIMARY KEY (job, step))")
        kept.execute("CREATE TABLE runs (job TEXT, step INTEGER)")
    kept.close()
    server: PostgresServer | None = None
    address = f"sqlite:///{tmp_path}/emma.jobs.db"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        addresses = server.database(prepare=with_jobs)
        address = addresses.app
    made = Workshop(address, effects, nursery)
    yield made
    while made.alive:
        made.kill()
    if server is not None:
        server.drop(addresses)


async def killed_amid(workshop: Workshop, jobs: int, kills: int) -> list[Job]:
    """All the jobs, once they are over; so many workers were killed while jobs were running, each after some were done.

    Whenever they were looked at, none said that more was done than was.
    """
    opened = open_jobs(workshop.address)
    handles = [opened.for_tenant(tenant) for tenant in ("acme", "beta", "gamma")]
    for number in range(jobs):
        await handles[number % len(handles)].start("steps", {"number": number}, by="ana", id=f"j-{number}")
    workshop.hire()
    killed = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await listed(handles)
            there = workshop.done()
            assert [job.id for job in found if job.done > there[job.id]] == []
            over = sum(job.over for job in found)
            if over == jobs:
                break
            if killed < kills and over > killed * jobs // (kills + 1) and any(j.state == "running" for j in found):
                workshop.kill()
                workshop.hire()
                killed += 1
            await asyncio.sleep(0.05)
    await opened.close()
    assert killed == kills, "the jobs were over before the last kill"
    return found


async def listed(handles: list[TenantJobs]) -> list[Job]:
    return [job for handle in handles for job in await handle.list(limit=1000)]


def none_lost_and_none_twice(workshop: Workshop, found: list[Job], jobs: int) -> None:
    assert {job.id for job in found} == {f"j-{number}" for number in range(jobs)} and len(found) == jobs
    assert {(job.state, job.done, job.of) for job in found} == {("done", STEPS, STEPS)}
    assert all(job.outcome == {"steps": STEPS} for job in found)
    assert workshop.done() == {f"j-{number}": STEPS for number in range(jobs)}


async def test_no_job_is_lost_and_none_has_its_effect_twice_though_workers_are_killed(workshop: Workshop) -> None:
    found = await killed_amid(workshop, 24, 3)

    none_lost_and_none_twice(workshop, found, 24)
    assert any(job.attempts > 1 for job in found), "no kill fell amid a job"


@pytest.mark.prove
async def test_fifteen_kills_amid_three_hundred_jobs_lose_none(workshop: Workshop, proof: Callable[..., None]) -> None:
    found = await killed_amid(workshop, 300, 15)

    none_lost_and_none_twice(workshop, found, 300)
    again = sum(job.attempts > 1 for job in found)
    assert again
    backend = workshop.address.partition(":")[0]
    proof(
        f"{backend}: 15 workers killed (-9) amid 300 jobs of {STEPS} steps: none lost, {again} taken up again,"
        f" {300 * STEPS} effects of {workshop.runs()} steps run, each there once; progress never ahead of the effects",
        backend,
    )
