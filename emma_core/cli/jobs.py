"""`emma jobs`: what is done behind a command's back, how far it has come, and the worker that does it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import JsonValue

from emma_core.cli import options
from emma_core.cli.options import ListFormat, OneFormat, TenantOption
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from emma_core.house import Emma
    from emma_core.nouns import Job

T = TypeVar("T")
JobIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or how it starts.")]
KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="What is done; `emma jobs kinds` lists them.")]
InstallationOption = Annotated[
    bool, typer.Option("--installation", help="The installation's own, such as retention, and no tenant's.")
]
InputOption = Annotated[
    str, typer.Option("--input", metavar="JSON|FILE", help="What it is told: paths from the root on, ids, names.")
]
_CANCEL_SECONDS = 3.0

app = typer.Typer(help="Start, watch and cancel work that outlives its command; and do it.", no_args_is_help=True)


@app.command("list")
def listed(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N, the newest first.")] = 50,
    installation: InstallationOption = False,
    format: ListFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """List a tenant's jobs, the newest first: what each does, how it stands, how far it is.

    Example:

        emma jobs list --tenant acme
    """
    from emma_core.cli import show

    found = done(lambda emma, whose: emma.jobs.list(tenant=whose, limit=limit), tenant, installation)
    if show.listed((each.plain() for each in found), format):
        return
    rows = [
        (each.id, each.kind, each.state, _progress(each), each.by, f"{each.made_at:%Y-%m-%d %H:%M}") for each in found
    ]
    show.screen().print(show.table("Id", "Kind", "State", "Done", "By", "Since (UTC)", rows=rows))


@app.command("show")
def shown(
    id: JobIdArgument, installation: InstallationOption = False, format: OneFormat = "text", tenant: TenantOption = None
) -> None:
    """Show a job: what it was told, how far it is, what came of it or why it failed. Exits 1 where it failed.

    Example:

        emma jobs show j-1f2e3d
    """
    found = done(lambda emma, whose: emma.jobs.job(id, tenant=whose), tenant, installation)
    _tell(found, format)
    raise typer.Exit(1 if found.state == "failed" else 0)


@app.command()
def cancel(
    id: JobIdArgument, installation: InstallationOption = False, format: OneFormat = "text", tenant: TenantOption = None
) -> None:
    """Cancel a job: one that waits never begins, one that runs stops within a second and leaves nothing half-done.

    Example:

        emma jobs cancel j-1f2e3d
    """

    async def cancelled(emma: Emma, whose: str) -> Job:
        found = await emma.jobs.cancel(id, tenant=whose)
        patience = time.monotonic() + _CANCEL_SECONDS
        while not found.over and time.monotonic() < patience:
            await asyncio.sleep(0.1)
            found = await emma.jobs.job(found.id, tenant=whose)
        return found

    _tell(done(cancelled, tenant, installation), format)


@app.command()
def kinds(format: ListFormat = "text") -> None:
    """List the kinds of jobs there are, and what each is told.

    Example:

        emma jobs kinds
    """
    from emma_core.cli import show
    from emma_core.jobs import KINDS

    plain = [
        {
            "kind": name,
            "title": kind.title,
            "installation": kind.installation,
            "input": kind.input.model_json_schema()["properties"],
        }
        for name, kind in sorted(KINDS.items())
    ]
    if not show.listed(plain, format):
        rows = [(each["kind"], each["title"], ", ".join(each["input"])) for each in plain]
        show.screen().print(show.table("Kind", "What it does", "Told", rows=rows))


@app.command()
def start(
    kind: KindArgument,
    input: InputOption = "{}",
    id: Annotated[str, typer.Option("--id", metavar="ID", help="The same id again is the same job, once.")] = "",
    installation: InstallationOption = False,
    format: OneFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """Start a job: it waits until a worker takes it up (`emma jobs work`).

    Examples:

        emma jobs start retain --installation

        emma jobs start export --tenant acme --input '{"folder": "/srv/out/acme"}'
    """
    told = options.facts(input, "--input")
    made = done(
        lambda emma, whose: emma.jobs.start(kind, told, tenant=whose, id=id), tenant, installation, reading=False
    )
    waits(made, format)


@app.command()
def work(
    slots: Annotated[int, typer.Option("--slots", metavar="N", min=1, max=64, help="How many at once.")] = 4,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End once no job waits or runs.")] = False,
) -> None:
    """Do jobs, and start those that are due again, until SIGTERM or Ctrl-C; what runs then is left for another worker.

    Any number of workers may run, on one machine over SQLite, on many over PostgreSQL; what one that was killed had
    begun, another takes up.

    Example:

        emma jobs work --slots 8
    """
    from emma_core.cli.opening import finish
    from emma_core.cli.show import screen

    async def working() -> None:
        from emma_core.cli.report_files import writer
        from emma_core.house import Emma
        from emma_core.settings import load

        async with Emma.open(load(), recover=False) as emma:
            stop = asyncio.Event()
            for name in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(
                    NotImplementedError
                ):  # Windows has no handlers of a loop: Ctrl-C ends it there
                    asyncio.get_running_loop().add_signal_handler(name, stop.set)
            idle = asyncio.create_task(_stop_when_idle(emma, stop)) if until_idle else None
            ready: Callable[[], None] = lambda: screen(stderr=True).print("Jobs are taken up.")  # noqa: E731
            await emma.jobs.work(stop=stop, slots=slots, ready=ready, tools={"report": writer})
            if idle is not None:
                await idle

    finish(working())


async def _stop_when_idle(emma: Emma, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.5)
        if not await emma.jobs.waiting():
            stop.set()


def waits(job: Job, format: str = "text") -> None:
    """It is said that the job waits, and what comes next."""
    from emma_core.cli import show

    if format == "json":
        show.data(job.plain())
        return
    whose = "--installation" if job.tenant == "*" else f"--tenant {job.tenant}"
    show.screen().print(f"Job {job.id} {job.state}; `emma jobs work` does it.", soft_wrap=True)
    show.screen().print(f"How far it is: emma jobs show {job.id} {whose}", soft_wrap=True)


def later(
    kind: str,
    input: Mapping[str, JsonValue],
    tenant: str | None,
    *,
    installation: bool = False,
    format: str = "text",
) -> None:
    """A job of that kind waits, and that is said; for the `--later` of other commands."""
    made = done(lambda emma, whose: emma.jobs.start(kind, input, tenant=whose), tenant, installation, reading=False)
    waits(made, format)


def _tell(job: Job, format: str) -> None:
    from emma_core.cli import show

    if format == "json":
        show.data(job.plain())
        return
    again = f", taken up {job.attempts} times" if job.attempts > 1 else ""
    since = f"{job.made_at:%Y-%m-%d %H:%M:%S} UTC by {job.by}"
    fields: dict[str, list[str]] = {
        "Job": [f"{job.id}: {job.kind} of {'the installation' if job.tenant == '*' else job.tenant}"],
        "State": [job.state + again],
        "Done": [_progress(job) or "(nothing yet)"],
        "Started": [since],
        "Begun": [f"{job.begun_at:%Y-%m-%d %H:%M:%S} UTC" if job.begun_at else "(not yet)"],
        "Ended": [f"{job.ended_at:%Y-%m-%d %H:%M:%S} UTC" if job.ended_at else "(not yet)"],
        "Told": [f"{name}: {_plain(said)}" for name, said in job.input.items()] or ["(nothing)"],
        "Outcome": [f"{name}: {_plain(said)}" for name, said in job.outcome.items()],
    }
    console = show.screen()
    for name, lines in fields.items():
        if lines:
            console.print(show.field(name, *lines))
    if job.error:
        console.print(show.field("Error", job.error, style="red"))


def _plain(said: JsonValue) -> str:
    if isinstance(said, dict):
        return ", ".join(f"{name}={_plain(each)}" for name, each in said.items()) or "(none)"
    return ", ".join(map(_plain, said)) if isinstance(said, list) else "(none)" if said is None else str(said)


def _progress(job: Job) -> str:
    if job.of is None:
        return f"{job.done:,}" if job.done else ""
    return f"{job.done:,}/{job.of:,}"


def done(
    work: Callable[[Emma, str], Awaitable[T]], tenant: str | None, installation: bool = False, *, reading: bool = True
) -> T:
    """What came of it for the tenant that is meant, on a store that is there already."""
    from emma_core.cli.opening import finish, there
    from emma_core.house import Emma
    from emma_core.nouns import INSTALLATION
    from emma_core.settings import load

    options.named("--tenant", tenant)
    if installation and tenant is not None:
        raise CallerError("--installation and --tenant: a job is the installation's or a tenant's; leave one out")

    async def opened() -> T:
        chosen = load()
        if reading:
            there(chosen)
        async with Emma.open(chosen, recover=False) as emma:
            return await work(emma, INSTALLATION if installation else tenant or chosen.tenant)

    return finish(opened())
