"""Asks one tenant many times while another's chunks lie nearer to every question, and finds none of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from emma_core.nouns import Filter
from emma_core.ports import Index
from index_cases.samples import ANY, id_of, names_of, passage, put, vectors

QUESTIONS = [f"when must the {what} notice be sent" for what in ("closing", "escrow", "rate", "loan", "fee", "title")]
SMALL, WHOLE = 60, 10_000


async def ask_often(index: Index, dimension: int, searches: int) -> int:
    """How many chunks were found in so many searches; raises where one of them is another tenant's, or hidden."""
    own = [passage(f"own {n}", f"item {n} of the notice and of much else that nobody asked for") for n in range(9)]
    hidden = [passage(f"hidden {n}", question, labels=("board",)) for n, question in enumerate(QUESTIONS)]
    await put(index.for_tenant("a"), [*own, *hidden], dimension)
    for tenant in ("aa", "a-a"):
        canaries = [passage(f"canary {tenant} {n}", question) for n, question in enumerate(QUESTIONS)]
        await put(index.for_tenant(tenant), canaries, dimension)
    handle, drawn = index.for_tenant("a"), random.Random(6)
    allowed = {id_of(f"own {n}") for n in range(9)}

    async def one() -> int:
        question, limit, kind = drawn.choice(QUESTIONS), drawn.choice([1, 3, 5, 7, 11, 99]), drawn.randrange(4)
        asked = vectors([question], dimension) if kind else None
        filter = Filter(labels=frozenset()) if drawn.random() < 0.05 else ANY
        words = "" if kind == 3 else question
        hits = await handle.search("c", words, asked, filter=filter, limit=limit)
        strays = [hit.id for hit in hits if hit.id not in allowed]
        assert not strays, (question, limit, names_of(strays))
        assert bool(hits) is (filter is ANY)
        return len(hits)

    found = 0
    for start in range(0, searches, 20):
        found += sum(await asyncio.gather(*(one() for _ in range(min(20, searches - start)))))
    return found


async def test_no_canary_is_found_in_many_searches(index: Index, dimension: int) -> None:
    assert await ask_often(index, dimension, SMALL) > SMALL


@pytest.mark.prove
async def test_no_canary_is_found_in_ten_thousand_searches(
    index: Index, dimension: int, proof: Callable[..., None]
) -> None:
    found = await ask_often(index, dimension, WHOLE)

    of = type(index).__name__
    proof(f"{of}: {WHOLE:,} searches found {found:,} chunks, none of another tenant, none behind a label", of=of)


@pytest.fixture
async def index(new_index: Callable[[], Index]):  # type: ignore[no-untyped-def]
    """An open index, empty but for what it makes itself."""
    opened = new_index()
    await opened.open()
    yield opened
    await opened.close()
