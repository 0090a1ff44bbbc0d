"""The index in one PostgreSQL: a handle for each tenant, under row-level security, scored by words and by pgvector."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emma_core.backends import admitting, checked
from emma_core.backends.postgres_index import migrating
from emma_core.backends.postgres_index import statements as sql
from emma_core.backends.scoring import fitting
from emma_core.backends.sql import connecting
from emma_core.backends.sql.characters import read, spell
from emma_core.backends.sql.connections import Asked, Connections
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import Chunk, Collection, Filter, Hit
from emma_core.ports import TenantIndex, Vectors

AT_ONCE = 500
"""Chunks that one statement writes."""
WORDS = 200
"""How many different words of a question are looked up at most."""
_NOBODY = "*"
"""No tenant is called so: it asks for what is no tenant's."""


class PostgresIndex:
    """The chunks of all tenants in one database, reached by handle."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def open(self) -> None:
        """Ready. Raises `StoreError` where the database cannot be reached, or has no tables of this release's form."""
        await self._connections.open()
        try:
            await self.state()
        except BaseException:
            await self._connections.close()
            raise

    async def close(self) -> None:
        """Nothing is held."""
        await self._connections.close()

    def for_tenant(self, tenant: str) -> TenantIndex:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return PostgresTenantIndex(self._connections, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The database has the index's tables of this release, and the store's; what was done, a line each."""
        owned = connecting.place(owner) if owner else None
        return await asyncio.to_thread(migrating.upgrade, self._connections.place, owned)

    async def state(self) -> str:
        """How it stands. Raises `StoreError` where it cannot be used."""
        shown = self._connections.place.shown
        there = "SELECT to_regclass('public.index_version') IS NOT NULL"
        ((made,),) = (await self._connections.ask(_NOBODY, (there, ())))[0]
        if not made:
            raise StoreError(f"Database {shown!r} has no index; run: emma db upgrade")
        ((revision,),) = (await self._connections.ask(_NOBODY, (sql.FORM, ())))[0]
        if revision != migrating.REVISION:
            what = "upgrade emma-core" if revision > migrating.REVISION else "run: emma db upgrade"
            raise StoreError(f"Database {shown!r}: its index is of another Emma (revision {revision}); {what}")
        return f"{shown}: words, and vectors by pgvector, under row-level security"


class PostgresTenantIndex:
    """One tenant's chunks."""

    def __init__(self, connections: Connections, tenant: str) -> None:
        self.tenant = tenant
        self._connections = connections

    async def write(self, collection: str, chunks: Sequence[Chunk], vectors: Vectors | None = None) -> None:
        """The collection holds these chunks, each in place of the one of its id, or none of them where it raises."""
        name = checked.collection(collection)
        fitting(chunks, vectors)
        if not chunks:
            return
        made_by = (vectors.embedder, int(vectors.rows.shape[1])) if vectors is not None else ("", 0)
        settled = (self.tenant, name, spell(made_by[0]), made_by[1])
        asked: list[Asked] = [(sql.SETTLE, settled)]
        for rows in _parts(chunks, vectors):
            asked.append((sql.PUT, (json.dumps(rows), *settled)))
        *_, found = await self._connections.ask(self.tenant, *asked, (sql.COLLECTION, (self.tenant, name)))
        self._same(_collection(found[0]), made_by)

    async def remove(self, collection: str, ids: Sequence[str]) -> int:
        """None of these is there any more; how many there were."""
        return await self._count((sql.REMOVE, (self.tenant, checked.collection(collection), list(set(ids)))))

    async def drop(self, collection: str) -> int:
        """The collection is gone, its embedder forgotten; how many chunks it had."""
        named = (self.tenant, checked.collection(collection))
        gone, _ = await self._connections.ask(self.tenant, (sql.DROP, named), (sql.UNSETTLE, named))
        return int(gone[0][0])

    async def search(
        self, collection: str, words: str, vector: Vectors | None = None, *, filter: Filter, limit: int
    ) -> list[Hit]:
        """The `limit` nearest on each side among what the filter lets through, each with what it scored on both."""
        seen = self._seen(collection, filter)
        row = await self._row(collection, vector)
        if limit < 1:
            return []
        there = (self.tenant, collection)
        values = (_asked(words), *there, *there, *seen, limit, row, row, limit if row else 0, row)
        (found,) = await self._connections.ask(self.tenant, (sql.SEARCH, values))
        return [Hit(id=id, lexical=score, vector=cosine) for id, score, cosine, *_ in found]

    async def read(self, collection: str, ids: Sequence[str], *, filter: Filter) -> list[Chunk]:
        """The chunks of these ids that the filter lets through, in the order asked for."""
        asked = (sql.READ, (*self._seen(collection, filter), list(set(ids))))
        there = {chunk.id: chunk for chunk in await self._chunks(asked)}
        return [there[id] for id in ids if id in there]

    async def stretch(self, collection: str, document: str, first: int, last: int, *, filter: Filter) -> list[Chunk]:
        """The chunks of that document from one ordinal to another, both included, that the filter lets through."""
        first, last = (min(max(each, -1), 2**62) for each in (first, last))
        return await self._chunks((sql.STRETCH, (*self._seen(collection, filter), spell(document), first, last)))

    async def collections(self) -> list[Collection]:
        """What there is, in the order of the names."""
        (found,) = await self._connections.ask(self.tenant, (sql.COLLECTIONS, (self.tenant,)))
        return [_collection(row) for row in found]

    async def ids(self, collection: str, *, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Up to `limit` ids in order, after the id `after`, each with its text's hash; access labels hide nothing."""
        values = (self.tenant, checked.collection(collection), spell(after), max(limit, 0))
        (found,) = await self._connections.ask(self.tenant, (sql.IDS, values))
        return {id: hash for id, hash in found}

    async def forget(self, subject: str) -> int:
        """Nothing of that person is in any collection; how many chunks there were. Nobody's id forgets nothing."""
        return await self._count((sql.FORGET, (self.tenant, spell(subject)))) if subject else 0

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is."""
        counted = await self._connections.ask(self.tenant, *((each, (self.tenant,)) for each in sql.COUNT.values()))
        return {name: int(rows[0][0]) for name, rows in zip(sql.COUNT, counted, strict=True)}

    async def purge(self) -> None:
        """Nothing is held of this tenant."""
        await self._connections.ask(self.tenant, *((each, (self.tenant,)) for each in sql.EMPTY))

    def _seen(self, collection: str, filter: Filter) -> tuple[Any, ...]:
        """The values of what a filter lets through."""
        day = filter.as_of.toordinal() if filter.as_of else None
        kinds = [spell(kind) for kind in filter.kinds]
        labels = [spell(label) for label in filter.labels]
        return self.tenant, checked.collection(collection), labels, day, day, kinds, kinds

    async def _row(self, collection: str, vector: Vectors | None) -> str | None:
        """The question's vector as pgvector reads it; None where nothing there has one. Raises `OperatorError`."""
        if vector is None:
            return None
        fitting([None], vector)
        (found,) = await self._connections.ask(self.tenant, (sql.COLLECTION, (self.tenant, collection)))
        if not found or not found[0][1]:
            return None
        self._same(_collection(found[0]), (vector.embedder, int(vector.rows.shape[1])))
        return _spelled(vector.rows[0])

    def _same(self, held: Collection, made_by: tuple[str, int]) -> None:
        if (held.embedder, held.dimension) != made_by:
            raise OperatorError(
                f"Collection {held.name!r} was indexed with {held.embedder or 'no embedder'!r} and not with"
                f" {made_by[0] or 'no embedder'!r}; name that embedder, or index the collection again"
            )

    async def _chunks(self, asked: Asked) -> list[Chunk]:
        (found,) = await self._connections.ask(self.tenant, asked)
        return [Chunk.model_validate_json(read(body)) for (body,) in found]

    async def _count(self, asked: Asked) -> int:
        (found,) = await self._connections.ask(self.tenant, asked)
        return int(found[0][0])


def _parts(chunks: Sequence[Chunk], vectors: Vectors | None) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(chunks), AT_ONCE):
        rows = [None] * AT_ONCE if vectors is None else vectors.rows[start : start + AT_ONCE]
        yield [_record(chunk, row) for chunk, row in zip(chunks[start : start + AT_ONCE], rows, strict=False)]


def _record(chunk: Chunk, row: Any) -> dict[str, Any]:
    first, last = admitting.days(chunk)
    texts = {"document": chunk.document, "kind": chunk.kind, "subject": chunk.subject}
    return {
        **{name: spell(text) for name, text in texts.items()},
        "id": chunk.id,
        "ordinal": chunk.ordinal,
        "labels": [spell(label) for label in chunk.labels],
        "first_day": first,
        "last_day": last,
        "hash": chunk.hash,
        "body": spell(chunk.model_dump_json(exclude_defaults=True)),
        "words": _words(f"{chunk.words} {chunk.citation}"),
        "row": None if row is None else _spelled(row),
    }


def _spelled(row: Any) -> str:
    return "[" + ",".join(map(repr, row.tolist())) + "]"


def _words(text: str) -> str:
    """The words alone: PostgreSQL would read addresses, signs and numbers as what they are not."""
    return " ".join(re.findall(r"[^\W_]{1,2000}", text))


def _asked(words: str) -> str:
    """The different words of a question; a longer one than that is no question."""
    return " ".join(list(dict.fromkeys(_words(words.lower()).split()))[:WORDS])


def _collection(row: tuple[Any, ...]) -> Collection:
    name, embedder, dimension, chunks = row
    return Collection(name=name, chunks=chunks, embedder=read(embedder), dimension=dimension)
