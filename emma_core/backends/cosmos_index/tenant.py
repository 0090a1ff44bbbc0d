"""One tenant's chunks in Cosmos, each collection in one partition: every request carries a key with both."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from emma_core.backends import admitting, checked
from emma_core.backends.cosmos.account import Refused
from emma_core.backends.cosmos.scope import Operation, Scope
from emma_core.backends.cosmos_index import queries
from emma_core.backends.scoring import fitting
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import Chunk, Collection, Filter, Hit
from emma_core.ports import Vectors

TOGETHER = 100
"""Operations of one batch."""
BATCH_BYTES = 1_500_000
"""Of one batch; Cosmos takes 2 MB."""
MOST = 1000
"""Chunks that Cosmos ranks at most."""
_CONSTANT = 60
"""Of reciprocal rank fusion: a rank becomes a score as it does there."""
MARK = "collection"
"""The id of the item that says there is such a collection; a chunk's id is longer."""


class CosmosTenantIndex:
    """One tenant's chunks."""

    def __init__(self, scope: Scope, container: str, dimension: int) -> None:
        self.tenant = scope.tenant
        self._scope = scope
        self._container = container
        self._dimension = dimension

    async def write(self, collection: str, chunks: Sequence[Chunk], vectors: Vectors | None = None) -> None:
        """The collection holds these chunks, each in place of the one of its id; what does not fit writes none.

        Cosmos takes them batch by batch: where it fails amid them, some are there, and writing again mends it.
        """
        checked.collection(collection)
        fitting(chunks, vectors)
        if not chunks:
            return
        made_by = (vectors.embedder, int(vectors.rows.shape[1])) if vectors is not None else ("", 0)
        held = await self._held(collection)
        if held not in (None, made_by) and await self._count(collection, queries.COUNT, type="chunk"):
            raise self._another(collection, held or ("", 0), made_by)
        if made_by[1] not in (0, self._dimension):
            raise OperatorError(
                f"The index is made for vectors of {self._dimension} numbers and {made_by[0]!r} makes {made_by[1]};"
                " write that number as 'dimension=' in EMMA_INDEX and run: emma db upgrade"
            )
        mark = {"id": MARK, "type": "collection", "embedder": made_by[0], "dimension": made_by[1]}
        await self._scope.upsert(self._container, collection, mark)
        batch, size = list[Operation](), 0
        for number, chunk in enumerate(chunks):
            item = _item(chunk, None if vectors is None else vectors.rows[number])
            length = len(json.dumps(item, ensure_ascii=False).encode())
            if batch and (len(batch) == TOGETHER or size + length > BATCH_BYTES):
                await self._scope.batch(self._container, collection, batch)
                batch, size = [], 0
            batch, size = [*batch, ("upsert", (item,), "")], size + length
        await self._scope.batch(self._container, collection, batch)

    async def remove(self, collection: str, ids: Sequence[str]) -> int:
        """None of these is there any more; how many there were."""
        named, gone = sorted(set(ids)), 0
        for start in range(0, len(named), MOST):
            some = named[start : start + MOST]
            found = [each async for each in self._asked(collection, queries.Asked(queries.NAMED, {"ids": some}))]
            gone += await self._destroyed(found)
        return gone

    async def drop(self, collection: str) -> int:
        """The collection is gone, its embedder forgotten; how many chunks it had."""
        gone = await self._emptied(checked.collection(collection), queries.CHUNKS)
        await self._one_gone(collection, MARK)
        return gone

    async def search(
        self, collection: str, words: str, vector: Vectors | None = None, *, filter: Filter, limit: int
    ) -> list[Hit]:
        """The best `limit` as Cosmos ranks them: it tells no score of words, so each has the one of its rank, fused.

        Raises `StoreError` where it answers with what the filter does not let through.
        """
        checked.collection(collection)
        terms, row = queries.terms(words), await self._row(collection, vector)
        if limit < 1 or not filter.labels or (not terms and row is None):
            return []
        asked = queries.ranked(filter, terms, row, min(limit, MOST))
        found = [each async for each in self._asked(collection, asked)]
        self._own(found, collection, filter)
        if not terms:
            return [Hit(id=each["id"], vector=float(each["cosine"])) for each in found]
        return [Hit(id=each["id"], fused=1 / (_CONSTANT + rank)) for rank, each in enumerate(found, start=1)]

    async def read(self, collection: str, ids: Sequence[str], *, filter: Filter) -> list[Chunk]:
        """The chunks of these ids that the filter lets through, in the order asked for."""
        there = {each.id: each for each in await self._read(collection, "ARRAY_CONTAINS(@ids, c.id)", filter, ids=ids)}
        return [there[id] for id in ids if id in there]

    async def stretch(self, collection: str, document: str, first: int, last: int, *, filter: Filter) -> list[Chunk]:
        """The chunks of that document from one ordinal to another, both included, that the filter lets through."""
        where = "c.document = @document AND c.ordinal >= @first AND c.ordinal <= @last"
        bounds = {"first": max(first, 0), "last": min(last, 2**53 - 1)}
        found = await self._read(collection, where, filter, document=document, **bounds)
        return sorted(found, key=lambda chunk: (chunk.ordinal, chunk.id))

    async def collections(self) -> list[Collection]:
        """What there is, in the order of the names."""
        marks = [each async for each in self._asked(None, queries.Asked(queries.COLLECTIONS))]
        return [
            Collection(
                name=each["part"],
                chunks=await self._count(each["part"], queries.COUNT, type="chunk"),
                embedder=each["embedder"],
                dimension=each["dimension"],
            )
            for each in sorted(marks, key=lambda each: str(each["part"]))
        ]

    async def ids(self, collection: str, *, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Up to `limit` ids in order, after the id `after`, each with its text's hash; access labels hide nothing."""
        checked.collection(collection)
        if limit < 1:
            return {}
        asked = queries.Asked(queries.IDS, {"after": after, "limit": limit})
        return {str(each["id"]): str(each["hash"]) async for each in self._asked(collection, asked)}

    async def forget(self, subject: str) -> int:
        """Nothing of that person is in any collection; how many there were. Nobody's id forgets nothing."""
        return await self._emptied(None, queries.OF_SUBJECT, subject=subject) if subject else 0

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is."""
        kinds = {"chunks": "chunk", "collections": "collection"}
        return {name: await self._count(None, queries.COUNT, type=type) for name, type in kinds.items()}

    async def purge(self) -> None:
        """Nothing is held of this tenant."""
        await self._emptied(None, queries.ALL)

    async def _held(self, collection: str) -> tuple[str, int] | None:
        """Who made the collection's vectors and how long they are; None where there is no such collection."""
        try:
            mark = await self._scope.read(self._container, collection, MARK)
        except Refused:
            return None
        return str(mark["embedder"]), int(mark["dimension"])

    async def _row(self, collection: str, vector: Vectors | None) -> list[float] | None:
        if vector is None:
            return None
        fitting([None], vector)
        held = await self._held(collection)
        if held is None or not held[0]:
            return None
        if held != (given := (vector.embedder, int(vector.rows.shape[1]))):
            raise self._another(collection, held, given)
        numbers: list[float] = vector.rows[0].tolist()
        return numbers

    def _another(self, collection: str, held: tuple[str, int], given: tuple[str, int]) -> OperatorError:
        return OperatorError(
            f"Collection {collection!r} was indexed with {held[0] or 'no embedder'!r} and not with"
            f" {given[0] or 'no embedder'!r}; name that embedder, or index the collection again"
        )

    def _asked(self, collection: str | None, asked: queries.Asked) -> AsyncIterator[dict[str, Any]]:
        part = None if collection is None else checked.collection(collection)
        return self._scope.query(self._container, part, asked.text, **asked.values)

    async def _read(self, collection: str, more: str, filter: Filter, **values: Any) -> list[Chunk]:
        checked.collection(collection)
        if not filter.labels:
            return []
        found = [each async for each in self._asked(collection, queries.whole(filter, more, **values))]
        self._own(found, collection, filter)
        return [Chunk.model_validate_json(each["chunk"]) for each in found]

    async def _count(self, collection: str | None, text: str, **values: Any) -> int:
        return sum([int(n) async for n in self._scope.query(self._container, collection, text, **values)])

    async def _emptied(self, collection: str | None, text: str, **values: Any) -> int:
        """None is left that the query finds; how many were. Of several partitions each gives its next."""
        gone = 0
        while found := [each async for each in self._asked(collection, queries.Asked(text, values))]:
            gone += await self._destroyed(found)
        return gone

    async def _destroyed(self, found: Sequence[dict[str, Any]]) -> int:
        """None of these is left; how many there were."""
        gone = 0
        for part, together in itertools.groupby(sorted(found, key=_part), key=_part):
            ids = [str(each["id"]) for each in together]
            for start in range(0, len(ids), TOGETHER):
                gone += await self._gone(part, ids[start : start + TOGETHER])
        return gone

    async def _gone(self, part: str, ids: Sequence[str]) -> int:
        deletes: list[Operation] = [("delete", (id,), "") for id in ids]
        try:
            await self._scope.batch(self._container, part, deletes)
        except Refused:  # one of them is gone already, so they are taken one by one
            return sum([await self._one_gone(part, id) for id in ids])
        return len(ids)

    async def _one_gone(self, part: str, id: str) -> bool:
        try:
            await self._scope.delete(self._container, part, id)
        except Refused:
            return False
        return True

    def _own(self, found: Sequence[dict[str, Any]], collection: str, filter: Filter) -> None:
        """All of it is of the collection, and what the filter lets through; else nothing of it is to be trusted."""
        for each in found:
            days = {"first": int(each.get("first_day", 1)), "last": int(each.get("last_day", 0))}
            seen = admitting.admits(filter, labels=each.get("labels", ()), kind=str(each.get("kind")), **days)
            if each["part"] != collection or not seen:
                raise StoreError(
                    f"The index answered tenant {self.tenant!r} with what its filter leaves out; stop, and look at"
                    " the account"
                )


def _part(item: Mapping[str, Any]) -> str:
    return str(item["part"])


def _item(chunk: Chunk, row: Any) -> dict[str, Any]:
    first, last = admitting.days(chunk)
    return {
        "id": chunk.id,
        "type": "chunk",
        "document": chunk.document,
        "ordinal": chunk.ordinal,
        "kind": chunk.kind,
        "subject": chunk.subject,
        "labels": list(chunk.labels),
        "first_day": first,
        "last_day": last,
        "hash": chunk.hash,
        "words": f"{chunk.words}\n{chunk.citation}",
        "chunk": chunk.model_dump_json(exclude_defaults=True),
        **({} if row is None else {"row": row.tolist()}),
    }
