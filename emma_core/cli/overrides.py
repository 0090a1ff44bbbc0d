"""`emma overrides`: what may be lifted, and a person's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emma_core.cli.options import ListFormat, OneFormat, RolesOption, TenantOption, UserOption
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from emma_core.nouns import Override

State = Literal["suggested", "granted", "refused", "expired"]
OverrideId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it starts (6 characters or more).")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept on the trail.")]
Fields = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME=TEXT", help="Something else that its template requires; may be repeated."),
]

app = typer.Typer(help="See what may be lifted, and grant or refuse it.", no_args_is_help=True)


@app.command("list")
def listed(
    state: Annotated[State | None, typer.Option("--state", help="Only those that stand so.")] = None,
    format: ListFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """List this tenant's overrides, and who may decide each.

    Example:

        emma overrides list --state suggested
    """
    from emma_core.cli.opening import desk, finish

    async def all_of_them() -> list[Override]:
        async with desk(tenant, user, role, reading=True) as opened:
            return await opened.overrides()

    found = [each for each in finish(all_of_them()) if state in (None, each.state)]
    found.sort(key=lambda each: each.suggested_at)
    from emma_core.cli import show

    if show.listed((each.plain() for each in found), format):
        return
    if not found:
        show.screen().print(f"No override{f' is {state}' if state else ''}; a failed rule suggests one where it may.")
        return
    rows = [(each.id[:12], each.state, f"{each.rule}\n{each.message}", _who(each)) for each in found]
    columns = (("Id", {"no_wrap": True}), ("State", {"no_wrap": True}), ("Lifts", {"ratio": 3}), ("Who", {"ratio": 2}))
    show.screen().print(show.table(*columns, rows=rows))


@app.command()
def grant(
    id: OverrideId,
    reason: Reason = None,
    field: Fields = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Lift a failed finding, as somebody whose role may; the decision and its reasons are sealed on the trail.

    Example:

        emma overrides grant 3fa91c02b7de --as sam --role mortgage.senior_underwriter
        --reason "Twelve months of reserves" --field compensating_factors="Savings statement of June"
    """
    _decide(id, "granted", _reasons(reason, field), format, tenant, user, role)


@app.command()
def refuse(
    id: OverrideId,
    reason: Reason = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Refuse to lift a failed finding, as somebody whose role may; the decision is sealed on the trail.

    Example:

        emma overrides refuse 3fa91c02b7de --as sam --role mortgage.senior_underwriter --reason "Income not shown"
    """
    _decide(id, "refused", _reasons(reason, None), format, tenant, user, role)


def _decide(
    id: str,
    decision: Literal["granted", "refused"],
    reasons: dict[str, str],
    format: str,
    tenant: str | None,
    user: str | None,
    role: list[str] | None,
) -> None:
    from emma_core.cli.opening import desk, finish

    async def decided() -> Override:
        async with desk(tenant, user, role, reading=True) as opened:
            return await opened.decide(id, decision, reasons=reasons)

    override = finish(decided())
    from emma_core.cli import show

    if format == "json":
        show.data(override.plain())
        return
    until = f", until {(override.expires_at or '')[:10]}" if override.expires_at else ""
    console = show.screen()
    console.print(show.field(override.state.capitalize(), f"{override.title}, by {_who(override)}{until}"))
    console.print(show.field("Rule", override.rule, override.message))
    for name, text in (override.reasons or {}).items():
        console.print(show.field(name.replace("_", " ").capitalize(), text))
    if decision == "granted":
        console.print(show.field("Now", f"ask again in conversation {override.conversation}; other values undo it"))


def _reasons(reason: str | None, fields: list[str] | None) -> dict[str, str]:
    said = {} if reason is None else {"reason": reason}
    for each in fields or ():
        name, sign, text = each.partition("=")
        if not name:
            raise CallerError(f"--field: {each!r} has no name; write it as name=text")
        if not text.strip():
            lacks = "the text after '='" if sign else "'=' and the text after it"
            raise CallerError(f"--field: {name!r} lacks {lacks}; write it as name=text")
        if name in said:
            raise CallerError(f"--field: {name!r} is said twice; say it once")
        said[name] = text
    return said


def _who(override: Override) -> str:
    if override.state == "suggested":
        return f"{' or '.join(override.granted_by)} may"
    return f"{override.decided_by} ({override.decided_as})"
