"""Holds overrides to their contract: who may lift what, for which values, and for how long."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from emma_core import CallerError, Conflict, Desk, Emma, Forbidden, Settings, TrailError, audit, hookimpl

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
DTI_MAX = "mortgage.lender_policy.dti_max"
OFFICER = ("mortgage.senior_underwriter",)
REASONS = {"reason": "strong file", "compensating_factors": "12 months of reserves"}

Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def trail_kinds(desk: Desk) -> list[str]:
    return [line.kind for line in await (await desk.trail()).lines(limit=1_000)]


async def trail_holds(desk: Desk) -> bool:
    return (await audit.verify_trail(await desk.trail())).ok


async def test_a_grant_lifts_the_finding_for_that_conversation_and_those_values_only(opened: Open) -> None:
    async with opened() as emma:
        first = await emma.tenant("default").ask(
            "loan_officer", QUESTION, facts={"reserves_months": 3}, conversation="c-1"
        )
        boss = emma.tenant("default", user="mary", roles=OFFICER)
        await boss.decide(first.overrides[0].id[:12], "granted", reasons=REASONS)
        again = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")
        higher = await emma.tenant("default").ask("loan_officer", "What about 48% debt-to-income?", conversation="c-1")
        other = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-2")
        assert await trail_holds(boss)

    lifted = next(finding for finding in again.findings if finding.rule == DTI_MAX)
    assert again.verdict == "clear"
    assert lifted.outcome == "failed" and lifted.override is not None
    assert (lifted.override.state, lifted.override.granted_by) == ("granted", "mary")
    assert higher.verdict == other.verdict == "needs_override"


async def test_a_grant_expires_and_may_be_granted_anew(opened: Open) -> None:
    async with opened() as emma:
        first = await emma.tenant("default").ask(
            "loan_officer", QUESTION, facts={"reserves_months": 3}, conversation="c-1"
        )
        boss = emma.tenant("default", user="mary", roles=OFFICER)
        await boss.decide(first.overrides[0].id, "granted", reasons=REASONS)
    async with opened(clock=lambda: datetime.now(UTC) + timedelta(days=31)) as emma:
        later = await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1", as_of=date.today())
        boss = emma.tenant("default", user="mary", roles=OFFICER)
        renewed = await boss.decide(first.overrides[0].id, "granted", reasons=REASONS)

    assert later.verdict == "needs_override"
    assert later.overrides[0].state == "expired"
    assert renewed.state == "granted"


@pytest.mark.parametrize(
    ("user", "roles", "reasons", "raised", "said"),
    [
        ("mary", (), REASONS, Forbidden, "mortgage.senior_underwriter may"),
        ("mary", ("mortgage.junior",), REASONS, Forbidden, "mortgage.senior_underwriter may"),
        ("local", OFFICER, REASONS, Forbidden, "another person must grant it"),
        ("mary", OFFICER, {"reason": "x"}, CallerError, "'compensating_factors' is required"),
        ("mary", OFFICER, {**REASONS, "mood": "good"}, CallerError, "no field 'mood'"),
        ("mary", OFFICER, {**REASONS, "reason": "  "}, CallerError, "'reason' is required"),
    ],
)
async def test_a_decision_that_may_not_be_made_leaves_no_line(
    opened: Open, user: str, roles: tuple[str, ...], reasons: dict[str, str], raised: type[Exception], said: str
) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)
        desk = emma.tenant("default", user=user, roles=roles)
        with pytest.raises(raised, match=said):
            await desk.decide(turn.overrides[0].id, "granted", reasons=reasons)

        assert await trail_kinds(desk) == ["judged", "answered"]


async def test_an_override_of_a_rule_on_words_is_bound_to_the_words(opened: Open, tmp_path: Path) -> None:
    class Words:
        @hookimpl
        def register_content(self) -> Path:
            return tmp_path / "words"

        @hookimpl
        def register_roles(self) -> dict[str, str]:
            return {"words.boss": "Boss"}

    rule = {
        "id": "words.house.no_secret",
        "title": "No secret",
        "text": "Nobody speaks of a secret.",
        "applies_to": ["ask"],
        "require": "NOT contains(lower(text), 'secret')",
        "severity": "error",
        "message": "It speaks of a secret.",
        "source": {"kind": "policy", "citation": "House rules 1", "read_on": "2026-11-01"},
        "override_template": "words.secret",
        "examples": {"pass": [{"text": "x"}], "fail": [{"text": "Secret"}]},
    }
    folder = tmp_path / "words"
    (folder / "override-templates").mkdir(parents=True)
    (folder / "index.json").write_text(json.dumps({"facts": {"words.none": {}}}))
    (folder / "house.json").write_text(
        json.dumps({"ruleset": "words/house", "edition": "1", "facts": "words.none", "rules": [rule]})
    )
    (folder / "override-templates" / "secret.md").write_text(
        "---\nid: words.secret\ntitle: Secret\ngranted_by: [words.boss]\n---\nOnce."
    )
    (folder / "bot.yaml").write_text("id: bot\ntitle: B\ninstructions: A\nrules: {use: [words/house]}\n")
    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/w.db"), plugins={"words": Words()}) as emma:
        first = await emma.tenant("default").ask("bot", "the secret of the soup", conversation="c")
        boss = emma.tenant("default", user="mary", roles=("words.boss",))
        await boss.decide(first.overrides[0].id, "granted", reasons={"reason": "harmless"})
        same = await emma.tenant("default").ask("bot", "the secret of the soup", conversation="c")
        other = await emma.tenant("default").ask("bot", "SECRET: wire the money", conversation="c")

    assert (first.verdict, same.verdict, other.verdict) == ("needs_override", "clear", "needs_override")


async def test_an_override_is_decided_once(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)
        boss = emma.tenant("default", user="mary", roles=OFFICER)
        await boss.decide(turn.overrides[0].id, "refused", reasons={"reason": "no"})
        with pytest.raises(Conflict, match="refused by 'mary' already"):
            await boss.decide(turn.overrides[0].id, "granted", reasons=REASONS)
        again = await emma.tenant("default").ask("loan_officer", QUESTION, conversation=turn.ask.conversation)

    assert again.verdict == "needs_override"
    assert again.overrides[0].state == "refused"


async def test_decisions_made_at_the_same_moment_leave_one(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)
        desks = [emma.tenant("default", user=f"mary{n}", roles=OFFICER) for n in range(8)]
        made = await asyncio.gather(
            *(desk.decide(turn.overrides[0].id, "granted", reasons=REASONS) for desk in desks), return_exceptions=True
        )
        said = await trail_kinds(desks[0])

    assert sum(isinstance(each, Conflict) for each in made) == 7
    assert said == ["judged", "answered", "decided"]


async def test_a_grant_that_the_trail_does_not_hold_lifts_nothing(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION, facts={"reserves_months": 3})
        store = await emma.tenant("default").trail()
        kept = await store.get("override", turn.overrides[0].id)
        assert kept is not None
        forged = {**kept.body, "state": "granted", "decided_by": "mary", "expires_at": "2999-01-01T00:00:00+00:00"}
        await store.put(kept.model_copy(update={"body": forged}))
        again = await emma.tenant("default").ask("loan_officer", QUESTION, conversation=turn.ask.conversation)

    assert again.verdict == "needs_override"
    assert again.overrides[0].state == "suggested"


async def test_a_decision_that_was_changed_on_the_trail_stops_the_turn(opened: Open, tmp_path: Path) -> None:
    async with opened() as emma:
        first = await emma.tenant("default").ask("loan_officer", QUESTION)
        boss = emma.tenant("default", user="mary", roles=OFFICER)
        await boss.decide(first.overrides[0].id, "granted", reasons=REASONS)
    with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
        database.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 3")
    async with opened() as emma:
        with pytest.raises(TrailError, match="Line 3 of the trail"):
            await emma.tenant("default").ask("loan_officer", QUESTION, conversation=first.ask.conversation)
