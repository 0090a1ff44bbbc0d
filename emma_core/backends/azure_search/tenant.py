"""One tenant's chunks on a search service: written, read, searched and destroyed under its name alone."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from azure.search.documents.models import VectorizedQuery

from emma_core.backends import admitting, checked
from emma_core.backends.azure_search import filters, schema
from emma_core.backends.azure_search.service import PAGE, Service
from emma_core.backends.scoring import Scored, fitting, merged
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import Chunk, Collection, Filter, Hit
from emma_core.ports import Vectors

WORDS = 200
"""How many different words of a question are looked up at most; a longer one is no question."""
BATCH_BYTES = 1_000_000
"""Of documents sent at once; the service takes 16 MB, and no other turn should wait while one is written out."""
ASKED = 400
"""How many ids a filter names at once."""
RERANKED = 50
"""How many chunks the semantic ranker looks at."""
_SHOWN = ["collection", "first_day", "id", "kind", "labels", "last_day", "tenant"]


class AzureSearchTenantIndex:
    """One tenant's chunks."""

    def __init__(self, service: Service, tenant: str) -> None:
        self.tenant = tenant
        self._service = service
        self._alias = service.address.index

    async def write(self, collection: str, chunks: Sequence[Chunk], vectors: Vectors | None = None) -> None:
        """The collection holds these chunks, each in place of the one of its id; what does not fit writes none.

        The service takes them batch by batch: where it fails amid them, some are there, and writing again mends it.
        Raises `CallerError` or `OperatorError` as the port says.
        """
        checked.collection(collection)
        fitting(chunks, vectors)
        if not chunks:
            return
        embedder = vectors.embedder if vectors is not None else ""
        if vectors is not None and vectors.rows.shape[1] != self._service.address.dimension:
            raise OperatorError(
                f"Index {str(self._service.address)!r} is made for vectors of {self._service.address.dimension} numbers"
                f" and {embedder!r} makes {vectors.rows.shape[1]}; write that number as '?dimension=' and run:"
                " emma db upgrade"
            )
        now = time.time_ns()
        made_by = await self._embedder(collection)
        if made_by != embedder:
            if made_by is not None and await self._service.count(self._alias, self._chunks(collection)):
                raise self._another(collection, made_by, embedder)
            await self._service.do(self._alias, [schema.marker(self.tenant, collection, embedder, now)])
        batch, size = list[dict[str, Any]](), 0
        for number, chunk in enumerate(chunks):
            row = None if vectors is None else vectors.rows[number]
            document = schema.document(self.tenant, collection, chunk, row, now)
            length = len(json.dumps(document))
            if batch and (len(batch) == PAGE or size + length > BATCH_BYTES):
                await self._service.do(self._alias, batch)
                batch, size = [], 0
            batch, size = [*batch, document], size + length
        await self._service.do(self._alias, batch)

    async def remove(self, collection: str, ids: Sequence[str]) -> int:
        """None of these is there any more; how many there were."""
        within, gone = self._chunks(collection), 0
        for some in _parts(sorted(set(ids))):
            gone += await self._emptied(f"{within} and {filters.among('id', some)}")
        return gone

    async def drop(self, collection: str) -> int:
        """The collection is gone, its embedder forgotten; how many chunks it had."""
        gone = await self._emptied(self._chunks(collection))
        await self._service.do(self._alias, [{"key": schema.key(self.tenant, collection, "")}])
        return gone

    async def search(
        self, collection: str, words: str, vector: Vectors | None = None, *, filter: Filter, limit: int
    ) -> list[Hit]:
        """The nearest on either side, filtered by the service before it ranks; what one side missed is asked again.

        Raises `StoreError` where the service answers with what the filter does not let through.
        """
        checked.collection(collection)
        text, near = _words(words), await self._asking(collection, vector)
        if limit < 1 or not filter.labels:
            return []
        within = filters.of_search(self.tenant, collection, filter)
        lexical, nearest = await asyncio.gather(
            self._by_words(text, within, limit), self._by_vector(near, within, limit)
        )
        unscored, unmeasured = nearest.keys() - lexical.keys(), lexical.keys() - nearest.keys()
        more_lexical, more_nearest = await asyncio.gather(
            self._by_words(text if unscored else "", _among(within, unscored), len(unscored)),
            self._by_vector(near if unmeasured else None, _among(within, unmeasured), len(unmeasured)),
        )
        for each in (lexical, nearest, more_lexical, more_nearest):
            self._own(each, collection, filter)
        sides = [
            {id: float(each["@search.score"]) for id, each in {**first, **more}.items()}
            for first, more in ((lexical, more_lexical), (nearest, more_nearest))
        ]
        # the service shows the cosine distance d as 1 / (1 + d)
        cosines = {id: 2 - 1 / score for id, score in sides[1].items()}
        return merged(Scored(sides[0], list(lexical)), Scored(cosines, list(nearest)))

    async def rerank(self, collection: str, words: str, ids: Sequence[str], *, filter: Filter) -> dict[str, float]:
        """By id, how well each of these chunks answers the words, from 0 to 4, as the service's semantic ranker says.

        None of them where the address does not say `semantic=on`, or no word is left of the question.
        """
        text = _words(words)
        if not self._service.address.semantic or not text or not ids or not filter.labels:
            return {}
        within = filters.of_search(self.tenant, checked.collection(collection), filter)
        found = await self._found(
            text,
            f"{within} and {filters.among('id', ids[:RERANKED])}",
            RERANKED,
            search_fields=schema.SEARCHED,
            query_type="semantic",
            semantic_configuration_name=schema.SEMANTIC,
            semantic_query=words[:1000],
        )
        self._own(found, collection, filter)
        return {id: float(each["@search.reranker_score"] or 0.0) for id, each in found.items()}

    async def read(self, collection: str, ids: Sequence[str], *, filter: Filter) -> list[Chunk]:
        """The chunks of these ids that the filter lets through, in the order asked for."""
        there: dict[str, Chunk] = {}
        for some in _parts(sorted(set(ids))):
            there |= {chunk.id: chunk for chunk in await self._read(collection, filters.among("id", some), filter)}
        return [there[id] for id in ids if id in there]

    async def stretch(self, collection: str, document: str, first: int, last: int, *, filter: Filter) -> list[Chunk]:
        """The chunks of that document from one ordinal to another, both included, that the filter lets through."""
        # no ordinal is past what the service's numbers hold
        first, last = max(first, 0), min(last, 2**31 - 1)
        where = f"document eq {filters.quoted(document)} and ordinal ge {first} and ordinal le {last}"
        found = await self._read(collection, where, filter) if first <= last else []
        return sorted(found, key=lambda chunk: (chunk.ordinal, chunk.id))

    async def collections(self) -> list[Collection]:
        """What there is, in the order of the names."""
        within = filters.of_tenant(self.tenant, "collection")
        select = ("collection", "embedder", "tenant")
        pages = self._service.walk(self._alias, within, select=select)
        markers = [self._mine(each) async for page in pages for each in page]
        counts = await asyncio.gather(
            *(self._service.count(self._alias, self._chunks(each["collection"])) for each in markers)
        )
        made = [
            Collection(
                name=each["collection"],
                chunks=count,
                embedder=each["embedder"] or "",
                dimension=self._service.address.dimension if each["embedder"] else 0,
            )
            for each, count in zip(markers, counts, strict=True)
        ]
        return sorted(made, key=lambda each: each.name)

    async def ids(self, collection: str, *, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Up to `limit` ids in order, after the id `after`, each with its text's hash; access labels hide nothing."""
        if limit < 1:
            return {}
        past = f"{self._chunks(collection)} and id gt {filters.quoted(after)}"
        select = ["hash", "id", "tenant"]
        found = await self._service.found(self._alias, filter=past, order_by=["id asc"], top=limit, select=select)
        return {str(self._mine(each)["id"]): str(each["hash"]) for each in found}

    async def forget(self, subject: str) -> int:
        """Nothing of that person is in any collection; how many there were. Nobody's id forgets nothing."""
        if not subject:
            return 0
        return await self._emptied(filters.of_tenant(self.tenant, "chunk", subject=subject))

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is."""
        chunks, collections = await asyncio.gather(
            *(
                self._service.count(self._alias, filters.of_tenant(self.tenant, type))
                for type in ("chunk", "collection")
            )
        )
        return {"chunks": chunks, "collections": collections}

    async def purge(self) -> None:
        """Nothing is held of this tenant."""
        await self._emptied(filters.of_tenant(self.tenant))

    def _chunks(self, collection: str) -> str:
        return filters.of_tenant(self.tenant, "chunk", collection=checked.collection(collection))

    async def _embedder(self, collection: str) -> str | None:
        """Who made the collection's vectors, '' where it has none; None where there is no such collection."""
        within = filters.of_tenant(self.tenant, "collection", collection=collection)
        found = await self._service.found(self._alias, filter=within, select=["embedder", "tenant"], top=1)
        return str(self._mine(found[0])["embedder"] or "") if found else None

    async def _asking(self, collection: str, vector: Vectors | None) -> list[float] | None:
        """The numbers to search by; None where nothing there has a vector. Raises where another made those."""
        if vector is None:
            return None
        fitting([None], vector)
        made_by = await self._embedder(collection)
        if not made_by:
            return None
        if made_by != vector.embedder:
            raise self._another(collection, made_by, vector.embedder)
        numbers: list[float] = vector.rows[0].tolist()
        return numbers

    async def _by_words(self, text: str, within: str, limit: int) -> dict[str, dict[str, Any]]:
        if not text:
            return {}
        return await self._found(text, within, limit, search_fields=schema.SEARCHED, search_mode="any")

    async def _by_vector(self, numbers: list[float] | None, within: str, limit: int) -> dict[str, dict[str, Any]]:
        if numbers is None:
            return {}
        near = VectorizedQuery(vector=numbers, k_nearest_neighbors=limit, fields=schema.VECTOR)
        return await self._found(None, within, limit, vector_queries=[near], vector_filter_mode="preFilter")

    async def _found(self, text: str | None, within: str, limit: int, **asked: Any) -> dict[str, dict[str, Any]]:
        """By id, best first, what the service found within the filter."""
        found = await self._service.found(self._alias, text, filter=within, select=_SHOWN, top=limit, **asked)
        found.sort(key=lambda each: (-each["@search.score"], each["id"]))
        return {str(each["id"]): each for each in found}

    async def _read(self, collection: str, where: str, filter: Filter) -> list[Chunk]:
        checked.collection(collection)
        if not filter.labels:
            return []
        within = f"{filters.of_search(self.tenant, collection, filter)} and {where}"
        read: list[Chunk] = []
        async for page in self._service.walk(self._alias, within, select=[*_SHOWN, "chunk"]):
            self._own({str(each["id"]): each for each in page}, collection, filter)
            read += [Chunk.model_validate_json(each["chunk"]) for each in page]
        return read

    async def _emptied(self, within: str) -> int:
        """None is left that holds the filter; how many were."""
        gone = 0
        async for page in self._service.walk(self._alias, within, select=("key", "tenant")):
            await self._service.do(self._alias, [{"key": self._mine(each)["key"]} for each in page])
            gone += len(page)
        return gone

    def _another(self, collection: str, made_by: str, given: str) -> OperatorError:
        return OperatorError(
            f"Collection {collection!r} was indexed by {made_by or 'nobody'!r} and not by {given or 'nobody'!r};"
            " name that embedder, or index the collection again"
        )

    def _own(self, found: Mapping[str, dict[str, Any]], collection: str, filter: Filter) -> None:
        """All of it is this tenant's, and what the filter lets through; else nothing of it is to be trusted."""
        for each in found.values():
            labels, kind = self._mine(each)["labels"] or [], str(each["kind"])
            days = {"first": int(each["first_day"]), "last": int(each["last_day"])}
            if each["collection"] != collection or not admitting.admits(filter, labels=labels, kind=kind, **days):
                raise StoreError(
                    f"Index {str(self._service.address)!r} answered with what its filter leaves out;"
                    " stop, and look at it"
                )

    def _mine(self, found: dict[str, Any]) -> dict[str, Any]:
        if found["tenant"] != self.tenant:
            raise StoreError(
                f"Index {str(self._service.address)!r} answered tenant {self.tenant!r} with what is not its own;"
                " stop, and look at who else writes there"
            )
        return found


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + ASKED] for start in range(0, len(ids), ASKED)]


def _among(within: str, ids: Iterable[str]) -> str:
    return f"{within} and {filters.among('id', ids)}"


def _words(words: str) -> str:
    """The words alone: none of them is read as an operator of the service's query language."""
    found = dict.fromkeys(word.lower() for word in re.findall(r"[^\W_]+", words))
    return " ".join(list(found)[:WORDS])
