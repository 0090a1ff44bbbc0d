"""`emma ask`: one turn, shown whole, its verdict as the exit code."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import typer

from emma_core.cli import options
from emma_core.cli.options import (
    AsOfOption,
    BlueprintId,
    FactsOption,
    OneFormat,
    RolesOption,
    TenantOption,
    UserOption,
)
from emma_core.errors import OperatorError

Severity = Literal["error", "warning", "info"]
_WEIGHT: dict[Severity, int] = {"info": 0, "warning": 1, "error": 2}

FailOn = Annotated[Severity, typer.Option("--fail-on", help="The least severity of a failed rule that exits 1.")]
AllowUndetermined = Annotated[bool, typer.Option("--allow-undetermined", help="A missing fact does not exit 1.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show the steps on stderr as they happen.")]
Conversation = Annotated[
    str | None, typer.Option("--conversation", metavar="ID", help="Go on with a conversation; else a new one.")
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="ID", help="Whose data this is; else the conversation's.")
]


def ask(
    blueprint: BlueprintId,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="The question; - reads it from stdin.")],
    facts: FactsOption = None,
    as_of: AsOfOption = None,
    conversation: Conversation = None,
    subject: Subject = None,
    format: OneFormat = "text",
    allow_undetermined: AllowUndetermined = False,
    fail_on: FailOn = "error",
    trace: Trace = False,
    tenant: TenantOption = None,
    user: UserOption = None,
    role: RolesOption = None,
) -> None:
    """Ask an agent one question, and see what its rules say.

    Exits 0 where the verdict is clear, 1 where it is not or the turn was stopped, 2 where the question cannot be read.

    Examples:

        emma ask loan_officer "Can we approve this at 47% debt-to-income?"

        emma ask loan_officer "Can we approve this?" --facts '{"dti": 0.41}' --format json

        echo "Are these remarks fine?" | emma ask listing_editor - --facts listing.json
    """
    from emma_core.cli.opening import desk, finish

    said = options.decoded(sys.stdin.buffer.read(options.LONGEST_INPUT + 1), "stdin") if words == "-" else words
    more = asked_with(facts=facts, as_of=as_of, conversation=conversation, subject=subject)

    async def turned() -> Any:
        async with desk(tenant, user, role) as opened:
            return await one(opened, blueprint, said, trace=trace, **more)

    turn = finish(turned())
    _show(turn, format)
    raise typer.Exit(exit_code(turn, fail_on=fail_on, allow_undetermined=allow_undetermined))


def asked_with(
    *, facts: str | None, as_of: str | None, conversation: str | None, subject: str | None
) -> dict[str, Any]:
    """What goes with the words of an ask, read out of its options. Raises `CallerError`."""
    return {
        "facts": options.facts(facts),
        "as_of": options.day(as_of),
        "conversation": options.named("--conversation", conversation),
        "subject": options.named("--subject", subject),
    }


async def one(desk: Any, blueprint: str, words: str, *, trace: bool, **more: Any) -> Any:
    """The whole turn, its steps told on stderr where they are asked for."""
    async for event in desk.stream(blueprint, words, **more):
        if trace:
            from emma_core.cli.tracing import step

            step(event)
        if event.whole is not None:
            return event.whole
    raise OperatorError("The turn ended without a last event")  # stream() always yields one, or raises


def exit_code(turn: Any, *, fail_on: Severity = "error", allow_undetermined: bool = False) -> int:
    """1 where a mandatory rule at or above `fail_on` stands, a fact is missing or the turn was stopped; else 0."""
    if turn.stopped or turn.verdict in ("broken", "blocked", "needs_override"):
        return 1
    if turn.verdict == "needs_facts" and not allow_undetermined:
        return 1
    mandatory = {each.rule for each in turn.retrieved if each.mandatory}
    return int(any(each.rule in mandatory and _stands(each, fail_on) for each in turn.findings))


def _stands(finding: Any, fail_on: Severity) -> bool:
    lifted = finding.override is not None and finding.override.state == "granted"
    return finding.outcome == "failed" and not lifted and _WEIGHT[finding.severity] >= _WEIGHT[fail_on]


def _show(turn: Any, format: str) -> None:
    from emma_core.cli import show

    if format == "json":
        show.data(turn.plain())
        return
    from emma_core.cli import turns

    turns.whole(show.screen(), turn)
