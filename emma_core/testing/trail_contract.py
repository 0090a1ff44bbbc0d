"""Says what a store's trail must do; part of `emma_core.testing.store_contract`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from emma_core import audit
from emma_core.errors import CallerError, Conflict, TrailError
from emma_core.nouns import Document, Head, Sealed, TrailLine
from emma_core.ports import SHELVES, Store
from emma_core.testing.samples import note, sealing


async def test_a_large_body_is_kept_whole_in_a_document_and_beside_a_line(store: Store) -> None:
    handle = store.for_tenant("a")
    words = "wörd " * 300_000

    await handle.put(note(words=words))
    await handle.append(sealing("a", words=words))

    found = await handle.get("note", "one")
    assert found is not None
    assert found.body == {"words": words}
    assert (await audit.verify_trail(handle)).ok


async def test_a_number_that_counts_nothing_is_refused(store: Store) -> None:
    handle = store.for_tenant("a")

    for number in (-1, 2**63):
        with pytest.raises(CallerError, match="limit="):
            await handle.query("note", limit=number)
        with pytest.raises(CallerError, match="limit="):
            await handle.lines(limit=number)
        with pytest.raises(CallerError, match="after="):
            await handle.lines(after=number)


async def test_a_trail_starts_at_one_and_its_head_is_its_last_line(store: Store) -> None:
    handle = store.for_tenant("a")
    assert await handle.head() is None
    assert await handle.lines() == []

    sealed = [await handle.append(sealing("a", number)) for number in range(3)]

    lines = await handle.lines()
    assert [(line.seq, line.kind, line.at, line.hash) for line in lines] == [
        (each.seq, each.kind, each.at, each.hash) for each in sealed
    ]
    assert [line.seq for line in lines] == [1, 2, 3]
    assert await handle.head() == Head(seq=3, hash=sealed[2].hash, at=sealed[2].at)
    assert (await audit.verify_trail(handle)).ok


async def test_lines_are_found_by_turn_and_conversation_in_both_directions(store: Store) -> None:
    handle = store.for_tenant("a")
    for number in range(12):
        await handle.append(sealing("a", number, turn=f"t{number // 2}", conversation=f"c{number % 3}"))

    async def found(**asked: Any) -> list[int]:
        return [line.seq for line in await handle.lines(**asked)]

    assert await found(after=3, limit=4) == [4, 5, 6, 7]
    assert await found(newest_first=True, limit=3) == [12, 11, 10]
    assert await found(newest_first=True, after=10, limit=3) == [9, 8, 7]
    assert await found(turn="t2") == [5, 6]
    assert await found(turn="t2", newest_first=True) == [6, 5]
    assert await found(conversation="c0") == [1, 4, 7, 10]
    assert await found(conversation="c0", after=4, limit=1) == [7]
    assert await found(turn="t0", conversation="c1") == [2]
    assert await found(turn="c0") == []
    assert await found(after=12) == []
    assert await found(limit=0) == []


async def test_a_line_stands_together_with_its_documents(store: Store) -> None:
    handle = store.for_tenant("a")
    old = await handle.put(note("old"))
    changed = await handle.put(note("changed", n=1))

    await handle.append(
        sealing("a"),
        puts=[(note("new"), ""), (note("changed", n=2), changed.etag), (note("any"), None)],
        deletes=[("note", "old")],
    )

    assert [(found.id, found.body) for found in await handle.query("note")] == [
        ("any", {}),
        ("changed", {"n": 2}),
        ("new", {}),
    ]
    assert old.etag not in {found.etag for found in await handle.query("note")}
    assert len(await handle.lines()) == 1


async def test_a_line_stands_only_where_what_it_needs_is_there(store: Store) -> None:
    handle = store.for_tenant("a")
    needed = await handle.put(note("needed", n=1))
    await store.for_tenant("aa").put(note("theirs"))

    await handle.append(sealing("a"), puts=[(note("new"), "")], needs=[("note", "needed")])
    for gone in ("absent", "theirs"):
        with pytest.raises(Conflict, match="not there any more"):
            await handle.append(sealing("a"), puts=[(note("other"), "")], needs=[("note", "needed"), ("note", gone)])
    await handle.delete("note", "needed")
    with pytest.raises(Conflict, match="not there any more"):
        await handle.append(sealing("a"), needs=[("note", "needed")])

    assert needed.body == {"n": 1}
    assert [found.id for found in await handle.query("note")] == ["new"]
    assert len(await handle.lines()) == 1


async def test_a_payload_can_be_replaced_and_taken_away_and_the_line_stays(store: Store) -> None:
    handle, neighbour = store.for_tenant("a"), store.for_tenant("aa")
    for number in range(3):
        for each in (handle, neighbour):
            await each.append(sealing(each.tenant, number, words="é🏠" * 400_000 if number == 1 else "short"))
    before, theirs = await handle.lines(), await neighbour.lines()
    payloads = [line.payload for line in before]

    await handle.replace_payloads({})
    await handle.replace_payloads({1: None, 2: None, 3: payloads[2], 9: None})
    taken = await handle.lines()
    await handle.replace_payloads({2: payloads[1], 9: payloads[1]})
    again = await handle.lines()

    assert [line.payload for line in taken] == [None, None, payloads[2]]
    assert [line.payload for line in again] == [None, payloads[1], payloads[2]]
    assert [(line.line, line.hash) for line in again] == [(line.line, line.hash) for line in before]
    assert (await handle.census())["payloads"] == 2
    assert await neighbour.lines() == theirs


async def test_a_line_whose_documents_conflict_leaves_nothing(store: Store) -> None:
    handle = store.for_tenant("a")
    there = await handle.put(note("there"))
    await handle.append(sealing("a"))
    head = await handle.head()

    broken: list[tuple[list[tuple[Document, str | None]], list[tuple[str, str]]]] = [
        ([(note("new"), ""), (note("there"), "")], []),
        ([(note("new"), ""), (note("there", n=2), "stale")], []),
        ([(note("new"), "")], [("note", "absent")]),
        ([(note("new"), "")], [("note", "there"), ("note", "there")]),
    ]
    for puts, deletes in broken:
        with pytest.raises(Conflict):
            await handle.append(sealing("a"), puts=puts, deletes=deletes)

    assert await handle.query("note") == [there]
    assert await handle.head() == head
    assert len(await handle.lines()) == 1


async def test_a_seal_that_raises_leaves_nothing(store: Store) -> None:
    handle = store.for_tenant("a")

    def refuse(head: Head | None) -> TrailLine:
        raise ZeroDivisionError("the seal broke")

    with pytest.raises(ZeroDivisionError, match="the seal broke"):
        await handle.append(refuse, puts=[(note(), None)])

    assert await handle.query("note") == []
    assert await handle.head() is None
    assert await handle.lines() == []


async def test_a_line_that_does_not_follow_is_refused(store: Store) -> None:
    handle = store.for_tenant("a")
    await handle.append(sealing("a"))
    elsewhere = Head(seq=7, hash="0" * 64, at="2026-01-01T00:00:00.000000Z")
    bare = sealing("a")(await handle.head()).model_copy(update={"payload": None})

    with pytest.raises(TrailError, match="line 8 was sealed where 2 is next"):
        await handle.append(lambda head: sealing("a")(elsewhere))
    with pytest.raises(TrailError, match="line 1 was sealed where 2 is next"):
        await handle.append(lambda head: sealing("a")(None))
    with pytest.raises(TrailError, match="another tenant"):
        await handle.append(sealing("aa"))
    with pytest.raises(TrailError, match="without its payload"):
        await handle.append(lambda head: bare)

    assert len(await handle.lines()) == 1


async def test_a_hundred_appends_at_once_never_fork(new_store: Callable[[], Store]) -> None:
    stores = [new_store(), new_store()]
    for store in stores:
        await store.open()
    handles = [store.for_tenant(tenant) for store in stores for tenant in ("a", "aa")]

    sealed = await asyncio.gather(*(handles[n % 4].append(sealing(handles[n % 4].tenant, n)) for n in range(100)))

    for number, tenant in enumerate(("a", "aa")):
        assert sorted(each.seq for each in sealed[number::2]) == list(range(1, 51))
        checked = await audit.verify_trail(stores[0].for_tenant(tenant))
        assert (checked.ok, checked.lines) == (True, 50), checked.reason
    for store in stores:
        await store.close()


async def test_an_append_that_fails_among_others_harms_none_of_them(store: Store) -> None:
    handle = store.for_tenant("a")

    def refuse(head: Head | None) -> TrailLine:
        raise ZeroDivisionError("the seal broke")

    def append(n: int) -> Coroutine[Any, Any, Sealed]:
        seal = refuse if n % 3 == 1 else sealing("a", n)
        return handle.append(seal, puts=[(note(str(n)), "" if n % 3 else "stale")])

    ended = await asyncio.gather(*(append(n) for n in range(60)), return_exceptions=True)

    assert {type(each) for each in ended[::3]} == {Conflict}
    assert {type(each) for each in ended[1::3]} == {ZeroDivisionError}
    assert sorted(each.seq for each in ended[2::3] if isinstance(each, Sealed)) == list(range(1, 21))
    assert sorted(int(document.id) for document in await handle.query("note")) == list(range(2, 60, 3))
    assert (await audit.verify_trail(handle)).lines == 20


async def test_a_trail_verifies_while_it_is_being_written(store: Store) -> None:
    handle = store.for_tenant("a")
    writing = asyncio.gather(*(handle.append(sealing("a", n)) for n in range(300)))

    while not writing.done():
        checked = await audit.verify_trail(handle)
        assert checked.ok, checked.reason
    await writing

    assert (await audit.verify_trail(handle)).lines == 300


async def test_an_append_that_is_given_up_is_whole_or_not_there(store: Store) -> None:
    handle = store.for_tenant("a")
    appends = [
        asyncio.create_task(handle.append(sealing("a", n), puts=[(note(f"{n:02}", n=n), "")])) for n in range(60)
    ]
    await asyncio.sleep(0)
    for append in appends[::3]:
        append.cancel()

    ended = await asyncio.gather(*appends, return_exceptions=True)

    assert not [each for each in ended if isinstance(each, Exception)]
    lines = await handle.lines()
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == len(await handle.query("note"))
    assert len(lines) >= 40


@pytest.mark.parametrize("kind", sorted(SHELVES))
async def test_what_stands_on_a_shelf_does_not_go_with_a_line(store: Store, kind: str) -> None:
    handle = store.for_tenant("a")
    there = await handle.put(note(kind=kind))

    with pytest.raises(CallerError, match=f"{kind!r} stands on the shelf {SHELVES[kind]!r}"):
        await handle.append(sealing("a"), puts=[(note("other", kind=kind), None)])
    with pytest.raises(CallerError, match=f"'one' of kind {kind!r} stands on the shelf"):
        await handle.append(sealing("a"), deletes=[(kind, "one")])

    assert await handle.query(kind) == [there]
    assert await handle.head() is None


async def trail_of_six(store: Store) -> list[TrailLine]:
    """Lines that were sealed in order, the fourth without its payload; the tenant holds nothing any more."""
    handle = store.for_tenant("a")
    for number in range(6):
        await handle.append(sealing("a", number, words="é\n🏠", turn=f"t{number // 2}", conversation="nul\0"))
    lines = await handle.lines()
    await handle.purge()
    return [line.model_copy(update={"payload": None}) if line.seq == 4 else line for line in lines]


async def test_imported_lines_are_byte_by_byte_what_they_were_and_the_trail_goes_on(store: Store) -> None:
    handle = store.for_tenant("a")
    lines = await trail_of_six(store)

    first = await handle.import_lines(lines[:2])
    last = await handle.import_lines(lines[2:])

    assert first == Head(seq=2, hash=lines[1].hash, at=lines[1].at)
    assert last == Head(seq=6, hash=lines[5].hash, at=lines[5].at)
    assert await handle.lines() == lines
    assert await handle.lines(turn="t1") == lines[2:4]
    assert await handle.head() == last
    sealed = await handle.append(sealing("a"))
    assert sealed.seq == 7
    checked = await audit.verify_trail(handle)
    assert (checked.head, checked.withheld) == (Head(seq=7, hash=sealed.hash, at=sealed.at), 1)


async def test_importing_nothing_leaves_the_head_where_it_is(store: Store) -> None:
    handle = store.for_tenant("a")
    with pytest.raises(CallerError, match="empty"):
        await handle.import_lines([])

    sealed = await handle.append(sealing("a"))

    assert (await handle.import_lines([])).hash == sealed.hash


def changed(was: TrailLine, **fields: Any) -> TrailLine:
    """The line with other fields, as a careless or an evil hand would leave it."""
    return was.model_copy(update=fields)


BROKEN: dict[str, tuple[Callable[[list[TrailLine]], list[TrailLine]], str]] = {
    "a gap": (lambda six: six[:2] + six[3:], "line 4 comes where 3 is next"),
    "a late start": (lambda six: six[1:], "line 2 comes where 1 is next"),
    "a line twice": (lambda six: [*six[:2], *six[1:]], "line 2 comes where 3 is next"),
    "another order": (lambda six: [six[0], six[2], six[1]], "line 3 comes where 2 is next"),
    "another text": (lambda six: [changed(six[0], line=six[0].line.replace("tester", "nobody"))], "its hash"),
    "another hash": (lambda six: [changed(six[0], hash="0" * 64)], "its hash"),
    "another turn": (lambda six: [changed(six[0], turn="t9")], "something else than its sealed text"),
    "another payload": (lambda six: [changed(six[0], payload=six[1].payload)], "another payload"),
    "another line before": (
        lambda six: [six[0], sealed_after(Head(seq=1, hash="0" * 64, at=six[0].at))],
        "was sealed after another line",
    ),
    "another tenant's": (lambda six: [sealing("aa")(None)], "something else than its sealed text"),
}


def sealed_after(head: Head) -> TrailLine:
    """A line of tenant `a` that follows that head."""
    return sealing("a")(head)


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_lines_that_do_not_follow_are_refused_and_none_is_there(store: Store, name: str) -> None:
    handle = store.for_tenant("a")
    lines = await trail_of_six(store)
    broken, words = BROKEN[name]

    with pytest.raises(TrailError, match=words):
        await handle.import_lines(broken(lines))

    assert await handle.lines() == []
    assert await handle.head() is None
    await handle.import_lines(lines)
    with pytest.raises(TrailError, match="comes where 7 is next"):
        await handle.import_lines(lines)
    assert len(await handle.lines()) == 6


async def test_whoever_watches_is_woken_by_each_trail_that_grows(new_store: Callable[[], Store]) -> None:
    store, other = new_store(), new_store()
    await store.open()
    await other.open()
    named: list[str] = []

    async def watch() -> None:
        async for tenant in store.watch():
            named.append(tenant)

    async def woken_by(growing: Store, tenant: str) -> None:
        await growing.for_tenant(tenant).append(sealing(tenant))
        async with asyncio.timeout(60):
            while tenant not in named:
                await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await store.for_tenant("quiet").put(note())
    while not named:  # what grows before it watches is named first where the store can tell
        await store.for_tenant("first").append(sealing("first"))
        await asyncio.sleep(0.05)
    for growing, tenant in ((store, "a"), (other, "aa"), (store, "a-a"), (other, "b")):
        await woken_by(growing, tenant)
    named.clear()
    await woken_by(other, "a")

    assert "quiet" not in named
    await store.close()
    async with asyncio.timeout(60):
        await watching
    await other.close()
