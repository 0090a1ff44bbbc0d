"""Says what any index must let through, and to whom.

A backend's test module brings a fixture `new_index`, a function that returns an unopened index at each call, all of
them on one place that was empty when the test began, and a fixture `dimension`, the number of numbers in a vector that
this place takes; and takes the tests over: `from index_cases.apart import *`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest

from emma_core.errors import CallerError
from emma_core.nouns import EVERYONE, Filter
from emma_core.ports import Index
from emma_core.testing.samples import NO_TENANTS, PREFIX_TENANTS
from index_cases.samples import (
    ANY,
    HOUSES,
    ask,
    by_nearness,
    by_words,
    found,
    id_of,
    named,
    names_of,
    passage,
    put,
    reader,
)

# Texts that mean something in SQL, in OData, in a full text query or in a pattern, and texts that begin alike.
FRAGMENTS = [
    "a",
    "aa",
    "A",
    "it's",
    "it''s",
    "' or tenant ne '",
    "x') or (1 eq 1",
    "'; DROP TABLE passages; --",
    "a,b",
    "a|b",
    "a b",
    "%",
    "a%",
    "_",
    "*",
    '"quoted" OR NEAR(a b)',
    "back\\slash",
    "é 🏠",
    "k" * 80,
]


@pytest.fixture
async def index(new_index: Callable[[], Index]) -> AsyncIterator[Index]:
    """An open index, empty but for what it makes itself."""
    opened = new_index()
    await opened.open()
    yield opened
    await opened.close()


async def test_a_reader_holds_one_label_of_a_chunk_or_does_not_see_it(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    said = {"open": (EVERYONE,), "one": ("board",), "two": ("board", "legal"), "third": ("hr",), "nobody": ()}
    await put(handle, [passage(id, f"house {id}", labels=labels) for id, labels in said.items()], dimension)

    async def seen(*labels: str) -> set[str]:
        hits = await ask(handle, "house", dimension, filter=reader(*labels))
        read = await handle.read("c", [id_of(id) for id in said], filter=reader(*labels))
        assert set(by_words(hits)) == set(by_nearness(hits)) == set(names_of(chunk.id for chunk in read))
        return found(hits)

    assert await seen() == set()
    assert await seen(EVERYONE) == {"open"}
    assert await seen(EVERYONE, "legal") == {"open", "two"}
    assert await seen("board") == {"one", "two"}
    assert await seen("hr", "legal") == {"two", "third"}
    assert await seen("*") == await seen("boar") == await seen("board ") == set()


async def test_only_what_is_in_force_on_the_day_is_found(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    first, last = date(2016, 1, 1), date(2018, 12, 31)
    chunks = [
        passage("always", "house always"),
        passage("until", "house until", effective_to=last),
        passage("since", "house since", effective_from=first),
        passage("between", "house between", effective_from=first, effective_to=last),
    ]
    await put(handle, chunks, dimension)

    async def seen(day: date | None) -> set[str]:
        return found(await ask(handle, "house", dimension, filter=Filter(as_of=day)))

    assert await seen(None) == {"always", "until", "since", "between"}
    assert await seen(date(2015, 12, 31)) == {"always", "until"}
    assert await seen(first) == await seen(last) == {"always", "until", "since", "between"}
    assert await seen(date(2019, 1, 1)) == {"always", "since"}
    assert await seen(date.min) == {"always", "until"}
    assert await seen(date.max) == {"always", "since"}


async def test_only_the_kinds_that_are_asked_for_are_found(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    chunks = [passage(f"is {kind}", f"house {kind}", kind=kind) for kind in ("", "policy", "policy2", "regulation")]
    await put(handle, chunks, dimension)

    async def seen(*kinds: str) -> set[str]:
        return found(await ask(handle, "house", dimension, filter=Filter(kinds=kinds)))

    assert len(await seen()) == 4
    assert await seen("policy") == {"is policy"}
    assert await seen("policy", "regulation", "none") == {"is policy", "is regulation"}
    assert await seen("") == {"is "}


async def test_a_filter_is_applied_before_anything_is_ranked(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    question = "when must the notice be sent"
    hidden = [passage(f"hidden {n}", question, labels=("board",)) for n in range(40)]
    old = [passage(f"old {n}", question, effective_to=date(2015, 1, 1)) for n in range(40)]
    shown = [passage(f"shown {n}", f"the notice, among much else about houses, item {n}") for n in range(5)]
    await put(handle, [*hidden, *old, *shown], dimension)

    for limit in (1, 3, 5, 7):
        hits = await ask(handle, question, dimension, filter=Filter(as_of=date(2020, 1, 1)), limit=limit)

        assert {name.partition(" ")[0] for name in found(hits)} == {"shown"}
        for side in (by_words(hits), by_nearness(hits)):
            assert min(limit, 5) <= len(side) <= 5


async def test_names_are_equal_or_are_not_whatever_they_hold(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    chunks = [
        passage(f"{number}", "the house", labels=(text,), kind=text, subject=text, document=text)
        for number, text in enumerate(FRAGMENTS)
    ]
    await put(handle, chunks, dimension)

    everything = reader(*FRAGMENTS, kinds=tuple(FRAGMENTS))
    for number, text in enumerate(FRAGMENTS):
        by_label = await ask(handle, "house", dimension, filter=reader(text), limit=50)
        both = await ask(handle, "house", dimension, filter=reader(text, kinds=(text,)), limit=50)
        stretch = await handle.stretch("c", text, 0, 9, filter=everything)
        assert found(by_label) == found(both) == {str(number)} == set(names_of(each.id for each in stretch)), text
    assert len(found(await ask(handle, "house", dimension, filter=everything, limit=50))) == len(FRAGMENTS)
    for number, text in enumerate(FRAGMENTS):
        assert await handle.forget(text) == 1, text
        assert len(await handle.ids("c")) == len(FRAGMENTS) - number - 1


@pytest.mark.parametrize("name", ["", "A", "a\n", "nul\0", "x" * 121, "a'b", "a b", "-a", "../a"], ids=ascii)
async def test_what_can_be_no_collection_is_refused(name: str, index: Index) -> None:
    handle = index.for_tenant("a")
    verbs = [
        handle.search(name, "house", filter=ANY, limit=1),
        handle.write(name, HOUSES),
        handle.read(name, [id_of("roof")], filter=ANY),
        handle.ids(name),
        handle.drop(name),
    ]
    for verb in verbs:
        with pytest.raises(CallerError, match="No collection can be called"):
            await verb


async def test_collections_that_begin_alike_are_apart(index: Index, dimension: int) -> None:
    handle = index.for_tenant("a")
    names = ["a", "a-a", "a.a", "a_a", "aa", "x" * 120]
    for name in names:
        await put(handle, [passage("first", f"the house of {name}"), passage(name, "the house")], dimension, name)

    assert [each.name for each in await handle.collections()] == sorted(names)
    for name in names:
        assert await handle.remove(name, [id_of("first")]) == 1
        assert await named(handle, name) == [name]
        assert found(await ask(handle, "house", dimension, collection=name)) == {name}
    assert await handle.drop("a") == 1
    assert [each.name for each in await handle.collections()] == sorted(names)[1:]


async def test_no_tenant_finds_what_another_has_however_near_it_is(index: Index, dimension: int) -> None:
    question = "when must the closing notice be sent to the buyer"
    for tenant in PREFIX_TENANTS:  # the others' say just what is asked
        own = [passage(f"own {n}", f"of {tenant}: notice {n} to a buyer") for n in range(3)]
        canaries = [passage(f"canary {tenant} {n}", question, subject=tenant) for n in range(5)]
        await put(index.for_tenant(tenant), own, dimension, "shared")
        await put(index.for_tenant(tenant), canaries, dimension, "shared" if tenant == "aaa" else f"of-{tenant}")
    canary_ids = [id_of(f"canary aaa {n}") for n in range(5)]

    for tenant in PREFIX_TENANTS[:-1]:
        handle = index.for_tenant(tenant)
        for limit in (1, 3, 7):
            for words in (question, "aaa notice"):
                hits = await ask(handle, words, dimension, limit=limit, collection="shared")
                assert found(hits) <= {f"own {n}" for n in range(3)}
                assert len(by_nearness(hits)) >= min(limit, 3)  # the others' take nobody's place either
        assert await handle.read("shared", canary_ids, filter=ANY) == []
        assert await handle.stretch("shared", "of canary aaa 0", 0, 9, filter=ANY) == []
        assert await handle.forget("aaa") == 0
        assert await handle.remove("shared", canary_ids) == 0
        assert await handle.drop("of-aaa") == 0
        assert [(each.name, each.chunks) for each in await handle.collections()] == [(f"of-{tenant}", 5), ("shared", 3)]
        assert (await handle.census())["chunks"] == 8
    assert [(each.name, each.chunks) for each in await index.for_tenant("aaa").collections()] == [("shared", 8)]


async def test_a_purge_leaves_nothing_of_a_tenant_and_all_of_the_others(index: Index, dimension: int) -> None:
    for tenant in PREFIX_TENANTS:
        for collection in ("c", "d"):
            await put(index.for_tenant(tenant), HOUSES, dimension, collection)

    for _ in range(2):
        await index.for_tenant("aa").purge()

    for tenant in PREFIX_TENANTS:
        handle = index.for_tenant(tenant)
        there = tenant != "aa"
        assert (await handle.census())["chunks"] == (8 if there else 0)
        assert len(await handle.collections()) == (2 if there else 0)
        assert bool(found(await ask(handle, "house", dimension))) is there


async def test_nothing_of_a_forgotten_person_is_left_in_any_collection(index: Index, dimension: int) -> None:
    for tenant in ("a", "aa"):
        for collection in ("c", "d"):
            chunks = [passage(f"{of}{n}", f"what {of} said {n}", subject=of) for of in ("p", "pp", "") for n in (1, 2)]
            await put(index.for_tenant(tenant), chunks, dimension, collection)

    assert await index.for_tenant("a").forget("p") == 4
    assert await index.for_tenant("a").forget("p") == 0

    for collection in ("c", "d"):
        assert await named(index.for_tenant("a"), collection) == ["1", "2", "pp1", "pp2"]
        hits = await ask(index.for_tenant("a"), "what p said", dimension, collection=collection)
        assert not found(hits) & {"p1", "p2"}
        assert len(await index.for_tenant("aa").ids(collection)) == 6
    assert await index.for_tenant("a").forget("") == 0


@pytest.mark.parametrize("tenant", NO_TENANTS)
async def test_what_is_no_tenants_id_gets_no_handle(index: Index, tenant: str) -> None:
    with pytest.raises(CallerError, match="No tenant can be called"):
        index.for_tenant(tenant)
