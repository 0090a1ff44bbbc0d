"""Attacks the file under a running house: nothing slipped in lifts a finding, asserts a fact, or verifies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, Forbidden, TrailError, audit

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
OFFICER = ("mortgage.senior_underwriter",)
REASONS = {"reason": "strong file", "compensating_factors": "12 months of reserves"}
Open = Callable[..., AbstractAsyncContextManager[Emma]]


@pytest.fixture
def attack(tmp_path: Path) -> Callable[..., None]:
    """Runs SQL on the store's file from outside."""

    def run(*statements: str) -> None:
        with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    return run


async def granted(emma: Emma, tenant: str = "default") -> str:
    """A conversation of the tenant in which 47% was granted."""
    first = await emma.tenant(tenant).ask("loan_officer", QUESTION, facts={"reserves_months": 3}, conversation="c-1")
    await emma.tenant(tenant, user="mary", roles=OFFICER).decide(first.overrides[0].id, "granted", reasons=REASONS)
    return first.overrides[0].id


async def verified(emma: Emma, tenant: str = "default") -> bool:
    return (await audit.verify_trail(await emma.tenant(tenant).trail())).ok


@pytest.mark.parametrize("seq", [0, -1])
async def test_a_line_under_number_one_is_seen_by_the_verifier_and_by_nobody_else(
    opened: Open, attack: Callable[..., None], seq: int
) -> None:
    async with opened() as emma:
        await emma.tenant("default").ask("loan_officer", "Fine?", facts={"dti": 0.41}, conversation="c-1")
        await emma.tenant("default").ask("loan_officer", "Fine?", conversation="c-2")
    attack(
        "INSERT INTO lines (tenant, seq, kind, at, turn, conversation, line, hash)"
        f" SELECT tenant, {seq}, kind, at, turn, 'c-2', line, hash FROM lines WHERE seq = 1",
        f"INSERT INTO payloads (tenant, seq, subject, salt, body) SELECT tenant, {seq}, subject, salt, body"
        " FROM payloads WHERE seq = 1",
    )
    async with opened() as emma:
        assert not await verified(emma)
        assert (
            await emma.tenant("default").ask("loan_officer", "And now?", conversation="c-2")
        ).verdict == "needs_facts"


async def test_a_grant_of_another_tenant_copied_over_lifts_nothing(opened: Open, attack: Callable[..., None]) -> None:
    async with opened() as emma:
        await emma.create_tenant("b")
        await granted(emma, "b")
        await emma.tenant("default").ask("loan_officer", QUESTION, facts={"reserves_months": 3}, conversation="c-1")
    attack(
        "INSERT INTO lines (tenant, seq, kind, at, turn, conversation, line, hash) SELECT 'default', 3, kind, at, turn,"
        " conversation, line, hash FROM lines WHERE tenant = 'b' AND seq = 3",
        "INSERT INTO payloads (tenant, seq, subject, salt, body) SELECT 'default', 3, subject, salt, body"
        " FROM payloads WHERE tenant = 'b' AND seq = 3",
    )
    async with opened() as emma:
        with pytest.raises(TrailError, match="Line 3 of the trail"):
            await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")
        assert not await verified(emma)


async def test_who_may_grant_is_read_from_the_trail_and_not_from_the_document(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION, facts={"reserves_months": 3})
        store = await emma.tenant("default").trail()
        [kept] = await store.query("override")
        forged = {**kept.body, "granted_by": ["intern"], "four_eyes": False, "holds_for": "P9999D"}
        assert forged.keys() == kept.body.keys()
        await store.put(kept.model_copy(update={"body": forged}))
    async with opened() as emma:
        eve = emma.tenant("default", user="local", roles=("intern",))
        with pytest.raises(Forbidden, match=r"mortgage\.senior_underwriter may"):
            await eve.decide(turn.overrides[0].id, "granted", reasons=REASONS)


async def test_an_override_that_no_turn_suggested_cannot_be_decided(opened: Open, attack: Callable[..., None]) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)
    attack("UPDATE documents SET in_group = 'elsewhere' WHERE kind = 'override'")
    async with opened() as emma:
        mary = emma.tenant("default", user="mary", roles=OFFICER)
        with pytest.raises(TrailError, match="suggested by no turn"):
            await mary.decide(turn.overrides[0].id, "granted", reasons=REASONS)


async def test_a_refusal_reset_in_the_document_stays_a_refusal(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)
        mary = emma.tenant("default", user="mary", roles=OFFICER)
        store = await mary.trail()
        before = await store.get("override", turn.overrides[0].id)
        assert before is not None
        await mary.decide(turn.overrides[0].id, "refused", reasons={"reason": "no"})
        await store.put(before)
        with pytest.raises(Exception, match="refused by 'mary' already"):
            await emma.tenant("default", user="max", roles=OFFICER).decide(
                turn.overrides[0].id, "granted", reasons=REASONS
            )


async def test_nobody_who_asked_for_a_lift_may_grant_it(opened: Open) -> None:
    async with opened() as emma:
        for user in ("alice", "bob"):
            turn = await emma.tenant("default", user=user).ask("loan_officer", QUESTION, conversation="c-1")
        for user in ("alice", "bob"):
            desk = emma.tenant("default", user=user, roles=OFFICER)
            with pytest.raises(Forbidden, match="another person"):
                await desk.decide(turn.overrides[0].id, "granted", reasons=REASONS)


async def test_a_clock_that_is_set_back_revives_no_grant(opened: Open) -> None:
    async with opened() as emma:
        await granted(emma)
    now = datetime.now(UTC)
    async with opened(clock=lambda: now + timedelta(days=31)) as emma:
        late = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")
    async with opened(clock=lambda: now + timedelta(days=5)) as emma:
        back = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")

    assert (late.verdict, back.verdict) == ("needs_override", "needs_override")


async def test_a_grant_for_one_person_lifts_nothing_for_another(opened: Open) -> None:
    async with opened() as emma:
        await granted(emma)
        other = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1", subject="somebody-else")

    assert other.verdict == "needs_override"


async def test_a_wiped_trail_does_not_verify(opened: Open, attack: Callable[..., None]) -> None:
    async with opened() as emma:
        await granted(emma)
    attack("DELETE FROM lines", "DELETE FROM payloads", "DELETE FROM heads")
    async with opened() as emma:
        assert not await verified(emma)


async def test_a_payload_that_lies_in_wait_blocks_nobody(opened: Open, attack: Callable[..., None]) -> None:
    async with opened() as emma:
        await emma.tenant("default").ask("loan_officer", QUESTION)
    attack("INSERT INTO payloads (tenant, seq, subject, salt, body) VALUES ('default', 3, 's', 'x', '{}')")
    async with opened() as emma:
        assert (await emma.tenant("default").ask("loan_officer", QUESTION)).answer is not None
        assert await verified(emma)


async def test_recovery_writes_what_was_sealed_and_nothing_else(opened: Open, attack: Callable[..., None]) -> None:
    forged = {"deadline": "2020-01-01T00:00:00+00:00", "caller": "ceo"}
    async with opened() as emma:
        store = await emma.tenant("default").trail()
        await store.put(document("open_turn", "t-never", forged))
    async with opened() as emma:
        store = await emma.tenant("default").trail()
        assert await store.lines() == []
        assert await store.query("open_turn") == []


async def test_damage_to_one_tenant_keeps_no_other_from_opening(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as emma:
        await emma.create_tenant("b")
        await (await emma.tenant("b").trail()).put(document("open_turn", "t-1", {}))
    async with opened() as emma:
        assert (await emma.tenant("default").ask("loan_officer", QUESTION)).answer is not None

    assert "tenant 'b'" in caplog.text


def document(kind: str, id: str, body: dict[str, Any]) -> Any:
    from emma_core.nouns import Document

    return Document(kind=kind, id=id, body=json.loads(json.dumps(body)))
