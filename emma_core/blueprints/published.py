"""Finds what a tenant has published, and believes it where the trail says so too."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from emma_core import canonical
from emma_core.blueprints.addresses import BARE, ID, Address, read
from emma_core.blueprints.preparing import Prepared, find, pin, prepare
from emma_core.errors import NotFound, PackError, StoreError, TrailError
from emma_core.nouns import AuditEvent, Document, Label, Noun, Published, TrailLine
from emma_core.packs import Packs
from emma_core.ports import TenantStore

KIND, LABEL = "blueprint", "blueprint_label"
"""The kinds of the documents that hold versions and labels; a blueprint's id is their group."""
AsSealed = Callable[..., Sequence[TrailLine]]
"""The lines, each looked at: as `audit.as_sealed(lines, tenant=…)`."""
N = TypeVar("N", bound=Noun)


async def load(
    store: TenantStore, packs: Packs, folder: Path | None, address: str, *, as_of: date, sealed: AsSealed
) -> Prepared:
    """The blueprint at that address, ready to be asked: a published version, else one of your folder, else shipped.

    Raises `NotFound`, `BlueprintError` or `PackError` where there is none or it may not run, `TrailError` where the
    trail does not say that it was published so.
    """
    published = await resolve(store, address, sealed=sealed)
    if published is not None:
        return ready(published, packs, as_of=as_of)
    try:
        found = find(packs, folder, address)
    except NotFound as error:
        raise await _unlabelled(store, address) or error from error
    return prepare(found, packs, as_of=as_of)


async def resolve(store: TenantStore, address: str, *, sealed: AsSealed) -> Published | None:
    """The version that an address means here; None for an id alone to which the tenant gave no label `stable`.

    Raises `NotFound` where there is no such version, `TrailError` where the trail does not say so.
    """
    asked = read(address)
    if not ID.fullmatch(asked.id):
        if asked.bare:
            return None
        raise NotFound(f"No blueprint {asked.id!r} is published here; `emma blueprints list --published` shows those")
    if asked.bare or asked.label is not None:
        label = await standing(store, asked.id, asked.label or BARE)
        if label is None:
            if asked.bare:
                return None
            raise await _no_version(store, asked, address)
        await _said(store, label.line, {"blueprint": asked.id, "label": label.label, "version": label.version}, sealed)
        asked = Address(id=asked.id, version=label.version)
    found = await _version(store, asked)
    if found is None:
        raise await _no_version(store, asked, address)
    if found.line is None:
        raise NotFound(f"Version {found.address!r} was not published to the end; publish the same blueprint again")
    said = {"action": "published", "blueprint": asked.id, "version": found.version, "hash": found.hash}
    await _said(store, found.line, said, sealed)
    return found


def ready(published: Published, packs: Packs, *, as_of: date) -> Prepared:
    """The version ready to be asked. Raises `PackError` where a pack is not the one it was published with."""
    prepared = prepare(published.blueprint, packs, as_of=as_of)
    if prepared.packs != published.packs:
        then = {stamp.name: stamp for stamp in published.packs}
        for now in prepared.packs:
            was = then.get(now.name)
            if now != was:
                said = f"{was.version} ({was.hash[:12]})" if was else "not there"
                raise PackError(
                    f"Version {published.address!r}: pack {now.name!r} is {now.version} ({now.hash[:12]}) here, and"
                    f" was {said} when it was published; install that one, or publish the blueprint again"
                )
        raise PackError(f"Version {published.address!r} was published with other packs; publish the blueprint again")
    return prepared


async def versions(store: TenantStore, id: str | None = None) -> list[Published]:
    """Every version of a blueprint, or of all, by id and number, those not finished among them."""
    found = [read_version(kept) for kept in await every(store, KIND, id)]
    return sorted(found, key=lambda each: (each.blueprint.id, each.version))


async def labels(store: TenantStore, id: str | None = None) -> list[Label]:
    """Every label of a blueprint, or of all, by blueprint and name."""
    found = [read_moved(kept) for kept in await every(store, LABEL, id)]
    return sorted(found, key=lambda each: (each.blueprint, each.label))


async def standing(store: TenantStore, id: str, label: str) -> Label | None:
    """The label as it stands, whatever the trail says; None where the tenant has none of that name."""
    kept = await store.get(LABEL, f"{id}@{label}")
    return read_moved(kept) if kept else None


async def every(store: TenantStore, kind: str, group: str | None) -> list[Document]:
    """All documents of a kind, a page at a time."""
    found: list[Document] = []
    while page := await store.query(kind, group=group, after=found[-1].id if found else "", limit=500):
        found += page
    return found


def read_version(kept: Document) -> Published:
    """The version that a document keeps. Raises `StoreError` where it is not what its hash says."""
    found = _read(kept, Published)
    if kept.id != found.address or pin(found.blueprint, found.packs, found.rule_hashes.values()) != found.hash:
        raise StoreError(f"Version {kept.id!r}: its document is not what was published; restore it from a backup")
    return found


def read_moved(kept: Document) -> Label:
    """The label that a document keeps. Raises `StoreError` for one that is damaged."""
    found = _read(kept, Label)
    if kept.id != found.address:
        raise StoreError(f"Label {kept.id!r}: its document is another one's; restore it from a backup")
    return found


def _read(kept: Document, noun: type[N]) -> N:
    try:
        return noun.model_validate_json(canonical.text(kept.body))
    except ValueError as error:
        raise StoreError(f"Document {kept.id!r} of kind {kept.kind!r} is damaged; restore it from a backup") from error


async def _version(store: TenantStore, asked: Address) -> Published | None:
    if asked.hash is None:
        kept = await store.get(KIND, f"{asked.id}@{asked.version}")
        return read_version(kept) if kept else None
    found = [each for each in await versions(store, asked.id) if each.hash.startswith(asked.hash)]
    return found[0] if len(found) == 1 else None


async def _said(store: TenantStore, seq: int, said: Mapping[str, Any], sealed: AsSealed) -> None:
    """That line of the trail is as it was sealed, and says so. Raises `TrailError`."""
    lines = await store.lines(after=seq - 1, limit=1)
    if [line.seq for line in lines] == [seq]:
        event = AuditEvent.model_validate_json(sealed(lines, tenant=store.tenant)[0].line)
        if event.kind == "published" and all(event.outcome.get(name) == value for name, value in said.items()):
            return
    where = f"{said['blueprint']}@{said.get('label') or said['version']}"
    raise TrailError(
        f"Blueprint {where!r}: line {seq} of the trail does not say that it was published so; publish it"
        " again, and run: emma audit verify"
    )


async def _no_version(store: TenantStore, asked: Address, address: str) -> NotFound:
    numbers = [str(each.version) for each in await versions(store, asked.id)]
    named = [each.label for each in await labels(store, asked.id)]
    if not numbers:
        return NotFound(f"No blueprint {asked.id!r} is published here, so none is {address!r}; publish it first")
    near = difflib.get_close_matches(asked.label or "", named, n=1)
    hint = f"did you mean {asked.id}@{near[0]}?" if near else f"there are {[*numbers, *named]}"
    return NotFound(f"No version of blueprint {asked.id!r} is {address!r}; {hint}")


async def _unlabelled(store: TenantStore, id: str) -> NotFound | None:
    """Why an id that is published here cannot be asked by itself."""
    there = await versions(store, id) if ID.fullmatch(id) else []
    if not there:
        return None
    newest = there[-1].address
    return NotFound(
        f"Blueprint {id!r} is published here without the label {BARE!r}; ask {newest!r}, or run:"
        f" emma blueprints label {newest} {BARE}"
    )
