"""`emma drill`: loses a scratch copy of this installation on purpose, and tells how much and how long that cost."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli.options import OneFormat
from emma_core.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from rich.console import Console

    from emma_core.backups import Drilled


Rpo = Annotated[float, typer.Option("--rpo", metavar="SECONDS", help="Fail where more than that was lost.")]
Rto = Annotated[float, typer.Option("--rto", metavar="SECONDS", help="Fail where coming back took longer.")]
Seconds = Annotated[float, typer.Option("--seconds", metavar="N", help="How long turns are taken first.")]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", help="As `emma backup --follow` has it.")]
Scratch = Annotated[
    Path | None, typer.Option("--scratch", metavar="DIR", help="Where the copies go; else with temporary files.")
]


def drill(
    rpo: Rpo = 300.0,
    rto: Rto = 1800.0,
    seconds: Seconds = 5.0,
    every: Every = 1.0,
    scratch: Scratch = None,
    format: OneFormat = "text",
) -> None:
    """Drill a loss, on a copy: back up, take turns, kill everything, lose the disk, restore, verify.

    The living store is read and nothing of it changed. Printed are the RPO, the seconds of acknowledged turns that were
    lost, and the RTO, the seconds until a turn was answered again. Exits 1 past a limit or where a trail does not hold.
    It needs room for four copies of the installation.

    Example:

        emma drill --rpo 5 --rto 60
    """
    from emma_core.cli import show

    limits = {"rpo": rpo, "rto": rto, "seconds": seconds, "every": every}
    for name, said in limits.items():
        if not 0 < said < float("inf"):
            raise CallerError(f"--{name}: {said} is no time; write seconds above 0")
    done = _held(limits, scratch)
    if format == "json":
        show.data({**done.plain(), "ok": done.ok})
    else:
        _told(show.screen(), done)
    raise typer.Exit(0 if done.ok else 1)


def _held(limits: dict[str, float], scratch: Path | None) -> Drilled:
    """What came of the drill, whose folder is gone."""
    from emma_core import settings
    from emma_core.backends.durable_files import give
    from emma_core.backups import Plan
    from emma_core.backups import drill as drilled
    from emma_core.cli import show
    from emma_core.cli.opening import finish, there

    there(chosen := settings.load())
    console = show.screen(stderr=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix="emma-drill-", dir=scratch)).absolute()
    except OSError as error:
        raise OperatorError(f"--scratch: {str(scratch)!r} cannot be used: {error.strerror}; name a folder") from error
    if scratch is not None:
        give(folder, scratch)
    try:
        watch, clock = (lambda what: console.print(f"… {what}")), (lambda: datetime.now(UTC))
        return finish(drilled(chosen, Plan(scratch=folder, clock=clock, watch=watch, **limits)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(console: Console, done: Drilled) -> None:
    from emma_core.cli import show

    console.print(show.field("Turns", f"{done.acknowledged:,} acknowledged before the kill, {done.lost:,} lost"))
    for name, took, limit in (("RPO", done.rpo, done.rpo_limit), ("RTO", done.rto, done.rto_limit)):
        style = "" if took <= limit else "red"
        console.print(show.field(name, f"{took:.1f} s (limit {limit:g} s)", style=style))
    console.print(show.field("Trails", f"do not hold: {done.fault}" if done.fault else "every one verified"))
