"""Says what any Store must do, as tests that each backend runs over its own.

A backend's test module brings a fixture `new_store`, a function that returns an unopened store at each call, all of
them on one place that was empty when the test began, and takes the tests over:

    from emma_core.testing.store_contract import *
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from emma_core import audit
from emma_core.errors import CallerError, Conflict, StoreError
from emma_core.ports import SHELVES, Store
from emma_core.testing.document_contract import *  # noqa: F403
from emma_core.testing.samples import note, sealing
from emma_core.testing.trail_contract import *  # noqa: F403
from emma_core.testing.two_tenants import prove_apart
from emma_core.testing.walk_apart import walk_apart


@pytest.fixture
async def store(new_store: Callable[[], Store]) -> AsyncIterator[Store]:
    """An open store, empty but for what it makes itself."""
    opened = new_store()
    await opened.open()
    yield opened
    await opened.close()


async def test_what_was_acknowledged_is_there_after_closing(new_store: Callable[[], Store]) -> None:
    store = new_store()
    await store.open()
    put = await store.for_tenant("a").put(note(n=1))
    sealed = await store.for_tenant("a").append(sealing("a"))
    await store.close()
    await store.close()

    await store.open()
    again = new_store()
    await again.open()

    for each in (store, again):
        assert await each.for_tenant("a").get("note", "one") == put
        assert [line.hash for line in await each.for_tenant("a").lines()] == [sealed.hash]
        await each.close()


async def test_a_store_that_is_not_open_says_so(new_store: Callable[[], Store]) -> None:
    store = new_store()
    handle = store.for_tenant("a")

    with pytest.raises(StoreError, match="not open"):
        await handle.get("note", "one")
    await store.open()
    await store.close()

    with pytest.raises(StoreError, match="not open"):
        await handle.append(sealing("a"))


@pytest.mark.parametrize(
    "tenant", ["", "A", "-a", "a b", "a/b", "a\n", "ä", "a" * 64, "a" * 300, "a'", 'a"b', "🏠", "%", "../a", "a\0", "*"]
)
async def test_what_is_no_tenants_id_gets_no_handle(store: Store, tenant: str) -> None:
    with pytest.raises(CallerError, match="No tenant can be called"):
        store.for_tenant(tenant)


async def test_the_same_names_in_two_tenants_are_different_things(store: Store) -> None:
    handles = [store.for_tenant(tenant) for tenant in ("a", "aa", "a-a")]
    puts = [await handle.put(note(group="c", of=handle.tenant), if_match="") for handle in handles]
    for handle in handles:
        await handle.append(sealing(handle.tenant, turn="t", conversation="c"))

    await handles[1].put(note("mine"))
    await handles[1].delete("note", "one", if_match=puts[1].etag)
    with pytest.raises(Conflict):
        await handles[1].delete("note", "one", if_match=puts[0].etag)
    await handles[1].append(sealing("aa", turn="t", conversation="c"))

    for number, ids in enumerate((["one"], ["mine"], ["one"])):
        handle, length = handles[number], 2 if number == 1 else 1
        assert await handle.get("note", "one") == (None if number == 1 else puts[number])
        assert [document.id for document in await handle.query("note")] == ids
        assert len(await handle.lines(turn="t", conversation="c")) == length
        assert (await audit.verify_trail(handle)).lines == length


async def test_a_purge_leaves_nothing_of_the_tenant_and_all_of_its_neighbours(store: Store) -> None:
    handles = [store.for_tenant(tenant) for tenant in ("a", "aa", "a-a")]
    assert not any((await handles[1].census()).values())
    for handle in handles:
        for number in range(3):
            await handle.append(sealing(handle.tenant, number, turn="t"), puts=[(note(str(number)), "")])
        await handle.put(note("past").model_copy(update={"expires_at": 1.0}))
        for kind in SHELVES:
            await handle.put(note("shelved", kind=kind))
    held = [await handle.census() for handle in handles]
    lines = [await handle.lines() for handle in handles]

    await handles[1].purge()
    await handles[1].purge()

    assert held[0] == held[1] == held[2]
    assert held[1]["lines"] == 3
    assert held[1]["documents"] >= 3 + len(SHELVES)
    assert not any((await handles[1].census()).values())
    assert await handles[1].kinds() == []
    assert await handles[1].lines() == []
    assert await handles[1].head() is None
    for number in (0, 2):
        assert await handles[number].census() == held[number]
        assert await handles[number].lines() == lines[number]
        assert await handles[number].kinds() == sorted([*SHELVES, "note"])
    assert (await handles[1].append(sealing("aa"))).seq == 1


async def test_what_a_handle_has_cost_is_a_number_that_never_falls(store: Store) -> None:
    handle = store.for_tenant("a")
    assert handle.spent == 0

    await handle.put(note())
    after_one = handle.spent
    await handle.get("note", "one")

    assert 0 <= after_one <= handle.spent


async def test_a_neighbour_with_the_same_names_shows_in_no_verb(store: Store) -> None:
    await walk_apart(store)


def test_two_tenants_never_meet_in_any_verb(new_store: Callable[[], Store]) -> None:
    prove_apart(new_store)
