"""Keeps what persons said closed under their keys in any store; whoever asks it meets plain words."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from emma_core.errors import CallerError, Conflict, StoreError, TrailError
from emma_core.nouns import AuditEvent, Document, Head, Payload, Sealed, TrailLine
from emma_core.ports import CLOSED, Blobs, Seal, Store, TenantStore
from emma_core.subjects import envelopes
from emma_core.subjects.keys import KINDS, OPEN, Key, Keys
from emma_core.subjects.sealing import Masters

_TRIES = 5
_TIES = 10_000
"""Persons that a handle is tied to at once, the last it met."""


class SubjectStore:
    """Any store, each tenant's persons under keys of their own."""

    def __init__(
        self,
        inner: Store,
        masters: Masters | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.inner = inner
        """The store as it lies there, closed."""
        self._masters = masters or Masters()
        self._clock = clock
        self._keys: dict[str, Keys] = {}

    async def open(self, *, overflow: Blobs | None = None) -> None:
        """Ready, as the store itself is."""
        await self.inner.open(overflow=overflow)

    async def close(self) -> None:
        """All that was acknowledged is durable and nothing is held, no key either."""
        self._keys.clear()
        await self.inner.close()

    def for_tenant(self, tenant: str) -> SubjectTenantStore:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        inner = self.inner.for_tenant(tenant)
        keys = self._keys.setdefault(tenant, Keys(self.inner.for_tenant(tenant), self._masters, self._clock))
        return SubjectTenantStore(inner, keys)

    async def upgrade(self, owner: str = "") -> list[str]:
        """As the store itself; what was written before is closed by `emma db encrypt`."""
        return await self.inner.upgrade(owner)

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """As the store itself."""
        return await self.inner.downgrade(revision, owner)

    def watch(self) -> AsyncGenerator[str]:
        """As the store itself."""
        return self.inner.watch()


class SubjectTenantStore:
    """One tenant's documents and trail; what it holds of a person is closed as it goes in, and opened as it comes out.

    What it has read or written of a person ties it to that person's key: it writes nothing more of someone who was
    forgotten meanwhile, for what it is about to write may rest on what is gone.
    """

    def __init__(self, inner: TenantStore, keys: Keys) -> None:
        self.tenant = inner.tenant
        self.inner = inner
        """The store as it lies there, closed."""
        self.keys = keys
        self._tied: dict[str, str] = {}

    @property
    def spent(self) -> float:
        """What this handle has cost since it was made."""
        return self.inner.spent

    @spent.setter
    def spent(self, units: float) -> None:
        self.inner.spent = units

    async def get(self, kind: str, id: str) -> Document | None:
        """The document; None where there is none, it has expired, or its person was forgotten."""
        found = await self.inner.get(kind, id)
        if found is None or not envelopes.is_closed(found):
            return found
        key = self.keys.known(found.subject) or (await self.keys.several([found.subject])).get(found.subject)
        if key is None:
            return None
        self._tie([key])
        return envelopes.opened(found, key, self.tenant)

    async def put(self, document: Document, *, if_match: str | None = None) -> Document:
        """The document as now stored. Raises `Conflict` where `if_match` does not hold, `StoreError` where its person
        was forgotten meanwhile."""
        _own([document.kind])
        if not document.subject:
            return await self.inner.put(document, if_match=if_match)
        key, new = await self._key(document.subject)
        closed = envelopes.close(document, key, self.tenant)
        if new:
            await self.inner.put(self.keys.document(key), if_match="")
            self.keys.keep(key)
        put = await self.inner.put(closed, if_match=if_match)
        if not await self.keys.there(key.id):  # destroyed before this was written, so nobody will miss it
            with suppress(Conflict):
                await self.inner.delete(document.kind, document.id, if_match=put.etag)
            raise self._forgotten(document.subject)
        self._tie([key])
        return document.model_copy(update={"etag": put.etag})

    async def delete(self, kind: str, id: str, *, if_match: str | None = None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        _own([kind])
        await self.inner.delete(kind, id, if_match=if_match)

    async def query(self, kind: str, *, group: str | None = None, after: str = "", limit: int = 100) -> list[Document]:
        """Up to `limit` unexpired documents of a kind by id, after the id `after`; none of whom was forgotten."""
        found: list[Document] = []
        while True:
            page = await self.inner.query(kind, group=group, after=after, limit=limit - len(found))
            found += await self._opened(page)
            if len(found) >= limit or not page:
                return found
            after = page[-1].id

    async def append(
        self,
        seal: Seal,
        *,
        puts: Sequence[tuple[Document, str | None]] = (),
        deletes: Sequence[tuple[str, str]] = (),
        needs: Sequence[tuple[str, str]] = (),
    ) -> Sealed:
        """The sealed line, durable together with the documents put and deleted, or nothing of it.

        The keys it is written under are there at that moment. Raises as any store, and `StoreError` where a person was
        forgotten meanwhile.
        """
        _own([*(document.kind for document, _ in puts), *(kind for kind, _ in deletes)])
        subject = getattr(seal, "subject", None)
        if subject is None:
            subject = _payload(seal(None)).subject
        whose = dict.fromkeys(each for each in (subject, *(document.subject for document, _ in puts)) if each)
        for _ in range(_TRIES):
            keys = {each: await self._key(each) for each in whose}
            made = [(self.keys.document(key), "") for key, new in keys.values() if new]
            held = [(OPEN, key.id) for key, new in keys.values() if not new]
            try:
                sealed = await self.inner.append(
                    self._closing(seal, keys),
                    puts=[*((self._closed(document, keys), match) for document, match in puts), *made],
                    deletes=deletes,
                    needs=[*needs, *held],
                )
            except Conflict:
                if all([await self.keys.there(id) for _, id in held]):
                    raise
                continue  # a key was destroyed since it was read
            self._tie(self.keys.keep(key) for key, _ in keys.values())
            return sealed
        raise Conflict(f"Trail of tenant {self.tenant!r}: the keys of a person keep changing; try again")

    async def lines(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        turn: str | None = None,
        conversation: str | None = None,
        newest_first: bool = False,
    ) -> list[TrailLine]:
        """Up to `limit` lines with their payloads, by number; without one where its person was forgotten."""
        found = await self.inner.lines(
            after=after, limit=limit, turn=turn, conversation=conversation, newest_first=newest_first
        )
        keys = await self.keys.several(
            line.payload.subject for line in found if line.payload and line.payload.body.startswith(CLOSED)
        )
        self._tie(keys.values())
        return [envelopes.opened_line(line, keys, self.tenant) for line in found]

    async def head(self) -> Head | None:
        """The last line's number and hash; None on an empty trail."""
        return await self.inner.head()

    async def kinds(self) -> list[str]:
        """The kinds of its unexpired documents, in order."""
        return [kind for kind in await self.inner.kinds() if kind not in KINDS]

    async def import_lines(self, lines: Sequence[TrailLine]) -> Head:
        """The trail goes on with these lines; the new head. Raises `TrailError` for one that does not follow."""
        for line in lines:
            _committed(line, self.tenant)
        since: dict[str, str] = {}
        for line in lines:
            if line.payload is not None:
                since.setdefault(line.payload.subject, line.at)
        closed = await self._closed_payloads({line.seq: line.payload for line in lines}, since)
        return await self.inner.import_lines([line.model_copy(update={"payload": closed[line.seq]}) for line in lines])

    async def replace_payloads(
        self, payloads: Mapping[int, Payload | None], *, since: Mapping[str, str] | None = None
    ) -> None:
        """Beside each of these lines lies this payload, or none any more. `since`: by person, of when the oldest is."""
        await self.inner.replace_payloads(await self._closed_payloads(payloads, since or {}))

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant; `keys`: of persons, and the one that names them."""
        counts = dict(await self.inner.census())
        keys = sum([await self._count(kind) for kind in KINDS]) if counts["documents"] else 0
        return {**counts, "documents": counts["documents"] - keys, "keys": keys}

    async def purge(self) -> None:
        """Nothing is held of this tenant."""
        await self.inner.purge()
        self.keys.forget()
        self._tied.clear()

    async def _key(self, subject: str) -> tuple[Key, bool]:
        """The key to write under, and whether it is a new one. Raises `StoreError` where the person was forgotten since
        this handle read of them."""
        key = await self.keys.find(subject)
        tied = self._tied.get(subject)
        if tied is not None and (key is None or key.id != tied) and not await self.keys.there(tied):
            raise self._forgotten(subject)
        return (await self.keys.make(subject), True) if key is None else (key, False)

    def _tie(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if self._tied.get(key.subject) != key.id:
                self._tied.pop(key.subject, None)
                self._tied[key.subject] = key.id
        while len(self._tied) > _TIES:
            del self._tied[next(iter(self._tied))]

    def _forgotten(self, subject: str) -> StoreError:
        self._tied.pop(subject, None)
        return StoreError(
            f"Tenant {self.tenant!r}: what was held of this person was erased meanwhile, so nothing that rests on it is"
            " written; begin anew"
        )

    def _closing(self, seal: Seal, keys: Mapping[str, tuple[Key, bool]]) -> Callable[[Head | None], TrailLine]:
        def closing(head: Head | None) -> TrailLine:
            line = seal(head)
            payload = line.payload
            if payload is None or not payload.subject:
                return line  # without one the store refuses it
            closed = envelopes.close_payload(payload, keys[payload.subject][0], line.seq, self.tenant)
            return line.model_copy(update={"payload": closed})

        return closing

    def _closed(self, document: Document, keys: Mapping[str, tuple[Key, bool]]) -> Document:
        return envelopes.close(document, keys[document.subject][0], self.tenant) if document.subject else document

    async def _opened(self, found: Sequence[Document]) -> list[Document]:
        keys = await self.keys.several([each.subject for each in found if envelopes.is_closed(each)])
        self._tie(keys.values())
        return [
            envelopes.opened(each, keys[each.subject], self.tenant) if envelopes.is_closed(each) else each
            for each in found
            if not envelopes.is_closed(each) or each.subject in keys
        ]

    async def _closed_payloads(
        self, payloads: Mapping[int, Payload | None], since: Mapping[str, str] = {}
    ) -> dict[int, Payload | None]:
        """The payloads as they may lie there. `since`: by person, of when the oldest is, where they come late."""
        keys: dict[str, Key] = {}
        for subject in {payload.subject for payload in payloads.values() if payload and payload.subject}:
            key, new = await self._key(subject)
            at = min(since.get(subject, key.at), key.at)
            if new or at < key.at:
                key = replace(key, at=at)
                there = None if new else await self.inner.get(OPEN, key.id)
                if there is None and not new:
                    raise self._forgotten(subject)
                await self.inner.put(self.keys.document(key), if_match=there.etag if there else "")
            keys[subject] = self.keys.keep(key)
        return {
            seq: envelopes.close_payload(payload, keys[payload.subject], seq, self.tenant)
            if payload and payload.subject
            else payload
            for seq, payload in payloads.items()
        }

    async def _count(self, kind: str) -> int:
        count, after = 0, ""
        while page := await self.inner.query(kind, after=after, limit=1000):
            count, after = count + len(page), page[-1].id
        return count


def _payload(line: TrailLine) -> Payload:
    if line.payload is None:
        raise TrailError(f"Line {line.seq} was sealed without its payload")
    return line.payload


def _own(kinds: Iterable[str]) -> None:
    """None of these kinds is one that keys are kept in. Raises `CallerError`."""
    for kind in kinds:
        if kind in KINDS:
            raise CallerError(f"Documents of kind {kind!r} hold the keys of persons; choose another kind")


def _committed(line: TrailLine, tenant: str) -> None:
    """The payload is the one that the line commits to, so that it may be closed. Raises `TrailError`."""
    if line.payload is None:
        return
    try:
        said = AuditEvent.model_validate_json(line.line).commitment
        kept = bytes.fromhex(line.payload.salt) + line.payload.body.encode()
    except ValueError as error:
        raise TrailError(
            f"Trail of tenant {tenant!r}: line {line.seq} cannot be read as an event, so nothing was imported"
        ) from error
    if hashlib.sha256(kept).hexdigest() != said:
        raise TrailError(
            f"Trail of tenant {tenant!r}: line {line.seq} has another payload than the one it was sealed with, so"
            " nothing was imported"
        )
