"""What Emma needs of whatever does its work behind the caller's back: nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from pydantic import JsonValue

from emma_core.nouns import Job

J = TypeVar("J", bound=JsonValue)


class JobRun(Protocol):
    """One attempt at a job, as the work sees it."""

    job: Job
    stopping: bool
    """Whether somebody has cancelled the job, or this process is to end."""

    def progress(self, done: int, of: int | None = None) -> None:
        """So much is done, for whoever looks; said after it is done, and written soon."""

    async def once(self, name: str, step: Callable[[], Awaitable[J]]) -> J:
        """What the step came to: worked out now, or read where an earlier attempt wrote it down.

        Steps come in the same order at every attempt. One that was broken off before its outcome was written runs
        again, so what it does outside must bear that.
        """

    def unbroken(self) -> AbstractContextManager[None]:
        """Within it a cancelled job is not broken off; the work asks `stopping` and ends where it may."""


@dataclass(frozen=True)
class JobKind:
    """How one kind of job is done."""

    work: Callable[[JobRun], Awaitable[Mapping[str, JsonValue]]]
    """Does it and returns its outcome. It may run more than once, never twice at once: its effects must bear that."""
    clean: Callable[[Job], None] = lambda job: None
    """What an attempt that did not end well left behind is gone; called before each attempt too."""


class TenantJobs(Protocol):
    """One tenant's jobs; no verb of it can name another tenant."""

    tenant: str

    async def start(self, kind: str, input: Mapping[str, JsonValue], *, by: str, id: str = "") -> Job:
        """The job waits its turn, durably. `id`: where a job is called so already it is that one, started once.

        Raises `Conflict` where the one of that id is of another kind or was told something else, `CallerError` where
        kind, id or input do not fit.
        """

    async def list(self, *, limit: int = 100) -> list[Job]:
        """Up to `limit` jobs, the newest first."""

    async def job(self, id: str) -> Job | None:
        """The job of that id, or None."""

    async def cancel(self, id: str) -> Job:
        """The job begins nothing more; one that runs puts down what it holds, within a second where its worker lives.

        Raises `NotFound` where there is none, `Conflict` where it was over already.
        """

    async def forget(self, before: datetime, *, dry_run: bool = False) -> int:
        """How many jobs were over before that moment, and are gone now unless `dry_run`."""

    async def census(self) -> Mapping[str, int]:
        """How many jobs are held of this tenant."""

    async def purge(self) -> None:
        """None is held: `census()` has only zeros. One that runs is broken off."""


class Jobs(Protocol):
    """Work of all tenants that outlives the process that asked for it. It connects when it is first used."""

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantJobs:
        """The handle of one tenant."""

    def for_installation(self) -> TenantJobs:
        """The handle of whoever runs this installation: jobs that are no tenant's."""

    async def work(
        self, kinds: Mapping[str, JobKind], *, stop: asyncio.Event, slots: int = 4, ready: Callable[[], None] = ...
    ) -> None:
        """Jobs are taken up and done, up to `slots` at once, until `stop`; what runs then is left for another worker.

        `ready`: called once it takes jobs up. Any number of processes may do so over one address. What a process that
        ended had begun is taken up by another. Raises `StoreError` where it cannot go on safely.
        """

    async def waiting(self) -> int:
        """How many jobs of all wait or run."""

    async def state(self) -> str:
        """How they stand, in one sentence for whoever runs this. Raises `OperatorError` where they cannot be used."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """As `Store.upgrade`."""
