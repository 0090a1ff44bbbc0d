"""Takes jobs up and does them, looks after those that run, and takes over from workers that ended."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from emma_core.backends.dbos_jobs import lease, rows, tables
from emma_core.backends.dbos_jobs.jobs import WORKFLOW
from emma_core.backends.dbos_jobs.lease import Lease
from emma_core.backends.dbos_jobs.running import Run
from emma_core.backends.sql.connecting import Place
from emma_core.errors import EmmaError, OperatorError
from emma_core.ports import JobKind

_LOG = logging.getLogger("emma")
LOOK_SECONDS = 0.25
"""How often a worker looks whether a job of its own was cancelled, and writes how far each has come."""
TAKE_OVER_SECONDS = 1.0
"""How often it looks for jobs of a worker that ended."""
MOST_ATTEMPTS = 50
"""How often a job is taken up before it counts as one that ends its workers."""
_ONE_AT_A_TIME = threading.Lock()
"""DBOS is one per process."""


class Worker:
    """One process that does jobs."""

    def __init__(self, place: Place, kinds: Mapping[str, JobKind], slots: int) -> None:
        self._place = place
        self._kinds = kinds
        self._slots = slots
        self._running: dict[str, Run] = {}
        self._ended = threading.Event()
        self._failure: EmmaError | None = None
        self._lease: Lease
        self._database: tables.Database
        self._loop: asyncio.AbstractEventLoop
        self._dbos: Any
        self._client: Any
        """Beside DBOS itself, which writes down as a step whatever a job asks it."""

    async def work(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Jobs are done until `stop`; then those that run are put down for another worker."""
        self._dbos = tables.library().DBOS
        self._loop = asyncio.get_running_loop()
        if not _ONE_AT_A_TIME.acquire(blocking=False):
            raise OperatorError("This process does jobs already; start another process for more")
        try:
            await self._held(stop, ready)
        finally:
            _ONE_AT_A_TIME.release()
        if self._failure is not None:
            raise self._failure

    async def _held(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """With a lease, a client and an engine, none of which is held after it."""
        with ExitStack() as stack:
            opened = await asyncio.to_thread(tables.Opened, self._place)
            stack.callback(opened.close)
            self._client = opened.client
            self._database = tables.Database(self._place)
            stack.callback(self._database.close)
            self._lease = await asyncio.to_thread(lease.take, self._place)
            stack.callback(self._lease.give_back)
            await self._works(stop, ready)

    async def _works(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        watch = threading.Thread(target=self._watch, args=(stop,), name="emma-jobs", daemon=True)
        try:
            with tables.explained(self._place):
                self._launch()
            watch.start()
            ready()
            await stop.wait()
        finally:
            await self._put_down()
            self._ended.set()
            # DBOS waits for its threads, and takes the loop's own threads with it
            ending = threading.Thread(target=self._dbos.destroy, kwargs={"destroy_registry": True})
            ending.start()
            while ending.is_alive() or watch.is_alive():
                await asyncio.sleep(0.02)
            self._loop.set_default_executor(ThreadPoolExecutor())

    def _launch(self) -> None:
        """DBOS takes jobs up; called on the thread of this loop, so that they run on it."""
        self._client.register_queue(  # before DBOS looks which queues there are
            tables.NAME,
            worker_concurrency=self._slots,
            # so that no tenant, however many jobs it has, keeps all others waiting
            partition_worker_concurrency=max(1, self._slots - 1),
            polling_interval_sec=LOOK_SECONDS,
            on_conflict="always_update",
        )
        self._dbos.workflow(name=WORKFLOW, max_recovery_attempts=MOST_ATTEMPTS)(self._workflow())
        self._dbos(config=tables.configured(self._lease.worker, self._database))
        self._dbos.launch()

    def _workflow(self) -> Callable[[str, dict[str, Any], str], Any]:
        async def job(kind: str, input: dict[str, Any], by: str) -> dict[str, Any]:
            name = self._dbos.workflow_id
            row = await self._row(name)
            cancelled = rows.state(row) == "stopping"
            run = self._running[name] = Run(rows.job(row), self._kinds.get(kind), cancelled=cancelled)
            try:
                return await run.carry_out()
            finally:
                del self._running[name]

        return job

    async def _row(self, name: str) -> Any:
        """What is kept of a job; asked again where the database is away, since what is raised here would be kept."""
        while True:
            try:
                return (await asyncio.to_thread(self._client.list_workflows, workflow_ids=[name]))[0]
            except Exception as error:
                _LOG.warning("jobs: %r cannot be read, and is tried again: %s", name, type(error).__name__)
                await asyncio.sleep(LOOK_SECONDS)

    async def _put_down(self) -> None:
        while self._running:
            for run in list(self._running.values()):
                run.stop(cancelled=False)
            await asyncio.sleep(0.02)

    # --- on a thread of its own, so that no work that keeps the loop busy delays it

    def _watch(self, stop: asyncio.Event) -> None:
        looked = 0.0
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self._lease.check()
                self._look_after()
                if time.monotonic() - looked >= TAKE_OVER_SECONDS:
                    self._take_over()
                    looked = time.monotonic()
            except EmmaError as error:  # nobody may do the same twice: whoever cannot tell, stops
                self._failure = error
                self._loop.call_soon_threadsafe(stop.set)
                return
            except Exception as error:  # a database that is away for a moment: jobs go on, and this is tried again
                if not self._ended.is_set():
                    _LOG.warning("jobs: looking after them failed, and is tried again: %s", type(error).__name__)

    def _look_after(self) -> None:
        """What runs here is written down as far as it has come, and stopped where somebody cancelled it."""
        running = dict(self._running)
        for name, run in running.items():
            if told := run.told:
                self._client.update_workflow_attributes(name, told, merge=True)
                if run.told is told:
                    run.told = {}
        if not running:
            return
        found = self._client.list_workflows(workflow_ids=list(running), load_input=False, load_output=False)
        here = {row.workflow_id: row for row in found}
        for name, run in running.items():
            row = here.get(name)
            if row is None or (row.status == "PENDING" and row.executor_id != self._lease.worker):
                self._stop(run, cancelled=False)  # purged, or another's by now
            elif rows.state(row) in ("stopping", "cancelled"):
                self._stop(run, cancelled=True)

    def _stop(self, run: Run, *, cancelled: bool) -> None:
        self._loop.call_soon_threadsafe(lambda: run.stop(cancelled=cancelled))

    def _take_over(self) -> None:
        """What a worker had begun that ended is waiting again."""
        pending = self._client.list_workflows(status="PENDING", load_input=False, load_output=False)
        others = {row.executor_id for row in pending if row.executor_id} - {self._lease.worker}
        for worker in sorted(others):
            if self._lease.ended(worker):
                self._dbos._recover_pending_workflows([worker])
