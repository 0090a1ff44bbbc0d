"""One tenant's documents: each an item, on its shelf or beside the trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emma_core.backends import admission
from emma_core.backends.cosmos import items
from emma_core.backends.cosmos.account import Refused
from emma_core.backends.cosmos.bodies import Bodies
from emma_core.backends.cosmos.items import AUDIT, MANY, STATE, Item
from emma_core.backends.cosmos.scope import Scope
from emma_core.nouns import Document

_MOST = 2**30
_FIND = "SELECT TOP @top * FROM c WHERE c.type = 'document' AND c.kind = @kind AND c.sort_key >= @start"


@dataclass(frozen=True)
class Write:
    """What a batch does to one document."""

    verb: str
    """`create`, `upsert`, `replace`, `delete`, or `read` for one that must be there."""
    kind: str
    id: str
    wanted: str | None
    """The etag that the caller wanted, as in `if_match`."""
    item: Item
    """Of a delete or a read: nothing but its id."""


class Documents:
    """What a tenant keeps by kind and id."""

    def __init__(self, scope: Scope, bodies: Bodies) -> None:
        self._scope = scope
        self._bodies = bodies

    async def get(self, kind: str, id: str) -> Document | None:
        """The document, or None where there is none or it has expired."""
        item = await self._item(kind, id)
        return None if item is None or items.expired(item) else await self._document(item)

    async def put(self, document: Document, if_match: str | None) -> Document:
        """The document as now stored. Raises `Conflict` where `if_match` does not hold."""
        write = self._write(document, if_match)
        container, part = items.home(document.kind, document.id)
        (item,) = await self._bodies.fitting([write.item])
        held = items.held_etag(if_match) if if_match else ""
        try:
            if held is None:
                raise Refused(412)
            if write.verb == "upsert":
                stored = await self._scope.upsert(container, part, item)
            elif write.verb == "replace":
                stored = await self._scope.replace(container, part, item, held)
            else:
                stored = await self._create(container, part, item)
        except Refused:
            there = await self._item(document.kind, document.id)
            if there is None or there.get("write") != item["write"]:
                raise await self._conflict(document.kind, document.id, if_match) from None
            stored = there  # it was refused because of itself: the answer to the first sending was lost
        if items.expired(item):
            await self._clear(container, part, stored)  # sooner than Cosmos, which counts in whole seconds
        return document.model_copy(update={"etag": items.shown_etag({**item, "_etag": stored["_etag"]})})

    async def delete(self, kind: str, id: str, if_match: str | None) -> None:
        """Gone, whether it was there or not. Raises `Conflict` where `if_match` does not hold."""
        container, part = items.home(kind, id)
        held = items.held_etag(if_match) if if_match else ""
        try:
            if held is None or (if_match == "" and await self.get(kind, id) is not None):
                raise Refused(412)
            if if_match != "":
                await self._scope.delete(container, part, items.document_id(kind, id), held)
        except Refused as refused:
            if if_match is None and refused.status == 404:
                return
            raise await self._conflict(kind, id, if_match) from None

    async def query(self, kind: str, *, group: str | None, after: str, limit: int) -> list[Document]:
        """Up to `limit` unexpired documents of a kind in the order of their ids' code points, after the id `after`."""
        top = min(limit, _MOST) + 10
        while limit:
            found = await self._found(kind, group, after, top)
            found.sort(key=lambda item: str(item["sort_key"]))
            whole = len(found) < top
            if not whole:
                # of several physical partitions each gave its first, so the first of all are among them; but more
                # than were given may have the last sort key
                found = [item for item in found[:top] if item["sort_key"] < found[top - 1]["sort_key"]]
            kept = {items.name_of(item): item for item in found if not items.expired(item)}
            names = sorted(id for id in kept if id > after)
            if whole or len(names) >= limit:
                return [await self._document(kept[id]) for id in names[:limit]]
            top *= 4
        return []

    def writes(
        self,
        puts: Iterable[tuple[Document, str | None]],
        deletes: Iterable[tuple[str, str]],
        needs: Iterable[tuple[str, str]] = (),
    ) -> list[Write]:
        """What a batch beside the trail does. Raises `CallerError` for what can be no document."""
        there = [Write("read", kind, id, None, {"id": items.document_id(kind, id)}) for kind, id in needs]
        gone = [Write("delete", kind, id, None, {"id": items.document_id(kind, id)}) for kind, id in deletes]
        return [*there, *(self._write(document, if_match) for document, if_match in puts), *gone]

    async def refused(self, write: Write) -> None:
        """A batch that was refused at this document may be sent again. Raises `Conflict` where it may not.

        It may where what stood in the way has expired, and Cosmos had not noticed yet.
        """
        if write.verb == "create":
            there = await self._item(write.kind, write.id)
            if there is None:
                return
            if items.expired(there):
                await self._clear(AUDIT, STATE, there)
                return
        raise await self._conflict(write.kind, write.id, write.wanted)

    def _write(self, document: Document, if_match: str | None) -> Write:
        verb = "upsert" if if_match is None else "replace" if if_match else "create"
        return Write(verb, document.kind, document.id, if_match, items.document_item(document))

    async def _found(self, kind: str, group: str | None, after: str, top: int) -> list[Item]:
        container, part = items.home(kind, "")
        text, values = _FIND, dict[str, Any](top=top, kind=items.word(kind), start=items.sort_key(after))
        if group is not None:
            text, values = f"{text} AND c.in_group = @in_group", {**values, "in_group": items.word(group)}
        where = None if kind in MANY else part
        text = f"{text} ORDER BY c.sort_key ASC"
        return [item async for item in self._scope.query(container, where, text, **values)]

    async def _document(self, item: Item) -> Document:
        return items.document_of(item, await self._bodies.of(item) or "")

    async def _item(self, kind: str, id: str) -> Item | None:
        container, part = items.home(kind, id)
        try:
            return await self._scope.read(container, part, items.document_id(kind, id))
        except Refused:
            return None

    async def _conflict(self, kind: str, id: str, wanted: str | None) -> Exception:
        there = await self.get(kind, id)
        return admission.conflict(kind, id, found=there.etag if there else None, wanted=wanted)

    async def _create(self, container: str, part: str, item: Item) -> Item:
        """The item as now stored. What has expired, and Cosmos has not noticed yet, is no obstacle."""
        try:
            return await self._scope.create(container, part, item)
        except Refused:
            there = await self._scope.read(container, part, item["id"])
            if not items.expired(there):
                raise
            await self._clear(container, part, there)
            return await self._scope.create(container, part, item)

    async def _clear(self, container: str, part: str, item: Item) -> None:
        try:
            await self._scope.delete(container, part, item["id"], str(item["_etag"]))
        except Refused:
            return  # somebody else did, or wrote: the next attempt tells
