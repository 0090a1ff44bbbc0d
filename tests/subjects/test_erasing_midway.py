"""Tests that an erasure which stops anywhere goes on, and that nothing is written under a key that is destroyed."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emma_core import audit
from emma_core.errors import Conflict, StoreError
from emma_core.nouns import Document
from emma_core.subjects.keys import ERASING, OPEN

from .conftest import CANARY, OTHER, PERSON, QUESTION, Open, holding, say, uncovered
from .stumbling import Stumbling


def sealing(words: str = "", subject: str = PERSON):
    """A seal with words of that person."""
    return audit.sealing(
        tenant="default",
        kind="judged",
        caller="ana",
        outcome={"verdict": "clear"},
        payload={"words": words},
        subject=subject,
        turn=f"t-{secrets.token_hex(4)}",
        conversation="c-1",
        now=datetime.now(UTC),
        salt=secrets.token_bytes(32),
    )


async def test_an_erasure_that_stops_before_any_of_its_writes_goes_on(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        store = emma._house.store
        store.inner, store._keys = Stumbling(store.inner), {}
        stops = 0
        for at in range(1, 40):
            await say(emma)
            await say(emma, OTHER, canary="others-words")
            store.inner.written, store.inner.at = 0, at
            try:
                await emma.subjects.erase("default", PERSON)
            except StoreError:
                stops += 1
            else:
                break
            store.inner.at = None
            assert await uncovered(emma) == []
            proof = await (emma.subjects.erase("default", PERSON) if at % 2 else _replayed(emma))
            assert await uncovered(emma) == []
            assert set(proof.after.values()) == {0}
        store.inner.at = None
        handle = store.for_tenant("default")
        left = [await handle.inner.query(kind) for kind in (ERASING, "subject_key_closing")]
        keys = await handle.inner.query(OPEN)
        verified = await audit.verify_trail(handle)

    assert stops >= 6
    assert left == [[], []]
    assert len(keys) == 1
    assert verified.ok
    assert holding(tmp_path, CANARY, PERSON) == []


async def _replayed(emma):
    """The same, where it is the restore of a backup that was taken midway."""
    await emma.subjects.replay_ledger()
    return await emma.subjects.erase("default", PERSON)


async def test_a_turn_under_way_is_ended_by_the_erasure_and_writes_nothing_more(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        desk = emma.tenant("default")
        with pytest.raises(StoreError, match=r"erased meanwhile|ended by another process"):
            async with aclosing(desk.stream("loan_officer", f"{QUESTION} {CANARY}", subject=PERSON)) as events:
                async for event in events:
                    if event.step == "judged":
                        proof = await emma.subjects.erase("default", PERSON)

        trail = await desk.trail()
        lines = await trail.lines()
        assert proof.stopped == 1
        assert [line.kind for line in lines] == ["judged", "stopped", "erased"]
        assert await uncovered(emma) == []
        assert await trail.query("open_turn") == []
    assert holding(tmp_path, CANARY, PERSON) == []


async def test_a_key_destroyed_by_one_process_is_used_by_no_other(house: Open) -> None:
    async with house() as here, house() as there:
        theirs = there._house.store.for_tenant("default")
        await theirs.append(sealing("before"))
        [old] = await theirs.inner.query(OPEN)
        document = Document(kind="note", id="n", body={"said": "x"}, subject=PERSON)
        assert (await theirs.keys.find(PERSON)).id == old.id

        await here.subjects.erase("default", PERSON)

        for write in (lambda: theirs.append(sealing("after")), lambda: theirs.put(document)):
            theirs._tied[PERSON] = old.id
            theirs.keys.keep(theirs.keys.read(old))  # as a process holds it that has heard of nothing
            with pytest.raises(StoreError, match="was erased meanwhile"):
                await write()
        assert await theirs.query("note") == []
        fresh = there._house.store.for_tenant("default")
        fresh.keys.keep(fresh.keys.read(old))
        await fresh.append(sealing("a new beginning"))
        lines = await theirs.lines()
        keys = [each.id for each in await theirs.inner.query(OPEN)]
        assert [line.kind for line in lines] == ["judged", "erased", "judged"]
        assert len(keys) == 1 and keys != [old.id]
        assert await uncovered(here) == []


async def test_erasures_amid_appends_of_two_processes_leave_no_line_that_nobody_can_read(house: Open) -> None:
    async with house() as here, house() as there:

        async def speak(emma, count: int) -> int:
            done = 0
            for _ in range(count):
                handle = emma._house.store.for_tenant("default")
                try:
                    await handle.append(sealing("words"), puts=[(_note(), "")])
                    done += 1
                except StoreError:
                    continue
            return done

        async def forget() -> int:
            done = 0
            for _ in range(8):
                try:
                    done += len((await here.subjects.erase("default", PERSON)).lines) > 0
                except (Conflict, StoreError) as error:
                    assert "something of that person is left" in str(error)  # they came back at once
                await asyncio.sleep(0.01)
            return done

        await here._house.store.for_tenant("default").append(sealing("first"))
        spoken = await asyncio.gather(speak(here, 60), speak(there, 60), forget())
        await here.subjects.erase("default", PERSON)

        trail = await here.tenant("default").trail()
        assert min(spoken) > 0
        assert await uncovered(here) == []
        assert await trail.query("note", limit=1000) == []
        assert [line.seq for line in await trail.lines() if line.payload and line.payload.subject == PERSON] == []


def _note() -> Document:
    return Document(kind="note", id=secrets.token_hex(8), body={"said": "words"}, subject=PERSON)
