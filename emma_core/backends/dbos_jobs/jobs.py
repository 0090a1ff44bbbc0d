"""Starts, shows and cancels jobs by what DBOS keeps of them; a tenant's are found by its own name only."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import JsonValue

from emma_core import canonical
from emma_core.backends import checked
from emma_core.backends.dbos_jobs import rows, tables
from emma_core.backends.sql import connecting
from emma_core.backends.sql.connecting import Place
from emma_core.errors import CallerError, Conflict, NotFound
from emma_core.nouns import INSTALLATION, Job
from emma_core.ports import JobKind, Jobs, TenantJobs

T = TypeVar("T")
WORKFLOW = "emma.job"
LARGEST_INPUT = 32_000
"""Bytes of JSON: a job is told where things are, and not the things."""
_PAGE = 500
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


def open_jobs(address: str) -> Jobs:
    """Jobs at that address; it is touched when they are first used."""
    return DbosJobs(connecting.place(address))


class DbosJobs:
    """The jobs of one file or one schema."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._opening = threading.Lock()
        self._opened: tables.Opened | None = None

    async def close(self) -> None:
        """Nothing is held."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await asyncio.to_thread(opened.close)

    def for_tenant(self, tenant: str) -> TenantJobs:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return DbosTenantJobs(self, checked.tenant(tenant))

    def for_installation(self) -> TenantJobs:
        """The handle of whoever runs this installation."""
        return DbosTenantJobs(self, INSTALLATION)

    async def work(
        self,
        kinds: Mapping[str, JobKind],
        *,
        stop: asyncio.Event,
        slots: int = 4,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Jobs are taken up and done until `stop`. Raises `StoreError` where it cannot go on safely."""
        from emma_core.backends.dbos_jobs.worker import Worker

        await asyncio.to_thread(self._made)
        await Worker(self.place, kinds, slots).work(stop, ready)

    async def state(self) -> str:
        """How they stand. Raises `OperatorError` where they cannot be used."""
        if not await asyncio.to_thread(tables.there, self.place):
            return f"{self.place.shown} holds none yet"
        return f"{self.place.shown} opens; {await self.waiting() or 'none'} waiting or running"

    async def waiting(self) -> int:
        """How many jobs of all wait or run."""
        active = {"status": ["DELAYED", "ENQUEUED", "PENDING"], "load_input": False, "load_output": False}
        found: Sequence[Any] = await self.asked(lambda client: client.list_workflows(**active), [])
        return len(found)

    async def upgrade(self, owner: str = "") -> list[str]:
        """The tables are of this release's form; what was done, a line each."""
        if self.place.path is not None and not self.place.path.exists():
            return []  # a file is made with its first job
        return [await asyncio.to_thread(tables.make, self.place, connecting.place(owner) if owner else None)]

    async def asked(self, ask: Callable[[Any], T], nothing: T) -> T:
        """What DBOS answers, or `nothing` where no table of it is there yet. Raises `StoreError`."""

        def asking() -> T:
            if self._opened is None and not tables.there(self.place):
                return nothing
            with tables.explained(self.place):
                return ask(self._client())

        return await asyncio.to_thread(asking)

    async def told(self, tell: Callable[[Any], T]) -> T:
        """What DBOS answers, its tables made where they were not there. Raises `StoreError`."""

        def telling() -> T:
            self._made()
            with tables.explained(self.place):
                return tell(self._client())

        return await asyncio.to_thread(telling)

    def _client(self) -> Any:
        with self._opening:  # several threads may be the first
            if self._opened is None:
                self._opened = tables.Opened(self.place)
            return self._opened.client

    def _made(self) -> None:
        if self._opened is None and not tables.there(self.place):
            tables.make(self.place)


class DbosTenantJobs:
    """One tenant's jobs: their names in DBOS begin with its id, and DBOS's user of each is the tenant."""

    def __init__(self, jobs: DbosJobs, tenant: str) -> None:
        self._jobs = jobs
        self.tenant = tenant

    async def start(self, kind: str, input: Mapping[str, JsonValue], *, by: str, id: str = "") -> Job:
        """The job waits its turn, durably."""
        id = id or f"j-{secrets.token_hex(6)}"
        told = _fit(kind, input, id)
        options = {
            "workflow_name": WORKFLOW,
            "queue_name": tables.NAME,
            "workflow_id": self._name(id),
            "app_version": tables.VERSION,
            "authenticated_user": self.tenant,
            "queue_partition_key": self.tenant,
        }

        def begin(client: Any) -> Job:
            client.enqueue(options, kind, told, by)
            return rows.job(client.list_workflows(workflow_ids=[self._name(id)])[0])

        started = await self._jobs.told(begin)
        if started.kind != kind or started.input != told:
            raise Conflict(f"Job {id!r} is there already, and is another one; give the new one another id")
        return started

    async def list(self, *, limit: int = 100) -> list[Job]:
        """Up to `limit` jobs, the newest first."""
        found = await self._rows(limit=limit, sort_desc=True)
        return [rows.job(each) for each in found]

    async def job(self, id: str) -> Job | None:
        """The job of that id, or None."""
        found = await self._rows(workflow_ids=[self._name(id)]) if _ID.fullmatch(id) else []
        return rows.job(found[0]) if found else None

    async def cancel(self, id: str) -> Job:
        """The job begins nothing more; its worker ends it. Raises `NotFound`, or `Conflict` where it was over."""
        there = await self.job(id)
        if there is None:
            raise NotFound(f"No job {id!r:.150}; `emma jobs list` shows those there are")
        if there.over:
            raise Conflict(f"Job {id!r} is over already: it is {there.state}")
        mark = {"cancel": datetime.now(UTC).isoformat()}
        await self._jobs.told(lambda client: client.update_workflow_attributes(self._name(id), mark, merge=True))
        return await self.job(id) or there

    async def forget(self, before: datetime, *, dry_run: bool = False) -> int:
        """How many jobs were over before that moment, and are gone now unless `dry_run`."""
        found, over = 0, ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
        page = {"status": over, "completed_before": before.isoformat(), "limit": _PAGE}
        while some := await self._rows(load_input=False, load_output=False, offset=found if dry_run else 0, **page):
            found += len(some)
            if not dry_run:
                await self._delete([each.workflow_id for each in some])
        return found

    async def census(self) -> Mapping[str, int]:
        """How many jobs are held of this tenant."""
        found = 0
        while some := await self._rows(load_input=False, load_output=False, limit=_PAGE, offset=found):
            found += len(some)
        return {"jobs": found}

    async def purge(self) -> None:
        """None is held."""
        while some := await self._rows(load_input=False, load_output=False, limit=_PAGE):
            await self._delete([each.workflow_id for each in some])

    async def _rows(self, **more: Any) -> Sequence[Any]:
        def ask(client: Any) -> Sequence[Any]:
            found = client.list_workflows(user=self.tenant, **more)
            return [each for each in found if each.name == WORKFLOW]

        return await self._jobs.asked(ask, [])

    async def _delete(self, ids: Sequence[str]) -> None:
        await self._jobs.told(lambda client: client.delete_workflows(ids))

    def _name(self, id: str) -> str:
        return f"{self.tenant}/{id}"


def _fit(kind: str, input: Mapping[str, JsonValue], id: str) -> dict[str, Any]:
    """The input as it is kept. Raises `CallerError` where kind, id or input do not fit."""
    if not _ID.fullmatch(id):
        raise CallerError(f"No job can be called {id!r:.150}; use up to 120 of a-z, 0-9, '.', '-' and '_'")
    if not _KIND.fullmatch(kind) or len(kind) > 200:
        raise CallerError(f"No kind of job can be called {kind!r:.150}; write it like 'export'")
    try:
        text = canonical.text(dict(input))
    except (TypeError, ValueError) as error:
        raise CallerError(f"Job {id!r}: its input is no JSON: {error}") from error
    if len(text.encode()) > LARGEST_INPUT:
        raise CallerError(f"Job {id!r}: its input has more than {LARGEST_INPUT:,} bytes; say where things are instead")
    told: dict[str, Any] = json.loads(text)
    return told
