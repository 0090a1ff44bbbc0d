"""Holds a change of the index's form to losing nothing, bringing nothing back, and never being noticed by a reader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from index_cases.samples import ANY, ask, by_nearness, by_words, found, named, passage, put, vectors_of
from services.search_fake import SearchFake

from emma_core.backends.azure_search import AzureSearchIndex, moving, open_index, schema
from emma_core.backends.azure_search.service import Service
from emma_core.errors import StoreError

DIMENSION = 32
SAYING = [passage(f"p{n}", f"house number {n}", subject="s" if n % 2 else "") for n in range(30)]


def at(fake: SearchFake, more: str = "") -> AzureSearchIndex:
    return open_index(fake.address("emma", more=more or f"&dimension={DIMENSION}&settle=0"))


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes this release write another form: a field more."""
    today = schema.definition

    def change() -> None:
        def tomorrow(dimension: int) -> dict[str, Any]:
            said = today(dimension)
            more = {"name": "new_field", "type": "Edm.String", "filterable": True, "retrievable": True}
            return {**said, "fields": [*said["fields"], more]}

        monkeypatch.setattr(schema, "definition", tomorrow)

    return change


async def test_a_first_upgrade_makes_it_and_a_second_has_nothing_to_do(fake: SearchFake) -> None:
    first = await at(fake).upgrade()
    second = await at(fake).upgrade()

    assert [line.partition(" ")[0] for line in first] == ["made", "named"]
    assert second == []
    assert [*fake.aliases] == ["emma"]


async def test_another_form_takes_over_with_all_that_was_there(fake: SearchFake, changed: Any) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    for tenant in ("a", "aa"):
        await put(index.for_tenant(tenant), SAYING, DIMENSION)
    before = await ask(index.for_tenant("a"), "house number 7", DIMENSION, limit=30)
    old = fake.aliases["emma"]

    changed()
    said = await at(fake).upgrade()

    assert "copied 62 documents" in said[1]
    assert [*fake.indexes] == [fake.aliases["emma"]] != [old]
    after = await ask(index.for_tenant("a"), "house number 7", DIMENSION, limit=30)
    assert by_nearness(after) == by_nearness(before)
    assert set(by_words(after)) == set(by_words(before))
    assert [hit.vector for hit in after] == pytest.approx([hit.vector for hit in before])
    assert await at(fake).upgrade() == []
    await index.close()


async def test_what_happens_meanwhile_is_carried_over_and_nothing_forgotten_comes_back(
    fake: SearchFake, changed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    handle = index.for_tenant("a")
    await put(handle, SAYING, DIMENSION)
    copied, carried = moving._copy, list[int]()

    async def copy(service: Service, *names: str, **how: Any) -> int:
        done = await copied(service, *names, **how)
        if not carried:  # the first copy has just ended
            late = [passage("p0", "another house"), passage("late", "a late house")]
            await handle.write("c", late, vectors_of(late, DIMENSION))
            await handle.forget("s")
        carried.append(done)
        return done

    monkeypatch.setattr(moving, "_copy", copy)
    changed()

    said = await at(fake).upgrade()

    there = {f"p{n}" for n in range(0, 30, 2)} | {"late"}
    assert set(await named(handle)) == there
    assert found(await handle.search("c", "late", filter=ANY, limit=3)) == {"late"}
    assert found(await handle.search("c", "another", filter=ANY, limit=3)) == {"p0"}
    assert "15 documents were removed meanwhile" in said[-1]
    assert carried == [31, 2, 0]
    await index.close()


async def test_readers_and_writers_notice_nothing(fake: SearchFake, changed: Any) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    handle = index.for_tenant("a")
    await put(handle, SAYING, DIMENSION)
    moved = asyncio.Event()

    async def read() -> int:
        times = 0
        while not moved.is_set():
            assert len(by_nearness(await ask(handle, "house", DIMENSION, limit=30))) == 30
            times += 1
        return times

    async def move() -> None:
        changed()
        await at(fake).upgrade()
        moved.set()

    times, _ = await asyncio.gather(read(), move())

    assert times > 1
    assert len(await handle.ids("c")) == 30
    await index.close()


@pytest.mark.parametrize("at_verb", ["create_or_update_alias", "delete_index"])
async def test_a_move_that_broke_off_is_finished_by_the_next(
    at_verb: str, fake: SearchFake, changed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    handle = index.for_tenant("a")
    await put(handle, SAYING, DIMENSION)
    changed()
    honest = Service.indexes

    class Broken(Exception):
        pass

    async def breaking(self: Service) -> Any:
        client = await honest(self)

        async def broken(*_: Any) -> None:
            raise Broken

        setattr(client, at_verb, broken)
        return client

    with monkeypatch.context() as patched:
        patched.setattr(Service, "indexes", breaking)
        with pytest.raises(Broken):
            await at(fake).upgrade()
    assert len(found(await ask(handle, "house", DIMENSION, limit=50))) == 30
    await handle.forget("s")  # what is forgotten between the two stays forgotten

    said = await at(fake).upgrade()

    assert said
    assert len(await handle.ids("c")) == 15
    assert [*fake.indexes] == [fake.aliases["emma"]]
    assert await at(fake).upgrade() == []
    await index.close()


async def test_vectors_of_another_dimension_are_left_out_and_said(fake: SearchFake) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    await put(index.for_tenant("a"), SAYING, DIMENSION)
    await index.close()

    said = await at(fake, "&dimension=16&settle=0").upgrade()

    assert "ingest the collections again" in said[-1]
    wider = at(fake, "&dimension=16&settle=0")
    await wider.open()
    hits = await wider.for_tenant("a").search("c", "house", filter=ANY, limit=50)
    assert len(hits) == 30
    await wider.close()


async def test_an_index_that_is_somebody_elses_is_left_alone(fake: SearchFake) -> None:
    await at(fake).upgrade()
    real = fake.aliases["emma"]
    foreign = open_index(fake.address(real, more=f"&dimension={DIMENSION}"))

    with pytest.raises(StoreError, match="is no alias but an index that somebody else made"):
        await foreign.upgrade()


async def test_a_change_that_may_not_be_made_leaves_all_as_it_was(fake: SearchFake, changed: Any) -> None:
    await at(fake).upgrade()
    index = at(fake)
    await index.open()
    await put(index.for_tenant("a"), SAYING, DIMENSION)
    old = fake.aliases["emma"]
    changed()
    fake.refused_aliases = True

    with pytest.raises(StoreError, match="Search Service Contributor"):
        await at(fake).upgrade()

    assert fake.aliases["emma"] == old
    assert len(await index.for_tenant("a").ids("c")) == 30
    await index.close()
