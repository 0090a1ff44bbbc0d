"""Publishes a blueprint as its next version and moves labels, each on the trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from emma_core import canonical
from emma_core.blueprints.addresses import BARE, ID, read, read_label
from emma_core.blueprints.preparing import Prepared
from emma_core.blueprints.published import (
    KIND,
    LABEL,
    AsSealed,
    every,
    read_moved,
    read_version,
    resolve,
)
from emma_core.errors import BlueprintError, CallerError, Conflict, NotFound
from emma_core.nouns import Blueprint, Document, Label, Published
from emma_core.ports import Seal, TenantStore

Sealing = Callable[[Mapping[str, Any], Mapping[str, Any], str], Seal]
"""Seals a `published` line: its outcome, its payload, and what it is about."""
_KEPT = 50
"""How many moves of a label can be taken back."""
_TRIES = 20


async def publish(
    store: TenantStore, prepared: Prepared, *, as_of: date, by: str, now: datetime, sealing: Sealing
) -> Published:
    """The blueprint's version, durable and on the trail; the one that there is already where nothing differs.

    A number is claimed once. What a crash left between the claim and the trail is finished here. Raises `Conflict`
    where others keep publishing the same blueprint.
    """
    blueprint = prepared.blueprint
    if Blueprint.model_validate_json(canonical.text(blueprint.plain())) != blueprint:
        raise BlueprintError(f"Blueprint {blueprint.id!r} does not read back as it was written; mend its values")
    for _ in range(_TRIES):
        there = [(read_version(kept), kept.etag) for kept in await every(store, KIND, blueprint.id)]
        version, etag = next((pair for pair in there if pair[0].hash == prepared.hash), (None, ""))
        if version is not None and version.line is not None:
            return version
        version = version or Published(
            version=max((each.version for each, _ in there), default=0) + 1,
            hash=prepared.hash,
            blueprint=blueprint,
            packs=prepared.packs,
            rule_hashes=prepared.rule_hashes,
            as_of=as_of,
            published_by=by,
            published_at=now,
        )
        try:
            return await _published(store, version, etag, sealing)
        except Conflict:  # somebody else claimed that number, or finished it
            continue
    raise Conflict(f"Blueprint {blueprint.id!r} is being published by others; try again")


async def _published(store: TenantStore, version: Published, etag: str, sealing: Sealing) -> Published:
    claimed = await store.put(_version_document(version), if_match=etag)
    outcome = {
        "action": "published",
        "blueprint": version.blueprint.id,
        "version": version.version,
        "hash": version.hash,
        "packs": [stamp.plain() for stamp in version.packs],
    }
    sealed = await store.append(sealing(outcome, {"blueprint": version.blueprint.plain()}, version.address))
    done = version.model_copy(update={"line": sealed.seq})
    await store.put(_version_document(done), if_match=claimed.etag)
    return done


async def label(
    store: TenantStore, address: str, name: str, *, by: str, now: datetime, sealing: Sealing, sealed: AsSealed
) -> Label:
    """The label at that version, on the trail; it can be moved back to where it was.

    Raises `CallerError` for what is no label, `NotFound` where there is no such version.
    """
    name = read_label(name)
    if read(address).bare:
        raise CallerError(f"{address!r} names no version; write {address}@3, or another label of it")
    version = await _there(store, address, sealed)
    for _ in range(_TRIES):
        standing, etag = await _standing(store, version.blueprint.id, name)
        if standing is not None and standing.version == version.version:
            await resolve(store, standing.address, sealed=sealed)
            return standing
        before = (*standing.before, standing.version)[-_KEPT:] if standing else ()
        try:
            return await _move(store, version, name, before, etag, action="labelled", by=by, now=now, sealing=sealing)
        except Conflict:  # somebody else moved it
            continue
    raise Conflict(f"Label {name!r} of {version.blueprint.id!r} is being moved by others; try again")


async def rollback(
    store: TenantStore, address: str, *, by: str, now: datetime, sealing: Sealing, sealed: AsSealed
) -> Label:
    """The label back at the version where it stood before, on the trail; an id alone means its label `stable`.

    Raises `NotFound` where there is no such label, `CallerError` where it never stood anywhere else.
    """
    asked = read(address)
    name = BARE if asked.bare else asked.label
    if name is None:
        raise CallerError(f"{address!r} is a version, and versions stay; name a label: {asked.id}@{BARE}")
    for _ in range(_TRIES):
        standing, etag = await _standing(store, asked.id, name) if ID.fullmatch(asked.id) else (None, "")
        if standing is None:
            raise NotFound(f"No label is {f'{asked.id}@{name}'!r}; `emma blueprints list --published` shows those")
        if not standing.before:
            raise CallerError(
                f"Label {standing.address!r} has nothing to go back to: it has only ever stood at version"
                f" {standing.version}"
            )
        version = await _there(store, f"{asked.id}@{standing.before[-1]}", sealed)
        before = standing.before[:-1]
        try:
            return await _move(
                store, version, name, before, etag, action="rolled_back", by=by, now=now, sealing=sealing
            )
        except Conflict:
            continue
    raise Conflict(f"Label {address!r} is being moved by others; try again")


async def _move(
    store: TenantStore,
    version: Published,
    name: str,
    before: tuple[int, ...],
    etag: str,
    *,
    action: str,
    by: str,
    now: datetime,
    sealing: Sealing,
) -> Label:
    """The line comes first: a label stands nowhere that the trail does not say."""
    id = version.blueprint.id
    outcome = {"action": action, "blueprint": id, "label": name, "version": version.version, "hash": version.hash}
    sealed = await store.append(sealing(outcome, {}, f"{id}@{name}"))
    moved = Label(
        blueprint=id, label=name, version=version.version, before=before, moved_by=by, moved_at=now, line=sealed.seq
    )
    await store.put(Document(kind=LABEL, id=moved.address, body=moved.plain(), group=id), if_match=etag)
    return moved


async def _standing(store: TenantStore, id: str, name: str) -> tuple[Label | None, str]:
    """The label with its etag; `""` where there is none yet."""
    kept = await store.get(LABEL, f"{id}@{name}")
    return (read_moved(kept), kept.etag) if kept else (None, "")


async def _there(store: TenantStore, address: str, sealed: AsSealed) -> Published:
    found = await resolve(store, address, sealed=sealed)
    if found is None:
        raise NotFound(f"No version is {address!r}; `emma blueprints list --published` shows those there are")
    return found


def _version_document(version: Published) -> Document:
    return Document(kind=KIND, id=version.address, body=version.plain(), group=version.blueprint.id)
