"""`emma audit replay | impact`: recorded turns judged again, with what is installed or with a pack that is not yet."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from emma_core.cli.options import ListFormat, OneFormat, RolesOption, TenantOption, UserOption, day, named
from emma_core.errors import CallerError, OperatorError

if TYPE_CHECKING:
    from datetime import date

    from emma_core.audit import Replayed
    from emma_core.cli.candidate import Candidate

_REPLAY = ("audit", "replay")
SinceOption = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Turns from that day on, in UTC.")]


def replay(
    turn: Annotated[str | None, typer.Argument(metavar="TURN", help="The turn's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every turn of the trail.")] = False,
    since: SinceOption = None,
    pack: Annotated[
        str | None,
        typer.Option("--pack", metavar="WHEEL|FOLDER|NAME==VERSION", help="With that pack, such as a kept one."),
    ] = None,
    given: Annotated[str | None, typer.Option("--given", metavar="NAME==VERSION", hidden=True)] = None,
    format: ListFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Judge recorded turns again, by their recorded facts: the same findings, or what differs and why.

    What a turn was judged with and is not installed any more is said, never guessed. Nothing is written. Exits 1 where
    a turn comes out otherwise, or cannot be judged again.

    Examples:

        emma audit replay t-0123456789abcdef01234567

        emma audit replay --all --since 2026-01-01

        emma audit replay --all --pack kept/emma_mortgage-1.0.0-py3-none-any.whl
    """
    turn, pack, from_day = named("TURN", turn), named("--pack", pack), day(since, "--since")
    if (turn is None) == (not every and from_day is None):
        raise CallerError("Name one turn, or --all of them, or those --since a day")
    if pack is not None:
        raise typer.Exit(_elsewhere(pack, turn, since, format, tenant, user, role))
    from emma_core.cli import replayed
    from emma_core.cli.opening import finish

    told = replayed.Teller(format, alone=turn is not None)
    finish(_walk(told, turn, from_day, tenant, user, role, given=given))
    told.end()
    raise typer.Exit(0 if told.all_same else 1)


def impact(
    pack: Annotated[
        str, typer.Option("--pack", metavar="WHEEL|FOLDER|NAME==VERSION", help="The pack that is to be installed.")
    ],
    since: SinceOption = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Tell which recorded decisions a pack would change, before it is installed.

    It is what `emma audit replay` will find once it is: the pack is put on a path of a process of its own, which
    replays the trail. Nothing is installed and nothing written. Exits 1 where a decision would change.

    Examples:

        emma audit impact --pack dist/emma_mortgage-1.1.0-py3-none-any.whl

        emma audit impact --pack mortgage==1.1.0 --since 2026-01-01
    """
    from emma_core.cli import candidate, replayed, show
    from emma_core.cli.opening import finish

    from_day = day(since, "--since")
    today = replayed.Kept()
    with candidate.at(named("--pack", pack) or "") as found:
        finish(_walk(today, None, from_day, tenant, user, role))
        foreseen = replayed.Foreseen(found, today)
        for each in _replayed(found, since, tenant, user, role):
            foreseen.add(each)
    if format == "json":
        show.data(foreseen.plain())
    else:
        foreseen.tell()
    raise typer.Exit(1 if foreseen.changed else 0)


class _Hears(Protocol):
    predicates: Mapping[str, str]

    def add(self, found: Replayed) -> None: ...


async def _walk(
    told: _Hears,
    turn: str | None,
    since: date | None,
    tenant: str | None,
    user: str | None,
    role: Sequence[str] | None,
    *,
    given: str | None = None,
) -> None:
    """Each turn is told as it was judged again; `given`: the pack and version that must be among the installed."""
    from emma_core.cli.opening import desk
    from emma_core.cli.progress import Progress

    async with desk(tenant, user, role, reading=True, pack=given) as opened:
        if turn is not None:
            told.add(await opened.replays.turn(turn))
            return
        with Progress("Replaying") as progress:
            async for each in opened.replays.all(since=since):
                told.add(each)
                progress.step()
        told.predicates = opened.replays.predicates


def _passed_on(tenant: str | None, user: str | None, role: Sequence[str] | None) -> Iterator[str]:
    for option, said in (("--tenant", tenant), ("--as", user), *(("--role", each) for each in role or ())):
        if said is not None:
            yield from (option, said)


def _elsewhere(
    pack: str,
    turn: str | None,
    since: str | None,
    format: str,
    tenant: str | None,
    user: str | None,
    role: Sequence[str] | None,
) -> int:
    """The exit code of the same command in a process that finds that pack first."""
    from emma_core.cli import candidate

    which = [turn] if turn is not None else ["--since", since] if since is not None else ["--all"]
    with candidate.at(pack) as found:
        command = found.emma(*_REPLAY, *which, "--given", found.pinned, "--format", format)
        command += _passed_on(tenant, user, role)
        return subprocess.run(command, env=found.environment(), check=False).returncode


def _replayed(
    found: Candidate, since: str | None, tenant: str | None, user: str | None, role: Sequence[str] | None
) -> Iterator[Replayed]:
    """Every turn as a process judges it that finds that pack first."""
    from emma_core.audit import Replayed
    from emma_core.cli.progress import Progress

    which = ["--since", since] if since is not None else ["--all"]
    command = found.emma(*_REPLAY, *which, "--given", found.pinned, "--format", "jsonl")
    command += _passed_on(tenant, user, role)
    with tempfile.TemporaryFile() as complaints, Progress("Foreseeing") as progress:
        child = subprocess.Popen(command, env=found.environment(), stdout=subprocess.PIPE, stderr=complaints)
        with child:
            for line in child.stdout or ():
                yield Replayed.model_validate_json(line)
                progress.step()
        if child.returncode not in (0, 1):
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().removeprefix("emma: ")
            raise OperatorError(f"--pack: {said[-400:]}")
