"""Puts what is too large for an item among the blobs, under its hash, before the item that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from emma_core.backends.cosmos.items import Item, size
from emma_core.errors import CallerError, StoreError
from emma_core.ports import TenantBlobs

ONE = 1_000_000
"""Bytes of an item past which its body goes to the blobs."""
TOGETHER = 2_000_000
"""Bytes that may be sent at once, be it an item or a batch; Cosmos takes 2 MB."""


class Bodies:
    """The bodies of one tenant's items, in the item or among the blobs."""

    def __init__(self, blobs: TenantBlobs | None) -> None:
        self._blobs = blobs

    async def fitting(self, items: Sequence[Item]) -> list[Item]:
        """The items as they may be sent together: the largest bodies put aside first, and none where all fit.

        Raises `CallerError` naming the limit where they do not fit and there are no blobs.
        """
        sizes = [size(item) for item in items]
        fitted = list(items)
        for number in sorted(range(len(items)), key=lambda number: sizes[number], reverse=True):
            fits = sum(sizes) <= TOGETHER and (sizes[number] <= ONE or self._blobs is None)
            if fits or "body" not in fitted[number]:
                continue
            fitted[number] = await self._put_aside(fitted[number], sizes[number])
            sizes[number] = size(fitted[number])
        if sum(sizes) > TOGETHER:
            raise CallerError(
                f"What is written together takes {sum(sizes):,} bytes; Cosmos takes {TOGETHER:,} at once: write less"
            )
        return fitted

    async def of(self, item: Mapping[str, Any]) -> str | None:
        """The body's text; None for an item without one. Raises `StoreError` where the blobs do not have it."""
        if "overflow" not in item:
            return item.get("body")
        if self._blobs is None:
            raise StoreError(f"Item {item['id']!r} has its body among the blobs, and none are named; set EMMA_BLOBS")
        kept = await self._blobs.get("overflow", item["overflow"])
        if kept is None:
            raise StoreError(
                f"Item {item['id']!r}: its body {item['overflow'][:12]!r} is not among the blobs; restore it"
            )
        return kept.decode()

    async def forget(self, item: Mapping[str, Any]) -> None:
        """What the item had among the blobs is gone."""
        if "overflow" in item and self._blobs is not None:
            await self._blobs.delete("overflow", item["overflow"])

    async def _put_aside(self, item: Item, bytes: int) -> Item:
        if self._blobs is None:
            raise CallerError(
                f"Item {item['id']!r} takes {bytes:,} bytes; Cosmos holds {TOGETHER:,} in an item or a batch:"
                " name blobs (EMMA_BLOBS) for what is larger, or send less"
            )
        body = item["body"].encode()
        kept = await self._blobs.put(body, kind="overflow", name=item["id"])
        if kept.sha256 != hashlib.sha256(body).hexdigest():
            raise StoreError(f"Item {item['id']!r}: the blobs keep another body than was put; look at EMMA_BLOBS")
        return {**{name: value for name, value in item.items() if name != "body"}, "overflow": kept.sha256}
