"""One tenant's trail: its head and youngest lines in the part `state`, older ones in parts of their own.

A line, its documents and the head are written in one batch on `state`, the head under its etag: so the trail cannot
fork. Lines that have grown old are copied to `lines-000001`, … and then taken from `state`, together with the head's
note of how far that went; so a line is always in one place that the head names, and `state` stays small.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from emma_core.backends import admission
from emma_core.backends.cosmos import items
from emma_core.backends.cosmos.account import Refused, Throttled, Unanswered
from emma_core.backends.cosmos.bodies import TOGETHER, Bodies
from emma_core.backends.cosmos.documents import Documents, Write
from emma_core.backends.cosmos.items import AUDIT, STATE, Item
from emma_core.backends.cosmos.lines import Lines, Sought
from emma_core.backends.cosmos.scope import Operation, Scope
from emma_core.errors import CallerError, StoreError, TrailError
from emma_core.nouns import Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import Seal

OPERATIONS = 100
"""Operations that a batch may have."""
PATIENCE = 30.0
"""Seconds that an append tries to get in between others, or through a database that is away."""
_LOG = logging.getLogger("emma")


@dataclass(frozen=True)
class Sizes:
    """How many lines lie where."""

    kept: int = 200
    """So many lines stand in `state` before the oldest are moved."""
    part: int = 10_000
    """Lines of one part: at most 20 GB, were each of them as large as an item may be. It is the same for every process
    over a database, for a line's number tells its part; a release that changes it has to move lines."""


@dataclass(frozen=True)
class Stand:
    """Where a trail stood when it was last read or written."""

    head: Head | None
    etag: str
    moved: int
    """The last line that lies in a part of its own; those after it are in `state`."""


@dataclass
class Tail:
    """What this process knows of the end of one tenant's trail; its appends take turns."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    stand: Stand | None = None
    moved: int = 0
    """Where old lines were last seen to end: a hint of where to look first."""


class Trail:
    """A tenant's lines and their head."""

    def __init__(self, scope: Scope, bodies: Bodies, documents: Documents, tail: Tail, sizes: Sizes) -> None:
        self._scope = scope
        self._bodies = bodies
        self._documents = documents
        self._tail = tail
        self._sizes = sizes
        self._lines = Lines(scope, bodies, sizes.part)

    async def head(self) -> Head | None:
        """The last line's number and hash; None on an empty trail."""
        return (await self.stand()).head

    async def append(
        self,
        seal: Seal,
        puts: Sequence[tuple[Document, str | None]],
        deletes: Sequence[tuple[str, str]],
        needs: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put and deleted, or nothing of it."""
        if (many := len(puts) + len(deletes) + len(needs)) > OPERATIONS - 2:
            raise CallerError(
                f"A line can be written with {OPERATIONS - 2} documents, not with {many};"
                " put those that may stand without it before"
            )
        admission.beside_the_trail([*((document.kind, document.id) for document, _ in puts), *deletes, *needs])
        writes = self._documents.writes(puts, deletes, needs)
        async with self._tail.lock:
            line = await self._appended(seal, writes)
            await self._settle()
        return Sealed(seq=line.seq, kind=line.kind, at=line.at, hash=line.hash)

    async def _appended(self, seal: Seal, writes: Sequence[Write]) -> TrailLine:
        until = time.monotonic() + PATIENCE
        tried: dict[int, TrailLine] = {}
        for attempt in itertools.count():
            try:
                stand = self._tail.stand or await self.stand()
                if landed := await self._landed(tried, stand):
                    return landed
                line = seal(stand.head)
                admission.fitting(line, stand.head, self._scope.tenant)
                tried[line.seq] = line
                await self._write(stand, line, writes)
                return line
            except Refused as refused:
                await self._refused(refused, writes)
                busy: Exception = StoreError(
                    f"Trail of tenant {self._scope.tenant!r}: others kept being faster for {PATIENCE:.0f} s; try again"
                )
            except (Throttled, Unanswered) as error:
                busy = error
            self._tail.stand = None
            if time.monotonic() > until:
                raise busy
            await asyncio.sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))
        raise AssertionError("the loop ends by returning or raising")

    async def _write(self, stand: Stand, line: TrailLine, writes: Sequence[Write]) -> None:
        """The batch is done. Raises `Refused` with the number of the operation that was."""
        held = [items.held_etag(write.wanted) if write.wanted else "" for write in writes]
        if None in held:
            raise Refused(412, 2 + held.index(None))
        fitted = await self._bodies.fitting([items.line_item(line), *(write.item for write in writes)])
        head = Head(seq=line.seq, hash=line.hash, at=line.at)
        operations: list[Operation] = [self._head(head, stand), ("create", (fitted[0],), "")]
        for write, item, etag in zip(writes, fitted[1:], held, strict=True):
            taken = {"delete": (item["id"],), "read": (item["id"],), "replace": (item["id"], item)}.get(
                write.verb, (item,)
            )
            operations.append((write.verb, taken, etag or ""))
        etags = await self._scope.batch(AUDIT, STATE, operations)
        self._tail.stand = Stand(head, etags[0], stand.moved)

    async def _refused(self, refused: Refused, writes: Sequence[Write]) -> None:
        """The append may be tried again. Raises `Conflict` or `TrailError` where it may not."""
        if refused.operation > 1:
            await self._documents.refused(writes[refused.operation - 2])
        elif refused.operation == 1:
            stand = await self.stand()
            seq = stand.head.seq + 1 if stand.head else 1
            if await self._lines.one(STATE, seq) is not None:
                raise TrailError(
                    f"Trail of tenant {self._scope.tenant!r} already holds line {seq}, past its head;"
                    " run: emma audit verify"
                )

    async def _landed(self, tried: dict[int, TrailLine], stand: Stand) -> TrailLine | None:
        """The line that an earlier attempt did write, though its answer was lost or the SDK sent it twice."""
        for seq in [seq for seq in tried if stand.head and seq <= stand.head.seq]:
            line = tried.pop(seq)
            for part in (STATE, self._lines.part(seq)):
                there = await self._lines.one(part, seq)
                if there is not None and there.get("hash") == line.hash:
                    return line
        return None

    async def stand(self) -> Stand:
        """Where the trail stands now."""
        try:
            item = await self._scope.read(AUDIT, STATE, "head")
        except Refused:
            self._tail.moved = 0
            return Stand(None, "", 0)
        head, moved = items.head_of(item)
        self._tail.moved = moved
        return Stand(head, str(item["_etag"]), moved)

    def _head(self, head: Head, stand: Stand, moved: int | None = None) -> Operation:
        """The head takes the place of the one that was read, and of no other."""
        item = items.head_item(head, stand.moved if moved is None else moved)
        return ("replace", ("head", item), stand.etag) if stand.etag else ("create", (item,), "")

    async def _settle(self) -> None:
        """The oldest lines are moved once there are many; where that fails it is done after a later append."""
        stand = self._tail.stand
        if stand is None or stand.head is None or stand.head.seq - stand.moved < self._sizes.kept:
            return
        try:
            self._tail.stand = await self._moved(stand)
        except (StoreError, TrailError, Refused) as error:
            self._tail.stand = None
            _LOG.info("tenant %r: old lines stay where they are for now: %s", self._scope.tenant, error)

    async def _moved(self, stand: Stand) -> Stand:
        """One batch of the oldest lines is moved. A crash before its end left copies that nobody reads."""
        head, first = stand.head, stand.moved + 1
        if head is None:
            return stand
        end = (stand.moved // self._sizes.part + 1) * self._sizes.part
        last = min(head.seq, first + OPERATIONS - 2, end)
        found = await self._lines.found(STATE, after=stand.moved, upto=last, limit=OPERATIONS)
        if [item["seq"] for item in found] != list(range(first, last + 1)):
            raise TrailError(f"lines {first} to {last} are not all there; run: emma audit verify")
        await self._copied(found, self._lines.part(first))
        # as it was copied, or not at all: its payload may have been replaced meanwhile
        gone: list[Operation] = [("delete", (item["id"],), str(item["_etag"])) for item in found]
        etags = await self._scope.batch(AUDIT, STATE, [self._head(head, stand, last), *gone])
        return Stand(head, etags[0], last)

    async def _copied(self, found: Sequence[Item], part: str) -> None:
        """The lines are in that part, over whatever an earlier attempt left there."""
        batch, length = list[Operation](), 0
        for item in found:
            more = items.size(item)
            if batch and (length + more > TOGETHER or len(batch) == OPERATIONS):
                await self._scope.batch(AUDIT, part, batch)
                batch, length = [], 0
            batch.append(("upsert", (item,), ""))
            length += more
        if batch:
            await self._scope.batch(AUDIT, part, batch)

    async def lines(self, sought: Sought) -> list[TrailLine]:
        """The lines that are sought, wherever they lie."""
        if not sought.limit:
            return []
        if sought.newest_first or self._tail.moved <= sought.after:
            return await self._lines.read(await self._from_the_end(sought))
        moved = (await self.stand()).moved
        found = await self._lines.slipped_in(sought) + await self._lines.old(sought, moved)
        if (rest := sought.limit - len(found)) > 0:
            found += await self._from_the_end(replace(sought, after=max(sought.after, moved), limit=rest))
        return await self._lines.read(found[: sought.limit])

    async def _from_the_end(self, sought: Sought) -> list[Item]:
        """Lines of `state`, then those that were moved: in this order, for they may be moved meanwhile."""
        young = await self._lines.young(sought)
        if sought.newest_first and len(young) >= sought.limit:
            return young
        moved = (await self.stand()).moved
        found = [item for item in young if not 0 < item["seq"] <= moved] + await self._lines.old(sought, moved)
        found.sort(key=lambda item: int(item["seq"]), reverse=sought.newest_first)
        return found[: sought.limit]

    async def replace_payload(self, seq: int, payload: Payload | None) -> None:
        """Beside the line lies this payload, or none; also in a copy of it that a move left behind."""
        async with self._tail.lock:
            for part in (STATE, self._lines.part(seq)):
                while (item := await self._lines.one(part, seq)) is not None:
                    (fit,) = await self._bodies.fitting([items.with_payload(item, payload)])
                    try:
                        await self._scope.replace(AUDIT, part, fit, str(item["_etag"]))
                    except Refused:  # moved or replaced by another process: look again
                        continue
                    await self._bodies.forget(item)
                    break

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines, byte by byte as they are; the new head."""
        async with self._tail.lock:
            self._tail.stand = None
            stand = await self.stand()
            head = admission.following(lines, stand.head, self._scope.tenant)
            if head is None:
                raise CallerError(
                    f"Trail of tenant {self._scope.tenant!r} is empty, and no line was given to begin it with"
                )
            while stand.head is not None and stand.moved < stand.head.seq:
                stand = await self._moved(stand)
            # nobody reads past the head's note, so they are there all at once when it says so
            for part, together in itertools.groupby(lines, lambda line: self._lines.part(line.seq)):
                made = [items.line_item(line) for line in together]
                await self._copied([fit for item in made for fit in await self._bodies.fitting([item])], part)
            try:
                etags = await self._scope.batch(AUDIT, STATE, [self._head(head, stand, head.seq)])
            except Refused:
                raise TrailError(
                    f"Trail of tenant {self._scope.tenant!r} grew meanwhile, so the lines do not follow and nothing"
                    " was imported; import while nobody asks"
                ) from None
            self._tail.stand = Stand(head, etags[0], head.seq)
            return head
