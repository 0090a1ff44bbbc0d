"""Keeps who was forgotten, by a name that says nobody: in the registry, and once more among the blobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from emma_core import canonical
from emma_core.errors import StoreError
from emma_core.nouns import Document, Erasure, Noun
from emma_core.ports import Blobs, Cache, Registry
from emma_core.subjects.store import SubjectStore

FORGOTTEN = "subject."
"""How the id of an erasure begins that is one person's."""
_NAME = "erasure."


@dataclass(frozen=True)
class Places:
    """All that may hold something of a person, and the time."""

    registry: Registry
    store: SubjectStore
    blobs: Blobs
    cache: Cache
    clock: Callable[[], datetime]


class Entry(Noun):
    """One erasure as the ledger keeps it apart from the registry."""

    format: str = "emma-erasure"
    v: int = 1
    tenant: str
    erasure: Erasure
    index: dict[str, str]
    """What holds the key of the tenant's names: without it nobody could tell later whom the hash stands for."""

    @property
    def names(self) -> Document:
        """The same as a document."""
        return Document(kind="subject_index", id="subject_index", body={**self.index})


async def write(places: Places, tenant: str, erasure: Erasure) -> Entry:
    """The erasure is in the ledger, in both places; written again it is there once."""
    index = await places.store.for_tenant(tenant).keys.index()
    said = {name: str(value) for name, value in index.body.items()}
    entry = Entry(tenant=tenant, erasure=erasure, index=said)
    await keep(places, entry)
    return entry


async def keep(places: Places, entry: Entry) -> None:
    """The entry is in the registry and among the blobs."""
    await places.registry.for_tenant(entry.tenant).put(entry.erasure)
    text = canonical.text(entry.plain()).encode()
    await places.blobs.for_tenant(entry.tenant).put(text, kind="artifact", name=f"{_NAME}{entry.erasure.id}")


async def read(places: Places) -> list[Entry]:
    """Every erasure of a person that either place knows, by tenant and moment. What is read before a store is replaced
    can be handed to `replay` afterwards.

    Raises `StoreError` for an entry that cannot be read: then somebody might come back.
    """
    return [each for tenant in await places.registry.tenants() for each in await of_tenant(places, tenant.id)]


async def of_tenant(places: Places, tenant: str) -> list[Entry]:
    """Every erasure of a person of that tenant that either place knows, by moment. Raises `StoreError`."""
    found = {entry.erasure.id: entry for entry in await _among_blobs(places, tenant)}
    for row in await places.registry.for_tenant(tenant).all(Erasure):
        if row.id.startswith(FORGOTTEN) and row.id not in found:
            index = await places.store.for_tenant(tenant).keys.index()
            said = {name: str(value) for name, value in index.body.items()}
            found[row.id] = Entry(tenant=tenant, erasure=row, index=said)
    return in_order(found.values())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Each once, by tenant and moment."""
    unique = {(each.tenant, each.erasure.id): each for each in entries}
    return sorted(unique.values(), key=lambda each: (each.tenant, each.erasure.at, each.erasure.id))


async def _among_blobs(places: Places, tenant: str) -> list[Entry]:
    blobs, after, found = places.blobs.for_tenant(tenant), "", []
    while page := await blobs.list("artifact", after=after):
        for ref in page:
            if ref.name.startswith(_NAME):
                found.append(_entry(await blobs.get("artifact", ref.sha256), ref.name, tenant))
        after = page[-1].sha256
    return found


def _entry(data: bytes | None, name: str, tenant: str) -> Entry:
    try:
        entry = Entry.model_validate_json(data or b"")
        if json.loads(data or b"{}").get("tenant") != tenant:
            raise ValueError("it is of another tenant")
    except (ValidationError, ValueError) as error:
        raise StoreError(
            f"Tenant {tenant!r}: {name!r} among the blobs is no line of the ledger of erasures; restore it"
        ) from error
    return entry
