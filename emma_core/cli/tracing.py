"""Tells the steps of a turn on stderr as they happen."""

from __future__ import annotations

from rich.text import Text

from emma_core.cli import show, turns
from emma_core.nouns import TurnEvent

_TITLES = {
    "facts": "1 facts",
    "retrieved": "2 rules that apply",
    "findings": "3 findings",
    "judged": "4 judged",
    "answered": "5 answered",
    "stopped": "5 stopped",
}


def step(event: TurnEvent) -> None:
    """The step stands on stderr with what came of it."""
    console = show.screen(stderr=True)
    console.print(Text(f"── {_TITLES[event.step]}", "bold dim"))
    if event.facts:
        console.print(turns.facts(event.facts))
    if event.retrieved is not None:
        console.print(turns.retrieved(event.retrieved, event.left_out or ()))
    if event.step == "findings":
        for finding in event.findings or ():
            console.print(Text(f"{finding.outcome:<13}{finding.rule}"))
    if event.verdict is not None:
        console.print(Text(f"verdict {event.verdict}; {len(event.overrides or ())} overrides"))
    if event.sealed is not None:
        console.print(turns.trail([event.sealed]))
