"""`emma overrides`: what may be lifted, and a person's decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emma_core.cli.options import ListFormat, OneFormat, RolesOption, TenantOption, UserOption, named, rule_ids
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from emma_core.house import Desk
    from emma_core.nouns import Decision, Docket, Override

State = Literal["suggested", "granted", "refused", "expired"]
OverrideId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Its id, or how it starts (6 characters or more).")
]
ReportId = Annotated[
    str | None, typer.Option("--report", metavar="ID", help="Of that check; else of the newest that suggested it.")
]
RulePatterns = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        autocompletion=rule_ids,
        help="All that waits under this rule: its id, the last part of it, or a pattern; may be said again.",
    ),
]
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
    """List this tenant's overrides, and who may decide each; those of a check stand rule by rule.

    Example:

        emma overrides list --state suggested
    """
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    async def all_of_them() -> tuple[list[Override], list[Docket]]:
        async with desk(tenant, user, role, reading=True) as opened:
            return await opened.overrides(), await opened.dockets()

    found, dockets = finish(all_of_them())
    found = sorted((each for each in found if state in (None, each.state)), key=lambda each: each.suggested_at)
    dockets = [each for each in dockets if state is None or _counted(each).get(state)]
    if show.listed((each.plain() for each in (*found, *dockets)), format):
        return
    if not found and not dockets:
        show.screen().print(f"No override{f' is {state}' if state else ''}; a failed rule suggests one where it may.")
        return
    rows: list[tuple[str, ...]] = [
        (each.id[:12], each.state, f"{each.rule}\n{each.message}", _who(each)) for each in found
    ]
    rows += [_row(each) for each in dockets]
    who = ("Who", {"width": 27})
    columns = (("Id", {"no_wrap": True}), ("State", {"no_wrap": True}), ("Lifts", {"ratio": 1}), who)
    show.screen().print(show.table(*columns, rows=rows))


@app.command()
def grant(
    id: OverrideId = None,
    report: ReportId = None,
    rule: RulePatterns = None,
    reason: Reason = None,
    field: Fields = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Lift a failed finding, or all that a check found under a rule, as somebody whose role may; the decision and its
    reasons are sealed on the trail, on one line.

    Examples:

        emma overrides grant 3fa91c02b7de --as sam --role mortgage.senior_underwriter
        --reason "Twelve months of reserves" --field compensating_factors="Savings statement of June"

        emma overrides grant --report k-5c1f09 --rule 'q6*' --as kim --role mortgage.hmda_officer
        --reason "Held against the loan files"
    """
    _decide(id, report, rule, "granted", _reasons(reason, field), format, tenant, user, role)


@app.command()
def refuse(
    id: OverrideId = None,
    report: ReportId = None,
    rule: RulePatterns = None,
    reason: Reason = None,
    format: OneFormat = "text",
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Refuse to lift a failed finding, or all that a check found under a rule, as somebody whose role may; the
    decision is sealed on the trail.

    Example:

        emma overrides refuse 3fa91c02b7de --as sam --role mortgage.senior_underwriter --reason "Income not shown"
    """
    _decide(id, report, rule, "refused", _reasons(reason, None), format, tenant, user, role)


def _decide(
    id: str | None,
    report: str | None,
    rules: list[str] | None,
    decision: Literal["granted", "refused"],
    reasons: dict[str, str],
    format: str,
    tenant: str | None,
    user: str | None,
    role: list[str] | None,
) -> None:
    from emma_core.cli import show
    from emma_core.cli.opening import desk, finish

    named("--report", report)
    if id is not None and rules:
        raise CallerError(f"{id!r} and --rule: an id names one finding, a rule all of its own; name one of them")

    async def decided() -> Override | Decision:
        async with desk(tenant, user, role, reading=True) as opened:
            if id is not None and report is None and await _of_a_turn(opened, id):
                return await opened.decide(id, decision, reasons=reasons)
            return await opened.decide_found(decision, reasons=reasons, report=report, rules=rules or (), override=id)

    made = finish(decided())
    if format == "json":
        show.data(made.plain())
        return
    console = show.screen()
    for each in _told(made):
        console.print(each)


async def _of_a_turn(desk: Desk, id: str) -> bool:
    return any(each.id.startswith(id) for each in await desk.overrides())


def _told(made: Override | Decision) -> Iterator[RenderableType]:
    """What was decided, by whom, why, and what it changes."""
    from emma_core.cli.show import field, many
    from emma_core.nouns import Override

    state = made.state if isinstance(made, Override) else made.decision
    until = f", until {made.expires_at[:10]}" if made.expires_at else ""
    yield field(state.capitalize(), f"{made.title}, by {made.decided_by} ({made.decided_as}){until}")
    if isinstance(made, Override):
        yield field("Rule", made.rule, made.message)
        now = f"ask again in conversation {made.conversation}; other values undo it"
    else:
        yield field("Check", f"{made.report} of {made.file}")
        yield field("Rules", *(f"{rule}: {many(count, 'finding')}" for rule, count in made.rules.items()))
        now = f"check {made.file} again, or a corrected one; where the values of a record change it falls away"
    for name, text in (made.reasons or {}).items():
        yield field(name.replace("_", " ").capitalize(), text)
    if state == "granted":
        yield field("Now", now)


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


def _row_of_turn(override: Override) -> tuple[str, str, str, str]:
    return override.id[:12], override.state, f"{override.rule}\n{override.message}", _who(override)


def _counted(docket: Docket) -> dict[str, int]:
    return {"suggested": docket.waiting, "granted": docket.granted, "refused": docket.refused}


def _row(docket: Docket) -> tuple[str, str, str, str]:
    states = "\n".join(f"{count:,} {state}" for state, count in _counted(docket).items() if count)
    may = f"{' or '.join(docket.granted_by)} may" if docket.waiting else ", ".join(docket.decided_by)
    lifts = f"{docket.rule}\n{docket.file}: {docket.message}"
    return docket.report[:14], states, lifts, may
