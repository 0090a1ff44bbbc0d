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
from pydantic import JsonValue
from services import PostgresServer

from emma_core import Emma, Settings, audit
from emma_core.backends.dbos_jobs import open_jobs
from emma_core.nouns import Job
from emma_core.ports import JobKind, JobRun, Jobs, TenantJobs
from emma_core.testing.jobs_contract import over, running, working

from .conftest import with_jobs

STEPS = 3
PATIENCE = 600.0


@dataclass
class Workshop:
    """Jobs that outlive their workers, what came of them, and two workers at a time."""

    order: str
    """What a worker is told: where its jobs are."""
    nursery: subprocess.Popen[str]
    alive: list[int] = field(default_factory=list)

    def hire(self) -> None:
        """Two workers do jobs."""
        assert self.nursery.stdin is not None and self.nursery.stdout is not None
        while len(self.alive) < 2:
            self.nursery.stdin.write(f"{self.order}\n")
            self.nursery.stdin.flush()
            self.alive.append(int(self.nursery.stdout.readline()))

    def kill(self) -> None:
        """The one that was there longest is gone as by `kill -9`."""
        os.kill(self.alive.pop(0), signal.SIGKILL)

    @property
    def address(self) -> str:
        """Where the jobs are."""
        return self.order.split()[1]

    def done(self) -> Counter[str]:
        """By job, how many of its steps left their effect."""
        with closing(sqlite3.connect(self.order.split()[2], timeout=30)) as kept:
            return Counter(job for (job,) in kept.execute("SELECT job FROM effects"))

    def runs(self) -> int:
        """How many steps ran, those that ran again among them."""
        with closing(sqlite3.connect(self.order.split()[2], timeout=30)) as kept:
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
    made = Workshop(f"steps {address} {effects}", nursery)
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


async def exports_and_checks_amid_kills(tmp_path: Path, workshop: Workshop, jobs: int, kills: int) -> list[Job]:
    """All the jobs of a house, half of them checks and half exports, once they are over and so many workers killed."""
    file = tmp_path / "rows.csv"
    file.write_text("dti\n" + "0.5\n" * 500)
    out = tmp_path / "out"
    out.mkdir()
    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/emma.db", model="offline:")) as emma:
        for number in range(jobs // 2):
            told = {"file": str(file), "rules": ["mortgage/lender_policy"], "out": str(out / f"{number}.jsonl")}
            await emma.jobs.start("check", told, tenant="default")
            await emma.jobs.start("export", {"folder": str(out / f"e-{number}")}, tenant="default")
        workshop.hire()
        killed = 0
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await emma.jobs.list(tenant="default", limit=1000)
                over = sum(job.over for job in found)
                if over == jobs:
                    break
                if killed < kills and over > killed * jobs // (kills + 1) and any(j.state == "running" for j in found):
                    workshop.kill()
                    workshop.hire()
                    killed += 1
                await asyncio.sleep(0.02)
        trail = await emma.tenant("default").trail()
        lines, verified = await trail.lines(limit=10_000), await audit.verify_trail(trail)
    assert killed == kills, "the jobs were over before the last kill"
    assert [job.error for job in found if job.state != "done"] == []
    assert verified.ok
    checked = Counter(line.conversation for line in lines)
    assert checked == {f"k-{job.id}": 1 for job in found if job.kind == "check"}
    whole = {f"{number}.jsonl" for number in range(jobs // 2)} | {f"e-{number}" for number in range(jobs // 2)}
    assert {path.name for path in out.iterdir()} == whole, "something half-done is left"
    assert len({path.read_bytes() for path in out.glob("*.jsonl")}) == 1
    assert all((folder / "manifest.json").exists() for folder in out.glob("e-*"))
    return found


@pytest.fixture
def house(tmp_path: Path, nursery: subprocess.Popen[str]) -> Iterator[Workshop]:
    """Workers of a house whose store lies in the test's folder."""
    made = Workshop(f"house {tmp_path}", nursery)
    yield made
    while made.alive:
        made.kill()


async def test_exports_and_checks_whose_workers_are_killed_are_there_whole_and_once(
    tmp_path: Path, house: Workshop
) -> None:
    await exports_and_checks_amid_kills(tmp_path, house, 8, 1)


@pytest.mark.prove
async def test_fifteen_kills_amid_exports_and_checks_leave_each_whole_and_once(
    tmp_path: Path, house: Workshop, proof: Callable[..., None]
) -> None:
    found = await exports_and_checks_amid_kills(tmp_path, house, 300, 15)

    again = sum(job.attempts > 1 for job in found)
    proof(
        f"15 workers killed (-9) amid 150 checks and 150 exports: none lost, {again} taken up again, each check one"
        " line on a trail that verifies, each report and export whole, nothing half-done left"
    )


@pytest.mark.prove
async def test_a_cancelled_job_stops_within_a_second(new_jobs: Callable[[], Jobs], proof: Callable[..., None]) -> None:
    async def work(run: JobRun) -> dict[str, JsonValue]:
        run.progress(1)
        await asyncio.sleep(PATIENCE)
        return {}

    jobs = new_jobs()
    handle, took = jobs.for_tenant("a"), []
    async with working(jobs, {"work": JobKind(work)}):
        for number in range(40):
            await handle.start("work", {}, by="ana", id=f"j-{number}")
            await running(handle, f"j-{number}")
            begun = asyncio.get_running_loop().time()
            await handle.cancel(f"j-{number}")
            assert (await over(handle, f"j-{number}")).state == "cancelled"
            took.append(asyncio.get_running_loop().time() - begun)
    kind = (await jobs.state()).partition(":")[0]
    await jobs.close()

    assert max(took) < 1.0, took
    proof(
        f"{kind}: 40 running jobs cancelled: over after {sorted(took)[20]:.2f} s, and {max(took):.2f} s at most", kind
    )
