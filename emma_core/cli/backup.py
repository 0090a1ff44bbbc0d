"""`emma backup` and `emma restore`: all of an installation elsewhere, and back again as of a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli.options import OneFormat
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from rich.console import Console

    from emma_core.backups import Restored, Taking

SHORTEST = 0.05

Target = Annotated[Path, typer.Argument(metavar="TARGET", help="A folder: a new one, or a backup made before.")]
Follow = Annotated[bool, typer.Option("--follow", help="Stay, and bring each change there too.")]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", help="How often changes are looked for.")]


def backup(target: Target, follow: Follow = False, every: Every = 1.0, format: OneFormat = "text") -> None:
    """Back up this installation: store, registry and blobs, whole or not at all; then only what changed since.

    A backup made before is gone on from. It holds what people said: keep it as you keep that, and on another disk.
    With --follow no more than the last seconds are ever lost, and `emma restore` can go to any moment since the first.

    Examples:

        emma backup /mnt/backups/2026-11-27

        emma backup /mnt/backups/2026-11-27 --follow
    """
    from emma_core.cli import show
    from emma_core.cli.opening import finish

    if not SHORTEST <= every < float("inf"):
        raise CallerError(f"--every: {every} is too short or too long; write seconds, {SHORTEST} or more")
    done = finish(_taken(target, every if follow else None))
    if format == "json":
        show.data({**done.manifest.plain(), "sha256": done.manifest.hash, "steps": done.steps})
    else:
        _told(show.screen(), target, done)


async def _taken(target: Path, every: float | None) -> Taking:
    """The backup as it stands, once nobody follows any more."""
    from emma_core import packs, settings
    from emma_core.backups import taking
    from emma_core.cli import show
    from emma_core.cli.opening import there
    from emma_core.opening import opened, resolved

    there(chosen := settings.load())
    found = packs.find()
    async with (
        resolved(chosen, found) as (_, read),
        opened(chosen, found, clock=lambda: datetime.now(UTC)) as house,
        taking(house, read, target) as backup,
    ):
        await backup.step()
        if every is not None:
            show.screen(stderr=True).print(f"Following into {target}; Ctrl-C ends it.")
            await _follow(backup, every)
        await backup.note()
        return backup


async def _follow(backup: Taking, every: float) -> None:
    """Until it is told to end, each change is brought over."""
    import asyncio
    import contextlib
    import signal

    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C interrupts, as anywhere
            loop.add_signal_handler(each, end.set)
    while not end.is_set():
        try:
            await asyncio.wait_for(end.wait(), every)
        except TimeoutError:
            await backup.step()
    await backup.step()


def _told(console: Console, target: Path, done: Taking) -> None:
    from emma_core.cli import show

    manifest = done.manifest
    console.print(f"{target} holds this installation, begun {manifest.made_at.isoformat()[:19]}Z.")
    console.print(show.field("Holds", *(f"{name} ({part.scheme})" for name, part in manifest.parts.items())))
    for name, where in manifest.left.items():
        console.print(show.field("Not in it", f"{name}: {where}", style="yellow"))
    console.print(show.field("Manifest", manifest.hash))


def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `emma backup` made.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="As it was then, such as 2026-11-27T14:05:00Z.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="A new folder for it, beside what is there.")
    ] = None,
    over_newer: Annotated[bool, typer.Option("--over-newer", help="Lose what is there and not in the backup.")] = False,
    format: OneFormat = "text",
) -> None:
    """Restore a backup to the configured addresses, as it was at a moment, or at its last one.

    It is checked whole and built beside what is there; every trail is verified, turns without an end are ended, and
    who was forgotten is forgotten again, before it takes its place. What would lose lines of a trail is refused unless
    told. Exits 1 where a trail does not hold.

    Example:

        emma restore /mnt/backups/2026-11-27 --to 2026-11-27T14:05:00Z
    """
    from emma_core import packs, settings
    from emma_core.backups import Order, read
    from emma_core.backups import restore as restored
    from emma_core.cli import show
    from emma_core.cli.opening import finish

    read(backup)  # before anything else is looked at
    order = Order(backup, moment(to), lambda: datetime.now(UTC), over_newer=over_newer, into=into)
    done = finish(restored(settings.load(), packs.find(), order)).report
    if format == "json":
        show.data({**done.plain(), "ok": done.ok})
    else:
        _tell(show.screen(), done)
    raise typer.Exit(0 if done.ok else 1)


def moment(said: str | None) -> datetime | None:
    """The moment that --to says. Raises `CallerError` where it is none, or lacks its zone."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise CallerError(f"--to: {said!r} is no moment; write one like 2026-11-27T14:05:00Z") from error
    if found.tzinfo is None:
        raise CallerError(f"--to: {said!r} has no zone; write {said}Z for UTC, or {said}+01:00")
    return found


def _tell(console: Console, done: Restored) -> None:
    from emma_core.cli import show

    console.print(f"Restored as of {_time(done.of)}, in {done.seconds:.1f} s.")
    for each in done.tenants:
        head = f"#{each.head.seq} {each.head.hash[:12]} {each.head.at[:19]}" if each.head else "(empty)"
        said = [f"trail {head}{'' if each.fault else ', verified'}"]
        counts = {
            "turns without an end were ended": each.ended,
            "documents of turns that are not on the trail are gone": each.strays,
            "persons who were back are forgotten again": each.forgotten,
            "later lines of the trail are lost": each.lost,
        }
        said += [f"{count:,} {what}" for what, count in counts.items() if count]
        console.print(show.field(each.tenant, *said))
        if each.fault:
            console.print(show.field("", f"does not hold: {each.fault}", style="red"))


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
