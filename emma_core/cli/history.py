"""Tells a turn from the trail as it went: what was asked, found, answered and decided, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from emma_core.cli import turns
from emma_core.cli.show import field, many, visible
from emma_core.errors import TrailError
from emma_core.nouns import Answer, Ask, Fact, Finding, Need, Override

if TYPE_CHECKING:
    from emma_core.audit import Account, Step

_ENDS = {"answered": "green", "stopped": "red", "decided": "cyan", "judged": "bold"}


def tell(console: Console, told: Account) -> None:
    """The turn stands on the screen: what it is, then its steps, each at its time."""
    console.print(Text(visible(told.turn), "bold").append(visible(f"  {told.conversation or ''}"), "not bold dim"))
    for each in _about(told):
        console.print(each)
    for day, steps in groupby(told.steps, key=lambda step: step.at[:10]):
        console.print(f"\n{day} UTC", style="dim")
        for step in steps:
            console.print(Padding(field(f"● {step.at[11:19]}", _headline(step)), (1, 0, 0, 0)))
            for part in _STEPS.get(step.kind, _nothing)(step):
                console.print(part, soft_wrap=isinstance(part, Text))


def _about(told: Account) -> Iterator[RenderableType]:
    step = told.judged
    if step is None:
        return
    said = step.outcome
    if step.payload is not None:
        ask: Ask = _noun(Ask, step.payload["ask"])
        subject = f", about {ask.subject}" if ask.subject != told.conversation else ""
        yield field("Asked", f"“{ask.words}”", Text(visible(f"by {step.caller}{subject}"), "dim"))
    else:
        yield field("Asked", Text(visible(f"by {step.caller}; the words are not shown"), "dim"))
    packs = [f"{each['name']} {each['version']} ({each['hash'][:12]})" for each in _dicts(said.get("packs"))]
    agent = f"{said.get('blueprint')} ({str(said.get('blueprint_hash'))[:12]}) on {said.get('model')}"
    yield field("Agent", agent, Text(", ".join(packs), "dim"))
    yield field("Rules", f"read as of {said.get('as_of')}")
    verdict = str(said.get("verdict"))
    style, meaning = turns.VERDICTS.get(verdict, ("", ""))  # type: ignore[call-overload]
    yield field("Verdict", Text(verdict, f"bold {style}").append(f": {meaning}" if meaning else "", "not bold"))


def _headline(step: Step) -> Text:
    said = Text(step.kind, _ENDS.get(step.kind, "bold"))
    return said.append(visible(f"  #{step.seq} {step.hash[:12]}  by {step.caller}"), "not bold dim")


def _judged(step: Step) -> Iterator[RenderableType]:
    beside = step.payload
    if beside is None:
        yield from _sealed_findings(step)
        return
    known = [_noun(Fact, each) for each in _dicts(beside.get("facts"))]
    if known:
        yield field("Facts", *(turns.fact(each) for each in known))
    titles = {each["rule"]: each["title"] for each in _dicts(beside.get("retrieved"))}
    yield field("", "")
    yield turns.compared([_noun(Finding, each) for each in _dicts(beside.get("findings"))], titles)
    yield Text("")
    if needs := [_noun(Need, each) for each in _dicts(beside.get("needs"))]:
        yield field("Needed", *(each.question for each in needs), style="yellow")
    for each in (_noun(Override, said) for said in _dicts(beside.get("overrides"))):
        stood = each.state if each.decided_by is None else f"{each.state} by {each.decided_by}"
        who = Text(visible(f"{each.id[:12]}; {' or '.join(each.granted_by)} may decide"), "dim")
        yield field("Override", f"{each.title}: {stood}", who)
    if left := _dicts(beside.get("left_out")):
        yield field("Left out", *(Text(visible(f"{each['rule']}: {each['why']}"), "dim") for each in left))


def _sealed_findings(step: Step) -> Iterator[RenderableType]:
    rows = [
        f"{each.get('outcome')!s:<13}{each.get('rule')}"
        + (f" (override {each['override']})" if "override" in each else "")
        for each in _dicts(step.outcome.get("findings"))
    ]
    yield field("Findings", *rows)
    yield field("", Text("words, facts and values lie beside the line, and are not shown", "dim"))


def _answered(step: Step) -> Iterator[RenderableType]:
    said = step.outcome
    marks = [word for word in ("mended", "abstained", "cached") if said.get(word)]
    if step.payload is not None:
        answer: Answer = _noun(Answer, step.payload["answer"])
        yield field("Answer", *answer.text.strip().splitlines())
        for each in answer.citations:
            yield field("", Text(visible(f"[{each.n}] {each.title}: {each.citation}"), "dim"))
        marks.append(many(answer.usage.input_tokens + answer.usage.output_tokens, "token"))
    yield field("Model", Text(visible(", ".join([str(said.get("model")), *marks])), "dim"))
    yield from _guarded(step)


def _stopped(step: Step) -> Iterator[RenderableType]:
    yield field("Reason", str((step.payload or step.outcome).get("reason")), style="red")
    yield from _guarded(step)


def _guarded(step: Step) -> Iterator[RenderableType]:
    """What the rules on answers and calls said, where any did not hold."""
    failed = [each for each in _dicts(step.outcome.get("findings")) if each.get("outcome") != "passed"]
    if failed:
        yield field("Guarded", *(f"{each.get('outcome')!s:<13}{each.get('rule')}" for each in failed))


def _decided(step: Step) -> Iterator[RenderableType]:
    said = step.outcome
    word, style = ("Lifted", "green") if said.get("decision") == "granted" else ("Not lifted", "red")
    yield field(word, Text(visible(f"{said.get('rule')}, as {said.get('role')}"), style))
    if step.payload is None or "override" not in step.payload:
        return
    override: Override = _noun(Override, step.payload["override"])
    yield field("", f"{override.title}: {override.message}")
    for name, text in (override.reasons or {}).items():
        yield field(visible(name).replace("_", " ").capitalize(), text)
    if override.expires_at:
        yield field("Until", override.expires_at[:10])


def _nothing(step: Step) -> Iterator[RenderableType]:
    yield field("", Text(visible(json.dumps(step.outcome, ensure_ascii=False)), "dim"))


_STEPS = {"judged": _judged, "answered": _answered, "stopped": _stopped, "decided": _decided}


def _noun(kind: Any, said: object) -> Any:
    """The noun that a payload keeps as JSON. Raises `TrailError` where it is none that this Emma knows."""
    try:
        return kind.model_validate_json(json.dumps(said))
    except ValueError as error:
        raise TrailError(
            f"The turn keeps no {kind.__name__} that can be told here; try --values --format json"
        ) from error


def _dicts(said: Any) -> list[dict[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
