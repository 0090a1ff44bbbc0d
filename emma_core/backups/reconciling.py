"""Brings what was restored to agree with itself: trails verified, turns ended, strays gone, the forgotten forgotten."""

from __future__ import annotations

from emma_core import audit, metering, overrides, tenancy
from emma_core.backups.forgetting import Ledger, forget_again
from emma_core.errors import EmmaError
from emma_core.nouns import Head, Noun, Tenant
from emma_core.ports import TenantStore
from emma_core.runtime import House


class Reconciled(Noun):
    """How a tenant stands after a restore."""

    tenant: str
    head: Head | None = None
    """The last line of its trail, once its open turns were ended."""
    lines: int = 0
    ended: int = 0
    """How many turns that had no end were ended as stopped."""
    strays: int = 0
    """How many documents spoke of turns that are not on the trail, and are gone."""
    forgotten: int = 0
    """How many persons who had been forgotten were back, and are forgotten again."""
    lost: int = 0
    """How many lines the trail had that it has no more."""
    fault: str | None = None
    """Why its trail does not hold, or could not be brought to agree; None where all is well."""


async def reconcile(house: House, ledger: Ledger) -> list[Reconciled]:
    """Every tenant as it stands now; damage to one keeps no other from being brought to agree."""
    again = await forget_again(house, ledger)
    found = []
    for tenant in await house.registry.tenants():
        try:
            found.append(await _one(house, tenant, forgotten=again.get(tenant.id, 0)))
        except (EmmaError, ValueError, KeyError) as error:
            found.append(Reconciled(tenant=tenant.id, forgotten=again.get(tenant.id, 0), fault=str(error)))
    return found


async def _one(house: House, tenant: Tenant, *, forgotten: int) -> Reconciled:
    store = house.store.for_tenant(tenant.id)
    before = await audit.verify_trail(store)
    if before.head is None and not before.ok:  # the chain itself: nothing may be added to it
        head = await store.head()
        return Reconciled(
            tenant=tenant.id, head=head, lines=before.lines, forgotten=forgotten, fault=before.reason or "it is cut"
        )
    ended = await audit.recover(store, house.clock, early=True)
    strays = await _drop_strays(store)
    after = await audit.verify_trail(store)
    return Reconciled(
        tenant=tenant.id,
        head=after.head,
        lines=after.lines,
        ended=ended,
        strays=strays,
        forgotten=forgotten,
        fault=None if after.ok else after.reason,
    )


async def _drop_strays(store: TenantStore) -> int:
    """How many documents spoke of what is not on the trail: overrides that no turn suggested, telemetry of no turn."""
    strays = 0
    async for kept in tenancy.every(store, overrides.KIND):
        suggested, _ = await audit.suggestion(store, conversation=kept.group, override=kept.id)
        if suggested is None:
            await store.delete(kept.kind, kept.id)
            strays += 1
    async for kept in tenancy.every(store, metering.KIND):
        if not await store.lines(turn=kept.id, limit=1):
            await store.delete(kept.kind, kept.id)
            strays += 1
    return strays
