"""Does the jobs there are: tried again after their effect, broken off or refused, each leaves it once or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from emma_core import CallerError, Emma, Forbidden, NotFound, Settings, audit
from emma_core.cli.report_files import writer
from emma_core.jobs import KINDS, places
from emma_core.nouns import INSTALLATION, Job
from emma_core.ports import JobKind, JobRun
from emma_core.testing.jobs_contract import over, running, working

Open = Callable[..., AbstractAsyncContextManager[Emma]]
TOOLS = {"report": writer}


@pytest.fixture
def house(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_(**more: Any) -> AsyncIterator[Emma]:
        chosen = Settings(store=f"sqlite:///{tmp_path}/emma.db", blobs=f"file:{tmp_path}/blobs", model="offline:")
        async with Emma.open(chosen, **more) as emma:
            yield emma

    return open_


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def rows(folder: Path, many: int) -> Path:
    path = folder / "rows.csv"
    path.write_text("dti\n" + "0.5\n" * many)
    return path


async def done_but_not_noted(emma: Emma, job: Job) -> None:
    """The job's work is done, and its worker ends before that is noted."""
    real, done = KINDS[job.kind].make(emma._house, TOOLS), asyncio.Event()

    async def work(run: JobRun) -> dict[str, JsonValue]:
        await real.work(run)
        done.set()
        await asyncio.Event().wait()
        return {}

    async with working(emma._house.jobs, {job.kind: JobKind(work, real.clean)}):
        async with asyncio.timeout(60):
            await done.wait()


async def done_by(emma: Emma, job: Job) -> Job:
    """The job, once a worker of this house is through with it."""
    jobs = emma._house.jobs
    handle = jobs.for_installation() if job.tenant == INSTALLATION else jobs.for_tenant(job.tenant)
    async with working(jobs, {name: kind.make(emma._house, TOOLS) for name, kind in KINDS.items()}):
        return await over(handle, job.id)


async def test_a_check_that_is_done_again_is_on_the_trail_once_and_its_report_is_whole(
    house: Open, tmp_path: Path, out: Path
) -> None:
    file = rows(tmp_path, 3)
    told: dict[str, Any] = {"file": str(file), "rules": ["mortgage/lender_policy"], "out": str(out / "r.jsonl")}
    async with house() as emma:
        job = await emma.jobs.start("check", told, tenant="default")
        await done_but_not_noted(emma, job)
        done = await done_by(emma, job)
        trail = await emma.tenant("default").trail()
        lines = await trail.lines()
        verified = await audit.verify_trail(trail)

    assert (done.state, done.attempts, done.done, done.of) == ("done", 2, 3, 3)
    assert [(line.kind, line.conversation) for line in lines] == [("checked", f"k-{job.id}")]
    assert done.outcome == {
        "report": f"k-{job.id}",
        "verdict": "needs_override",
        "line": 1,
        "found": 6,
        "out": str(out / "r.jsonl"),
    }
    assert verified.ok
    assert [json.loads(line)["record"] for line in (out / "r.jsonl").read_text().splitlines()] == [1, 1, 2, 2, 3, 3]
    assert [path.name for path in out.iterdir()] == ["r.jsonl"]


async def test_a_check_whose_file_changed_between_two_tries_is_not_told_as_the_one_on_the_trail(
    house: Open, tmp_path: Path
) -> None:
    file = rows(tmp_path, 3)
    async with house() as emma:
        told: dict[str, Any] = {"file": str(file), "rules": ["mortgage/lender_policy"]}
        job = await emma.jobs.start("check", told, tenant="default")
        await done_but_not_noted(emma, job)
        rows(tmp_path, 4)
        done = await done_by(emma, job)

    assert done.state == "failed"
    assert "line 1, of another file" in done.error


async def test_a_check_that_is_cancelled_leaves_nothing_on_the_trail_and_no_file(
    house: Open, tmp_path: Path, out: Path
) -> None:
    file = rows(tmp_path, 200_000)
    told: dict[str, Any] = {"file": str(file), "rules": ["mortgage/lender_policy"], "out": str(out / "r.html")}
    async with house() as emma:
        job = await emma.jobs.start("check", {**told, "format": "html"}, tenant="default")
        handle = emma._house.jobs.for_tenant("default")
        async with working(emma._house.jobs, {"check": KINDS["check"].make(emma._house, TOOLS)}):
            await running(handle, job.id)
            begun = asyncio.get_running_loop().time()
            await emma.jobs.cancel(job.id, tenant="default")
            ended = await over(handle, job.id)
            took = asyncio.get_running_loop().time() - begun
        lines = await (await emma.tenant("default").trail()).lines()

    assert ended.state == "cancelled" and 0 < ended.done < 200_000
    assert took < 10.0, took  # a second where nothing else runs: a proof measures that
    assert (lines, list(out.iterdir())) == ([], [])


async def test_an_export_that_is_done_again_is_the_one_that_was_made(house: Open, out: Path) -> None:
    async with house() as emma:
        await emma.tenant("default").ask("loan_officer", "Is 47% debt-to-income fine?")
        job = await emma.jobs.start("export", {"folder": str(out / "e")}, tenant="default")
        await done_but_not_noted(emma, job)
        first = (out / "e" / "manifest.json").read_bytes()
        await emma.tenant("default").ask("loan_officer", "And 40%?")
        done = await done_by(emma, job)
        other = await emma.jobs.start("export", {"folder": str(out / "e")}, tenant="default")
        refused = await done_by(emma, other)

    assert (done.state, done.attempts) == ("done", 2) and done.done == done.of and done.done > 0
    assert (out / "e" / "manifest.json").read_bytes() == first
    assert [path.name for path in out.iterdir()] == ["e"]
    assert refused.state == "failed" and "is there already" in refused.error and str(out / "e") in refused.error


async def test_retention_as_a_job_destroys_what_had_its_time_once_and_leaves_its_proof(house: Open, out: Path) -> None:
    now = [datetime.now(UTC)]
    async with house(clock=lambda: now[0]) as emma:
        await emma.tenancy.create("acme")
        await emma.tenancy.offboard("acme")
        now[0] += timedelta(days=36)
        job = await emma.jobs.start("retain", {"proofs": str(out)}, tenant=INSTALLATION)
        await done_but_not_noted(emma, job)
        done = await done_by(emma, job)
        left = [each.id for each in await emma.tenants()]

    assert (done.state, done.attempts, left) == ("done", 2, ["default"])
    [proof] = out.iterdir()
    assert proof.name.startswith("acme-")


async def test_what_an_attempt_that_was_killed_left_is_cleared_and_nothing_else(house: Open, out: Path) -> None:
    folder = out / "e[1]"
    mine, others = f".{folder.name}.j-1", f".{folder.name}.j-12"
    for name in (mine, f".{mine}-x7", others, f".{others}-x7"):
        (out / name).mkdir()
        (out / name / "trail.jsonl").touch()
    (out / f".{mine}.77.part").touch()

    places.clear(folder, "j-1")

    assert sorted(path.name for path in out.iterdir()) == sorted([others, f".{others}-x7"])


@pytest.mark.parametrize(
    ("kind", "input", "tenant", "error", "said"),
    [
        ("exprot", {}, "default", CallerError, "'exprot'"),
        ("export", {}, "default", CallerError, "folder"),
        ("export", {"folder": "here"}, "default", CallerError, "from the root"),
        ("export", {"folder": "/x", "more": 1}, "default", CallerError, "more"),
        ("export", {"folder": "/x"}, "nobody", NotFound, "'nobody'"),
        ("export", {"folder": "/x"}, INSTALLATION, CallerError, "a tenant's"),
        ("retain", {}, "default", CallerError, "the installation's"),
        ("check", {"file": "/x", "rules": ["a/b"], "format": "pdf"}, "default", CallerError, "format"),
        ("check", {"file": "/x", "rules": ["a/b"]}, "asleep", Forbidden, "suspended"),
    ],
)
async def test_a_job_that_does_not_fit_is_refused_before_it_waits(
    house: Open, kind: str, input: dict[str, Any], tenant: str, error: type[Exception], said: str
) -> None:
    async with house() as emma:
        await emma.tenancy.create("asleep")
        await emma.tenancy.suspend("asleep")
        with pytest.raises(error, match=said):
            await emma.jobs.start(kind, input, tenant=tenant)

        assert await emma.jobs.waiting() == 0


async def test_a_suspended_tenant_can_be_taken_out_and_a_job_is_found_by_how_its_id_starts(
    house: Open, out: Path
) -> None:
    async with house() as emma:
        await emma.tenancy.create("asleep")
        await emma.tenancy.suspend("asleep")
        job = await emma.jobs.start("export", {"folder": str(out / "e")}, tenant="asleep", id="one-1")
        await emma.jobs.start("export", {"folder": str(out / "f")}, tenant="asleep", id="one-2")

        assert await emma.jobs.job("one-1", tenant="asleep") == job
        with pytest.raises(CallerError, match="2 jobs"):
            await emma.jobs.job("one-", tenant="asleep")
        for tenant in ("default", INSTALLATION):
            with pytest.raises(NotFound):
                await emma.jobs.job("one-1", tenant=tenant)


class Clock:
    """A clock that is set."""

    def __init__(self, at: str) -> None:
        self.set(at)

    def set(self, at: str) -> None:
        self.now = datetime.fromisoformat(at)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock("2026-11-27T05:30:00+00:00")


async def test_what_is_scheduled_is_started_once_whenever_it_is_due(house: Open, clock: Clock) -> None:
    told: dict[str, Any] = {"file": "/in/rows.csv", "rules": ["mortgage/lender_policy"], "out": "/out/{at}.jsonl"}
    async with house(clock=clock) as emma, house(clock=clock) as other:
        schedules = emma.jobs.schedules
        made = await schedules.put("nightly", "0 6 * * 1-5", "check", told, tenant="default", by="ana")
        assert schedules.next_due(made) == datetime(2026, 11, 27, 6, tzinfo=UTC)
        early = await schedules.start_due()
        clock.set("2026-11-27T06:00:20+00:00")
        started = await asyncio.gather(schedules.start_due(), other.jobs.schedules.start_due())
        again = await schedules.start_due()
        clock.set("2026-12-02T09:00:00+00:00")  # no worker ran on Monday and Tuesday, and the weekend is none of it
        missed = await schedules.start_due()
        await schedules.remove("nightly", tenant="default")
        clock.set("2026-12-03T09:00:00+00:00")
        gone = await schedules.start_due()
        jobs = await emma.jobs.list(tenant="default")

    assert (early, again, gone) == ([], [], [])
    assert {job.id for job in jobs} == {"nightly-20261127t0600", "nightly-20261202t0600"}
    assert len(jobs) == 2 and 1 <= sum(map(len, started)) <= 2
    assert [job.input["out"] for job in missed] == ["/out/20261202T0600.jsonl"]
    assert {job.by for job in jobs} == {"ana"}


@pytest.mark.parametrize(
    ("cron", "since", "due"),
    [
        # over a night in which 01:30 is there twice, and one in which 02:30 is not there
        ("30 1 * * *", "2026-10-31T00:00:00+00:00", ["20261031t0130", "20261101t0130", "20261102t0130"]),
        ("30 2 * * *", "2027-03-13T00:00:00+00:00", ["20270313t0230", "20270314t0300", "20270315t0230"]),
    ],
)
async def test_a_schedule_follows_the_clock_of_its_zone_over_a_change_of_the_hour(
    house: Open, clock: Clock, cron: str, since: str, due: list[str]
) -> None:
    clock.set(since)
    async with house(clock=clock) as emma:
        put = emma.jobs.schedules.put
        await put("daily", cron, "export", {"folder": "/e/{at}"}, tenant="default", zone="America/Chicago")
        for _ in range(70):
            clock.now += timedelta(hours=1)
            await emma.jobs.schedules.start_due()
        jobs = await emma.jobs.list(tenant="default")

    assert sorted(job.id for job in jobs) == [f"daily-{at}" for at in due]


@pytest.mark.parametrize(
    ("name", "cron", "kind", "zone", "said"),
    [
        ("nightly", "0 6 * *", "export", "UTC", "cron"),
        ("nightly", "0 6 * * 1 0", "export", "UTC", "cron"),
        ("nightly", "61 6 * * *", "export", "UTC", "cron"),
        ("nightly", "0 6 * * *", "export", "Mars/Base", "'Mars/Base'"),
        ("Nightly!", "0 6 * * *", "export", "UTC", "'Nightly!'"),
        ("nightly", "0 6 * * *", "retain", "UTC", "installation"),
    ],
)
async def test_a_schedule_that_does_not_fit_is_refused(
    house: Open, name: str, cron: str, kind: str, zone: str, said: str
) -> None:
    told: dict[str, JsonValue] = {"folder": "/e"} if kind == "export" else {}
    async with house() as emma:
        with pytest.raises(CallerError, match=said):
            await emma.jobs.schedules.put(name, cron, kind, told, tenant="default", zone=zone)

        assert await emma.jobs.schedules.all(tenant="default") == []
