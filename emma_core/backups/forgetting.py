"""Keeps beside a backup who was forgotten, and forgets them again where a restore brought them back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from emma_core import canonical, subjects, tenancy
from emma_core.backends import durable_files
from emma_core.errors import CallerError
from emma_core.nouns import Erasure, Noun
from emma_core.runtime import House
from emma_core.subject_life import SubjectLife
from emma_core.subjects import Entry

LEDGER = "ledger.json"


class Ledger(Noun):
    """Who was forgotten, told by hash: read again after a restore, so that nobody comes back by it."""

    tenants: tuple[str, ...] = ()
    """All that were ever seen, those that are destroyed among them."""
    erasures: dict[str, tuple[Erasure, ...]] = {}
    """By tenant, what the registry says."""
    persons: tuple[Entry, ...] = ()
    """What is needed to tell the persons among them again."""


async def look(house: House, known: Ledger) -> Ledger:
    """The ledger of this installation now, and all that was known before."""
    tenants = sorted({*known.tenants, *(tenant.id for tenant in await house.registry.tenants())})
    found = {}
    for id in tenants:
        if rows := await house.registry.for_tenant(id).all(Erasure):
            found[id] = tuple(rows)
    persons: list[Entry] = []
    if _persons(found) - {(each.tenant, each.erasure.id) for each in known.persons}:
        persons = await SubjectLife(house).ledger()
    return united(known, Ledger(tenants=tuple(tenants), erasures=found, persons=tuple(persons)))


def united(one: Ledger, other: Ledger) -> Ledger:
    """Whoever was forgotten by either."""
    erasures = {}
    for id in sorted({*one.erasures, *other.erasures}):
        rows = {row.id: row for each in (one, other) for row in each.erasures.get(id, ())}
        erasures[id] = tuple(rows[key] for key in sorted(rows))
    return Ledger(
        tenants=tuple(sorted({*one.tenants, *other.tenants})),
        erasures=erasures,
        persons=tuple(subjects.ledger.in_order([*one.persons, *other.persons])),
    )


def read(folder: Path) -> Ledger:
    """The ledger that lies beside the copies. Raises `CallerError` where it does not."""
    path = folder / LEDGER
    try:
        return Ledger.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CallerError(f"{str(path)!r} is missing or damaged; restore another backup") from error


def write(folder: Path, ledger: Ledger) -> None:
    """The folder says who was forgotten."""
    durable_files.replace(folder / LEDGER, canonical.text(ledger.plain()).encode())


async def forget_again(house: House, ledger: Ledger) -> dict[str, int]:
    """By tenant, how many were back and are forgotten again; a tenant that was destroyed since is destroyed.

    Raises `StoreError` where somebody cannot be forgotten: then what was restored is not to be used.
    """
    for id, rows in ledger.erasures.items():
        registry = house.registry.for_tenant(id)
        known = {row.id for row in await registry.all(Erasure)}
        new = [row for row in rows if row.id not in known and not _of_a_person(row)]
        for row in new:
            await registry.put(row)
        if any(tenancy.is_whole(row) for row in new):
            await _destroy(house, id)
    done = await SubjectLife(house).replay_ledger(ledger.persons)
    return dict(Counter({each.tenant: each.again for each in done}))


async def _destroy(house: House, id: str) -> None:
    """The tenant that was destroyed after the moment that was restored is destroyed."""
    tenant = await house.registry.tenant(id)
    if tenant is None:
        return
    if tenant.state != "offboarded":
        await tenancy.move(house.registry, id, "offboard", at=house.clock().isoformat())
    [due] = [each for each in await tenancy.due(house.registry, days=0) if each.tenant == id]
    holdings = tenancy.Holdings(
        registry=house.registry, store=house.store, blobs=house.blobs, cache=house.cache, jobs=house.jobs
    )
    await tenancy.destroy(holdings, due, by="restore", at=house.clock())


def _persons(found: dict[str, tuple[Erasure, ...]]) -> set[tuple[str, str]]:
    return {(id, row.id) for id, rows in found.items() for row in rows if _of_a_person(row)}


def _of_a_person(row: Erasure) -> bool:
    return row.id.startswith(subjects.ledger.FORGOTTEN)
