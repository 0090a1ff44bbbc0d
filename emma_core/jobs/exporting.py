"""The job that takes a tenant's data out: the folder is there whole, once, and by this job."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from emma_core.errors import CallerError, OperatorError
from emma_core.jobs.places import AbsolutePath, beside, clear
from emma_core.nouns import Job, Noun
from emma_core.ports import JobKind, JobRun
from emma_core.runtime import House
from emma_core.tenancy import Manifest, read_manifest
from emma_core.tenant_life import TenantLife


class ExportInput(Noun):
    """Where a tenant's data is taken to."""

    folder: AbsolutePath
    """One that is not there yet, on the worker's machine."""


def make(house: House, tools: object) -> JobKind:
    """How an export is done in this house."""

    async def work(run: JobRun) -> dict[str, JsonValue]:
        folder = Path(ExportInput.model_validate(run.job.input).folder)
        begun = datetime.fromisoformat(await run.once("begun", lambda: _now(house)))
        if folder.exists() or folder.is_symlink():
            made = _made_before(folder, run.job, begun)
        else:
            made = await _export(house, run, folder, begun)
        total = sum(count for held in made.counts.values() for count in held.values())
        run.progress(total, total)
        return {"folder": str(folder), "manifest": made.hash, "head": made.head.hash if made.head else None}

    return JobKind(work, lambda job: clear(Path(ExportInput.model_validate(job.input).folder), job.id))


async def _export(house: House, run: JobRun, folder: Path, begun: datetime) -> Manifest:
    """The folder is there, moved to its place when it was whole and checked."""
    built = beside(folder, run.job.id)
    done: dict[str, int] = {}

    def watch(what: str, count: int, of: int | None) -> None:
        done[what] = count
        run.progress(sum(done.values()))

    made = await TenantLife(house).export(run.job.tenant, built, watch=watch, at=begun)
    try:
        built.rename(folder)
    except OSError as error:
        raise OperatorError(f"{str(folder)!r} cannot be made: {error.strerror}; name another place") from error
    return made


def _made_before(folder: Path, job: Job, begun: datetime) -> Manifest:
    """The export that an earlier attempt moved there. Raises `CallerError` where another made what is there."""
    try:
        made = read_manifest(folder)
    except CallerError:
        made = None
    if made is None or made.tenant.id != job.tenant or made.exported_at != begun:
        raise CallerError(f"{str(folder)!r} is there already; name a folder that is not")
    return made


async def _now(house: House) -> str:
    return house.clock().isoformat()
