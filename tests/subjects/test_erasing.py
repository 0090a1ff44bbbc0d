"""Tests that a forgotten person is gone from everywhere and comes back with no backup."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emma_core import audit
from emma_core.errors import NotFound
from emma_core.nouns import Erasure

from .conftest import CANARY, OTHER, PERSON, Open, holding, say


async def test_what_a_person_said_lies_nowhere_in_plain_words(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        turn = await say(emma)
        trail = await emma.tenant("default").trail()
        lines = await trail.lines(conversation=turn.ask.conversation)
        while_open = holding(tmp_path, CANARY, PERSON)

    assert {line.payload.subject for line in lines} == {PERSON}
    assert CANARY in lines[0].payload.body
    assert while_open == []
    assert holding(tmp_path, CANARY, PERSON) == []


async def test_a_forgotten_person_is_gone_and_nobody_else(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        turn, other = await say(emma), await say(emma, OTHER, canary="others-words")
        trail = await emma.tenant("default").trail()
        before = await trail.lines()

        proof = await emma.subjects.erase("default", PERSON, by="dpo", reason="asked for it")

        after = await trail.lines()
        gone = {seq for first, last in proof.lines for seq in range(first, last + 1)}
        assert {line.seq for line in before if line.payload.subject == PERSON} == gone
        assert [line.payload for line in after if line.seq in gone] == [None] * len(gone)
        assert [line for line in after if line.seq <= before[-1].seq and line.seq not in gone] == [
            line for line in before if line.seq not in gone
        ]
        assert await trail.query("override") == [
            each for each in await trail.query("override") if each.subject == OTHER
        ]
        assert len(await trail.query("override")) == len(other.overrides)
        assert set(proof.after.values()) == {0}
        assert proof.before == {"keys": 1, "payloads": 5, "documents": len(turn.overrides)}
        [row] = await emma._house.registry.for_tenant("default").all(Erasure)
        assert row == proof.erasure
        sealed = audit.read(after[-1])
        assert (sealed.kind, sealed.caller) == ("erased", "dpo")
        assert sealed.outcome == {
            "erasure": row.id,
            "lines": [list(each) for each in proof.lines],
            "subject_hash": row.subject_hash,
        }
        while_open = holding(tmp_path, CANARY, PERSON)
    assert while_open == []
    assert holding(tmp_path, CANARY, PERSON) == []


async def test_a_backup_that_is_restored_forgets_the_person_again(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        await say(emma)
        await say(emma, OTHER, canary="others-words")
    shutil.copytree(tmp_path / "here", tmp_path / "backup")
    async with house() as emma:
        first = await emma.subjects.erase("default", PERSON, by="dpo")
        kept = await emma.subjects.ledger()
    assert [each.erasure for each in kept] == [first.erasure]
    shutil.rmtree(tmp_path / "here")
    shutil.copytree(tmp_path / "backup", tmp_path / "here")

    async with house() as emma:
        trail = await emma.tenant("default").trail()
        assert any(CANARY in line.payload.body for line in await trail.lines() if line.payload)
        [replayed] = await emma.subjects.replay_ledger(kept)
        [again] = await emma.subjects.replay_ledger(kept)

        assert (replayed.entries, replayed.again, replayed.lines) == (1, 1, 5)
        assert (again.entries, again.again, again.lines) == (1, 0, 0)
        assert not any(CANARY in line.payload.body for line in await trail.lines() if line.payload)
        assert [line.kind for line in await trail.lines()].count("erased") == 1
        assert [each.subject for each in await trail.query("override")] == [OTHER] * 1
        assert [each.erasure for each in await emma.subjects.ledger()] == [first.erasure]
        assert (await emma.subjects.erase("default", PERSON)).erasure == first.erasure
    assert holding(tmp_path, CANARY, PERSON) == []


async def test_the_ledger_outlives_a_registry_that_is_restored(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        await say(emma)
    shutil.copy(tmp_path / "here" / "emma.db", tmp_path / "backup.db")
    async with house() as emma:
        await emma.subjects.erase("default", PERSON, by="dpo")
    for left in (tmp_path / "here").glob("emma.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "here" / "emma.db")

    async with house() as emma:
        [replayed] = await emma.subjects.replay_ledger()

        assert replayed.again == 1
        assert len(await emma._house.registry.for_tenant("default").all(Erasure)) == 1


async def test_who_comes_back_after_an_erasure_is_not_forgotten_by_a_replay(house: Open) -> None:
    async with house() as emma:
        await say(emma)
        await emma.subjects.erase("default", PERSON)
        await say(emma, canary="said later")

        [replayed] = await emma.subjects.replay_ledger()
        trail = await emma.tenant("default").trail()

        assert replayed.again == 0
        assert any("said later" in line.payload.body for line in await trail.lines() if line.payload)
        again = await emma.subjects.erase("default", PERSON)
        assert not any("said later" in line.payload.body for line in await trail.lines() if line.payload)
        assert len({each.erasure.id for each in await emma.subjects.ledger()}) == 2
        assert again.erasure.subject_hash == (await emma.subjects.ledger())[0].erasure.subject_hash


async def test_nobody_is_not_forgotten(house: Open) -> None:
    async with house() as emma:
        await say(emma, OTHER)
        trail = await emma.tenant("default").trail()
        before = await trail.lines()

        with pytest.raises(NotFound, match="nothing is held of such a person"):
            await emma.subjects.erase("default", PERSON)
        with pytest.raises(NotFound, match="No tenant"):
            await emma.subjects.erase("acme", OTHER)
        assert await trail.lines() == before


async def test_an_older_export_brings_nobody_back_where_the_ledger_is(house: Open, tmp_path: Path) -> None:
    async with house() as emma:
        await emma.tenancy.create("acme")
        await say(emma, tenant="acme")
        await say(emma, OTHER, tenant="acme", canary="others-words")
        await emma.tenancy.export("acme", tmp_path / "older")
        await emma.subjects.erase("acme", PERSON)
        await emma.tenancy.export("acme", tmp_path / "newer")
        kept = await emma.subjects.ledger()
    async with house("elsewhere") as there:
        await there.tenancy.arrive(tmp_path / "older")
        [_, replayed] = sorted(await there.subjects.replay_ledger(kept), key=lambda each: each.again)
        older = await (await there.tenant("acme").trail()).lines()
    async with house("third") as third:
        await third.tenancy.arrive(tmp_path / "newer")
        newer = await (await third.tenant("acme").trail()).lines()

    assert (replayed.tenant, replayed.again, replayed.lines) == ("acme", 1, 5)
    for lines in (older, newer):
        assert {line.payload.subject for line in lines if line.payload} == {"", OTHER}
    assert holding(tmp_path / "elsewhere", CANARY, PERSON) == holding(tmp_path / "newer", CANARY, PERSON) == []
