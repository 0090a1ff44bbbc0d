"""Forks, for each line it reads, a process that does jobs until it is killed: importing DBOS takes longer than a job.

Each step of a job leaves its effect in a table of its own, once however often it runs, and is counted each time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys

import dbos  # noqa: F401
import polars  # noqa: F401

from emma_core import Emma, Settings, packs
from emma_core.backends.dbos_jobs import open_jobs, worker  # noqa: F401
from emma_core.backends.sql import registry  # noqa: F401
from emma_core.cli.report_files import writer
from emma_core.ports import JobKind, JobRun

STEPS = 3


def effect(path: str, job: str, step: int) -> int:
    with sqlite3.connect(path, timeout=30) as kept:
        kept.execute("INSERT INTO runs VALUES (?, ?)", (job, step))
        kept.execute("INSERT INTO effects VALUES (?, ?) ON CONFLICT DO NOTHING", (job, step))
    kept.close()
    return step


async def work(address: str, effects: str) -> None:
    async def steps(run: JobRun) -> dict[str, int]:
        for number in range(STEPS):

            async def step(number: int = number) -> int:
                await asyncio.sleep(0.03)
                return await asyncio.to_thread(effect, effects, run.job.id, number)

            await run.once(f"step {number}", step)
            run.progress(number + 1, STEPS)
        return {"steps": STEPS}

    jobs = open_jobs(address)
    await jobs.work({"steps": JobKind(steps)}, stop=asyncio.Event(), slots=4)


async def work_in_house(folder: str) -> None:
    """The jobs there are, in a house that lies in that folder."""
    async with Emma.open(Settings(store=f"sqlite:///{folder}/emma.db", model="offline:"), recover=False) as emma:
        await emma.jobs.work(stop=asyncio.Event(), slots=4, tools={"report": writer})


if __name__ == "__main__":
    packs.find(None)
    for line in sys.stdin:
        kind, *where = line.split()
        pid = os.fork()
        if not pid:
            asyncio.run(work(*where) if kind == "steps" else work_in_house(*where))
            os._exit(0)
        print(pid, flush=True)
