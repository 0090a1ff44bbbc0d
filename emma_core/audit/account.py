"""Tells one turn whole: what its sealed lines say, what lies beside them, and who decided on what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from emma_core.audit.reading import PAGE, as_sealed, read
from emma_core.nouns import AuditEvent, Noun, TenantId, TrailKind, TrailLine
from emma_core.ports import TenantStore


class Step(Noun):
    """One sealed event of a turn, or a decision on what it found."""

    seq: int
    kind: TrailKind
    at: str
    caller: str
    hash: str
    outcome: dict[str, JsonValue]
    payload: dict[str, JsonValue] | None = None
    """What lies beside the line; None where it was erased."""


class Account(Noun):
    """A turn whole."""

    turn: str
    tenant: TenantId
    conversation: str | None = None
    steps: tuple[Step, ...]
    """In the order of their numbers."""

    @property
    def judged(self) -> Step | None:
        """The step that holds the verdict."""
        return next((each for each in self.steps if each.kind == "judged"), None)


async def lines_of(trail: TenantStore, turn: str) -> list[TrailLine]:
    """The turn's lines and the decisions on its findings, as they were sealed, by number; none for an unknown turn.

    Raises `TrailError` for one that was changed.
    """
    own = await trail.lines(turn=turn)
    as_sealed(own, tenant=trail.tenant)
    liftable = {key for line in own for key in _liftable(line)}
    decided: list[TrailLine] = []
    conversation, last = next((line.conversation for line in own if line.conversation), None), 0
    while liftable and conversation and (page := await trail.lines(conversation=conversation, after=last, limit=PAGE)):
        for line in as_sealed([line for line in page if line.kind == "decided"], tenant=trail.tenant):
            said = read(line).outcome
            if {said.get("override"), (said.get("rule"), said.get("rule_hash"))} & liftable:
                decided.append(line)
        last = page[-1].seq
    return sorted([*own, *decided], key=lambda line: line.seq)


def account(lines: Sequence[TrailLine]) -> Account:
    """The turn that these lines tell. Raises `TrailError` where one says no event, `ValueError` where there is none."""
    events = [(line, read(line)) for line in lines]
    first = next((event for _, event in events if event.turn is not None), None)
    if first is None or first.turn is None:
        raise ValueError("These lines tell no turn; name one that is on the trail")
    return Account(
        turn=first.turn,
        tenant=first.tenant,
        conversation=first.conversation,
        steps=tuple(_step(line, event) for line, event in events),
    )


def _step(line: TrailLine, event: AuditEvent) -> Step:
    said: dict[str, Any] | None = json.loads(line.payload.body) if line.payload else None
    return Step(
        seq=event.seq,
        kind=event.kind,
        at=event.at,
        caller=event.caller,
        hash=line.hash,
        outcome=event.outcome,
        payload=said,
    )


def _liftable(line: TrailLine) -> list[Any]:
    """What a decision on the turn's findings names: an override's id, or without a payload its rule and that's hash."""
    if line.kind != "judged":
        return []
    if line.payload:
        return [each["id"] for each in json.loads(line.payload.body).get("overrides", ())]
    said = read(line).outcome.get("findings")
    found = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    return [(each.get("rule"), each.get("rule_hash")) for each in found if "override" in each]
