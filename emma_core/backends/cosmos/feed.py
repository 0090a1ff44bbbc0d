"""Wakes up the consumers of trails: the change feed of `audit` names the tenants whose head moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.cosmos.aio import ContainerProxy

from emma_core.backends.cosmos.account import Account, Throttled, Unanswered
from emma_core.backends.cosmos.items import AUDIT

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
        self._token: str | None = None

    async def watch(self) -> AsyncGenerator[str, None]:
        """The tenants whose trail grew: those of the last five minutes, then each soon after it did."""
        while True:
            try:
                grew = await self._account.ask(AUDIT, self._next, meter=self, again=True)
            except (Throttled, Unanswered) as error:
                _LOG.warning("the change feed is not read for now: %s", error)
                grew = []
            for tenant in dict.fromkeys(grew):
                yield tenant
            await asyncio.sleep(LOOK)

    async def _next(self, proxy: ContainerProxy, options: dict[str, Any]) -> list[str]:
        asked: dict[str, Any] = {"continuation": self._token} if self._token else {"start_time": self._since}
        hook = options["response_hook"]
        pages: Any = proxy.query_items_change_feed(max_item_count=100, response_hook=hook, **asked).by_page()
        grew = [str(item["tenant"]) async for page in pages async for item in page if item.get("type") == "head"]
        self._token = pages.continuation_token or self._token
        return grew
