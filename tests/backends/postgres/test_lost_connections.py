"""Holds the PostgreSQL store to one clear outcome, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest
from services import PostgresServer
from services.wire import Cut, Wire

from emma_core import audit
from emma_core.backends.postgres import open_store
from emma_core.backends.sql import connections
from emma_core.errors import Conflict, StoreError
from emma_core.ports import Store
from emma_core.testing.samples import note, sealing


@pytest.fixture
async def wire(postgres: PostgresServer) -> AsyncIterator[Wire]:
    async with Wire(postgres.port) as wire:
        yield wire


@pytest.fixture
async def cut_off(wire: Wire, address: str, postgres: PostgresServer) -> AsyncIterator[Store]:
    """A store that reaches the server over the wire only."""
    store = open_store(address.replace(f":{postgres.port}/", f":{wire.port}/"))
    await store.open()
    yield store
    wire.decide = lambda sent: None
    await store.close()


def once(words: bytes, cut: Cut) -> Callable[[bytes], Cut | None]:
    """Cuts the first time that those words are sent."""
    left = [cut]
    return lambda sent: left.pop() if left and words in sent else None


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_line_whose_commit_was_not_answered_is_there_once(wire: Wire, cut_off: Store, cut: Cut) -> None:
    handle = cut_off.for_tenant("a")
    sealed: list[int] = []

    def seal(head):
        sealed.append(1)
        return sealing("a")(head)

    wire.decide = once(b"COMMIT", cut)
    first = await handle.append(seal, puts=[(note("n"), "")])
    second = await handle.append(sealing("a"), deletes=[("note", "n")])

    assert wire.cuts == 1
    assert len(sealed) == (2 if cut == "before" else 1), "a line that was there was sealed again"
    assert [line.hash for line in await handle.lines()] == [first.hash, second.hash]
    assert (await audit.verify_trail(handle)).ok


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("words", [b"INSERT INTO documents", b"UPDATE documents", b"DELETE FROM documents"])
async def test_a_write_that_was_not_answered_is_done_once_and_is_no_conflict_with_itself(
    wire: Wire, cut_off: Store, words: bytes, cut: Cut
) -> None:
    handle = cut_off.for_tenant("a")
    if words != b"INSERT INTO documents":
        there = await handle.put(note(n=1), if_match="")
    wire.decide = once(words, cut)

    if words == b"DELETE FROM documents":
        await handle.delete("note", "one", if_match=there.etag)
        assert await handle.get("note", "one") is None
    else:
        put = await handle.put(note(n=2), if_match="" if words.startswith(b"INSERT") else there.etag)
        assert await handle.get("note", "one") == put
        with pytest.raises(Conflict):
            await handle.put(note(n=3), if_match="")
    assert wire.cuts == 1


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_an_import_that_was_not_answered_is_there_once(wire: Wire, cut_off: Store, cut: Cut) -> None:
    handle = cut_off.for_tenant("a")
    for number in range(5):
        await handle.append(sealing("a", number))
    lines = await handle.lines()
    await handle.purge()
    wire.decide = once(b"INSERT INTO lines", cut)  # on a new connection, where the words are sent again
    await kill_all(cut_off)

    head = await handle.import_lines(lines)

    assert wire.cuts == 1
    assert head.seq == 5
    assert await handle.lines() == lines


async def kill_all(store: Store) -> None:
    """The store's connections are closed, so that it makes new ones."""
    await store.close()
    await store.open()


async def keep_writing(store: Store, wire: Wire, appends: int, seed: int) -> int:
    """How often the wire was cut while so many appends and puts all went through, each of them once."""
    handle, dice = store.for_tenant("a"), random.Random(seed)
    wire.decide = lambda sent: dice.choice(["before", "after"]) if dice.random() < 0.1 else None

    async def one(number: int) -> str:
        sealed = await handle.append(sealing("a", number), puts=[(note(f"{number:04}"), "")])
        await handle.put(note(f"p{number:04}"), if_match="")
        return sealed.hash

    hashes: list[str] = []
    for start in range(0, appends, 5):
        hashes += await asyncio.gather(*(one(number) for number in range(start, start + 5)))
    wire.decide = lambda sent: None

    assert sorted(line.hash for line in await handle.lines(limit=10_000)) == sorted(hashes)
    assert len(await handle.query("note", limit=10_000)) == 2 * appends
    assert (await audit.verify_trail(handle)).ok
    return wire.cuts


async def test_writes_over_a_wire_that_is_cut_now_and_then_are_all_there_once(wire: Wire, cut_off: Store) -> None:
    assert await keep_writing(cut_off, wire, 60, seed=7) >= 5


@pytest.mark.prove
async def test_two_thousand_writes_over_a_wire_that_is_cut_are_all_there_once(
    wire: Wire, cut_off: Store, proof: Callable[[str], None]
) -> None:
    cuts = await keep_writing(cut_off, wire, 1000, seed=1)
    proof(
        f"1000 lines and 1000 documents over a wire that was cut {cuts} times: each is there once, the trail verifies"
    )


async def test_a_server_that_stays_away_is_one_error_that_says_what_is_not_known(
    wire: Wire, cut_off: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = cut_off.for_tenant("a")
    await handle.append(sealing("a"))
    await kill_all(cut_off)
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    wire.decide = lambda sent: "after" if b"COMMIT" in sent else "before" if wire.cuts else None

    with pytest.raises(StoreError, match=r"whether line 2 of the trail of tenant 'a' was written cannot be told"):
        await handle.append(sealing("a"))
    with pytest.raises(StoreError, match=r"is not reached .*; check that it runs"):
        await handle.get("note", "one")

    wire.decide = lambda sent: None
    assert len(await handle.lines()) == 2


async def test_a_watcher_hears_on_after_the_server_was_away(wire: Wire, cut_off: Store, address: str) -> None:
    watch = cut_off.watch()
    other = open_store(address)
    await other.open()

    async def woken() -> str:
        async with asyncio.timeout(60):
            while True:
                waiting = asyncio.ensure_future(anext(watch))
                while not waiting.done():
                    await other.for_tenant("a").append(sealing("a"))
                    await asyncio.wait([waiting], timeout=0.1)
                return await waiting

    assert await woken() == "a"
    for writer in list(wire._open):
        writer.close()
    await asyncio.sleep(0.1)
    assert await woken() == "a"
    await watch.aclose()
    await other.close()
