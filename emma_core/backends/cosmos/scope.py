"""One tenant's reach into the containers: every request carries a partition key that starts with the tenant.

This is the only module that names a partition key, and no verb of it takes a tenant. A write of one item whose answer
was lost is sent again, and may then be refused because of itself: the item's `write` tells.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy

from emma_core.backends.cosmos.account import Account
from emma_core.errors import StoreError

Item = dict[str, Any]
Operation = tuple[str, tuple[Any, ...], str]
"""Of a batch: `create`, `upsert`, `replace`, `delete` or `read`, what it takes, and the etag it must find or ''."""
_SYSTEM = ("_rid", "_self", "_etag", "_ts", "_attachments", "_lsn")


class Scope:
    """The requests of one tenant, and what they have cost."""

    def __init__(self, account: Account, tenant: str) -> None:
        self.tenant = tenant
        self.spent = 0.0
        self._account = account

    async def read(self, container: str, part: str, id: str) -> Item:
        """The item. Raises `Refused`."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> Item:
            return dict(await proxy.read_item(id, self._key(part), **options))

        return self._own(await self._account.ask(container, work, meter=self, again=True))

    async def upsert(self, container: str, part: str, item: Item) -> Item:
        """The item as now stored, whatever was there."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> Item:
            return dict(await proxy.upsert_item(self._stamped(part, item), **options))

        return await self._account.ask(container, work, meter=self, again=True)

    async def create(self, container: str, part: str, item: Item) -> Item:
        """The item as now stored, where none was. Raises `Refused`."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> Item:
            return dict(await proxy.create_item(self._stamped(part, item), **options))

        return await self._account.ask(container, work, meter=self, again=True)

    async def replace(self, container: str, part: str, item: Item, etag: str) -> Item:
        """The item as now stored, where it was of that etag. Raises `Refused`."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> Item:
            return dict(await proxy.replace_item(item["id"], self._stamped(part, item), **_matching(etag), **options))

        return await self._account.ask(container, work, meter=self, again=True)

    async def delete(self, container: str, part: str, id: str, etag: str = "") -> None:
        """Gone, where it was of that etag or none was named. Raises `Refused`."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> None:
            await proxy.delete_item(id, self._key(part), **(_matching(etag) if etag else {}), **options)

        await self._account.ask(container, work, meter=self, again=not etag)

    async def batch(self, container: str, part: str, operations: Sequence[Operation]) -> list[str]:
        """The etag of each item written, all operations done; none of them where it raises `Refused`."""

        async def work(proxy: ContainerProxy, options: dict[str, Any]) -> list[str]:
            # made anew for each attempt: the SDK takes them apart
            sent: list[Any] = [self._sent(part, *operation) for operation in operations]
            done = await proxy.execute_item_batch(sent, self._key(part), **options)
            return [str(each.get("eTag", "")) for each in done]

        return await self._account.ask(container, work, meter=self, again=False)

    async def query(
        self, container: str, part: str | None, text: str, *, page: int = 1000, **parameters: Any
    ) -> AsyncIterator[Any]:
        """What a query finds in one part of the tenant's, or where `part` is None in all of them, part by part."""
        key = self._prefix() if part is None else self._key(part)
        named: list[dict[str, Any]] = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
        token: str | None = None
        while True:

            async def work(
                proxy: ContainerProxy, options: dict[str, Any], token: str | None = token
            ) -> tuple[list[Any], str | None]:
                # how rare a word is, is counted where is looked, and not over other tenants' partitions
                found = proxy.query_items(
                    text,
                    parameters=named,
                    partition_key=key,
                    max_item_count=page,
                    full_text_score_scope="Local",
                    **options,
                ).by_page(token)
                async for each in found:
                    return [item async for item in each], found.continuation_token  # type: ignore[attr-defined]
                return [], None

            items, token = await self._account.ask(container, work, meter=self, again=True)
            for item in items:
                yield self._own(item) if isinstance(item, dict) else item
            if not token:
                return

    def _key(self, part: str) -> list[str]:
        """The full key of one part of this tenant."""
        return [self.tenant, part]

    def _prefix(self) -> list[str]:
        """The start of the key of every part of this tenant."""
        return [self.tenant]

    def _stamped(self, part: str, item: Item) -> Item:
        """The item with the fields that make its key."""
        own = {name: value for name, value in item.items() if name not in _SYSTEM}
        return {**own, "tenant": self.tenant, "part": part}

    def _own(self, item: Item) -> Item:
        """The item, which is this tenant's. Raises `StoreError` for another's: then nothing else is to be trusted."""
        if item.get("tenant") != self.tenant:
            raise StoreError(
                f"Store {str(self._account.address)!r} answered tenant {self.tenant!r} with what is not its own;"
                " stop, and look at the containers' partition keys"
            )
        return item

    def _sent(self, part: str, verb: str, taken: tuple[Any, ...], etag: str) -> tuple[Any, ...]:
        stamped = tuple(self._stamped(part, each) if isinstance(each, dict) else each for each in taken)
        return verb, stamped, {"if_match_etag": etag} if etag else {}


def _matching(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}
