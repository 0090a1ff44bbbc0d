"""`emma tenants`: the closed worlds of this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from emma_core.cli.options import ListFormat, OneFormat

if TYPE_CHECKING:
    from emma_core.nouns import Tenant

app = typer.Typer(help="List and create tenants.", no_args_is_help=True)


@app.command("list")
def listed(format: ListFormat = "text") -> None:
    """List the tenants of this installation.

    Example:

        emma tenants list --format json
    """
    from emma_core.cli import show
    from emma_core.cli.opening import finish, there
    from emma_core.house import Emma
    from emma_core.settings import load

    async def all_of_them() -> list[Tenant]:
        there(chosen := load())
        async with Emma.open(chosen) as emma:
            return await emma.tenants()

    found = finish(all_of_them())
    if not show.listed((each.plain() for each in found), format):
        rows = [(each.id, each.title, each.created_at[:10]) for each in found]
        show.screen().print(show.table("Id", "Title", "Since", rows=rows))


@app.command()
def create(
    id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits, - and _.")],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call it; else its id.")] = "",
    format: OneFormat = "text",
) -> None:
    """Create a tenant: a store, a trail and overrides that no other tenant sees.

    Example:

        emma tenants create acme --title "Acme Bank"
    """
    from emma_core.cli import show
    from emma_core.cli.opening import finish
    from emma_core.house import Emma

    async def created() -> Tenant:
        async with Emma.open() as emma:
            return await emma.create_tenant(id, title)

    tenant = finish(created())
    if format == "json":
        show.data(tenant.plain())
    else:
        show.screen().print(f"Tenant {tenant.id} is there; name it with --tenant {tenant.id}, or EMMA_TENANT.")
