"""Starts a tenant's jobs again and again, each time once however many workers look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from pydantic import JsonValue, ValidationError

from emma_core import canonical
from emma_core.backends import cron
from emma_core.errors import CallerError, Conflict, EmmaError, NotFound
from emma_core.jobs import kinds
from emma_core.nouns import Document, Job, Schedule
from emma_core.runtime import House

KIND = "schedule"
"""The kind of the document that a schedule is, beside the tenant's trail."""
LOOK_SECONDS = 15.0
"""How often a worker looks for what is due; a cron expression knows no less than a minute."""
_LOG = logging.getLogger("emma")
_PAGE = 200

Start = Callable[..., Awaitable[Job]]


class Schedules:
    """What tenants have done again and again."""

    def __init__(self, house: House, start: Start) -> None:
        self._house = house
        self._start = start

    async def put(
        self,
        name: str,
        expression: str,
        kind: str,
        input: Mapping[str, JsonValue],
        *,
        tenant: str,
        zone: str = "UTC",
        by: str = "local",
    ) -> Schedule:
        """From now on such a job is started whenever it is due; in the place of one of that name.

        Raises `CallerError` where something of it does not fit, `NotFound` for an unknown tenant, `MissingExtra`.
        """
        cron.check(expression, zone)
        told = kinds.read(kind, input)
        if kinds.KINDS[kind].installation:
            raise CallerError(f"A {kind!r} job is the installation's; have your system start: emma jobs start {kind}")
        await self._known(tenant)
        try:
            made = Schedule(
                name=name, kind=kind, input=told, cron=expression, zone=zone, by=by, made_at=self._house.clock()
            )
        except ValidationError as error:
            raise CallerError(f"Schedule {name!r:.80}: {error.errors()[0]['msg']}; write it like 'nightly'") from error
        await self._house.store.for_tenant(tenant).put(Document(kind=KIND, id=name, body=made.plain()))
        return made

    async def all(self, *, tenant: str) -> list[Schedule]:
        """A tenant's schedules by name."""
        await self._known(tenant)
        return [schedule for schedule, _ in await self._held(tenant)]

    async def remove(self, name: str, *, tenant: str) -> None:
        """It is started no more; what was started goes on. Raises `NotFound`."""
        await self._known(tenant)
        store = self._house.store.for_tenant(tenant)
        if await store.get(KIND, name) is None:
            raise NotFound(f"No schedule {name!r:.80}; `emma jobs schedules` shows those there are")
        await store.delete(KIND, name)

    def next_due(self, schedule: Schedule) -> datetime:
        """When it is due next."""
        return cron.next_due(schedule.cron, schedule.zone, after=self._house.clock())

    async def keep_starting(self, stop: asyncio.Event) -> None:
        """Whatever is due is started, until `stop`; what cannot be started now is tried again."""
        while not stop.is_set():
            await self.start_due()
            try:
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    async def start_due(self) -> list[Job]:
        """What is due is started, each once; of several times that were missed the last one."""
        started: list[Job] = []
        try:
            tenants = [each.id for each in await self._house.registry.tenants() if each.state == "active"]
            for tenant in tenants:
                for schedule, document in await self._held(tenant):
                    if job := await self._start_one(tenant, schedule, document):
                        started.append(job)
        except (EmmaError, OSError) as error:
            _LOG.warning("schedules: looking for what is due failed, and is tried again: %s", error)
        return started

    async def _start_one(self, tenant: str, schedule: Schedule, document: Document) -> Job | None:
        after = schedule.last or schedule.made_at
        due = cron.last_due(schedule.cron, schedule.zone, after=after, until=self._house.clock())
        if due is None:
            return None
        at = due.strftime("%Y%m%dT%H%M")  # by its own clock, so that an hour that comes twice is due once
        told = _filled(schedule.input, at)
        try:
            id = f"{schedule.name}-{at.lower()}"
            job = await self._start(schedule.kind, told, tenant=tenant, by=schedule.by, id=id)
            moved = schedule.model_copy(update={"last": due})
            await self._house.store.for_tenant(tenant).put(
                document.model_copy(update={"body": moved.plain()}), if_match=document.etag
            )
        except Conflict:  # another worker was faster, or somebody changed it meanwhile
            return None
        except CallerError as error:
            _LOG.warning("tenant %r: schedule %r cannot be started: %s", tenant, schedule.name, error)
            return None
        return job

    async def _held(self, tenant: str) -> list[tuple[Schedule, Document]]:
        found: list[Document] = []
        store = self._house.store.for_tenant(tenant)
        while page := await store.query(KIND, after=found[-1].id if found else "", limit=_PAGE):
            found += page
        return [(Schedule.model_validate_json(canonical.text(each.body)), each) for each in found]

    async def _known(self, tenant: str) -> None:
        if await self._house.registry.tenant(tenant) is None:
            raise NotFound(f"No tenant {tenant!r:.100}; `emma tenants list` shows those there are")


def _filled(input: Mapping[str, JsonValue], at: str) -> dict[str, JsonValue]:
    return {name: said.replace("{at}", at) if isinstance(said, str) else said for name, said in input.items()}
