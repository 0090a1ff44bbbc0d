"""Asks one search service, and says in Emma's words what became of it."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.search.documents.aio import SearchClient
from azure.search.documents.indexes.aio import SearchIndexClient
from azure.search.documents.models import IndexDocumentsBatch

from emma_core.backends.azure_search.address import Address
from emma_core.errors import CallerError, StoreError

T = TypeVar("T")
ATTEMPTS = 5
"""How often a request, or a document of a batch, that the service put off is sent."""
LONGEST_WAIT = 10.0
"""Seconds that are waited at once, however long the service asks for."""
PAGE = 1000
"""Documents that an answer, and a batch, may have."""
_PUT_OFF = {409, 422, 429, 503}
"""What the service answers for a document that may be sent again."""


class Service:
    """An opened service; its errors name the address and never its key."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._stack: AsyncExitStack | None = None
        self._credential: Any = None
        self._clients: dict[str, SearchClient] = {}

    async def open(self) -> None:
        """Ready; nothing is asked yet."""
        if self._stack is not None:
            return
        self._stack = AsyncExitStack()
        self._credential = AzureKeyCredential(self.address.key) if self.address.key else await self._identity()

    async def close(self) -> None:
        """Nothing is held."""
        stack, self._stack = self._stack, None
        self._clients.clear()
        if stack is not None:
            await stack.aclose()

    async def documents(self, index: str) -> SearchClient:
        """The SDK's client of one index, or of an alias. Raises `StoreError` where the service is not open."""
        if index not in self._clients:
            client = SearchClient(self.address.url, index, self._credential, **self._options())
            self._clients[index] = await self._held(client)
        return self._clients[index]

    async def indexes(self) -> SearchIndexClient:
        """The SDK's client of the indexes themselves."""
        client = SearchIndexClient(self.address.url, self._credential, **self._options())
        await self._held(client)
        return client

    async def found(self, index: str, text: str | None = None, **asked: Any) -> list[dict[str, Any]]:
        """Every document of the answer, page by page."""

        async def work() -> list[dict[str, Any]]:
            client = await self.documents(index)
            return [dict(each) async for each in await client.search(text, **asked)]

        return await self._patiently(work)

    async def count(self, index: str, filter: str) -> int:
        """How many documents hold the filter."""

        async def work() -> int:
            client = await self.documents(index)
            answer = await client.search(None, filter=filter, top=0, include_total_count=True)
            return int(await answer.get_count() or 0)

        return await self._patiently(work)

    async def walk(
        self, index: str, filter: str, *, by: str = "key", select: Sequence[str] = ("key",)
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Every document that holds the filter, page by page in the order of a field that none has twice."""
        last = ""
        while True:
            past = f"{filter} and {by} gt '{last}'" if filter else f"{by} gt '{last}'"
            shown = sorted({by, *select})
            page = await self.found(index, filter=past, order_by=[f"{by} asc"], top=PAGE, select=shown)
            if page:
                yield page
                last = str(page[-1][by]).replace("'", "''")
            if len(page) < PAGE:
                return

    async def do(self, index: str, actions: Sequence[dict[str, Any]]) -> None:
        """These documents are there, and those of which only the key is named are gone.

        Raises `StoreError` where some are not after several tries.
        """
        left = list(actions)
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(random.uniform(0.1, 0.2) * 2**attempt)
            answers = await self._sent(index, left)
            if strange := [each for each in answers if not each.succeeded and each.status_code not in _PUT_OFF]:
                raise self._refused(strange[0], len(strange))
            done = {each.key for each in answers if each.succeeded}
            left = [action for action in left if action["key"] not in done]
            if not left:
                return
        raise StoreError(
            f"Index {str(self.address)!r} put off {len(left):,} of {len(actions):,} documents {ATTEMPTS} times;"
            " try again in a while, or give the service more replicas"
        )

    async def said(self, work: Awaitable[T]) -> T:
        """What a request came to. Raises `StoreError`."""
        try:
            return await work
        except (AzureError, OSError) as error:
            raise self.told(error) from None

    async def there(self, work: Awaitable[T]) -> T | None:
        """What a request came to; None where what it names is not there."""
        try:
            return await work
        except ResourceNotFoundError:
            return None
        except (AzureError, OSError) as error:
            raise self.told(error) from None

    def told(self, error: Exception) -> Exception:
        """The error as Emma says it; its text is ours, for the SDK's may quote what was sent."""
        where = f"Index {str(self.address)!r}"
        if isinstance(error, HttpResponseError) and error.status_code:
            return self._status(where, int(error.status_code))
        if isinstance(error, ClientAuthenticationError):
            return StoreError(
                f"{where}: nobody is signed in to Azure here; give this process a managed identity,"
                " or write '?key={secret:NAME}' behind the address"
            )
        cause = getattr(error, "inner_exception", None) or error
        return StoreError(
            f"{where} does not answer ({type(cause).__name__}); look at the network, the address and its certificate"
        )

    async def _sent(self, index: str, actions: Sequence[dict[str, Any]]) -> list[Any]:
        client = await self.documents(index)
        batch = IndexDocumentsBatch()
        for action in actions:
            # what is only a key is to go
            (batch.add_upload_actions if len(action) > 1 else batch.add_delete_actions)([action])

        async def work() -> list[Any]:
            return list(await client.index_documents(batch))

        return await self._patiently(work)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """What a request on documents came to, sent again while the service is busy or lost the answer.

        Each says what is there afterwards, so it may be done twice.
        """
        for attempt in range(ATTEMPTS):
            try:
                return await work()
            except (AzureError, OSError) as error:
                wait = _wait(error)
                if wait is None or attempt == ATTEMPTS - 1:
                    raise self.told(error) from None
                await asyncio.sleep(wait if wait else random.uniform(0.05, 0.1) * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, answer: Any, number: int) -> Exception:
        return StoreError(
            f"Index {str(self.address)!r} refused {number:,} documents (status {answer.status_code}); its form is not"
            " that of this release: run: emma db upgrade"
        )

    def _status(self, where: str, status: int) -> Exception:
        if status == 404:
            return StoreError(f"{where} is not set up; run: emma db upgrade")
        if status in (401, 403):
            return StoreError(
                f"{where} refused: this key, identity or network may not do that; copy the key again, or give the"
                " identity the roles 'Search Index Data Contributor' and, for `emma db upgrade`,"
                " 'Search Service Contributor'"
            )
        if status == 429 or status >= 500:
            return StoreError(
                f"{where} does not answer now (status {status}): it is asked more than it can; try again in a while,"
                " or give the service more replicas"
            )
        if status == 413:
            return CallerError(f"{where} takes no passage of this size; cut the document into smaller ones")
        if status == 400:
            return StoreError(f"{where} is of another form than this release's (status 400); run: emma db upgrade")
        return StoreError(f"{where} refused a request (status {status}); see the service's own log")

    def _options(self) -> dict[str, Any]:
        return {
            "retry_total": 0,  # what may be sent again we send again: the SDK does not where a POST is refused by 429
            "connection_timeout": 5,
            "read_timeout": 30,
            "transport": AioHttpTransport(use_env_settings=self.address.tls),  # nothing on loopback goes by a proxy
        }

    async def _held(self, client: Any) -> Any:
        if self._stack is None:
            raise StoreError(f"Index {str(self.address)!r} is not open; open it first")
        return await self._stack.enter_async_context(client)

    async def _identity(self) -> Any:
        from azure.identity.aio import DefaultAzureCredential

        return await self._held(DefaultAzureCredential())


def _wait(error: Exception) -> float | None:
    """Seconds until it may be asked once more, 0 where nobody said; None where that would not help."""
    if not isinstance(error, HttpResponseError) or not error.status_code:
        return None if isinstance(error, ClientAuthenticationError) else 0.0
    if error.status_code != 429 and error.status_code < 500:
        return None
    said = getattr(error.response, "headers", {}).get("retry-after", "")
    return min(float(said), LONGEST_WAIT) if re.fullmatch(r"[0-9]{1,6}", said) else 0.0
