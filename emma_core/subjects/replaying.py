"""Forgets once more whoever was forgotten before, where a backup or an export brought them back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from emma_core.errors import StoreError
from emma_core.nouns import Noun
from emma_core.subjects import erasing, finding, ledger
from emma_core.subjects.erasing import Trails
from emma_core.subjects.finding import Persons, Watch
from emma_core.subjects.keys import CLOSING, ERASING, OPEN
from emma_core.subjects.ledger import FORGOTTEN, Entry, Places
from emma_core.subjects.sealing import pseudonym
from emma_core.subjects.store import SubjectTenantStore


class Replayed(Noun):
    """What came of the ledger after a restore."""

    tenant: str
    entries: int
    """Persons in the ledger of this tenant."""
    again: int
    """Of them, those who were back and were forgotten again."""
    lines: int
    """Sealed lines beside which their words lay."""


async def replay(
    places: Places,
    entries: Iterable[Entry] = (),
    *,
    only: str | None = None,
    trails: Trails,
    watch: Watch = lambda what, done, of: None,
) -> list[Replayed]:
    """Whoever the ledger says was forgotten is forgotten here, tenant by tenant; what came of it.

    `entries`: the ledger as it was before a store was replaced, besides what this one knows. `only`: one tenant. It can
    be done at any time, and again; what was written of a person after an erasure stays. Raises `StoreError` where it
    cannot be done.
    """
    brought: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        brought[entry.tenant].append(entry)
    done = []
    for tenant in [each for each in await places.registry.tenants() if only in (None, each.id)]:
        known = ledger.in_order([*brought[tenant.id], *await ledger.of_tenant(places, tenant.id)])
        for entry in known:
            await ledger.keep(places, entry)
        done.append(await _tenant(places, tenant.id, known, trails, watch))
    return done


async def _tenant(places: Places, tenant: str, entries: Sequence[Entry], trails: Trails, watch: Watch) -> Replayed:
    handle = places.store.for_tenant(tenant)
    again, lines = await _resumed(places, handle, trails, watch), 0
    persons = await _returned(handle, entries)
    by_id = {entry.erasure.id: entry.erasure for entry in entries}
    # by the erasure's own id, for a person may have been forgotten more than once
    found = await finding.find(handle, persons, by_id, watch) if entries else {}
    for id, theirs in found.items():
        if not any(theirs.counts.values()):
            continue
        mark = await erasing.marked(handle, by_id[id], id)
        await erasing.forget(places, handle, mark, persons, before=theirs, trails=trails, watch=watch)
        again, lines = again + 1, lines + len(theirs.lines)
    if again:
        verified = await trails.verify(handle)
        if not verified.ok:
            raise StoreError(
                f"Tenant {tenant!r}: who was forgotten is forgotten again, and the trail does not hold:"
                f" {verified.reason}; run: emma audit verify"
            )
    return Replayed(tenant=tenant, entries=len(entries), again=again, lines=lines)


async def _resumed(places: Places, handle: SubjectTenantStore, trails: Trails, watch: Watch) -> int:
    """Erasures that were under way when the backup was taken are done; how many."""
    done, after = 0, ""
    while page := await handle.inner.query(ERASING, after=after, limit=100):
        for mark in page:
            if mark.id.startswith(FORGOTTEN) and not mark.body["sealed"]:
                continue  # a replay that was interrupted: this one does it
            persons = await _of_mark(handle, mark.id)
            before = (await finding.find(handle, persons, [mark.id], watch))[mark.id]
            await ledger.write(places, handle.tenant, erasing.erasure_of(mark))
            await erasing.forget(places, handle, mark, persons, before=before, trails=trails, watch=watch)
            done += 1
        after = page[-1].id
    return done


async def _of_mark(handle: SubjectTenantStore, name: str) -> Persons:
    """How to find the one for whom that name stands."""
    ids = [each.id for kind in (OPEN, CLOSING) for each in await handle.keys.documents(name, kind)]
    index = handle.keys.index_of(await handle.keys.index())
    return Persons(dict.fromkeys(ids, name), lambda said, at: name if pseudonym(index, said) == name else None)


async def _returned(handle: SubjectTenantStore, entries: Sequence[Entry]) -> Persons:
    """How to find those who are back: by the keys under which something older than the erasure is held."""
    by_index: dict[bytes, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        by_index[handle.keys.index_of(entry.names)][entry.erasure.subject_hash].append(entry)

    def whose(subject: str, at: str | None) -> str | None:
        for index, names in by_index.items():
            for entry in names.get(pseudonym(index, subject), ()):
                if at is None or datetime.fromisoformat(at) <= entry.erasure.at:
                    return entry.erasure.id
        return None

    keys: dict[str, str] = {}
    for kind in (OPEN, CLOSING) if by_index else ():
        after = ""
        while page := await handle.inner.query(kind, after=after, limit=500):
            for document in page:
                key = handle.keys.read(document)
                if (id := whose(key.subject, key.at)) is not None:
                    keys[key.id] = id
            after = page[-1].id
    return Persons(keys, whose)
