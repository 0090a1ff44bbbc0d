"""Finds a tenant's lines: the youngest in `state`, the others in parts of so many each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emma_core.backends.cosmos import items
from emma_core.backends.cosmos.account import Refused
from emma_core.backends.cosmos.bodies import Bodies
from emma_core.backends.cosmos.items import AUDIT, STATE, Item
from emma_core.backends.cosmos.scope import Scope
from emma_core.nouns import TrailLine

_MOST = 2**31 - 1


@dataclass(frozen=True)
class Sought:
    """Which lines, past which, and in what direction."""

    after: int
    limit: int
    turn: str | None
    conversation: str | None
    newest_first: bool

    @property
    def named(self) -> dict[str, str]:
        """What a line must be of, as items say it."""
        both = {"turn": self.turn, "conversation": self.conversation}
        return {name: items.word(text) for name, text in both.items() if text is not None}


class Lines:
    """A tenant's lines as items."""

    def __init__(self, scope: Scope, bodies: Bodies, size: int) -> None:
        self._scope = scope
        self._bodies = bodies
        self._size = size

    def part(self, seq: int) -> str:
        """The part that a line goes to when it has grown old."""
        return f"lines-{(seq - 1) // self._size + 1:06}"

    async def one(self, part: str, seq: int) -> Item | None:
        """The line of that number in that part, or None."""
        try:
            return await self._scope.read(AUDIT, part, items.line_id(seq))
        except Refused:
            return None

    async def read(self, found: Sequence[Item]) -> list[TrailLine]:
        """The lines, each with its payload."""
        return [items.line_of(item, await self._bodies.of(item)) for item in found]

    async def young(self, sought: Sought) -> list[Item]:
        """Those in `state`."""
        return await self.found(STATE, **self._asked(sought))

    async def slipped_in(self, sought: Sought) -> list[Item]:
        """Lines under number 1, where none can be: they must reach the verifier."""
        if sought.after or sought.named:
            return []
        return await self.found(None, limit=sought.limit, upto=0)

    async def old(self, sought: Sought, moved: int, *, low: int = 0) -> list[Item]:
        """Those that were moved: past `low`, and up to the line `moved`."""
        if sought.newest_first:
            low, high = low, min(moved, sought.after - 1) if sought.after else moved
        else:
            low, high = max(low, sought.after), moved
        if high <= low:
            return []
        asked = self._asked(sought)
        if sought.named:
            found = await self.found(None, **{**asked, "low": low, "upto": moved})
            # each physical partition gave its own in order
            return sorted(found, key=lambda item: int(item["seq"]), reverse=sought.newest_first)[: sought.limit]
        numbers = range(low // self._size, (high - 1) // self._size + 1)
        found = []
        for number in reversed(numbers) if sought.newest_first else numbers:
            part = self.part(number * self._size + 1)
            found += await self.found(part, **{**asked, "low": low, "upto": moved})
            if len(found) >= sought.limit:
                break
        return found[: sought.limit]

    async def found(
        self,
        part: str | None,
        *,
        limit: int,
        after: int = 0,
        low: int = 0,
        upto: int | None = None,
        newest_first: bool = False,
        named: dict[str, str] | None = None,
    ) -> list[Item]:
        """Up to `limit` lines of a part, or of all, in the direction asked for; `low`, `upto`: between these."""
        where, values = ["c.type = 'line'"], dict[str, Any](top=min(limit, _MOST), **(named or {}))
        if after:
            where.append("c.seq < @after" if newest_first else "c.seq > @after")
            values["after"] = min(after, 2**53)
        if newest_first:
            where.append("c.seq > 0")
        if low:
            where.append("c.seq > @low")
            values["low"] = low
        if upto is not None:
            where.append("c.seq <= @upto")
            values["upto"] = upto
        where += [f"c.{name} = @{name}" for name in named or ()]
        order = "DESC" if newest_first else "ASC"
        text = f"SELECT TOP @top * FROM c WHERE {' AND '.join(where)} ORDER BY c.seq {order}"
        return [item async for item in self._scope.query(AUDIT, part, text, **values)]

    def _asked(self, sought: Sought) -> dict[str, Any]:
        return {
            "after": sought.after,
            "limit": sought.limit,
            "newest_first": sought.newest_first,
            "named": sought.named,
        }
