"""The job that checks a file: one line on the trail, known by the job's id, and a report that is there whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack, aclosing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from emma_core import canonical, checks
from emma_core.errors import CallerError, OperatorError
from emma_core.jobs.places import AbsolutePath, beside, clear
from emma_core.nouns import Caller, Noun, Report
from emma_core.ports import JobKind, JobRun
from emma_core.runtime import House

if TYPE_CHECKING:
    from emma_core.jobs.kinds import Tools


class CheckInput(Noun):
    """Which file is held against which rules, and where the report goes."""

    file: AbsolutePath
    rules: tuple[str, ...]
    """`pack/name`, `pack/name@edition` or `pack/*`."""
    out: AbsolutePath | None = None
    """The report's file; without one the check is on the trail, and nothing else is written."""
    format: Literal["text", "json", "jsonl", "csv", "parquet", "html"] = "jsonl"
    engine: str = "polars"
    tables: dict[str, AbsolutePath] = {}
    as_of: date | None = None
    limit: int | None = None


class _Stopped(Exception):
    """Somebody cancelled the check before it was on the trail."""


def make(house: House, tools: Tools) -> JobKind:
    """How a check is done in this house."""

    async def work(run: JobRun) -> dict[str, JsonValue]:
        said = CheckInput.model_validate_json(canonical.text(run.job.input))
        report = await _written(house, run, said, tools)
        run.progress(report.records, report.records)
        line = report.trail.seq if report.trail else None
        told: dict[str, JsonValue] = {
            "report": report.id,
            "verdict": report.verdict,
            "line": line,
            "found": report.found,
        }
        return {**told, "out": said.out} if said.out else told

    def clean(job: Any) -> None:
        if out := job.input.get("out"):
            clear(Path(out), job.id)

    return JobKind(work, clean)


async def _written(house: House, run: JobRun, said: CheckInput, tools: Tools) -> Report:
    """The report, its file at its place where one was asked for."""
    if said.out is None:
        return await _checked(house, run, said, None)
    write: Callable[[str, Path], AbstractContextManager[Any]] | None = tools.get("report")
    if write is None:
        raise OperatorError("No report can be written here; start the worker with: emma jobs work")
    out = Path(said.out)
    built = beside(out, run.job.id)
    with write(said.format, built) as written:
        report = await _checked(house, run, said, written)
        written.end(report)
    try:
        built.replace(out)
    except OSError as error:
        raise CallerError(f"out: {str(out)!r} cannot be written: {error.strerror}; name another place") from error
    return report


async def _checked(house: House, run: JobRun, said: CheckInput, written: Any) -> Report:
    """The report, sealed; a cancelled job ends before it is, or not at all."""
    order = checks.Order(
        source=Path(said.file),
        rules=said.rules,
        as_of=said.as_of or run.job.made_at.astimezone().date(),  # the same day at every attempt
        engine=said.engine,
        tables={name: Path(path) for name, path in said.tables.items()},
        limit=said.limit,
        id=f"k-{run.job.id}",
    )

    def stop() -> bool:
        if run.stopping:
            raise _Stopped
        return False

    try:
        return await _to_the_end(house, run, order, stop, written)
    except _Stopped:
        raise asyncio.CancelledError from None


async def _to_the_end(house: House, run: JobRun, order: checks.Order, stop: Callable[[], bool], written: Any) -> Report:
    """The report, sealed. From the first row on nothing breaks it off but `stop`, so that what it suggests to lift
    and its line are there together, or neither."""
    store = house.store.for_tenant(run.job.tenant)
    caller = Caller(tenant=run.job.tenant, user=run.job.by)
    begun = False
    stream = checks.stream(house.packs, store, caller, order, clock=house.clock, stop=stop)
    async with AsyncExitStack() as stack:
        events = await stack.enter_async_context(aclosing(stream))
        async for event in events:
            if not begun:
                begun = True
                stack.enter_context(run.unbroken())
            run.progress(event.records, event.of)
            if written is not None:
                written.add(event.findings)
            if event.report is not None:
                return event.report
    raise OperatorError("The check ended without a report")  # stream() always yields one, or raises
