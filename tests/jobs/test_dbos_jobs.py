"""Holds DBOS, over SQLite and over PostgreSQL, to the contract of all jobs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue
from services import Addresses, PostgresServer

from emma_core import MissingExtra, OperatorError, StoreError
from emma_core.backends.dbos_jobs import open_jobs
from emma_core.backends.dbos_jobs.running import without_strangers
from emma_core.errors import CallerError
from emma_core.nouns import Job
from emma_core.ports import JobKind, JobRun
from emma_core.testing.jobs_contract import *  # noqa: F403
from emma_core.testing.jobs_contract import echoes, over, running, working

from .conftest import with_jobs


def test_without_the_library_an_error_names_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "dbos", None)
    handle = open_jobs(f"sqlite:///{tmp_path}/emma.jobs.db").for_tenant("a")

    assert asyncio.run(handle.census()) == {"jobs": 0}, "who never started a job needs no library"
    with pytest.raises(MissingExtra, match=re.escape("pip install 'emma-core[durable]'")):
        asyncio.run(handle.start("export", {}, by="ana"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variable", ["DBOS__CLOUD", "DBOS__CONDUCTOR_KEY", "DBOS__OTLP_TRACES_ENDPOINT"])
def test_a_variable_by_which_dbos_would_tell_others_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    handle = open_jobs(f"sqlite:///{tmp_path}/emma.jobs.db").for_tenant("a")

    with pytest.raises(OperatorError, match=variable):
        asyncio.run(handle.start("export", {}, by="ana"))


def test_a_worker_reaches_nothing_but_its_database(tmp_path: Path) -> None:
    script = """
import asyncio, sys
reached = []
sys.addaudithook(lambda name, args: name in ("socket.connect", "socket.getaddrinfo") and reached.append(args))
from emma_core.backends.dbos_jobs import open_jobs
async def main():
    jobs, stop = open_jobs(sys.argv[1]), asyncio.Event()
    await jobs.for_tenant("a").start("unknown", {}, by="ana", id="j")
    work = asyncio.create_task(jobs.work({}, stop=stop))
    while not (await jobs.for_tenant("a").job("j")).over: await asyncio.sleep(0.05)
    stop.set(); await work; await jobs.close()
asyncio.run(main())
print(reached)
"""
    command = [sys.executable, "-c", script, f"sqlite:///{tmp_path}/emma.jobs.db"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("[]\n", "")


async def test_no_word_of_a_person_lies_where_dbos_keeps_its_tables(tmp_path: Path) -> None:
    async def fails(run: JobRun) -> dict[str, JsonValue]:
        raise CallerError("line 3: 'Maria Schmidt' is no number")

    async def breaks(run: JobRun) -> dict[str, JsonValue]:
        async def step() -> int:
            raise KeyError("Maria Schmidt")

        return {"n": await run.once("step", step)}

    jobs = open_jobs(f"sqlite:///{tmp_path}/emma.jobs.db")
    async with working(jobs, {"fails": JobKind(fails), "breaks": JobKind(breaks)}):
        for kind in ("fails", "breaks"):
            await jobs.for_tenant("a").start(kind, {}, by="ana", id=kind)
            await over(jobs.for_tenant("a"), kind)
    await jobs.close()

    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"fails" in held and b"Maria" not in held


async def test_a_worker_that_loses_its_lock_stops_and_leaves_its_job_to_another(postgres: PostgresServer) -> None:
    addresses = postgres.database(prepare=with_jobs)
    broken = asyncio.Event()

    async def work(run: JobRun) -> dict[str, JsonValue]:
        run.progress(1)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            broken.set()
            raise
        return {}

    jobs = open_jobs(addresses.app)
    handle = jobs.for_tenant("a")
    await handle.start("work", {}, by="ana", id="j")
    with pytest.raises(StoreError, match="start it again"):
        async with working(jobs, {"work": JobKind(work)}) as task:
            await running(handle, "j")
            cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            postgres.execute(cut, database=addresses.app.rpartition("/")[2])
            async with asyncio.timeout(10):
                await asyncio.wait([task])
    left = await handle.job("j")
    async with working(jobs, {"work": echoes()}):
        done = await over(handle, "j")
    await jobs.close()
    postgres.drop(addresses)

    assert broken.is_set()
    assert left is not None and not left.over
    assert (done.state, done.attempts) == ("done", 2)


async def test_tables_that_only_the_owner_makes_are_asked_for_with_the_command(database: Addresses) -> None:
    jobs = open_jobs(database.app)
    handle = jobs.for_tenant("a")

    with pytest.raises(StoreError, match="EMMA_DATABASE_OWNER, then run: emma db upgrade"):
        await handle.start("export", {}, by="ana")
    said = await jobs.upgrade(database.owner)
    started = await handle.start("export", {}, by="ana")
    await jobs.close()

    assert "emma_jobs" in said[0]
    assert started.state == "waiting"


QUOTES = """O'Hara "the" Maria"""


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("the pack's 'rows.csv': line 3: 'Maria' is no number", "the pack's 'rows.csv': line 3: '…' is no number"),
        ('name "O\'Hara" is no number', "name '…' is no number"),
        (f"name {QUOTES!r} is no number", "name '…' is no number"),
        ("cut off: 'Maria Schm", "cut off: '…'"),
        ("cut off: 'Maria Schm; did you mean 'rows.csv'?", "cut off: '…'?"),
        ("job 'j-1' of 'acme' by 'ana'", "job 'j-1' of 'acme' by 'ana'"),
    ],
)
def test_an_error_keeps_no_quoted_word_but_those_that_its_job_was_told(said: str, kept: str) -> None:
    made = datetime.now(UTC)
    job = Job(
        id="j-1", tenant="acme", kind="check", input={"file": "rows.csv"}, by="ana", state="running", made_at=made
    )

    assert without_strangers(said, job) == kept
