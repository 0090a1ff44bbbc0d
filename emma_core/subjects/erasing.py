"""Forgets a person: the keys are destroyed, a sealed line says whose words are gone from where, and nothing is left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from emma_core import canonical
from emma_core.errors import Conflict, NotFound, StoreError
from emma_core.nouns import Document, Erasure, Head, Noun
from emma_core.ports import Seal
from emma_core.subjects import finding, ledger
from emma_core.subjects.finding import Found, Persons, Watch
from emma_core.subjects.keys import CLOSING, ERASING, OPEN
from emma_core.subjects.ledger import FORGOTTEN, Places
from emma_core.subjects.store import SubjectTenantStore

TELEMETRY = "turn_telemetry"
"""The kind of the documents that say how a turn went, under the turn's id."""
_TOGETHER = 90
_CHUNK = 500


@dataclass(frozen=True)
class Trails:
    """What the room of the trail can do, handed in by the hall."""

    seal: Callable[..., Seal]
    """Seals an event, as `audit.sealing`."""
    open_turn: str
    """The kind of the document that stands while a turn has no end."""
    stop: Callable[[SubjectTenantStore, Document, str], Awaitable[bool]]
    """Ends the turn of such a document, for that reason and of nobody's words; whether it had no end yet."""
    verify: Callable[[SubjectTenantStore], Awaitable[Any]]
    """Whether the trail in a store holds."""


class Forgotten(Noun):
    """That nothing is held of a person any more: what was there before, and what is there now."""

    tenant: str
    erasure: Erasure
    """The line of the ledger; its `subject_hash` stands for the person."""
    before: dict[str, int]
    after: dict[str, int]
    """Only zeros."""
    lines: tuple[tuple[int, int], ...]
    """The numbers of the sealed lines beside which nothing lies any more, first and last of each run."""
    sealed: int | None = None
    """The number of the line that says so; None where the trail held nothing."""
    stopped: int = 0
    """Turns of that person that were under way, and were ended."""
    cached: int = 0
    """How much the cache held of the whole tenant; it is empty now."""
    head: Head | None = None
    """The last line of the trail, up to which it was verified afterwards."""

    @property
    def hash(self) -> str:
        """The SHA-256 of all it says."""
        return canonical.sha256(self.plain())


async def erase(
    places: Places,
    tenant: str,
    subject: str,
    *,
    by: str,
    reason: str = "",
    trails: Trails,
    watch: Watch = lambda what, done, of: None,
) -> Forgotten:
    """Nothing is held of that person: no key, no payload, no document, nothing in the cache; the proof of it.

    After an interruption the same again goes on, and once it is done it says so again. Raises `NotFound` where nothing
    was ever held, `StoreError` where something is left, or the trail does not hold afterwards.
    """
    handle = places.store.for_tenant(tenant)
    name, persons = await finding.person(handle, subject)
    before = (await finding.find(handle, persons, [name], watch))[name]
    mark = await handle.inner.get(ERASING, name)
    if mark is None and not any(before.counts.values()):
        earlier = [each for each in await ledger.of_tenant(places, tenant) if each.erasure.subject_hash == name]
        if not earlier:
            raise NotFound(f"Tenant {tenant!r}: nothing is held of such a person, and nobody of that id was forgotten")
        proof = await _told(handle, earlier[-1].erasure, before)
    else:
        if mark is None:
            id, now = f"{FORGOTTEN}{secrets.token_hex(12)}", places.clock()
            mark = await marked(handle, Erasure(id=id, subject_hash=name, at=now, by=by, reason=reason), name)
        await ledger.write(places, tenant, erasure_of(mark))
        proof = await forget(places, handle, mark, persons, before=before, trails=trails, watch=watch)
    name, persons = await finding.person(handle, subject)
    after = (await finding.find(handle, persons, [name], watch))[name]
    return await _proved(proof, after, handle, trails)


async def forget(
    places: Places,
    handle: SubjectTenantStore,
    mark: Document,
    persons: Persons,
    *,
    before: Found,
    trails: Trails,
    watch: Watch,
) -> Forgotten:
    """Nothing is held of the person under that mark any more, and the mark is gone."""
    name, stopped = mark.id, 0
    if not mark.body["sealed"]:
        await _close_keys(handle, persons, name)
        stopped = await _end_turns(handle, persons, name, trails)
        found = (await finding.find(handle, persons, [name], watch))[name]
        for kind, id in found.documents:
            await handle.inner.delete(kind, id)
        mark = await _sealed(handle, mark, found, persons, trails, places)
    await _destroy(handle, mark)
    cached = await places.cache.for_tenant(handle.tenant).purge()
    await handle.inner.delete(ERASING, name)
    told = await _told(handle, erasure_of(mark), before)
    return told.model_copy(update={"stopped": stopped, "cached": cached})


async def marked(handle: SubjectTenantStore, erasure: Erasure, name: str) -> Document:
    """What stands until the person is forgotten: the first who wrote it says which erasure it is."""
    body: dict[str, Any] = {"erasure": erasure.plain(), "sealed": False, "lines": [], "turns": []}
    try:
        return await handle.inner.put(Document(kind=ERASING, id=name, body=body), if_match="")
    except Conflict:
        there = await handle.inner.get(ERASING, name)
        if there is None:
            raise
        return there


def erasure_of(mark: Document) -> Erasure:
    """The line of the ledger that a mark is for."""
    return Erasure.model_validate_json(canonical.text(mark.body["erasure"]))


async def _close_keys(handle: SubjectTenantStore, persons: Persons, name: str) -> None:
    """Nothing can be written under these keys any more, and what was written can be read until they are gone."""
    for id in [id for id, whose in persons.keys.items() if whose == name]:
        key = await handle.inner.get(OPEN, id)
        if key is not None:
            await handle.inner.put(Document(kind=CLOSING, id=id, body=key.body))
            await handle.inner.delete(OPEN, id)
        handle.keys.drop(id)


async def _end_turns(handle: SubjectTenantStore, persons: Persons, name: str, trails: Trails) -> int:
    """Turns of that person that were under way are ended; how many. None can begin: their keys are closed."""
    ended = 0
    async for raw in finding.documents(handle.inner, [trails.open_turn]):
        if persons.of_document(raw) != name:
            continue
        left = await handle.get(raw.kind, raw.id)
        ended += left is not None and await trails.stop(handle, left, "erased: the person was forgotten meanwhile")
    return ended


async def _sealed(
    handle: SubjectTenantStore, mark: Document, found: Found, persons: Persons, trails: Trails, places: Places
) -> Document:
    """The keys are gone together with the line that says so, and the mark knows what is to be cleared away."""
    erasure = erasure_of(mark)
    closing = [(CLOSING, id) for id, whose in persons.keys.items() if whose == mark.id]
    there = [each for each in closing if await handle.inner.get(*each) is not None]
    body: dict[str, Any] = {**mark.body, "sealed": True, "lines": found.ranges, "turns": sorted(found.turns)}
    done = Document(kind=mark.kind, id=mark.id, body=body)
    if found.lines:
        seal = trails.seal(
            tenant=handle.tenant,
            kind="erased",
            caller=erasure.by,
            outcome={"subject_hash": erasure.subject_hash, "lines": found.ranges, "erasure": erasure.id},
            payload={"reason": erasure.reason},
            subject="",
            now=places.clock(),
            salt=secrets.token_bytes(32),
        )
        # of more keys than a line may delete the rest goes after it: then something can be read that is said to be gone
        await handle.inner.append(seal, puts=[(done, mark.etag)], deletes=there[:_TOGETHER])
    for kind, id in there:
        await handle.inner.delete(kind, id)
    return done if found.lines else await handle.inner.put(done, if_match=mark.etag)


async def _destroy(handle: SubjectTenantStore, mark: Document) -> None:
    """Nothing lies beside these lines any more, and no telemetry of their turns is left."""
    turns: Any = mark.body["turns"]
    for turn in turns:
        await handle.inner.delete(TELEMETRY, str(turn))
    said: Any = mark.body["lines"]
    numbers = [seq for first, last in said for seq in range(first, last + 1)]
    for start in range(0, max(len(numbers), 1), _CHUNK):
        await handle.inner.replace_payloads(dict.fromkeys(numbers[start : start + _CHUNK]))


async def _told(handle: SubjectTenantStore, erasure: Erasure, before: Found) -> Forgotten:
    """What the trail says of an erasure; the newest line of it, where a restored trail had to say it again."""
    last, sealed, lines = 0, None, list[tuple[int, int]]()
    while sealed is None and (page := await handle.inner.lines(after=last, limit=_CHUNK, newest_first=True)):
        for line in page:
            said = json.loads(line.line)["outcome"] if line.kind == "erased" else {}
            if said.get("erasure") == erasure.id and sealed is None:
                sealed, lines = line.seq, [(int(first), int(last)) for first, last in said["lines"]]
        last = page[-1].seq
    return Forgotten(
        tenant=handle.tenant, erasure=erasure, before=before.counts, after={}, lines=tuple(lines), sealed=sealed
    )


async def _proved(proof: Forgotten, after: Found, handle: SubjectTenantStore, trails: Trails) -> Forgotten:
    """The proof, with what is there now. Raises `StoreError` where that is not nothing."""
    if any(after.counts.values()):
        raise StoreError(f"Tenant {handle.tenant!r}: something of that person is left: {after.counts}; erase again")
    verified = await trails.verify(handle)
    if not verified.ok:
        raise StoreError(
            f"Tenant {handle.tenant!r}: nothing of that person is left, and the trail does not hold:"
            f" {verified.reason}; run: emma audit verify"
        )
    return proof.model_copy(update={"after": after.counts, "head": verified.head})
