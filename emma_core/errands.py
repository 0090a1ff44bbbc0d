"""Runs what is done beside the turns: none waits or fails for it, and it is done before the house closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from emma_core.errors import EmmaError

_LOG = logging.getLogger("emma")


class Errands:
    """What was sent off and is not back yet, and whose usage is to be counted."""

    def __init__(self) -> None:
        self.tenants: set[str] = set()
        """Those in which something was done."""
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """The work is on its way; where it fails, that is logged."""
        task = asyncio.get_running_loop().create_task(_done(work, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """All that was sent off is back."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))


async def _done(work: Coroutine[Any, Any, object], what: str) -> None:
    try:
        await work
    except (EmmaError, OSError, ValueError) as error:
        _LOG.warning("%s was lost: %s", what, error)
