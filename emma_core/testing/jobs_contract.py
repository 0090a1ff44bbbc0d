"""Says what any Jobs must do, as tests that each backend runs over its own.

A backend's test module brings a fixture `new_jobs`, a function that returns new Jobs at each call, all of them on one
place where there were none when the test began, and takes the tests over:

    from emma_core.testing.jobs_contract import *
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from emma_core.errors import CallerError, Conflict, NotFound, OperatorError
from emma_core.nouns import INSTALLATION, Job
from emma_core.ports import JobKind, JobRun, Jobs, TenantJobs
from emma_core.testing.samples import NO_TENANTS

PATIENCE = 30.0
"""Seconds after which a job that is not over ends the test."""


@pytest.fixture
async def jobs(new_jobs: Callable[[], Jobs]) -> AsyncIterator[Jobs]:
    """Jobs, none of which is there yet."""
    made = new_jobs()
    yield made
    await made.close()


@asynccontextmanager
async def working(jobs: Jobs, kinds: Mapping[str, JobKind], slots: int = 4) -> AsyncIterator[asyncio.Task[None]]:
    """A worker of this process, ready to take jobs up; its task."""
    stop, ready = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(jobs.work(kinds, stop=stop, slots=slots, ready=ready.set))
    begun = asyncio.create_task(ready.wait())
    await asyncio.wait([work, begun], return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    try:
        yield work
    finally:
        stop.set()
        await work


async def over(handle: TenantJobs, id: str) -> Job:
    """The job once it is over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await handle.job(id)
            if found is not None and found.over:
                return found
            await asyncio.sleep(0.05)


async def running(handle: TenantJobs, id: str) -> Job:
    """The job once it runs and has said how far it is."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await handle.job(id)
            if found is not None and found.state == "running" and found.done:
                return found
            await asyncio.sleep(0.05)


def echoes() -> JobKind:
    """A kind of job that comes to what it was told."""

    async def work(run: JobRun) -> dict[str, JsonValue]:
        run.progress(1, 1)
        return dict(run.job.input)

    return JobKind(work)


async def test_a_job_waits_with_what_it_was_told_until_somebody_works(new_jobs: Callable[[], Jobs], jobs: Jobs) -> None:
    told: dict[str, JsonValue] = {"folder": "out/1", "n": 3, "more": [True, None, {"ключ": "🔑"}]}

    started = await jobs.for_tenant("a").start("export", told, by="ana")

    another = new_jobs()
    found = await another.for_tenant("a").job(started.id)
    await another.close()
    assert found == started
    assert (found.tenant, found.kind, found.input, found.by) == ("a", "export", told, "ana")
    assert (found.state, found.done, found.of, found.attempts, found.over) == ("waiting", 0, None, 0, False)
    assert abs(datetime.now(UTC) - found.made_at) < timedelta(minutes=1)


async def test_a_job_that_is_started_again_by_its_id_is_the_same_and_another_is_refused(jobs: Jobs) -> None:
    handle = jobs.for_tenant("a")
    first = await handle.start("export", {"n": 1}, by="ana", id="nightly-1")

    again = await handle.start("export", {"n": 1}, by="sam", id="nightly-1")

    assert again == first
    with pytest.raises(Conflict, match="'nightly-1'"):
        await handle.start("export", {"n": 2}, by="ana", id="nightly-1")
    with pytest.raises(Conflict, match="'nightly-1'"):
        await handle.start("check", {"n": 1}, by="ana", id="nightly-1")
    assert await handle.census() == {"jobs": 1}


async def test_no_tenant_sees_cancels_or_destroys_a_job_of_another(jobs: Jobs) -> None:
    names = ["a", "a-a", "a_", "aa", "ab"]  # of which one is a wildcard for another where nobody looks
    for name in names:
        await jobs.for_tenant(name).start("export", {"of": name}, by="ana", id="j")
    await jobs.for_installation().start("export", {"of": "*"}, by="ana", id="j")
    await jobs.for_tenant("a").start("export", {}, by="ana", id="only-of-a")

    for name in names:
        found = await jobs.for_tenant(name).list()
        assert {job.tenant for job in found} == {name}
        assert {job.id for job in found} == ({"j", "only-of-a"} if name == "a" else {"j"})
    assert [(job.tenant, job.input) for job in await jobs.for_installation().list()] == [(INSTALLATION, {"of": "*"})]
    assert await jobs.waiting() == 7
    assert await jobs.for_tenant("ab").job("only-of-a") is None
    with pytest.raises(NotFound):
        await jobs.for_tenant("ab").cancel("only-of-a")
    await jobs.for_tenant("a_").purge()
    assert [len(await jobs.for_tenant(name).list()) for name in names] == [2, 1, 0, 1, 1]


@pytest.mark.parametrize("tenant", [*NO_TENANTS, INSTALLATION], ids=ascii)
def test_what_can_be_no_tenant_has_no_jobs(new_jobs: Callable[[], Jobs], tenant: str) -> None:
    with pytest.raises(CallerError):
        new_jobs().for_tenant(tenant)


async def test_where_nothing_was_ever_started_nothing_is_there_and_nothing_is_made(jobs: Jobs) -> None:
    handle = jobs.for_tenant("a")

    assert await handle.list() == []
    assert await handle.job("j") is None
    assert await handle.census() == {"jobs": 0}
    await handle.purge()
    assert await handle.forget(datetime.now(UTC)) == 0
    assert "none" in await jobs.state()


@pytest.mark.parametrize(
    ("kind", "input", "id"),
    [
        ("Export", {}, ""),
        ("", {}, ""),
        ("export", {"x": float("nan")}, ""),
        ("export", {"x": b"bytes"}, ""),
        ("export", {"x": "y" * 40_000}, ""),
        ("export", {}, "A"),
        ("export", {}, "../j"),
        ("export", {}, "a/j"),
        ("export", {}, "j" * 121),
    ],
)
async def test_what_does_not_fit_is_refused_and_nothing_was_started(
    jobs: Jobs, kind: str, input: dict[str, Any], id: str
) -> None:
    with pytest.raises(CallerError):
        await jobs.for_tenant("a").start(kind, input, by="ana", id=id)

    assert await jobs.for_tenant("a").census() == {"jobs": 0}


async def test_jobs_end_as_their_work_does_and_nobody_reads_there_what_somebody_said(jobs: Jobs) -> None:
    async def fails(run: JobRun) -> dict[str, JsonValue]:
        raise CallerError(f"File {run.job.input['file']!r}: line 3: 'Maria Schmidt' is no number; mend it")

    async def breaks(run: JobRun) -> dict[str, JsonValue]:
        async def step() -> int:
            raise KeyError("Maria Schmidt")

        return {"n": await run.once("step", step)}

    async def says_no_json(run: JobRun) -> dict[str, JsonValue]:
        return {"n": float("inf")}

    kinds = {"fails": fails, "breaks": breaks, "says_no_json": says_no_json}
    handle = jobs.for_tenant("a")
    for kind in (*kinds, "echoes", "unknown"):
        await handle.start(kind, {"file": "rows.csv"}, by="ana", id=kind)

    async with working(jobs, {"echoes": echoes(), **{name: JobKind(work) for name, work in kinds.items()}}):
        found = {kind: await over(handle, kind) for kind in (*kinds, "echoes", "unknown")}

    assert (found["echoes"].state, found["echoes"].outcome) == ("done", {"file": "rows.csv"})
    assert (found["echoes"].done, found["echoes"].of, found["echoes"].attempts) == (1, 1, 1)
    assert {kind: job.state for kind, job in found.items() if kind != "echoes"} == {
        **dict.fromkeys(kinds, "failed"),
        "unknown": "failed",
    }
    assert found["fails"].error == "File 'rows.csv': line 3: '…' is no number; mend it"
    assert "KeyError" in found["breaks"].error
    assert "ValueError" in found["says_no_json"].error
    assert "'unknown'" in found["unknown"].error
    assert all(job.ended_at and job.ended_at >= job.made_at - timedelta(seconds=1) for job in found.values())
    with pytest.raises(Conflict, match="'echoes'"):
        await handle.cancel("echoes")


async def test_a_step_that_was_done_is_not_done_again_by_the_next_worker_and_progress_is_true(
    new_jobs: Callable[[], Jobs], jobs: Jobs
) -> None:
    did: list[str] = []
    held = asyncio.Event()

    async def work(run: JobRun) -> dict[str, JsonValue]:
        async def effect(name: str) -> str:
            did.append(name)
            return name

        for number, name in enumerate(["one", "two", "three"]):
            if name == "three":
                await held.wait()
            assert await run.once(name, lambda name=name: effect(name)) == name  # type: ignore[misc]
            run.progress(number + 1, 3)
        return {"steps": 3}

    handle = jobs.for_tenant("a")
    job = await handle.start("steps", {}, by="ana")
    async with working(jobs, {"steps": JobKind(work)}):
        async with asyncio.timeout(PATIENCE):
            while (await running(handle, job.id)).done < 2:
                await asyncio.sleep(0.05)
        before = await running(handle, job.id)
    left = await handle.job(job.id)
    held.set()
    other = new_jobs()
    async with working(other, {"steps": JobKind(work)}):
        after = await over(handle, job.id)
    await other.close()

    assert left is not None and not left.over
    assert (before.done, before.of) == (2, 3)
    assert did == ["one", "two", "three"]
    assert (after.state, after.done, after.of, after.attempts, after.outcome) == ("done", 3, 3, 2, {"steps": 3})


async def test_a_cancelled_job_stops_soon_and_leaves_nothing(jobs: Jobs) -> None:
    left: set[str] = set()

    async def work(run: JobRun) -> dict[str, JsonValue]:
        left.add(run.job.id)
        run.progress(1, 1000)
        await asyncio.sleep(PATIENCE)
        return {}

    async def gently(run: JobRun) -> dict[str, JsonValue]:
        with run.unbroken():
            run.progress(1)
            while not run.stopping:
                await asyncio.sleep(0.01)
        return {"whole": True}

    handle = jobs.for_tenant("a")
    clean = lambda job: left.discard(job.id)  # noqa: E731
    for kind in ("work", "gently"):
        await handle.start(kind, {}, by="ana", id=kind)
    async with working(jobs, {"work": JobKind(work, clean), "gently": JobKind(gently, clean)}):
        took = {}
        for kind in ("work", "gently"):
            await running(handle, kind)
            begun = asyncio.get_running_loop().time()
            assert (await handle.cancel(kind)).state in ("stopping", "cancelled", "done")
            ended = await over(handle, kind)
            took[kind] = asyncio.get_running_loop().time() - begun
            assert ended.state == {"work": "cancelled", "gently": "done"}[kind]

    assert left == set()
    assert max(took.values()) < PATIENCE / 3, took  # a second where nothing else runs: its proof measures that


async def test_a_job_that_is_cancelled_before_anybody_took_it_up_never_begins(jobs: Jobs) -> None:
    began: list[str] = []

    async def work(run: JobRun) -> dict[str, JsonValue]:
        began.append(run.job.id)
        return {}

    handle = jobs.for_tenant("a")
    for id in ("cancelled", "other"):
        await handle.start("work", {}, by="ana", id=id)

    assert (await handle.cancel("cancelled")).state == "cancelled"
    with pytest.raises(Conflict, match="'cancelled'"):
        await handle.cancel("cancelled")
    with pytest.raises(NotFound, match="'nothing'"):
        await handle.cancel("nothing")
    async with working(jobs, {"work": JobKind(work)}):
        await over(handle, "other")

    assert began == ["other"]
    assert [(await over(handle, id)).state for id in ("cancelled", "other")] == ["cancelled", "done"]


async def test_what_is_over_is_forgotten_when_its_time_has_come_and_not_before(jobs: Jobs) -> None:
    handle = jobs.for_tenant("a")
    await handle.start("echoes", {}, by="ana", id="over")
    async with working(jobs, {"echoes": echoes()}):
        await over(handle, "over")
    await handle.start("echoes", {}, by="ana", id="waits")
    now = datetime.now(UTC)

    assert await handle.forget(now - timedelta(days=1)) == 0
    assert await handle.forget(now + timedelta(days=1), dry_run=True) == 1
    assert await handle.census() == {"jobs": 2}
    assert await handle.forget(now + timedelta(days=1)) == 1
    assert [job.id for job in await handle.list()] == ["waits"]


async def test_a_job_whose_tenant_is_purged_is_broken_off(jobs: Jobs) -> None:
    ended = asyncio.Event()

    async def work(run: JobRun) -> dict[str, JsonValue]:
        run.progress(1)
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.set()
        return {}

    handle = jobs.for_tenant("a")
    await handle.start("work", {}, by="ana", id="j")
    async with working(jobs, {"work": JobKind(work)}):
        await running(handle, "j")
        await handle.purge()
        async with asyncio.timeout(5):
            await ended.wait()

    assert await handle.census() == {"jobs": 0}


async def test_no_tenant_with_many_jobs_keeps_another_waiting(jobs: Jobs) -> None:
    async def work(run: JobRun) -> dict[str, JsonValue]:
        await asyncio.sleep(PATIENCE)
        return {}

    for _ in range(10):
        await jobs.for_tenant("a").start("work", {}, by="ana")
    async with working(jobs, {"work": JobKind(work), "echoes": echoes()}, slots=2):
        await jobs.for_tenant("b").start("echoes", {}, by="ben", id="j")

        assert (await over(jobs.for_tenant("b"), "j")).state == "done"


async def test_one_process_does_jobs_once_and_says_so(new_jobs: Callable[[], Jobs], jobs: Jobs) -> None:
    other = new_jobs()
    async with working(jobs, {}):
        with pytest.raises(OperatorError, match="another process"):
            await other.work({}, stop=asyncio.Event())
        assert "opens" in await jobs.state() and await jobs.waiting() == 0
    with contextlib.suppress(OperatorError):
        await other.close()
