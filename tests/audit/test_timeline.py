"""Holds the timeline to telling each turn once, whole and in order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from emma_core import audit
from emma_core.errors import TrailError
from emma_core.nouns import Head, TrailLine

FOUND = {"rule": "a.b.c", "rule_hash": "0" * 64, "outcome": "failed", "override": "suggested"}


def sealed(*events: dict[str, Any]) -> list[TrailLine]:
    lines: list[TrailLine] = []
    for number, event in enumerate(events):
        said = {"outcome": {}, "caller": "asker", **event}
        seal = audit.sealing(
            tenant="a",
            payload={},
            subject="p",
            now=datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
            salt=b"\0" * 32,
            **said,
        )
        lines.append(seal(Head(seq=number, hash=lines[-1].hash, at=lines[-1].at) if lines else None))
    return lines


def test_a_turn_is_told_once_with_all_that_came_of_it() -> None:
    lines = sealed(
        {"kind": "judged", "turn": "t1", "conversation": "c", "outcome": {"verdict": "blocked", "findings": [FOUND]}},
        {"kind": "judged", "turn": "t2", "conversation": "c", "outcome": {"verdict": "clear", "findings": []}},
        {"kind": "answered", "turn": "t1", "conversation": "c", "outcome": {"findings": [{**FOUND, "rule": "x.y"}]}},
        {"kind": "stopped", "turn": "t2", "conversation": "c", "outcome": {"reason": "timeout"}},
    )

    first, second = audit.timeline(lines)

    assert (first.turn, first.conversation, first.verdict) == ("t1", "c", "blocked")
    assert [(event.seq, event.kind, event.caller) for event in first.events] == [
        (1, "judged", "asker"),
        (3, "answered", "asker"),
    ]
    assert [finding["rule"] for finding in first.findings] == ["a.b.c", "x.y"]
    assert (second.turn, second.verdict, second.reason) == ("t2", "clear", "timeout")
    assert [event.at for event in second.events] == ["2026-01-01T00:00:01.000000Z", "2026-01-01T00:00:03.000000Z"]


def test_a_decision_stands_by_itself_and_names_who_decided() -> None:
    decided = {"override": "0" * 64, "decision": "granted", "rule": "a.b.c", "role": "acme.boss"}
    lines = sealed(
        {"kind": "judged", "turn": "t1", "outcome": {"verdict": "needs_override"}},
        {"kind": "decided", "conversation": "c", "caller": "boss", "outcome": decided},
        {"kind": "decided", "conversation": "c", "caller": "boss", "outcome": {**decided, "decision": "refused"}},
    )

    _, granted, refused = audit.timeline(lines)

    assert (granted.turn, granted.conversation, granted.decided_by, granted.decision) == (None, "c", "boss", decided)
    assert refused.decision == {**decided, "decision": "refused"}


def test_a_line_that_says_no_event_is_named() -> None:
    line = sealed({"kind": "judged"})[0].model_copy(update={"line": "{}"})

    with pytest.raises(TrailError, match="Line 1"):
        audit.timeline([line])
