"""Makes chunks and vectors for tests of indexes, puts them there and asks; texts that share words have near vectors."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from emma_core.nouns import Chunk, Filter, Hit
from emma_core.ports import TenantIndex, Vectors

if TYPE_CHECKING:
    from emma_core.ports.knowledge import Matrix

ANY = Filter()
PATIENCE = 30.0
"""Seconds that an index may take to show what was written."""
_NAMES: dict[str, str] = {}


def passage(name: str, text: str, **more: Any) -> Chunk:
    """A chunk of that text, of a document of its own; it is known by its name from now on."""
    id = id_of(name)
    _NAMES[id] = name
    known = {"document": f"of {name}", "hash": hashlib.sha256(text.encode()).hexdigest(), "end": len(text)}
    return Chunk(id=id, text=text, **{**known, **more})


def id_of(name: str) -> str:
    """The id of the chunk of that name."""
    return hashlib.sha256(name.encode()).hexdigest()


def names_of(ids: Iterable[str]) -> list[str]:
    """The names of the chunks of these ids, in their order."""
    return [_NAMES[id] for id in ids]


def vectors(texts: Sequence[str], dimension: int, *, embedder: str = "words of a test") -> Vectors:
    """A normalised vector for each text: the sum of one fixed random vector for each word, the same everywhere."""
    import numpy

    rows = [_row(text, dimension) for text in texts]
    return Vectors(embedder, numpy.asarray(rows, dtype=numpy.float32).reshape(len(rows), dimension))


def vectors_of(chunks: Sequence[Chunk], dimension: int) -> Vectors:
    """One vector for each chunk's words."""
    return vectors([chunk.words for chunk in chunks], dimension)


def cosine(one: Matrix, other: Matrix) -> float:
    """Of two normalised vectors."""
    return float(one @ other)


async def put(handle: TenantIndex, chunks: Sequence[Chunk], dimension: int, collection: str = "c") -> None:
    """The chunks are there with their vectors, and can be found: a service may take its time to show them."""
    await handle.write(collection, chunks, vectors_of(chunks, dimension))
    async with asyncio.timeout(PATIENCE):
        while not {chunk.id for chunk in chunks} <= set(await handle.ids(collection)):
            await asyncio.sleep(0.2)


async def ask(
    handle: TenantIndex, words: str, dimension: int, *, filter: Filter = ANY, limit: int = 10, collection: str = "c"
) -> list[Hit]:
    """What is found by the words and by their vector; none twice, and none that neither side found."""
    asked = vectors([words], dimension)
    hits = await handle.search(collection, words, asked, filter=filter, limit=limit)
    assert len(hits) <= 2 * limit
    assert len({hit.id for hit in hits}) == len(hits)
    assert all(hit.lexical is not None or hit.vector is not None or hit.fused is not None for hit in hits)
    if not any(hit.fused for hit in hits):
        return hits
    # an index that ranks by both sides tells neither's score: each side is asked alone
    assert not any(hit.lexical is not None or hit.vector is not None for hit in hits)
    lexical = {each.id: each.fused for each in await handle.search(collection, words, filter=filter, limit=limit)}
    near = {each.id: each for each in await handle.search(collection, "", asked, filter=filter, limit=limit)}
    both = list(dict.fromkeys([*(hit.id for hit in hits), *lexical, *near]))
    return [Hit(id=id, lexical=lexical.get(id), vector=near[id].vector if id in near else None) for id in both]


def found(hits: Iterable[Hit]) -> set[str]:
    """The names of what was found."""
    return set(names_of(hit.id for hit in hits))


def by_words(hits: Iterable[Hit]) -> list[str]:
    """The names of what shares words, the best first."""
    scored = [(-hit.lexical, hit.id) for hit in hits if hit.lexical is not None]
    return names_of(id for _, id in sorted(scored))


def by_nearness(hits: Iterable[Hit]) -> list[str]:
    """The names of what has a vector, the nearest first."""
    scored = [(-hit.vector, hit.id) for hit in hits if hit.vector is not None]
    return names_of(id for _, id in sorted(scored))


async def named(handle: TenantIndex, collection: str = "c") -> list[str]:
    """The names of all chunks of the collection, sorted."""
    return sorted(names_of(await handle.ids(collection)))


def reader(*labels: str, kinds: tuple[str, ...] = ()) -> Filter:
    """The filter of a reader who holds these labels."""
    return Filter(labels=frozenset(labels), kinds=kinds)


def _row(text: str, dimension: int) -> list[float]:
    words = re.findall(r"\w+", text.lower()) or [""]
    sums = [math.fsum(column) for column in zip(*(_of_word(word, dimension) for word in words), strict=True)]
    length = math.sqrt(math.fsum(each * each for each in sums)) or 1.0
    return [each / length for each in sums]


@cache
def _of_word(word: str, dimension: int) -> tuple[float, ...]:
    drawn = hashlib.shake_256(word.encode()).digest(4 * dimension)
    return tuple(number / 2**31 - 1 for number in struct.unpack(f"<{dimension}I", drawn))


HOUSES = [
    passage("roof", "The roof of the house is red and made of tiles."),
    passage("door", "The door opens to the garden behind the house."),
    passage("rate", "A rate is locked for thirty days after the offer."),
    passage("fees", "Recording fees may rise by ten percent in total."),
]
"""A few chunks that are unlike each other."""
