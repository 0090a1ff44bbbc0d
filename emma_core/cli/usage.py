"""`emma report`: what the trail comes to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli import options
from emma_core.cli.options import ListFormat, TenantOption

if TYPE_CHECKING:
    from emma_core.nouns import UsageCount

app = typer.Typer(help="Tell what the trail comes to.", no_args_is_help=True)


@app.callback()
def report() -> None:
    """Tell what the trail comes to."""


@app.command()
def usage(
    since: Annotated[str | None, typer.Option("--since", metavar="DATE", help="Else the first of the month.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Inclusive; else today (UTC).")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of every tenant, one after the other.")] = False,
    format: ListFormat = "text",
    tenant: TenantOption = None,
) -> None:
    """Tell what a tenant used, day by day (UTC): turns, checks, tokens, counted from its trail up to now.

    Examples:

        emma report usage --tenant acme

        emma report usage --all --since 2026-11-01 --format jsonl
    """
    from emma_core.cli import show
    from emma_core.cli.opening import finish, there
    from emma_core.house import Emma
    from emma_core.settings import load

    today = datetime.now(UTC).date()
    last = options.day(until, "--until") or today
    first = options.day(since, "--since") or last.replace(day=1)
    options.named("--tenant", tenant)

    async def used() -> list[tuple[str, UsageCount]]:
        there(chosen := load())
        async with Emma.open(chosen, recover=False) as emma:
            ids = [each.id for each in await emma.tenants()] if every else [tenant or chosen.tenant]
            return [(id, each) for id in ids for each in await emma.tenancy.usage(id, since=first, until=last)]

    found = finish(used())
    if show.listed(({"tenant": id, **each.plain()} for id, each in found), format):
        return
    rows = [(id, each.day.isoformat(), each.counter, f"{each.amount:,}") for id, each in found]
    columns = ("Tenant", "Day", "What", ("Amount", {"justify": "right"}))
    show.screen().print(show.table(*columns, rows=rows))
    if not rows:
        show.screen().print(f"Nothing was used from {first} to {last}.")
