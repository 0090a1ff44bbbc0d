"""`emma check`: a whole file held against rules, each finding a line, its verdict as the exit code."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from emma_core.cli import options
from emma_core.cli.ask import AllowUndetermined, FailOn
from emma_core.cli.options import AsOfOption, LaterOption, RolesOption, TenantOption, UserOption
from emma_core.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from emma_core.cli.report_files import Writer
    from emma_core.nouns import Report

Format = Literal["text", "json", "jsonl", "csv", "parquet", "html"]
_SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
}
_WEIGHT = {"info": 0, "warning": 1, "error": 2}
_INTERRUPTED = 130


def _rulesets(incomplete: str) -> Iterator[str]:
    """Completions: the installed rule sets."""
    from emma_core import packs

    for pack in packs.find().healthy():
        names = [f"{each.ruleset.ruleset}@{each.ruleset.edition}" for each in pack.rulesets]
        yield from (name for name in [*names, *pack.on_demand] if name.startswith(incomplete))


File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to check.")]
RuleSets = Annotated[
    list[str],
    typer.Option(
        "--rules",
        metavar="SET",
        autocompletion=_rulesets,
        help="A rule set: pack/name, pack/name@edition or pack/*; may be said again.",
    ),
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="For people, or for programs; else what --out is named after.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write there, and not to stdout.")]
EngineName = Annotated[str, typer.Option("--engine", metavar="NAME", help="What holds rows against rules.")]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="NAME=FILE", help="A reference table that rules need; may be said again."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=0, help="List at most N findings; all are counted.")
]


def check(
    file: File,
    rules: RuleSets,
    format: FormatOption = None,
    out: Out = None,
    engine: EngineName = "polars",
    table: Tables = None,
    limit: Limit = None,
    as_of: AsOfOption = None,
    fail_on: FailOn = "error",
    allow_undetermined: AllowUndetermined = False,
    later: LaterOption = False,
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Check a whole file; exits 0 where its verdict is clear, 1 where not, 2 where it is not read, 130 where stopped.

    Examples:

        emma check loans.csv --rules mortgage/lender_policy

        emma check lar.txt --rules mortgage/hmda --format html --out report.html

        emma check lar.txt --rules mortgage/hmda@2024 --table census=census.csv --format jsonl --limit 100
    """
    from emma_core.cli.opening import desk, finish
    from emma_core.cli.report_files import writer

    chosen = format or _SUFFIXES.get(out.suffix.lower() if out else "", "text")
    more: dict[str, Any] = {"rules": rules, "engine": engine, "as_of": options.day(as_of), "limit": limit}
    more["tables"] = dict(map(_table, table or ()))
    if later:
        return _start(file, out, chosen, more, tenant, named=bool(user or role))
    with stoppable() as stopped, writer(chosen, out) as written:
        report = finish(_checked(lambda: desk(tenant, user, role), file, written, {**more, "stop": stopped}))
        written.end(report)
    _sum_up(report, told=chosen == "text" and out is None)
    raise typer.Exit(exit_code(report, fail_on=fail_on, allow_undetermined=allow_undetermined))


def _start(
    file: Path, out: Path | None, format: Format, more: dict[str, Any], tenant: str | None, *, named: bool
) -> None:
    """A job waits that checks the file; what cannot be read is said now, and not when a worker comes to it."""
    from emma_core.cli import jobs

    if named:
        raise CallerError("--later: a job is started by whoever runs this installation; leave out --as and --role")
    tables: dict[str, Path] = more["tables"]
    for path in (file, *tables.values()):
        if not path.is_file():
            raise CallerError(f"{str(path)!r} cannot be read; name a file that is there")
    told = {**more, "file": str(file.absolute()), "tables": {name: str(at.absolute()) for name, at in tables.items()}}
    if out is not None:
        told |= {"out": str(out.absolute()), "format": format}
    if more["as_of"] is not None:
        told |= {"as_of": more["as_of"].isoformat()}
    jobs.later("check", {name: said for name, said in told.items() if said is not None}, tenant)


def exit_code(report: Report, *, fail_on: str = "error", allow_undetermined: bool = False) -> int:
    """130 where the check was stopped; 1 where a mandatory rule fails at or above `fail_on` and is not lifted, broke or
    waits; or 0."""
    if report.partial:
        return _INTERRUPTED
    for each in (each for each in report.counts if each.mandatory):
        if each.broken or (each.weighs and _WEIGHT[each.severity] >= _WEIGHT[fail_on]):
            return 1
        if each.undetermined and not allow_undetermined:
            return 1
    return 0


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Whether somebody has pressed Ctrl-C; pressed once more, it ends the process as ever."""
    pressed: list[int] = []

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _sum_up(report: Report, *, told: bool) -> None:
    """The summary stands on stderr, unless it was told already."""
    from emma_core.cli import reports, show

    if not told:
        reports.summary(show.screen(stderr=True), report)


async def _checked(desk: Callable[[], Any], file: Path, written: Writer, more: dict[str, Any]) -> Report:
    """The report, once its findings are with the writer."""
    from emma_core.cli.progress import Progress

    with Progress() as progress:
        async with desk() as opened:
            async for event in opened.checking(file, **more):
                progress.show(event)
                written.add(event.findings)
                if event.report is not None:
                    return event.report  # type: ignore[no-any-return]
    raise OperatorError("The check ended without a report")  # checking() always yields one, or raises


def _table(said: str) -> tuple[str, Path]:
    name, equals, path = said.partition("=")
    if not equals or not name or not path:
        raise CallerError(f"--table: {said!r} names no file; write it as census=census.csv")
    return name, Path(path)
