"""Makes trails to be verified and to be tampered with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from emma_core import audit
from emma_core.nouns import Head, TrailLine

BEGAN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

Trail = tuple[list[TrailLine], Head]


@pytest.fixture(scope="session")
def trail_of() -> Callable[..., Trail]:
    """A function that makes a whole trail: its lines and its head; `other` words make another trail."""

    @cache
    def made(length: int, tenant: str, other: str) -> Trail:
        lines: list[TrailLine] = []
        head = None
        for number in range(1, length + 1):
            seal = audit.sealing(
                tenant=tenant,
                kind="judged" if number % 2 else "answered",
                caller="tester",
                outcome={"verdict": "clear", "number": number},
                payload={"words": f"line {number} {other}"},
                subject=f"person {number}",
                turn=f"t{number // 2}",
                conversation="c",
                now=BEGAN + timedelta(seconds=number),
                salt=number.to_bytes(32, "big"),
            )
            lines.append(seal(head))
            head = Head(seq=number, hash=lines[-1].hash, at=lines[-1].at)
        assert head is not None
        return lines, head

    def make(length: int, *, tenant: str = "a", other: str = "") -> Trail:
        lines, head = made(length, tenant, other)
        return list(lines), head

    return make
