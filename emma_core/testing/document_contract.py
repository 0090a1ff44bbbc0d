"""Says what a store's documents must do; part of `emma_core.testing.store_contract`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from pydantic import JsonValue

from emma_core import audit
from emma_core.errors import CallerError, Conflict
from emma_core.nouns import Document
from emma_core.ports import Store
from emma_core.testing.samples import STRANGE, note, sealing


async def test_a_document_is_read_back_as_it_was_put(store: Store) -> None:
    handle = store.for_tenant("a")
    body: dict[str, JsonValue] = {
        "text": "é🏠\u2028",
        "whole": 2**60,
        "exact": 0.1,
        "none": None,
        "list": [1, [], {}],
        "yes": True,
        "": "",
    }
    document = Document(
        kind="note", id="one", body=body, group="talk", subject="somebody", expires_at=time.time() + 9000
    )

    put = await handle.put(document)

    assert put == document.model_copy(update={"etag": put.etag})
    assert put.etag
    assert await handle.get("note", "one") == put
    assert await handle.query("note") == [put]


@pytest.mark.parametrize("name", STRANGE)
async def test_any_text_may_be_an_id_a_kind_and_a_group(store: Store, name: str) -> None:
    handle = store.for_tenant("a")

    put = await handle.put(note(name, kind=name, group=name, text=name))
    sealed = await handle.append(sealing("a", turn=name, conversation=name), puts=[(note("by line", kind=name), "")])

    assert await handle.get(name, name) == put
    assert await handle.query(name, group=name) == [put]
    assert [line.seq for line in await handle.lines(turn=name, conversation=name)] == [sealed.seq]
    await handle.delete(name, name)
    assert await handle.get(name, name) is None


async def test_ids_that_look_alike_are_different(store: Store) -> None:
    handle = store.for_tenant("a")
    names = ["\u00e9", "e\u0301", "E\u0301", "k", "K", "\u212a", "k ", "k\0"]

    for name in names:
        await handle.put(note(name, name=name))

    assert {document.id: document.body["name"] for document in await handle.query("note")} == {n: n for n in names}


@pytest.mark.parametrize("document", [note(""), note(kind=""), note("\ud800"), note(text="\ud800")], ids=repr)
async def test_what_cannot_be_kept_is_refused_and_leaves_nothing(store: Store, document: Document) -> None:
    handle = store.for_tenant("a")

    with pytest.raises(CallerError):
        await handle.put(document)
    with pytest.raises(CallerError):
        await handle.append(sealing("a"), puts=[(document, None)])

    assert await handle.query("note") == []
    assert await handle.head() is None


async def test_every_write_changes_the_etag_and_none_comes_back(store: Store) -> None:
    handle = store.for_tenant("a")

    etags = [(await handle.put(note(text="same"))).etag for _ in range(3)]
    await handle.delete("note", "one")
    etags.append((await handle.put(note(text="same"))).etag)

    assert len(set(etags)) == 4


async def test_a_write_over_another_version_conflicts_and_changes_nothing(store: Store) -> None:
    handle = store.for_tenant("a")
    first = await handle.put(note(n=1), if_match="")
    second = await handle.put(note(n=2), if_match=first.etag)

    for stale in (first.etag, "", "no such etag"):
        with pytest.raises(Conflict, match="'one'"):
            await handle.put(note(n=3), if_match=stale)
        with pytest.raises(Conflict, match="'one'"):
            await handle.delete("note", "one", if_match=stale)
    with pytest.raises(Conflict, match="does not exist"):
        await handle.put(note("other"), if_match=first.etag)

    assert await handle.query("note") == [second]


async def test_a_delete_is_done_whether_it_was_there_or_not(store: Store) -> None:
    handle = store.for_tenant("a")
    put = await handle.put(note())

    await handle.delete("note", "one", if_match=put.etag)
    await handle.delete("note", "one")
    await handle.delete("note", "one", if_match="")

    assert await handle.get("note", "one") is None


async def test_of_writers_who_read_the_same_version_one_wins(new_store: Callable[[], Store]) -> None:
    stores = [new_store(), new_store()]
    for store in stores:
        await store.open()
    handles = [store.for_tenant("a") for store in stores] * 10
    await handles[0].put(note(n=0))

    async def add_one(number: int) -> None:
        while (found := await handles[number].get("note", "one")) is not None:
            try:
                await handles[number].put(note(n=int(str(found.body["n"])) + 1), if_match=found.etag)
                return
            except Conflict:
                await asyncio.sleep(0)

    await asyncio.gather(*(add_one(number) for number in range(20)))

    last = await handles[0].get("note", "one")
    assert last is not None
    assert last.body == {"n": 20}
    for store in stores:
        await store.close()


async def test_what_has_expired_is_gone_for_every_verb(store: Store) -> None:
    handle = store.for_tenant("a")
    past = note(n=1).model_copy(update={"expires_at": 1.0})
    lasting = await handle.put(note("lasting").model_copy(update={"expires_at": time.time() + 9000}))

    put = await handle.put(past)

    assert await handle.get("note", "one") is None
    assert await handle.query("note") == [lasting]
    with pytest.raises(Conflict):
        await handle.put(past, if_match=put.etag)
    with pytest.raises(Conflict):
        await handle.append(sealing("a"), deletes=[("note", "one")])
    await handle.put(past, if_match="")
    await handle.put(note(n=2), if_match="")
    assert await handle.get("note", "one") is not None


async def test_a_document_goes_when_its_time_comes(store: Store) -> None:
    handle = store.for_tenant("a")
    await handle.put(note().model_copy(update={"expires_at": time.time() + 0.05}))

    while await handle.get("note", "one") is not None:
        await asyncio.sleep(0.01)

    assert await handle.query("note") == []


async def test_the_kinds_are_those_of_what_has_not_expired(store: Store) -> None:
    handle = store.for_tenant("a")
    for kind in ("b", "B", "ä", "\U00010000", "\uffff", "nul\0inside"):
        await handle.put(note("1", kind=kind))
        await handle.put(note("2", kind=kind))
    await handle.put(note(kind="past").model_copy(update={"expires_at": 1.0}))
    await store.for_tenant("aa").put(note(kind="neighbour's"))
    await handle.delete("b", "1")

    assert await handle.kinds() == sorted(["b", "B", "ä", "\U00010000", "\uffff", "nul\0inside"])
    assert await store.for_tenant("aaa").kinds() == []


@pytest.mark.parametrize("size", [2_000_000, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1, 5_000_000])
async def test_an_item_at_the_size_limit_and_past_it_is_kept_whole(store: Store, size: int) -> None:
    handle = store.for_tenant("a")
    words = "é🏠" * (size // 6) + "x" * (size % 6)

    put = await handle.put(note(words=words), if_match="")
    await handle.put(note("two", group="g", words=words))
    await handle.append(sealing("a", words=words, turn="t"), puts=[(note("three", words=words), "")])
    again = await handle.put(note(words=words[1:]), if_match=put.etag)

    assert await handle.get("note", "one") == again
    assert [document.body for document in await handle.query("note", group="g")] == [{"words": words}]
    assert [document.id for document in await handle.query("note")] == ["one", "three", "two"]
    assert (await audit.verify_trail(handle)).ok
    await handle.delete("note", "one")
    assert await handle.get("note", "one") is None


async def test_paging_under_writes_gives_each_that_stays_once_and_none_twice(store: Store) -> None:
    handle = store.for_tenant("a")
    for number in range(60):
        await handle.put(note(f"{number:03}"))

    async def write() -> None:
        for number in range(0, 60, 2):
            await handle.delete("note", f"{number:03}")
            await handle.put(note(f"{number:03}x"))

    writing = asyncio.create_task(write())
    whole, after = list[str](), ""
    while page := await handle.query("note", after=after, limit=7):
        whole += [document.id for document in page]
        after = whole[-1]
    await writing

    assert whole == sorted(set(whole))
    assert {f"{number:03}" for number in range(1, 60, 2)} <= set(whole)


async def test_a_query_gives_pages_in_the_order_of_code_points(store: Store) -> None:
    handle = store.for_tenant("a")
    ids = [*STRANGE, "", "a", "B", "b", "Ä", "\uffff", "\U00010000"]
    ids.remove("")
    for number, id in enumerate(ids):
        await handle.put(note(id, group="even" if number % 2 == 0 else "odd"))
    await handle.put(note("elsewhere", kind="other"))

    whole, after = list[str](), ""
    while page := await handle.query("note", after=after, limit=4):
        assert len(page) <= 4
        whole += [document.id for document in page]
        after = whole[-1]

    assert whole == sorted(ids)
    assert [document.id for document in await handle.query("note", group="even")] == sorted(ids[::2])
    assert [document.id for document in await handle.query("note", group="even", limit=1)] == sorted(ids[::2])[:1]
    assert await handle.query("note", group="none") == []
    assert await handle.query("note", limit=0) == []
