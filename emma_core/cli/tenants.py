"""`emma tenants`: the closed worlds of this installation, from the first day to the proof that nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from emma_core.cli import jobs, subjects
from emma_core.cli.options import LaterOption, ListFormat, OneFormat
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from emma_core.house import Emma
    from emma_core.nouns import Tenant
    from emma_core.tenancy import Manifest

T = TypeVar("T")
TenantArgument = Annotated[str, typer.Argument(metavar="ID", help="Which tenant.")]

app = typer.Typer(help="Create, suspend, take out, bring in and offboard tenants.", no_args_is_help=True)
app.command()(subjects.erase)


@app.command("list")
def listed(format: ListFormat = "text") -> None:
    """List the tenants of this installation.

    Example:

        emma tenants list --format json
    """
    from emma_core.cli import show

    found = done(lambda emma: emma.tenants(), reading=True)
    if not show.listed((each.plain() for each in found), format):
        rows = [(each.id, each.title, each.state, each.region, each.created_at[:10]) for each in found]
        show.screen().print(show.table("Id", "Title", "State", "Region", "Since", rows=rows))


@app.command()
def create(
    id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits, - and _.")],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What people call it; else its id.")] = "",
    region: Annotated[str, typer.Option("--region", metavar="NAME", help="Where its data must stay.")] = "",
    data_class: Annotated[
        Literal["public", "internal", "confidential", "restricted"],
        typer.Option("--data-class", help="How its data is to be treated."),
    ] = "confidential",
    plan: Annotated[str, typer.Option("--plan", metavar="NAME", help="What it has bought.")] = "",
    format: OneFormat = "text",
) -> None:
    """Create a tenant: a store, a trail and overrides that no other tenant sees.

    Example:

        emma tenants create acme --title "Acme Bank" --region westeurope
    """
    made = done(lambda emma: emma.tenancy.create(id, title, region=region, data_class=data_class, plan=plan))
    _say(made, format, f"Tenant {made.id} is there; name it with --tenant {made.id}, or EMMA_TENANT.")


@app.command()
def suspend(id: TenantArgument, format: OneFormat = "text") -> None:
    """Suspend a tenant: nothing can be asked, checked, decided or published; its trail can be read.

    Example:

        emma tenants suspend acme
    """
    moved = done(lambda emma: emma.tenancy.suspend(id), reading=True)
    _say(moved, format, f"Tenant {moved.id} is suspended; `emma tenants resume {moved.id}` goes on.")


@app.command()
def resume(id: TenantArgument, format: OneFormat = "text") -> None:
    """Let a tenant go on that was suspended, or offboarded and is not gone yet.

    Example:

        emma tenants resume acme
    """
    moved = done(lambda emma: emma.tenancy.resume(id), reading=True)
    _say(moved, format, f"Tenant {moved.id} is active.")


@app.command("show")
def shown(id: TenantArgument, format: OneFormat = "text") -> None:
    """Show a tenant: its state, how much is held of it and where, and what it used this month.

    Example:

        emma tenants show acme
    """
    from emma_core.cli import show

    found = done(lambda emma: emma.tenancy.show(id), reading=True)
    if format == "json":
        show.data(found.plain())
        return
    tenant, head = found.tenant, found.head
    since = f" since {tenant.state_since[:10]}" if tenant.state_since else ""
    console = show.screen()
    fields: dict[str, list[str]] = {
        "Tenant": [f"{tenant.id}: {tenant.title}"],
        "State": [f"{tenant.state}{since}; created {tenant.created_at[:10]}"],
        "Region": [tenant.region or "(wherever the addresses are)"],
        "Data class": [tenant.data_class],
        "Plan": [tenant.plan or "(none)"],
        "Holds": counted(found.holds),
        "Trail": [f"#{head.seq} {head.hash[:12]} {head.at[:19]}" if head else "(empty)"],
        "This month": [f"{count:,} {counter}" for counter, count in sorted(found.usage.items())] or ["(nothing)"],
    }
    for name, said in fields.items():
        console.print(show.field(name, *said))


@app.command()
def export(
    id: TenantArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One that is not there yet.")],
    later: LaterOption = False,
    subject: Annotated[str | None, typer.Option("--subject", metavar="ID", help=subjects.SUBJECT)] = None,
    format: OneFormat = "text",
) -> None:
    """Take all data of a tenant out into a folder: documents, trail, registry and content, each file with its hash.

    It holds what people said: keep it as you keep that. Note the manifest's hash elsewhere, and a change will show.
    With --subject: all that is held of one person, as a page to read and as JSON.

    Examples:

        emma tenants export acme acme-2026-11-27

        emma tenants export acme borrower-7 --subject borrower-7
    """
    from emma_core.cli.progress import Steps

    if later and subject is not None:
        raise CallerError("--later: what is held of one person is taken out at once; leave it out")
    if later:
        jobs.later("export", {"folder": str(folder.absolute())}, id, format=format)
        return
    if subject is not None:
        subjects.take_out(id, subject, folder, format)
        return
    with Steps() as steps:
        manifest = done(lambda emma: emma.tenancy.export(id, folder, watch=steps.show), reading=True)
    _tell(manifest, format, f"Tenant {id} stands in {folder}")


@app.command("import")
def imported(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `emma tenants export` wrote.")],
    format: OneFormat = "text",
) -> None:
    """Bring an exported tenant in, on whatever stores are configured, and compare what arrived piece by piece.

    The tenant must not be here, or be empty. It is suspended until all is compared; interrupted, import it again.

    Example:

        emma tenants import acme-2026-11-27
    """
    from emma_core.cli.progress import Steps

    with Steps() as steps:
        manifest = done(lambda emma: emma.tenancy.arrive(folder, watch=steps.show))
    _tell(manifest, format, f"Tenant {manifest.tenant.id} is here as it was there")


@app.command()
def offboard(id: TenantArgument, format: OneFormat = "text") -> None:
    """Offboard a tenant: from now on nothing but export; once its time is over `emma db retain` destroys all of it.

    How long that is says EMMA_RETAIN_OFFBOARDED_DAYS; until then `emma tenants resume` takes it back.

    Example:

        emma tenants offboard acme
    """
    from emma_core.cli import show

    due = done(lambda emma: emma.tenancy.offboard(id), reading=True)
    if format == "json":
        show.data(due.plain())
        return
    console = show.screen()
    console.print(f"Tenant {id} is offboarded; `emma db retain` destroys it from {due.due_at.isoformat()[:16]} UTC on.")
    console.print(show.field("Holds", *counted(due.holds)))


def done(work: Callable[[Emma], Awaitable[T]], *, reading: bool = False) -> T:
    """What came of it; with `reading` on a store that is there already."""
    from emma_core.cli.opening import finish, there
    from emma_core.house import Emma
    from emma_core.settings import load

    async def opened() -> T:
        chosen = load()
        if reading:
            there(chosen)
        async with Emma.open(chosen, recover=not reading) as emma:
            return await work(emma)

    return finish(opened())


def _say(tenant: Tenant, format: str, words: str) -> None:
    from emma_core.cli import show

    if format == "json":
        show.data(tenant.plain())
    else:
        show.screen().print(words)


def _tell(manifest: Manifest, format: str, words: str) -> None:
    from emma_core.cli import show

    if format == "json":
        show.data({**manifest.plain(), "sha256": manifest.hash})
        return
    head = manifest.head
    console = show.screen()
    console.print(f"{words}.")
    console.print(show.field("Holds", *counted(manifest.counts)))
    console.print(show.field("Trail", f"#{head.seq} {head.hash}" if head else "(empty)"))
    console.print(show.field("Files", *(f"{each.name} {each.sha256}" for each in manifest.files)))
    console.print(show.field("Manifest", manifest.hash))


def counted(holds: dict[str, dict[str, int]]) -> list[str]:
    """How much is held, a line for each place that holds something."""
    said = (
        (place, ", ".join(f"{count:,} {what}" for what, count in sorted(held.items()) if count))
        for place, held in holds.items()
    )
    return [f"{place}: {what}" for place, what in said if what] or ["nothing"]
