"""Shows that the cases notice a Cosmos, and an index of ours on it, that does wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from index_cases import apart, samples
from index_cases.samples import ANY, HOUSES, ask, found, passage, put, reader, vectors
from services.cosmos_fake import CosmosFake

from emma_core.backends.cosmos.scope import Scope
from emma_core.backends.cosmos_index import open_index, queries
from emma_core.backends.cosmos_index.tenant import CosmosTenantIndex
from emma_core.errors import EmmaError, StoreError

DIMENSION = 32
Case = Callable[[Any, int], Awaitable[None]]
NOTICED: list[tuple[str, Case]] = [
    ("ignores_filter", apart.test_a_reader_holds_one_label_of_a_chunk_or_does_not_see_it),
    ("ignores_filter", apart.test_only_what_is_in_force_on_the_day_is_found),
    ("ignores_filter", apart.test_only_the_kinds_that_are_asked_for_are_found),
    ("ignores_partition_key", apart.test_no_tenant_finds_what_another_has_however_near_it_is),
    ("ignores_partition_key", apart.test_collections_that_begin_alike_are_apart),
]


async def held(fake: CosmosFake, case: Case) -> None:
    """The case, over an index of its own."""
    opened = open_index(f"{fake.address('emma')}&dimension={DIMENSION}")
    await opened.upgrade()
    await opened.open()
    try:
        await case(opened, DIMENSION)
    finally:
        await opened.close()


@pytest.mark.parametrize(("mutation", "case"), NOTICED, ids=lambda each: getattr(each, "__name__", each))
async def test_a_cosmos_that_does_wrong_is_found_out(
    mutation: str, case: Case, fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "PATIENCE", 2.0)
    setattr(fake.mutations, mutation, True)

    with pytest.raises((AssertionError, EmmaError, TimeoutError)):
        await held(fake, case)


UNGUARDED: dict[str, tuple[Any, str, Callable[..., Any], Case]] = {
    "tenant": (
        Scope,
        "_key",
        lambda self, part: ["a", part],
        apart.test_no_tenant_finds_what_another_has_however_near_it_is,
    ),
    "labels": (
        queries,
        "seen",
        lambda filter: queries.Asked("c.type = 'chunk'"),
        apart.test_a_reader_holds_one_label_of_a_chunk_or_does_not_see_it,
    ),
}


@pytest.mark.parametrize("place", UNGUARDED)
async def test_a_request_that_lacks_its_guard_is_found_out(
    place: str, fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, wrong, case = UNGUARDED[place]
    monkeypatch.setattr(samples, "PATIENCE", 2.0)
    # nothing of an answer is looked at, so that what is seen is the request's doing
    monkeypatch.setattr(CosmosTenantIndex, "_own", lambda self, found, collection, filter: None)
    monkeypatch.setattr(Scope, "_own", lambda self, item: item)
    monkeypatch.setattr(module, name, wrong)

    with pytest.raises((AssertionError, EmmaError, TimeoutError)):
        await held(fake, case)


async def test_words_and_nearness_are_ranked_together_by_cosmos(fake: CosmosFake) -> None:
    opened = open_index(f"{fake.address('emma')}&dimension={DIMENSION}")
    await opened.upgrade()
    await opened.open()
    handle = opened.for_tenant("a")
    await put(handle, [*HOUSES, passage("hidden", "recording fees", labels=("x",))], DIMENSION)

    hits = await handle.search("c", "recording fees", vectors(["recording fees"], DIMENSION), filter=ANY, limit=3)

    assert [hit.id for hit in hits][:1] == [samples.id_of("fees")]
    assert [hit.fused for hit in hits] == [1 / 61, 1 / 62, 1 / 63]
    assert found(await ask(handle, "recording fees", DIMENSION, filter=reader("x"), limit=1)) == {"hidden"}
    asked = [json.loads(body) for *_, body in fake.requests if "RRF" in body]
    assert asked
    assert all("recording" not in each["query"] and "everyone" not in each["query"] for each in asked)
    await opened.close()


async def test_a_container_of_somebody_else_and_one_that_is_not_there_are_one_error_each(fake: CosmosFake) -> None:
    address = f"{fake.address('emma')}&dimension={DIMENSION}"
    with pytest.raises(StoreError, match="run: emma db upgrade"):
        await open_index(address).open()
    assert [line.partition(" ")[0] for line in await open_index(address).upgrade()] == ["made", "made"]
    assert await open_index(address).upgrade() == []

    del fake.databases["emma"][f"chunks-{DIMENSION}"].properties["vectorEmbeddingPolicy"]
    with pytest.raises(StoreError, match="made by somebody else"):
        await open_index(address).open()


@pytest.mark.parametrize("said", ["1", "x", "99999", "-3", ""])
def test_a_dimension_that_is_none_says_what_to_write(said: str) -> None:
    with pytest.raises(StoreError, match="from 2 to 4096"):
        open_index(f"cosmos://a.documents.azure.com/emma?key=c2VjcmV0&dimension={said}")
