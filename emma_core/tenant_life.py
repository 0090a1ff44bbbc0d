"""The hall of tenants: each is made, suspended, taken out, brought in and offboarded, and its usage is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from emma_core import audit, metering, tenancy
from emma_core.errors import CallerError, EmmaError, NotFound
from emma_core.nouns import INSTALLATION, DataClass, Head, Noun, Tenant, UsageCount
from emma_core.runtime import House
from emma_core.subject_life import SubjectLife
from emma_core.tenancy import Census, Due, Holdings, Manifest, Proof, Trails, Watch

_LOG = logging.getLogger("emma")
_TRAILS = Trails(write=audit.export_trail, read=audit.read_export, verify=audit.verify, verify_store=audit.verify_trail)


class Overview(Noun):
    """A tenant, how much is held of it, and what it used this month."""

    tenant: Tenant
    holds: dict[str, dict[str, int]]
    head: Head | None = None
    usage: dict[str, int]
    """By counter, since the first of this month (UTC)."""


class Retained(Noun):
    """What was destroyed because its time was over, or would be."""

    dry_run: bool
    due: tuple[Due, ...] = ()
    """The offboarded tenants whose time is over."""
    waiting: tuple[Due, ...] = ()
    """The offboarded tenants whose time is not over."""
    proofs: tuple[Proof, ...] = ()
    """Of those destroyed, that nothing is left."""
    kept: dict[str, str] = {}
    """Of those that could not be destroyed, why."""
    telemetry: dict[str, int] = {}
    """By tenant, how many documents of telemetry."""
    keys: dict[str, int] = {}
    """By tenant, how many spent idempotency keys."""
    jobs: dict[str, int] = {}
    """By tenant (`*`: the installation), how many jobs that were over."""


class TenantLife:
    """What whoever runs this installation may do with its tenants."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._holdings = Holdings(
            registry=house.registry, store=house.store, blobs=house.blobs, cache=house.cache, jobs=house.jobs
        )

    async def create(
        self, id: str, title: str = "", *, region: str = "", data_class: DataClass = "confidential", plan: str = ""
    ) -> Tenant:
        """The new tenant. Raises `CallerError` where the id does not fit, `Conflict` where it is taken."""
        now = self._now()
        try:
            tenant = Tenant(
                id=id,
                title=title or id,
                created_at=now,
                region=region,
                data_class=data_class,
                plan=plan,
                state_since=now,
            )
        except ValueError as error:
            raise CallerError(
                f"Tenant {id!r:.100} does not fit; write up to 63 lower-case letters, digits, - and _, a letter or"
                " digit first"
            ) from error
        await self._house.registry.create(tenant)
        return tenant

    async def suspend(self, id: str) -> Tenant:
        """The tenant, in which nothing may be asked or decided and all may be read."""
        return await tenancy.move(self._house.registry, id, "suspend", at=self._now())

    async def resume(self, id: str) -> Tenant:
        """The tenant, in which all may be done again; also one that was offboarded and is not gone yet."""
        return await tenancy.move(self._house.registry, id, "resume", at=self._now())

    async def offboard(self, id: str) -> Due:
        """The tenant, in which nothing may be done; when its time is over `retain()` destroys all of it."""
        tenant = await tenancy.move(self._house.registry, id, "offboard", at=self._now())
        [due] = [each for each in await self._offboarded() if each.tenant == tenant.id]
        return due.model_copy(update={"holds": await tenancy.census(self._holdings, tenant.id)})

    async def show(self, id: str) -> Overview:
        """The tenant, what is held of it, and what it used this month, counted up to now."""
        tenant = await self._tenant(id)
        today = self._house.clock().date()
        used = await self.usage(id, since=today.replace(day=1), until=today)
        totals: dict[str, int] = {}
        for each in used:
            totals[each.counter] = totals.get(each.counter, 0) + each.amount
        return Overview(
            tenant=tenant,
            holds=await tenancy.census(self._holdings, id),
            head=await self._house.store.for_tenant(id).head(),
            usage=totals,
        )

    async def usage(self, id: str, *, since: date, until: date) -> list[UsageCount]:
        """What the tenant used on the days from `since` to `until`, both included, counted up to now."""
        await self._tenant(id)
        if since > until:
            raise CallerError(f"since {since} is after until {until}; turn them round")
        await self.meter([id])
        return await self._house.registry.for_tenant(id).usage(since, until)

    async def meter(self, tenants: Iterable[str]) -> None:
        """The usage of these tenants is counted up to now; where it cannot be, it is said and counted later."""
        for id in tenants:
            try:
                await metering.count(self._house.store.for_tenant(id), self._house.registry.for_tenant(id))
            except (EmmaError, ValueError, KeyError) as error:
                _LOG.warning("tenant %r: its usage is not counted up to now: %s", id, error)

    async def export(
        self, id: str, folder: Path, *, watch: Watch = lambda what, done, of: None, at: datetime | None = None
    ) -> Manifest:
        """The folder holds all of the tenant's data, checked; what it holds. An offboarded one can be taken out too.

        Raises `CallerError` where the folder is there already, `Conflict` where the tenant is written to all the while,
        `TrailError` where its trail does not hold. `at`: the moment it says it was made; now.
        """
        tenant = await self._tenant(id)
        moment = at or self._house.clock()
        return await tenancy.export(self._holdings, tenant, folder, at=moment, trails=_TRAILS, watch=watch)

    async def arrive(self, folder: Path, *, by: str = "local", watch: Watch = lambda what, done, of: None) -> Manifest:
        """The tenant of an export is here as it was there, compared piece by piece; what the export holds.

        Raises `CallerError` for an export that is not whole and `Conflict` where the tenant has data of its own; then
        nothing was written.
        """
        done = await tenancy.arrive(self._holdings, folder, at=self._house.clock(), by=by, trails=_TRAILS, watch=watch)
        await SubjectLife(self._house).replay_ledger(only=done.tenant.id)  # an export may be older than an erasure
        return done

    async def retain(
        self,
        *,
        dry_run: bool,
        by: str = "local",
        proved: Callable[[Proof], None] = lambda proof: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Retained:
        """Whatever's time is over is destroyed, or with `dry_run` only named.

        Those are offboarded tenants after `retain_offboarded_days`; telemetry, spent idempotency keys and jobs that
        are over after `retain_telemetry_days`. One tenant that cannot be destroyed keeps no other. `proved`: told each
        proof as soon as there is one. `stop`: once it says True, no further tenant is destroyed.
        """
        now = self._house.clock()
        every = await self._offboarded()
        due = [each for each in every if each.due_at <= now]
        due = [each.model_copy(update={"holds": await self._holds(each.tenant)}) for each in due]
        proofs: list[Proof] = []
        kept: dict[str, str] = {}
        for each in [] if dry_run else due:
            if stop():
                break
            try:
                proofs.append(await tenancy.destroy(self._holdings, each, by=by, at=now))
                proved(proofs[-1])
            except EmmaError as error:
                kept[each.tenant] = str(error)
        return await self._swept(due, now, dry_run=dry_run, waiting=every, proofs=proofs, kept=kept)

    async def _swept(
        self,
        due: list[Due],
        now: datetime,
        *,
        dry_run: bool,
        waiting: list[Due],
        proofs: list[Proof],
        kept: dict[str, str],
    ) -> Retained:
        """What the tenants that stay had that only helped to operate is gone too."""
        gone = {each.tenant for each in due}
        staying = [each.id for each in await self._house.registry.tenants() if each.id not in gone]
        telemetry = {id: n for id in staying if (n := await self._old_telemetry(id, now, dry_run=dry_run))}
        keys = {id: n for id in staying if (n := await self._spent_keys(id, now, dry_run=dry_run))}
        jobs = {id: n for id in [*staying, INSTALLATION] if (n := await self._old_jobs(id, now, dry_run=dry_run))}
        return Retained(
            dry_run=dry_run,
            due=tuple(due),
            waiting=tuple(each for each in waiting if each.due_at > now),
            proofs=tuple(proofs),
            kept=kept,
            telemetry=telemetry,
            keys=keys,
            jobs=jobs,
        )

    async def _holds(self, id: str) -> Census:
        return await tenancy.census(self._holdings, id)

    async def _offboarded(self) -> list[Due]:
        return await tenancy.due(self._house.registry, days=self._house.settings.retain_offboarded_days)

    async def _old_telemetry(self, id: str, now: datetime, *, dry_run: bool) -> int:
        """How many documents of telemetry are older than they may be, and gone now unless only named."""
        store, found, after = self._house.store.for_tenant(id), 0, ""
        oldest = (now - timedelta(days=self._house.settings.retain_telemetry_days)).isoformat()
        while page := await store.query(metering.KIND, after=after, limit=500):
            old = [each.id for each in page if str(each.body.get("at", "")) < oldest]
            for each in [] if dry_run else old:
                await store.delete(metering.KIND, each)
            found, after = found + len(old), page[-1].id
        return found

    async def _spent_keys(self, id: str, now: datetime, *, dry_run: bool) -> int:
        before = now - timedelta(days=self._house.settings.retain_telemetry_days)
        return await self._house.registry.for_tenant(id).forget_keys(before, dry_run=dry_run)

    async def _old_jobs(self, id: str, now: datetime, *, dry_run: bool) -> int:
        jobs = self._house.jobs
        handle = jobs.for_installation() if id == INSTALLATION else jobs.for_tenant(id)
        before = now - timedelta(days=self._house.settings.retain_telemetry_days)
        return await handle.forget(before, dry_run=dry_run)

    async def _tenant(self, id: str) -> Tenant:
        found = await self._house.registry.tenant(id)
        if found is None:
            raise NotFound(f"No tenant {id!r:.100}; `emma tenants list` shows those there are")
        return found

    def _now(self) -> str:
        return self._house.clock().isoformat()
