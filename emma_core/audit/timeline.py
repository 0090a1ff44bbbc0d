"""Tells a trail turn by turn: what happened when, what was found, and who decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from emma_core.audit.reading import read
from emma_core.nouns import AuditEvent, Noun, TrailKind, TrailLine


class Happening(Noun):
    """One sealed event, in short."""

    seq: int
    kind: TrailKind
    at: str
    caller: str


class Episode(Noun):
    """One turn of a trail, or one event that belongs to none, such as a decision."""

    turn: str | None = None
    conversation: str | None = None
    events: tuple[Happening, ...]
    """In order."""
    verdict: str | None = None
    findings: tuple[dict[str, JsonValue], ...] = ()
    """Those of every event, as sealed: rule, rule_hash, outcome, override."""
    decision: dict[str, JsonValue] | None = None
    """What was decided, where somebody decided."""
    decided_by: str | None = None
    """The user who did."""
    published: dict[str, JsonValue] | None = None
    """What was published, labelled or moved back, where somebody did."""
    reason: str | None = None
    """Why the turn was stopped, where it was."""


def timeline(lines: Iterable[TrailLine]) -> list[Episode]:
    """The trail's episodes in the order in which they began. Raises `TrailError` for a line that says no event."""
    episodes: dict[str, list[AuditEvent]] = {}
    for line in lines:
        event = read(line)
        # a decision stands by itself, though it names the turn it belongs to
        together = event.turn if event.turn is not None and event.kind != "decided" else None
        episodes.setdefault(f"turn {together}" if together is not None else f"seq {event.seq}", []).append(event)
    return [_episode(events) for events in episodes.values()]


def _episode(events: list[AuditEvent]) -> Episode:
    said: dict[str, Any] = {}
    for event in events:
        said.update(event.outcome)
    decided = next((event for event in events if event.kind == "decided"), None)
    return Episode(
        turn=events[0].turn,
        conversation=events[0].conversation,
        events=tuple(Happening(seq=each.seq, kind=each.kind, at=each.at, caller=each.caller) for each in events),
        verdict=_text(said.get("verdict")),
        findings=tuple(finding for event in events for finding in _findings(event)),
        decision=decided.outcome if decided else None,
        decided_by=decided.caller if decided else None,
        published=events[0].outcome if events[0].kind == "published" else None,
        reason=_text(said.get("reason")),
    )


def _findings(event: AuditEvent) -> list[dict[str, JsonValue]]:
    said = event.outcome.get("findings")
    return [finding for finding in said if isinstance(finding, dict)] if isinstance(said, list) else []


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
