"""Tests that a store which an older release wrote in plain words is read, closed, and forgets a person as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from emma_core import audit
from emma_core.subjects.keys import KINDS

from .conftest import CANARY, OTHER, PERSON, Open, holding, say


@pytest.fixture
async def older(house: Open, tmp_path: Path) -> Path:
    """The folder of a store with two persons in plain words, as before there were keys."""
    async with house() as emma:
        await say(emma)
        await say(emma, OTHER, canary="others-words")
        store = emma._house.store.for_tenant("default")
        lines = await store.lines()
        documents = [each for kind in await store.kinds() async for each in _every(store, kind)]
        await store.inner.replace_payloads({line.seq: line.payload for line in lines})
        for each in documents:
            await store.inner.put(each)
        for kind in KINDS:
            for key in await store.inner.query(kind):
                await store.inner.delete(kind, key.id)
    assert holding(tmp_path, CANARY) != []
    return tmp_path


async def _every(store, kind):
    for each in await store.query(kind, limit=1000):
        yield each


async def test_plain_words_are_read_and_then_closed(house: Open, older: Path) -> None:
    async with house() as emma:
        trail = await emma.tenant("default").trail()
        before, overrides = await trail.lines(), await trail.query("override")
        assert any(CANARY in line.payload.body for line in before)

        [first] = await emma.subjects.encrypt()
        [again] = await emma.subjects.encrypt()

        assert (first.payloads, first.documents) == (10, 2)
        assert (again.payloads, again.documents, again.keys) == (0, 0, 0)
        assert await trail.lines() == before
        assert [each.body for each in await trail.query("override")] == [each.body for each in overrides]
        assert (await audit.verify_trail(trail)).ok
    assert holding(older, CANARY, PERSON) == []


async def test_a_person_in_plain_words_is_forgotten_too(house: Open, older: Path) -> None:
    async with house() as emma:
        proof = await emma.subjects.erase("default", PERSON)
        trail = await emma.tenant("default").trail()

        assert (proof.before["payloads"], set(proof.after.values())) == (5, {0})
        assert {line.payload.subject for line in await trail.lines() if line.payload} == {"", OTHER}
        assert (await audit.verify_trail(trail)).ok
    assert holding(older, CANARY, PERSON) == []


async def test_a_plain_backup_forgets_again_whom_the_ledger_names(house: Open, older: Path) -> None:
    backup = {path.name: path.read_bytes() for path in (older / "here").glob("emma.db*")}
    async with house() as emma:
        await emma.subjects.erase("default", PERSON)
        ledger = await emma.subjects.ledger()
    for path in (older / "here").glob("emma.db*"):
        path.unlink()
    for name, data in backup.items():
        (older / "here" / name).write_bytes(data)

    async with house() as emma:
        [replayed] = await emma.subjects.replay_ledger(ledger)
        assert (replayed.again, replayed.lines) == (1, 5)
        assert (await audit.verify_trail(await emma.tenant("default").trail())).ok
    assert holding(older / "here", CANARY, PERSON) == []
