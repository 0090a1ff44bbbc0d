"""Counts, names and destroys all that is held of one tenant, container by container."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

from emma_core.backends.cosmos.account import Refused
from emma_core.backends.cosmos.items import AUDIT, CONTAINERS, STATE, expired
from emma_core.backends.cosmos.scope import Operation, Scope

_OPERATIONS = 100
_COUNT = "SELECT VALUE COUNT(1) FROM c"
_NEXT_KIND = (
    "SELECT TOP 1 * FROM c WHERE c.type = 'document' AND c.kind > @last"
    " AND (NOT IS_DEFINED(c.expires_at) OR c.expires_at > @now) ORDER BY c.kind ASC"
)


class Holdings:
    """All items of one tenant."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""
        found: set[str] = set()
        for container in CONTAINERS:
            last: str | None = ""
            while last is not None:
                # of several physical partitions each gave its next
                after = {
                    str(item["kind"]): str(json.loads(item["document"])["kind"])
                    async for item in self._scope.query(container, None, _NEXT_KIND, last=last, now=time.time())
                    if not expired(item)
                }
                last = min(after, default=None)
                found |= {after[last]} if last is not None else set()
        return sorted(found)

    async def census(self, moved: int) -> Mapping[str, int]:
        """How much is held, by what it is; `strays`: what a crash left behind and nobody reads."""
        documents = 0
        for container in CONTAINERS:
            documents += await self._count(container, None, "c.type = 'document'")
        young = f"c.type = 'line' AND c.seq > {moved}"
        old = f"c.type = 'line' AND c.seq <= {moved}"
        lines = await self._count(AUDIT, STATE, young) + await self._count(AUDIT, None, old)
        paid = await self._count(AUDIT, STATE, f"{young} AND IS_DEFINED(c.payload)")
        paid += await self._count(AUDIT, None, f"{old} AND IS_DEFINED(c.payload)")
        every = await self._count(AUDIT, None, "c.type = 'line'")
        heads = await self._count(AUDIT, None, "c.type = 'head'")
        return {"documents": documents, "lines": lines, "payloads": paid, "heads": heads, "strays": every - lines}

    async def purge(self) -> None:
        """None is left. Repeatable: what was destroyed before is not missed."""
        for container in CONTAINERS:
            while found := await self._some(container):
                for part, together in itertools.groupby(found, lambda item: str(item["part"])):
                    await self._destroy(container, part, [str(item["id"]) for item in together])

    async def _some(self, container: str) -> list[dict[str, Any]]:
        text = "SELECT TOP 1000 c.id, c.tenant, c.part FROM c"
        found = [item async for item in self._scope.query(container, None, text)]
        return sorted(found, key=lambda item: str(item["part"]))

    async def _destroy(self, container: str, part: str, ids: list[str]) -> None:
        for start in range(0, len(ids), _OPERATIONS):
            some = ids[start : start + _OPERATIONS]
            operations: list[Operation] = [("delete", (id,), "") for id in some]
            try:
                await self._scope.batch(container, part, operations)
            except Refused:  # one of them is gone already, so they are taken one by one
                for id in some:
                    await self._gone(container, part, id)

    async def _gone(self, container: str, part: str, id: str) -> None:
        try:
            await self._scope.delete(container, part, id)
        except Refused:
            return

    async def _count(self, container: str, part: str | None, where: str) -> int:
        return sum([int(n) async for n in self._scope.query(container, part, f"{_COUNT} WHERE {where}")])
