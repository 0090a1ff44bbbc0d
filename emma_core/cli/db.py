"""`emma db`: brings the databases of this installation to a form, forward or back, and keeps them clean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from emma_core.cli.options import OneFormat
from emma_core.cli.retain import retain

app = typer.Typer(
    help="Bring databases to the form of a release, and destroy what has had its time.", no_args_is_help=True
)
app.command()(retain)

Revision = Annotated[str, typer.Argument(metavar="REVISION", help="The revision to go back to, such as 0001.")]


@app.command()
def upgrade(format: OneFormat = "text") -> None:
    """Bring the store, the registry and the blobs to the form that this release writes. Back up first.

    On PostgreSQL the role of EMMA_DATABASE_OWNER makes the tables and their row-level security, and lets the role of
    EMMA_DATABASE use them.

    Example:

        emma db upgrade
    """
    _told(_changed(("store", "registry", "blobs"), lambda each, owner: each.upgrade(owner)), format)


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
            address = getattr(read, port)
            if port != "registry" or address != read.store:  # else the store's own database holds it
                same = address.partition(":")[0] == read.database_owner.partition(":")[0]
                said += await change(found.backend(port, address), read.database_owner if same else "")
    return said


def _told(work: Any, format: str) -> None:
    from emma_core.cli import show
    from emma_core.cli.opening import finish

    said = finish(work)
    if format == "json":
        show.data({"done": said})
    else:
        for line in said:
            show.screen().print(show.visible(line), soft_wrap=True)
