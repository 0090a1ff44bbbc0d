"""Counts a tenant's usage from its trail, each line once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from itertools import groupby
from typing import Any

from emma_core.nouns import TrailLine
from emma_core.ports import TenantRegistry, TenantStore

_PAGE = 500


async def count(store: TenantStore, registry: TenantRegistry) -> int:
    """How many lines were counted now; afterwards the usage is that of the trail up to the line it was read to.

    Several may count at once: each line is counted by one of them.
    """
    lines = 0
    seen = await registry.counted()
    while page := await store.lines(after=seen, limit=_PAGE):
        for day, some in groupby(page, key=lambda line: line.at[:10]):
            of_a_day = list(some)
            total: Counter[str] = Counter()
            for line in of_a_day:
                total.update(counters(line))
            last = of_a_day[-1].seq
            if not await registry.count(date.fromisoformat(day), dict(total), after=seen, seen=last):
                seen = await registry.counted()  # another was faster: go on from where it stands
                break
            seen, lines = last, lines + len(of_a_day)
    return lines


def counters(line: TrailLine) -> dict[str, int]:
    """What a line adds to which counter. A payload that was erased before it was counted adds no tokens."""
    match line.kind:
        case "judged":
            return {"turns": 1}
        case "answered":
            return {"answers": 1, **_tokens(line)}
        case "stopped":
            return {"stopped": 1}
        case "checked":
            return {"checks": 1, "records": _whole(json.loads(line.line)["outcome"].get("records"))}
        case "decided":
            return {"decisions": 1}
        case "published":
            return {"publications": 1}
    return {}


def _tokens(line: TrailLine) -> dict[str, int]:
    said = json.loads(line.payload.body).get("answer", {}).get("usage", {}) if line.payload else {}
    return {name: _whole(said.get(name)) for name in ("input_tokens", "output_tokens")}


def _whole(said: Any) -> int:
    return said if isinstance(said, int) and said > 0 else 0
