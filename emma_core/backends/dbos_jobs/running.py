"""Carries out one attempt at a job, and says what may be kept of how it ended."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import JsonValue

from emma_core import canonical
from emma_core.errors import EmmaError, OperatorError
from emma_core.nouns import Job
from emma_core.ports import JobKind

J = TypeVar("J", bound=JsonValue)
_LOG = logging.getLogger("emma")
_QUOTED = re.compile(r"""(?<!\w)(['"])(?:\\.|[^\\])*?(?:\1(?!\w)|$)""", re.DOTALL)
"""As `repr` writes them; an apostrophe within a word opens none, and one that was cut off goes on to the end."""


class Run:
    """One attempt at a job."""

    def __init__(self, job: Job, kind: JobKind | None, *, cancelled: bool) -> None:
        self.job = job
        self.stopping = cancelled
        self.told: dict[str, Any] = {}
        """How far it has come, where that is not written yet."""
        self._kind = kind
        self._cancelled = cancelled
        self._unbroken = 0
        self._task: asyncio.Task[Any] | None = None
        self._came_to: dict[str, Any] = {"done": 0}

    def progress(self, done: int, of: int | None = None) -> None:
        """So much is done."""
        self._came_to |= {"done": done, "of": of if of is not None else self._came_to.get("of")}
        self.told = dict(self._came_to)

    async def once(self, name: str, step: Callable[[], Awaitable[J]]) -> J:
        """What the step came to, now or at an earlier attempt."""
        from dbos import DBOS

        failed: list[Exception] = []

        async def noted() -> J:
            try:
                return await step()
            except Exception as error:
                failed.append(error)
                raise StepFailed from None  # DBOS writes down what is raised: not what it said

        try:
            return await DBOS.run_step_async({"name": name}, noted)
        except Exception as error:
            if failed:
                raise failed[0] from None
            raise OperatorError(
                f"Step {name!r} failed at an earlier attempt, which said why; start the job again"
            ) from error

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Within it a cancelled job is asked to stop, and not broken off."""
        self._unbroken += 1
        try:
            yield
        finally:
            self._unbroken -= 1

    def stop(self, *, cancelled: bool) -> None:
        """It puts down what it holds. Without `cancelled` another worker takes it up. Called on the run's own loop."""
        if self.stopping:
            return
        self.stopping, self._cancelled = True, cancelled
        if self._task is not None and not self._unbroken:
            self._task.cancel()

    async def carry_out(self) -> dict[str, Any]:
        """How it ended, as it may be kept. Raises `CancelledError` where this process is to end and nothing is kept."""
        self._task = asyncio.current_task()
        try:
            return {**await self._outcome(), **self._came_to}
        except asyncio.CancelledError:
            if not self._cancelled:
                self._clean()
                raise
            if self._task is not None:
                self._task.uncancel()
            return {**self._broken("cancelled"), **self._came_to}
        finally:
            self._task = None

    async def _outcome(self) -> dict[str, Any]:
        if self._kind is None:
            return {"state": "failed", "error": f"No kind of job is called {self.job.kind!r} where it was taken up"}
        self._clean()  # what an attempt left that was killed
        if self.stopping:
            return {"state": "cancelled"}
        try:
            outcome = _kept(await self._kind.work(self))
        except EmmaError as error:
            return self._broken("failed", without_strangers(str(error), self.job))
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__))  # its words may quote what it read
            _LOG.error("job %s of tenant %r raised %s\n%s", self.job.id, self.job.tenant, type(error).__name__, where)
            return self._broken("failed", f"it raised {type(error).__name__}; its worker's log says where")
        return {"state": "done", "outcome": outcome}

    def _broken(self, state: str, error: str = "") -> dict[str, Any]:
        self._clean()
        return {"state": state, "error": error}

    def _clean(self) -> None:
        if self._kind is not None:
            self._kind.clean(self.job)


class StepFailed(Exception):
    """A step raised; what it said is not for DBOS to keep."""


def without_strangers(text: str, job: Job) -> str:
    """The text without quoted words that the job was not told itself: they may be what somebody's data says."""
    known = f"{canonical.text(job.input)} {job.id} {job.kind} {job.tenant} {job.by}"

    def kept(quoted: re.Match[str]) -> str:
        said = quoted[0]
        whole = len(said) > 1 and said[0] == said[-1]
        return said if whole and said[1:-1] in known else "'…'"

    return _QUOTED.sub(kept, text)


def _kept(outcome: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The outcome as plain JSON. Raises `ValueError` where it is none."""
    told: dict[str, JsonValue] = json.loads(canonical.text(dict(outcome)))
    return told
