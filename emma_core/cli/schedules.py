"""`emma jobs schedule`, and what belongs to it: jobs that a tenant has done again and again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli import options
from emma_core.cli.jobs import InputOption, KindArgument, done
from emma_core.cli.options import ListFormat, OneFormat, TenantOption

if TYPE_CHECKING:
    from emma_core.house import Emma
    from emma_core.nouns import Schedule

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, - and _.")]


def schedule(
    name: NameArgument,
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Minute, hour, day, month, weekday: '0 6 * * 1-5'.")],
    kind: KindArgument,
    input: InputOption = "{}",
    zone: Annotated[str, typer.Option("--zone", metavar="NAME", help="Whose clock, such as America/Chicago.")] = "UTC",
    format: OneFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """Have a tenant's job done again and again, in the place of what was scheduled under that name.

    A worker starts it when it is due, once however many there are; of times missed while none ran, the last. `{at}` in
    a path stands for the moment it was due.

    Example:

        emma jobs schedule nightly '0 6 * * 1-5' check --zone America/Chicago
            --input '{"file": "/in/lar.txt", "rules": ["mortgage/hmda"], "out": "/out/{at}.html", "format": "html"}'
    """
    from emma_core.cli import show

    told = options.facts(input, "--input")
    made = done(
        lambda emma, whose: emma.jobs.schedules.put(name, cron, kind, told, tenant=whose, zone=zone),
        tenant,
        reading=False,
    )
    if format == "json":
        show.data(made.plain())
    else:
        show.screen().print(f"{made.name} is done at {made.cron} {made.zone}, while a worker runs: emma jobs work")


def schedules(format: ListFormat = "text", tenant: TenantOption = None) -> None:
    """List what a tenant has done again and again, and when each is due next.

    Example:

        emma jobs schedules --tenant acme
    """
    from emma_core.cli import show

    async def found(emma: Emma, whose: str) -> list[tuple[Schedule, datetime]]:
        return [(each, emma.jobs.schedules.next_due(each)) for each in await emma.jobs.schedules.all(tenant=whose)]

    every = done(found, tenant)
    if show.listed(({**each.plain(), "next": due.isoformat()} for each, due in every), format):
        return
    rows = [
        (
            each.name,
            each.kind,
            each.cron,
            each.zone,
            f"{each.last:%Y-%m-%d %H:%M}" if each.last else "",
            f"{due:%Y-%m-%d %H:%M}",
        )
        for each, due in every
    ]
    show.screen().print(show.table("Name", "Kind", "Cron", "Zone", "Last", "Next", rows=rows))


def unschedule(name: NameArgument, tenant: TenantOption = None) -> None:
    """Have it done no more; what was started goes on.

    Example:

        emma jobs unschedule nightly
    """
    from emma_core.cli import show

    done(lambda emma, whose: emma.jobs.schedules.remove(name, tenant=whose), tenant)
    show.screen().print(f"{name} is scheduled no more.")
