"""Wakes up the consumers of trails: the change feed of `audit` names the tenants whose head moved."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.cosmos.aio import ContainerProxy

from emma_core.backends.cosmos.account import Account, Throttled, Unanswered
from emma_core.backends.cosmos.items import AUDIT
from emma_core.errors import StoreError

LOOK = 1.0
"""Seconds between two looks at the change feed."""
BACK = timedelta(minutes=5)
"""How far back a new watcher is told of; whoever grew before that while nobody watched is not named."""
_LOG = logging.getLogger("emma")


class Feed:
    """The place in the change feed of one watcher; the only reader that crosses tenants, and it reads names only."""

    spent = 0.0

    def __init__(self, account: Account) -> None:
        self._account = account
        self._since = datetime.now(UTC) - BACK
        self._pages: Any = None

    async def watch(self) -> AsyncGenerator[str, None]:
        """The tenants whose trail grew: those of the last five minutes, then each soon after it did.

        It ends when the account is closed.
        """
        closed = self._account.closed
        while not closed.is_set():
            began = datetime.now(UTC)
            grew: list[str] = []
            try:
                grew = await self._account.ask(AUDIT, self._next, meter=self, again=False)
                self._since = began - BACK
            except StoreError as error:
                if closed.is_set():
                    return
                if not isinstance(error, Throttled | Unanswered):
                    raise
                _LOG.warning("the change feed is not read for now: %s", error)
                self._pages = None
            for tenant in dict.fromkeys(grew):
                yield tenant
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), LOOK)

    async def _next(self, proxy: ContainerProxy, options: dict[str, Any]) -> list[str]:
        if self._pages is None:
            # one iterator is asked on and on: a token that began at a point in time cannot be taken up again (4.17)
            hook = options["response_hook"]
            feed = proxy.query_items_change_feed(max_item_count=100, start_time=self._since, response_hook=hook)
            self._pages = feed.by_page()
        grew: list[str] = []
        async for page in self._pages:
            grew += [str(item["tenant"]) async for item in page if item.get("type") == "head"]
        return grew
