"""Times the steps of a turn, and says what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from pydantic import JsonValue

from emma_core.nouns import Document, Turn, TurnEvent

KIND = "turn_telemetry"
"""The kind of the documents that say how a turn went; whatever helps to operate, and nothing of what was said."""


class Stopwatch:
    """The time between a turn's events, as they pass."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._seconds: dict[str, float] = {}

    def lap(self, event: TurnEvent) -> None:
        """The step that this event ends took the time since the one before it."""
        now = self._clock()
        self._seconds[event.step] = now - self._last
        self._last = now

    def go_on(self) -> None:
        """Whoever was told of the last event took this long to hear it: that is no part of any step."""
        self._last = self._clock()

    def telemetry(self, turn: Turn, *, spent: float, now: datetime, keep_days: int) -> Document:
        """The document that keeps it for so many days. `spent`: what the store charged, in its own unit."""
        used = turn.answer.usage if turn.answer else None
        body: dict[str, JsonValue] = {
            "at": now.isoformat(),
            "blueprint": turn.blueprint,
            "blueprint_hash": turn.blueprint_hash,
            "verdict": turn.verdict,
            "stopped": turn.stopped is not None,
            "seconds": {step: round(seconds, 6) for step, seconds in self._seconds.items()},
            "input_tokens": used.input_tokens if used else 0,
            "output_tokens": used.output_tokens if used else 0,
            "store_units": round(spent, 3),
        }
        return Document(kind=KIND, id=turn.id, body=body, expires_at=now.timestamp() + keep_days * 86_400)
