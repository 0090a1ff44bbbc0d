"""Says what any index must do with what it is given.

A backend's test module brings a fixture `new_index`, a function that returns an unopened index at each call, all of
them on one place that was empty when the test began, and a fixture `dimension`, the number of numbers in a vector that
this place takes; and takes the tests over: `from index_cases.verbs import *`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest

from emma_core.errors import CallerError, OperatorError
from emma_core.nouns import Filter
from emma_core.ports import Index, Vectors
from emma_core.testing.samples import PREFIX_TENANTS
from index_cases.samples import (
    ANY,
    HOUSES,
    ask,
    by_nearness,
    by_words,
    cosine,
    found,
    id_of,
    named,
    names_of,
    passage,
    put,
    reader,
    vectors,
    vectors_of,
)

NO_QUESTIONS = [
    "",
    "   ",
    "?!…",
    "'",
    '"',
    "*",
    "-",
    "( ) + | ~ ^ : { } [ ]",
    "\\",
    "' OR 1=1 --",
    "NOT",
    "AND OR NEAR",
]


@pytest.fixture
async def index(new_index: Callable[[], Index]) -> AsyncIterator[Index]:
    """An open index, empty but for what it makes itself."""
    opened = new_index()
    await opened.open()
    yield opened
    await opened.close()


async def test_a_chunk_is_found_by_its_words_and_by_nearness(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, HOUSES, dimension)

    hits = await ask(handle, "recording fees", dimension)

    assert by_words(hits) == ["fees"]
    assert hits[0].id == id_of("fees")
    assert by_nearness(hits)[0] == "fees"
    assert found(hits) == {chunk.document.removeprefix("of ") for chunk in HOUSES}
    asked = vectors(["recording fees"], dimension).rows[0]
    rows = dict(zip([chunk.id for chunk in HOUSES], vectors_of(HOUSES, dimension).rows, strict=True))
    for hit in hits:
        assert hit.vector == pytest.approx(cosine(asked, rows[hit.id]), abs=2e-3)


async def test_what_one_side_found_has_its_score_on_the_other(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    far = [passage(f"far {n}", f"house and much else that nobody asked for, {n} {n} {n}") for n in range(20)]
    near = [passage(f"near {n}", "door garden tiles") for n in range(5)]
    await put(handle, [*far, *near], dimension)
    asked = vectors(["door garden tiles"], dimension)

    hits = await handle.search("c", "house", asked, filter=ANY, limit=5)

    assert {name.partition(" ")[0] for name in found(hits)} == {"far", "near"}
    if any(hit.fused for hit in hits):
        return
    assert all(hit.vector is not None for hit in hits)
    assert {hit.lexical is None for hit in hits if names_of([hit.id])[0].startswith("near")} == {True}
    assert {hit.lexical is None for hit in hits if names_of([hit.id])[0].startswith("far")} == {False}


async def test_words_are_found_in_another_form_and_in_title_and_heading(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    more = {"title": "Disclosures", "heading": ("Timing", "Waivers")}
    await put(handle, [passage("d", "It must be received early, says 1026.19(f)(1).", **more), *HOUSES], dimension)

    for words in ("receiving", "disclosure", "a waiver", "1026.19(f)(1)"):
        assert by_words(await ask(handle, words, dimension))[:1] == ["d"], words


async def test_without_vectors_words_alone_are_searched(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await handle.write("bare", HOUSES)
    await put(handle, HOUSES, dimension)

    bare = await ask(handle, "house", dimension, collection="bare")
    unasked = await handle.search("c", "house", filter=ANY, limit=10)

    for hits in (bare, unasked):
        assert found(hits) == {"roof", "door"}
        assert all(hit.vector is None for hit in hits)


async def test_what_is_written_again_stands_in_the_place_of_the_old(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, HOUSES, dimension)

    await put(handle, [passage("roof", "Nothing about tiles: the chimney smokes.", labels=("x",))], dimension)

    assert by_words(await ask(handle, "red", dimension, filter=reader("x"))) == []
    assert await named(handle) == ["door", "fees", "rate", "roof"]
    assert by_words(await ask(handle, "chimney", dimension, filter=reader("x"))) == ["roof"]
    assert found(await ask(handle, "chimney", dimension)) == {"door", "fees", "rate"}


async def test_what_is_removed_is_found_no_more_and_not_missed_twice(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, HOUSES, dimension)
    await put(handle, HOUSES, dimension, "other")

    counts = [await handle.remove("c", [id_of("roof"), id_of("never there")]) for _ in range(2)]

    assert counts == [1, 0]
    assert "roof" not in found(await ask(handle, "roof house", dimension))
    assert "roof" in found(await ask(handle, "roof house", dimension, collection="other"))
    assert await named(handle) == ["door", "fees", "rate"]


async def test_a_collection_that_nobody_wrote_finds_nothing(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")

    assert await ask(handle, "house", dimension) == []
    assert await handle.ids("c") == {}
    assert await handle.collections() == []
    assert set((await handle.census()).values()) == {0}
    assert await handle.remove("c", [id_of("roof")]) == 0
    assert await handle.drop("c") == 0
    await handle.purge()


@pytest.mark.parametrize(
    "words", [*NO_QUESTIONS, "the of and", "word " * 5000, "x" * 5000], ids=lambda words: words[:20]
)
async def test_no_question_is_read_as_a_language(words: str, index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, HOUSES, dimension)

    hits = await ask(handle, words, dimension)

    assert by_words(hits) == []
    assert len(by_nearness(hits)) == len(HOUSES)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 7, 1000])
async def test_as_many_are_found_as_were_asked_for(limit: int, index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, [passage(f"p{n}", "the very same house") for n in range(9)], dimension)

    hits = await ask(handle, "house", dimension, limit=limit)
    words_only = await handle.search("c", "house", filter=ANY, limit=limit)

    assert min(limit, 9) <= len(hits) <= min(2 * limit, 9)
    assert len(words_only) == min(limit, 9)


async def test_a_collection_takes_vectors_of_one_embedder(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    await put(handle, HOUSES, dimension)
    await handle.write("bare", HOUSES)
    others = vectors([chunk.text for chunk in HOUSES], dimension, embedder="another")

    for collection, wrong in (("c", others), ("c", None), ("bare", others)):
        with pytest.raises(OperatorError, match="was indexed"):
            await handle.write(collection, [passage("new", "new house")], wrong and Vectors("another", wrong.rows[:1]))
        assert len(await handle.ids(collection)) == len(HOUSES)
    with pytest.raises(OperatorError, match="was indexed"):
        await handle.search("c", "house", Vectors("another", others.rows[:1]), filter=ANY, limit=3)
    assert [each.embedder for each in await handle.collections()] == ["", "words of a test"]

    await handle.drop("c")
    await handle.write("c", HOUSES, others)
    assert [each.embedder for each in await handle.collections()] == ["", "another"]


async def test_what_does_not_fit_together_is_refused_and_writes_nothing(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    whole = vectors_of(HOUSES, dimension)

    for chunks, wrong in (
        (HOUSES, Vectors("x", whole.rows[:2])),
        (HOUSES[:1] * 2, None),
        (HOUSES, Vectors("", whole.rows)),
    ):
        with pytest.raises(CallerError):
            await handle.write("c", chunks, wrong)

    assert await handle.collections() == []


async def test_a_collection_of_many_is_listed_whole(index: Index) -> None:
    handle = index.for_tenant("a")
    chunks = sorted((passage(f"{n:05}", f"number {n}") for n in range(1201)), key=lambda chunk: chunk.id)
    await handle.write("c", chunks)

    listed = await handle.ids("c", limit=5000)
    assert [*listed.items()] == [(chunk.id, chunk.hash) for chunk in chunks]
    assert [*await handle.ids("c", after=chunks[499].id, limit=3)] == [chunk.id for chunk in chunks[500:503]]
    assert await handle.remove("c", [chunk.id for chunk in chunks[:1150]]) == 1150
    assert [*await handle.ids("c")] == [chunk.id for chunk in chunks[1150:]]


async def test_chunks_are_read_whole_and_a_stretch_in_order(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    more = {"citation": "12 CFR 1", "heading": ("A", "B"), "page": 3, "effective_from": date(2020, 1, 1), "kind": "k"}
    chunks = [passage(f"{n}", f"part {n}", document="d", ordinal=n, parent="u", **more) for n in range(6)]
    await put(handle, [*chunks, *HOUSES], dimension)

    assert await handle.read("c", [chunks[4].id, id_of("no"), chunks[1].id], filter=ANY) == [chunks[4], chunks[1]]
    assert await handle.stretch("c", "d", 2, 4, filter=ANY) == chunks[2:5]
    assert await handle.stretch("c", "d", -5, 10**12, filter=ANY) == chunks
    assert await handle.stretch("c", "d", 4, 2, filter=ANY) == []
    assert await handle.read("c", [chunks[0].id], filter=Filter(as_of=date(2019, 1, 1))) == []


async def test_many_at_once_each_find_their_own(index: Index, dimension: int) -> None:
    async def put_and_ask(number: int) -> set[str]:
        handle = index.for_tenant(PREFIX_TENANTS[number % len(PREFIX_TENANTS)])
        await put(handle, [passage("p", f"house {number}")], dimension, f"c{number}")
        return found(await ask(handle, f"house {number}", dimension, collection=f"c{number}"))

    assert await asyncio.gather(*(put_and_ask(number) for number in range(20))) == [{"p"}] * 20


async def test_what_was_written_is_there_for_the_next_who_opens(new_index: Callable[[], Index], dimension: int) -> None:
    first, second = new_index(), new_index()
    await first.open()
    await put(first.for_tenant("a"), HOUSES, dimension)
    await first.close()

    await second.open()
    assert "fees" in found(await ask(second.for_tenant("a"), "recording fees", dimension, limit=1))
    assert await second.state()
    await second.close()
    await second.close()
