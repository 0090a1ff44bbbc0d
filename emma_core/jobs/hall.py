"""The hall of jobs: each is started for a tenant or the installation, looked at, cancelled, and done by a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from emma_core import tenancy
from emma_core.errors import CallerError, NotFound
from emma_core.jobs.kinds import KINDS, Tools, read
from emma_core.jobs.scheduling import Schedules
from emma_core.nouns import INSTALLATION, Job
from emma_core.ports import TenantJobs
from emma_core.runtime import House

_SHORTEST = 4
"""Characters by which a job may be named that starts so."""


class JobHall:
    """What whoever runs this installation may have done behind a command's back. `tenant` `*`: the installation's."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.schedules = Schedules(house, self.start)
        """What tenants have done again and again."""

    async def start(
        self, kind: str, input: Mapping[str, JsonValue], *, tenant: str, by: str = "local", id: str = ""
    ) -> Job:
        """The job waits its turn, durably; with an `id` that there is already it is that one, started once.

        Raises `CallerError` where kind or input do not fit, `NotFound` for an unknown tenant, `Forbidden` where its
        state does not let it be done, `Conflict` where the id is another job's, `MissingExtra`.
        """
        told = read(kind, input)
        await self._admit(kind, tenant)
        return await self._of(tenant).start(kind, told, by=by, id=id)

    async def list(self, *, tenant: str, limit: int = 100) -> list[Job]:
        """Up to `limit` jobs, the newest first. Raises `NotFound` for an unknown tenant."""
        await self._known(tenant)
        return await self._of(tenant).list(limit=limit)

    async def job(self, id: str, *, tenant: str) -> Job:
        """The job of that id, or the one whose id starts so. Raises `NotFound`, or `CallerError` where several do."""
        await self._known(tenant)
        if found := await self._of(tenant).job(id):
            return found
        every = await self._of(tenant).list(limit=10_000) if len(id) >= _SHORTEST else []
        fitting = [each for each in every if each.id.startswith(id)]
        if len(fitting) > 1:
            raise CallerError(f"{len(fitting)} jobs start with {id!r:.150}; write more of it")
        if not fitting:
            raise NotFound(f"No job {id!r:.150}; `emma jobs list` shows those there are")
        return fitting[0]

    async def cancel(self, id: str, *, tenant: str) -> Job:
        """The job begins nothing more. Raises as `job()` does, and `Conflict` where it was over."""
        return await self._of(tenant).cancel((await self.job(id, tenant=tenant)).id)

    async def waiting(self) -> int:
        """How many jobs of all tenants and of the installation wait or run."""
        return await self._house.jobs.waiting()

    async def work(
        self,
        *,
        stop: asyncio.Event,
        slots: int = 4,
        ready: Callable[[], None] = lambda: None,
        tools: Tools | None = None,
    ) -> None:
        """Jobs are done, and those started that are due again, until `stop`. Raises `StoreError`, `MissingExtra`."""
        kinds = {name: kind.make(self._house, tools or {}) for name, kind in KINDS.items()}
        due = asyncio.create_task(self.schedules.keep_starting(stop))
        try:
            await self._house.jobs.work(kinds, stop=stop, slots=slots, ready=ready)
        finally:
            stop.set()
            await due

    def _of(self, tenant: str) -> TenantJobs:
        jobs = self._house.jobs
        return jobs.for_installation() if tenant == INSTALLATION else jobs.for_tenant(tenant)

    async def _admit(self, kind: str, tenant: str) -> None:
        if KINDS[kind].installation != (tenant == INSTALLATION):
            whose = "the installation's and no tenant's" if KINDS[kind].installation else "a tenant's; name it"
            raise CallerError(f"A {kind!r} job is {whose}")
        await self._known(tenant)
        found = await self._house.registry.tenant(tenant) if tenant != INSTALLATION else None
        if found is not None and KINDS[kind].writes:
            tenancy.admit(found, writing=True)

    async def _known(self, tenant: str) -> None:
        if tenant != INSTALLATION and await self._house.registry.tenant(tenant) is None:
            raise NotFound(f"No tenant {tenant!r:.100}; `emma tenants list` shows those there are")
