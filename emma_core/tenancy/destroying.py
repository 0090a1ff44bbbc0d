"""Destroys what is held of an offboarded tenant once its time is over, and proves that nothing is left."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime

from emma_core import canonical
from emma_core.errors import Conflict, StoreError
from emma_core.nouns import Erasure, Head, Noun, Tenant
from emma_core.ports import Registry
from emma_core.tenancy.holdings import Holdings, census, empty

_WHOLE = "tenant."
"""How the id of such a line of the erasure ledger begins."""


class Due(Noun):
    """An offboarded tenant, and when its data may be destroyed."""

    tenant: str
    offboarded_at: AwareDatetime
    due_at: AwareDatetime
    holds: dict[str, dict[str, int]] = {}
    """How much is held of it, by place and there by what it is."""


class Proof(Noun):
    """That nothing is held of a tenant any more: what was there before, and what is there now."""

    tenant: str
    offboarded_at: AwareDatetime
    destroyed_at: AwareDatetime
    by: str
    head: Head | None = None
    """The last line its trail had: with an export it tells which trail that was."""
    before: dict[str, dict[str, int]]
    cached: int
    """How much of it the cache held."""
    after: dict[str, dict[str, int]]
    """Only zeros."""

    @property
    def hash(self) -> str:
        """The SHA-256 of all it says; the erasure ledger keeps it."""
        return canonical.sha256(self.plain())


async def due(registry: Registry, *, days: int) -> list[Due]:
    """Every offboarded tenant with the moment from which it may be destroyed, that moment past or not."""
    found = []
    for tenant in await registry.tenants():
        if tenant.state == "offboarded":
            since = _since(tenant)
            found.append(Due(tenant=tenant.id, offboarded_at=since, due_at=since + timedelta(days=days)))
    return found


async def destroy(holdings: Holdings, due: Due, *, by: str, at: datetime) -> Proof:
    """Nothing is held of the tenant but its erasure ledger, which keeps the proof's hash, and it is not known any more.

    After an interruption the same again goes on. Raises `Conflict` where it was resumed meanwhile, or where something
    of it is to be kept, naming until when, and `StoreError` where something is left.
    """
    id = due.tenant
    now = await holdings.registry.tenant(id)
    if now is None or now.state != "offboarded" or _since(now) != due.offboarded_at:
        raise Conflict(f"Tenant {id!r} is not offboarded any more as it was; run: emma db retain again")
    store = holdings.store.for_tenant(id)
    before, head = await census(holdings, id), await store.head()
    await holdings.blobs.for_tenant(id).purge()  # first: it is the one that may have to keep something
    await holdings.jobs.for_tenant(id).purge()  # before what they might write to
    await store.purge()
    await holdings.registry.for_tenant(id).purge()
    cached = await holdings.cache.for_tenant(id).purge()
    after = await census(holdings, id)
    if not empty(after):
        left = {place: {what: n for what, n in held.items() if n} for place, held in after.items()}
        raise StoreError(f"Tenant {id!r}: something is left: {left}; run: emma db retain again")
    proof = Proof(
        tenant=id,
        offboarded_at=due.offboarded_at,
        destroyed_at=at,
        by=by,
        head=head,
        before=before,
        cached=cached,
        after=after,
    )
    await holdings.registry.for_tenant(id).put(_kept(proof))
    await holdings.registry.drop(id)
    return proof


def is_whole(row: Erasure) -> bool:
    """Whether that line of the erasure ledger says that the whole tenant was destroyed."""
    return row.id.startswith(_WHOLE)


def write_proof(proof: Proof, folder: Path | None) -> None:
    """The proof is a file of that folder, where there is one, named after the tenant and the moment."""
    if folder is None:
        return
    text = json.dumps({**proof.plain(), "sha256": proof.hash}, indent=2, sort_keys=True)
    name = f"{proof.tenant}-{proof.destroyed_at:%Y%m%dT%H%M%SZ}.json"
    (folder / name).write_text(f"{text}\n", encoding="utf-8")


def _kept(proof: Proof) -> Erasure:
    """The line of the erasure ledger that outlives the tenant."""
    return Erasure(
        id=f"{_WHOLE}{proof.destroyed_at.isoformat()}",
        subject_hash=proof.hash,
        at=proof.destroyed_at,
        by=proof.by,
        reason="offboarded: all that was held of this tenant was destroyed; the hash is that of its proof",
    )


def _since(tenant: Tenant) -> datetime:
    return datetime.fromisoformat(tenant.state_since)
