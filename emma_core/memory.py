"""Recalls a conversation from its trail: what was said, which facts were asserted, and what was asked last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emma_core import canonical
from emma_core.nouns import Message, Need, TrailLine


@dataclass(frozen=True)
class Memory:
    """What an agent remembers of a conversation, the oldest first."""

    messages: tuple[Message, ...] = ()
    facts: tuple[tuple[dict[str, Any], ...], ...] = ()
    """Turn by turn, the facts as the trail kept them."""
    asked: tuple[Need, ...] = ()
    """What was asked last: the needs of the last turn that had any, also where they are settled by now."""


def recall(newest_first: Sequence[TrailLine], *, turns: int) -> Memory:
    """The memory of the last `turns` turns; a turn whose payload was erased is forgotten."""
    judged: dict[str, dict[str, Any]] = {}
    said: dict[str, str] = {}
    for line in newest_first:
        if line.turn is None or line.payload is None:
            continue
        body = json.loads(line.payload.body)
        if line.kind == "judged" and len(judged) < turns:
            judged[line.turn] = body
        elif line.kind == "answered":
            said[line.turn] = body["answer"]["text"]
    kept = list(reversed(judged.items()))
    messages: list[Message] = []
    for turn, body in kept:
        messages.append(Message(role="user", text=body["ask"]["words"]))
        messages += [Message(role="assistant", text=said[turn])] if turn in said else []
    last: list[dict[str, Any]] = next((body["needs"] for _, body in reversed(kept) if body.get("needs")), [])
    return Memory(
        messages=tuple(messages),
        facts=tuple(tuple(body["facts"]) for _, body in kept),
        asked=tuple(Need.model_validate_json(canonical.text(need)) for need in last),
    )
