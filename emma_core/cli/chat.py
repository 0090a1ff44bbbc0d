"""`emma chat`: a conversation, one line a turn, from a person's keyboard or a program's pipe."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from emma_core.cli import options
from emma_core.cli.ask import (
    AllowUndetermined,
    Conversation,
    FailOn,
    Severity,
    Subject,
    Trace,
    asked_with,
    exit_code,
    one,
)
from emma_core.cli.options import AsOfOption, BlueprintId, FactsOption, OneFormat, RolesOption, TenantOption, UserOption
from emma_core.errors import CallerError

if TYPE_CHECKING:
    from emma_core.house import Desk
    from emma_core.nouns import Turn

HELP = "A line is a turn. /facts shows what is known, /trail what was sealed; /quit ends it."


@dataclass
class Talk:
    """A conversation as it stands."""

    blueprint: str
    more: dict[str, Any]
    format: str
    trace: bool
    last: Turn | None = None
    complaints: int = 0
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    @property
    def hint(self) -> str:
        """What to type next: the question that the last turn still asks."""
        return self.last.needs[0].question if self.last and self.last.needs else ""


def chat(
    blueprint: BlueprintId,
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
    """Talk with an agent; what an earlier line said is remembered, and a bare value answers what was asked last.

    Exits as the last turn's verdict says: 0 clear, 1 otherwise. With --format json, one turn a line.

    Examples:

        emma chat loan_officer

        printf 'Can we approve this loan?\\n41%\\n' | emma chat loan_officer
    """
    from emma_core.cli.opening import desk

    more = asked_with(facts=facts, as_of=as_of, conversation=conversation, subject=subject)
    more["conversation"] = more["conversation"] or f"c-{secrets.token_hex(6)}"
    talk = Talk(blueprint, more, format, trace)
    with talk.runner:
        stack = AsyncExitStack()
        opened = talk.runner.run(stack.enter_async_context(desk(tenant, user, role)))
        try:
            talk.runner.run(opened.blueprint(blueprint))  # raises before the first line is read, not after it
            _converse(talk, opened)
        finally:
            talk.runner.run(stack.aclose())
    raise typer.Exit(_code(talk, fail_on=fail_on, allow_undetermined=allow_undetermined))


def _converse(talk: Talk, desk: Desk) -> None:
    for line in _lines(talk):
        try:
            words = options.decoded(line, "The line").strip()
            if words == "/quit":
                return
            if words.startswith("/"):
                _command(talk, words)
            else:
                _turn(talk, desk, words)
        except CallerError as error:  # the next line may be better
            talk.complaints += 1
            print(f"emma: {' '.join(str(error).split())}", file=sys.stderr)


def _lines(talk: Talk) -> Iterator[bytes]:
    """The lines as they come; a person is prompted, and asked what the last turn still needs."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield from sys.stdin.buffer
        return
    with suppress(ImportError):
        import readline  # noqa: F401  (it gives input() its history)
    print(f"{HELP}\n")
    while True:
        try:
            line = input(f"{talk.hint}\n› " if talk.hint else "› ")
        except EOFError:
            print()
            return
        yield line.encode(errors="surrogateescape")


def _turn(talk: Talk, desk: Desk, words: str) -> None:
    asked = one(desk, talk.blueprint, words, trace=talk.trace, **talk.more)
    with redirect_stdout(sys.stderr):  # what a pack prints is no part of the answer
        talk.last = talk.runner.run(asked)
    from emma_core.cli import show

    if talk.format == "json":
        show.data(talk.last.plain(), indent=None)
    else:
        from emma_core.cli import turns

        turns.brief(show.screen(), talk.last)
    sys.stdout.flush()


def _command(talk: Talk, words: str) -> None:
    from emma_core.cli import show, turns

    console = show.screen(stderr=talk.format == "json")
    if words == "/help":
        console.print(HELP)
    elif words in ("/facts", "/trail") and talk.last is None:
        console.print("Nothing was asked yet.")
    elif words == "/facts" and talk.last:
        console.print(turns.facts(talk.last.facts) if talk.last.facts else "No fact is known yet.")
    elif words == "/trail" and talk.last:
        console.print(turns.trail(talk.last.trail))
    else:
        raise CallerError(f"No command {words!r}; there are /facts, /trail, /help and /quit")


def _code(talk: Talk, *, fail_on: Severity, allow_undetermined: bool) -> int:
    if talk.last is None:
        return 2 if talk.complaints else 0
    return exit_code(talk.last, fail_on=fail_on, allow_undetermined=allow_undetermined)
