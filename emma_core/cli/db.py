"""`emma db`: brings the databases of this installation to a form, forward or back, and keeps them clean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from emma_core.cli.options import OneFormat
from emma_core.cli.retain import retain
from emma_core.cli.subjects import encrypt
from emma_core.errors import MissingExtra

app = typer.Typer(
    help="Bring databases to the form of a release, and destroy what has had its time.", no_args_is_help=True
)
app.command()(encrypt)
app.command()(retain)

Revision = Annotated[str, typer.Argument(metavar="REVISION", help="The revision to go back to, such as 0001.")]


@app.command()
def upgrade(format: OneFormat = "text") -> None:
    """Bring the store, the registry, the blobs and the jobs to the form that this release writes. Back up first.

    On PostgreSQL the role of EMMA_DATABASE_OWNER makes the tables and their row-level security, and lets the role of
    EMMA_DATABASE use them.

    Example:

        emma db upgrade
    """
    _told(_changed(("store", "registry", "blobs", "jobs"), lambda each, owner: each.upgrade(owner)), format)


@app.command()
def downgrade(revision: Revision, format: OneFormat = "text") -> None:
    """Bring the store and the registry back to an earlier revision; what only later ones hold is gone.

    Example:

        emma db downgrade 0001
    """
    _told(_changed(("store", "registry"), lambda each, owner: each.downgrade(revision, owner)), format)


async def _changed(ports: tuple[str, ...], change: Callable[[Any, str], Awaitable[list[str]]]) -> list[str]:
    """What was done at each address, a line each; none of them is open meanwhile."""
    from emma_core import packs, settings
    from emma_core.opening import resolved

    found, chosen = packs.find(), settings.load()
    said: list[str] = []
    async with resolved(chosen, found) as (_, read):
        for port in ports:
            address = read.jobs_at if port == "jobs" else getattr(read, port)
            if port != "registry" or address != read.store:  # else the store's own database holds it
                same = address.partition(":")[0] == read.database_owner.partition(":")[0]
                said += await _one_changed(found.backend(port, address), change, read.database_owner if same else "")
    return said


async def _one_changed(one: Any, change: Callable[[Any, str], Awaitable[list[str]]], owner: str) -> list[str]:
    """What was done there; what is not installed is not used either, and keeps nothing else from being done."""
    try:
        return await change(one, owner)
    except MissingExtra as error:
        return [f"left out: {error}"]


def _told(work: Any, format: str) -> None:
    from emma_core.cli import show
    from emma_core.cli.opening import finish

    said = finish(work)
    if format == "json":
        show.data({"done": said})
    else:
        for line in said:
            show.screen().print(show.visible(line), soft_wrap=True)
