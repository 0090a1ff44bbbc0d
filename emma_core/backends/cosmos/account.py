"""Asks one account: what a request cost, what it must see, and in Emma's words what became of it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import (
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceNotFoundError,
)

from emma_core.backends.cosmos.address import Address
from emma_core.errors import StoreError

T = TypeVar("T")
ATTEMPTS = 5
"""How often a read that found nobody, or a batch that was put off, is tried."""
_MISSING = 1003
"""The sub-status of a 404 whose database or container is not there."""
_LOG = logging.getLogger("emma")


class Refused(Exception):
    """Cosmos did not do it: 404 it is not there, 409 it is, 412 it is another version; and by which operation."""

    def __init__(self, status: int, operation: int = 0) -> None:
        super().__init__(f"refused: {status}")
        self.status = status
        self.operation = operation


class Unanswered(StoreError):
    """Whether it was done is not known."""


class Throttled(StoreError):
    """It was not done: the account is asked for more than it is paid for."""

    def __init__(self, text: str, wait: float | None) -> None:
        super().__init__(text)
        self.wait = wait
        """Seconds after which it may be tried once more; None where that was done often enough."""


class Meter(Protocol):
    """What adds up the cost."""

    spent: float


Work = Callable[[ContainerProxy, dict[str, Any]], Awaitable[T]]
"""One request of the SDK, over a container and with the options that it must pass on."""


class Account:
    """An opened account; its errors name the account and never its key."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: CosmosClient | None = None
        self._credential: Any = None
        self.closed = asyncio.Event()
        self._tokens: dict[str, dict[str, str]] = {}
        """By container and physical partition, the session token of the latest write or read."""

    async def open(self) -> None:
        """Connected. Raises `StoreError` where the account does not answer, or does not let us in."""
        if self._client is not None:
            return
        client = CosmosClient(
            self.address.url,
            self.address.key or self._identity(),
            retry_total=2,
            retry_connect=2,
            retry_read=0,  # a write is sent again by us alone, who can see whether it was done
            retry_backoff_factor=0.2,
            retry_throttle_total=9,
            retry_throttle_backoff_max=10,
            connection_timeout=5,
            read_timeout=15,
            enable_compact_utf8_item_writes=True,  # or text that is not ASCII would count up to six times
            transport=AioHttpTransport(use_env_settings=self.address.tls),  # nothing on loopback goes by a proxy
        )
        try:
            await client.__aenter__()
        except (AzureError, OSError) as error:
            await client.close()
            await self._close_credential()
            raise self._told(error) from None
        self._client = client
        self.closed.clear()

    async def close(self) -> None:
        """Nothing is held."""
        client, self._client = self._client, None
        self.closed.set()
        self._tokens.clear()
        if client is not None:
            await client.close()
        await self._close_credential()

    @property
    def client(self) -> CosmosClient:
        """The SDK's client. Raises `StoreError` where it is not open."""
        if self._client is None:
            raise StoreError(f"Store {str(self.address)!r} is not open; open it first")
        return self._client

    async def kind(self) -> tuple[str, bool]:
        """The account's default consistency, and whether more than one region takes writes."""
        found = await self.said(lambda: self.client._get_database_account())
        level = (found.ConsistencyPolicy or {}).get("defaultConsistencyLevel", "")
        return str(level), bool(found._EnableMultipleWritableLocations)

    async def said(self, work: Callable[[], Awaitable[T]]) -> T:
        """What a request on the account, its database or containers came to. Raises `Refused` or `StoreError`."""
        try:
            return await work()
        except (AzureError, OSError) as error:
            raise self._told(error) from None

    async def found(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """What a request on a database or container came to; None where that is not there."""
        try:
            return await work()
        except CosmosResourceNotFoundError:
            return None
        except (AzureError, OSError) as error:
            raise self._told(error) from None

    async def ask(self, container: str, work: Work[T], *, meter: Meter, again: bool) -> T:
        """What a request on items came to, its cost added to the meter. `again`: it may be sent a second time.

        Raises `Refused`, `Unanswered`, `Throttled` or `StoreError`.
        """
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(container, work, meter)
            except Throttled as error:
                if error.wait is None or attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(error.wait)
            except Unanswered:
                if not again or attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(random.uniform(0.05, 0.1) * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, container: str, work: Work[T], meter: Meter) -> T:
        seen = self._tokens.setdefault(container, {})

        def answered(headers: Mapping[str, Any], *_: Any) -> None:
            meter.spent += float(headers.get("x-ms-request-charge") or 0)
            _remember(seen, str(headers.get("x-ms-session-token") or ""))

        options: dict[str, Any] = {"response_hook": answered}
        if seen:
            # the SDK forgets the token of a batch, so ours are sent
            options["session_token"] = ",".join(f"{number}:{token}" for number, token in seen.items())
        proxy = self.client.get_database_client(self.address.database).get_container_client(container)
        try:
            return await work(proxy, options)
        except (AzureError, OSError) as error:
            headers = getattr(error, "headers", None) or {}
            meter.spent += float(headers.get("x-ms-request-charge") or 0)
            raise self._told(error) from None

    def _told(self, error: Exception) -> Exception:
        """The error as Emma says it; its text is ours, for the SDK's may quote what was sent."""
        where = f"Store {str(self.address)!r}"
        if isinstance(error, CosmosBatchOperationError):
            return self._status(where, int(error.status_code or 0), 0, error.error_index, _wait(error))
        if isinstance(error, CosmosHttpResponseError):
            return self._status(where, int(error.status_code or 0), error.sub_status or 0, 0, None)
        if isinstance(error, ClientAuthenticationError):
            return StoreError(
                f"{where}: nobody is signed in to Azure here; give this process a managed identity,"
                " or write '?key={secret:NAME}' behind the address"
            )
        cause = getattr(error, "inner_exception", None) or error
        return Unanswered(
            f"{where} does not answer ({type(cause).__name__}); look at the network, the address and its certificate"
        )

    def _status(self, where: str, status: int, sub: int, operation: int, wait: float | None) -> Exception:
        if status == 404 and sub == _MISSING:
            return StoreError(f"{where} is not set up, or not for this release; run: emma db upgrade")
        if status in (404, 409, 412):
            return Refused(status, operation)
        if status == 429:
            return Throttled(
                f"{where} is throttled: more is asked of it than its throughput allows;"
                " try again in a while, or raise its request units",
                wait,
            )
        if status == 449:
            return Throttled(f"{where}: others write the same item too fast; try again", 0.05)
        if status == 401:
            return StoreError(f"{where} refused the key of its address; copy the account's key again")
        if status == 403:
            return StoreError(
                f"{where} refused: this identity or this network may not do that (sub-status {sub}); give it the role"
                " 'Cosmos DB Built-in Data Contributor', or for `emma db upgrade` an address with a key"
            )
        if status == 413:
            return StoreError(f"{where} takes at most 2 MB at once; name blobs (EMMA_BLOBS) for what is larger")
        if status == 408 or status >= 500:
            return Unanswered(f"{where} does not answer now (status {status}); try again")
        return StoreError(f"{where} refused a request (status {status}, sub-status {sub}); this is a defect of Emma's")

    def _identity(self) -> Any:
        from azure.identity.aio import DefaultAzureCredential

        self._credential = DefaultAzureCredential()
        return self._credential

    async def _close_credential(self) -> None:
        credential, self._credential = self._credential, None
        if credential is not None:
            await credential.close()


def _wait(error: CosmosBatchOperationError) -> float | None:
    """Seconds that a throttled operation of a batch asks to wait; the SDK does not wait for those itself."""
    waits = [each.get("retryAfterMilliseconds", 0) for each in error.operation_responses or ()]
    return max([100, *waits]) / 1000 if error.status_code == 429 else None


def _remember(seen: dict[str, str], tokens: str) -> None:
    """The tokens are kept where they are newer: `PARTITION:VERSION#SEQUENCE…`."""
    for each in tokens.split(","):
        number, _, token = each.partition(":")
        if token and _age(token) >= _age(seen.get(number, "")):
            seen[number] = token


def _age(token: str) -> tuple[int, int]:
    version, _, rest = token.partition("#")
    try:
        return int(version), int(rest.partition("#")[0])
    except ValueError:
        return -2, -2
