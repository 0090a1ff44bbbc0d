"""Holds a turn to its contract, step by step, with the shipped packs and a real store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing, suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emma_core import CallerError, Desk, Emma, TrailError, audit
from emma_core.testing import Says, ScriptedModel

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
DTI_MAX = "mortgage.lender_policy.dti_max"
DTI_43 = "mortgage.qualified_mortgage.dti_43"
OFFICER = ("mortgage.senior_underwriter",)
REASONS = {"reason": "strong file", "compensating_factors": "12 months of reserves"}

Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def trail_kinds(desk: Desk) -> list[str]:
    return [line.kind for line in await (await desk.trail()).lines(limit=1_000)]


async def trail_holds(desk: Desk) -> bool:
    return (await audit.verify_trail(await desk.trail())).ok


async def test_a_limit_of_policy_fails_with_its_value_source_and_override(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)

    failed = [finding for finding in turn.findings if finding.outcome == "failed"]
    assert turn.verdict == "needs_override"
    assert [finding.rule for finding in failed] == [DTI_MAX]
    assert failed[0].values == {"dti": Decimal("0.47")}
    assert failed[0].plain()["values"] == {"dti": 0.47}
    assert failed[0].source.citation == "12 CFR 1026.43(c)(2)(vii)"
    assert failed[0].would_pass == "dti <= 0.45"
    assert failed[0].override is not None and failed[0].override.state == "suggested"
    assert turn.overrides[0].granted_by == OFFICER
    assert [fact.name for fact in turn.facts if fact.basis == "extracted"] == [
        "mortgage.loan.dti",
        "mortgage.loan.loan_type",
    ]
    dti = next(fact for fact in turn.facts if fact.name.endswith(".dti"))
    assert dti.span is not None and "47" in QUESTION[dti.span.start : dti.span.end]


async def test_rules_are_read_as_of_the_date_that_was_asked_for(opened: Open) -> None:
    async with opened() as emma:
        now = await emma.tenant("default").ask("loan_officer", QUESTION)
        then = await emma.tenant("default").ask("loan_officer", QUESTION, as_of=date(2019, 6, 1))

    assert DTI_43 in [left.rule for left in now.left_out]
    assert {finding.rule: finding.severity for finding in then.findings if finding.outcome == "failed"} == {
        DTI_MAX: "error",
        DTI_43: "warning",
    }
    assert then.verdict == now.verdict == "needs_override"


async def test_an_application_date_moves_the_rules_where_given_and_not_where_only_said(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        given = await desk.ask("loan_officer", QUESTION, facts={"application_date": date(2019, 6, 1)})
        said = await desk.ask("loan_officer", QUESTION + " They applied on 2019-06-01.")

    assert any(finding.rule == DTI_43 for finding in given.findings)
    assert not any(finding.rule == DTI_43 for finding in said.findings)


async def test_a_given_fact_outranks_the_words(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION, facts={"dti": 0.41})

    assert turn.verdict == "clear"
    assert {fact.name: fact.basis for fact in turn.facts}["mortgage.loan.dti"] == "given"


async def test_what_was_given_earlier_outranks_later_words_and_yields_to_newer_given(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        first = await desk.ask("loan_officer", "Is this loan fine?", facts={"dti": 0.41}, conversation="c-1")
        second = await desk.ask("loan_officer", QUESTION, conversation="c-1")
        third = await desk.ask("loan_officer", "And now?", facts={"dti": 0.49}, conversation="c-1")

    assert [turn.verdict for turn in (first, second, third)] == ["clear", "clear", "needs_override"]


async def test_a_missing_fact_is_asked_for_and_a_bare_answer_settles_it(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        asked = await desk.ask("loan_officer", "Can we approve this conventional loan?", conversation="c-1")
        answered = await desk.ask("loan_officer", "41%", conversation="c-1")
        elsewhere = await desk.ask("loan_officer", "41%", conversation="c-2")

    assert asked.verdict == "needs_facts"
    assert asked.needs[0].fact == "mortgage.loan.dti" and asked.needs[0].question.endswith("?")
    assert answered.verdict == "clear"
    finding = next(finding for finding in answered.findings if finding.rule == DTI_MAX)
    assert finding.outcome == "passed" and "as asserted" in finding.message
    assert elsewhere.verdict == "needs_facts"


async def test_a_correction_of_what_was_asked_counts(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        said = ("Can we approve this?", "41%", "Actually 47%")
        turns = [await desk.ask("loan_officer", words, conversation="c-1") for words in said]

    assert [turn.verdict for turn in turns] == ["needs_facts", "clear", "needs_override"]


async def test_a_question_back_answers_no_text_fact(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        said = ("Are the remarks fine to publish?", "Why do you need that?", '"Bright home, adults only."')
        turns = [await desk.ask("listing_editor", words, conversation="c-1") for words in said]

    assert [turn.verdict for turn in turns[:2]] == ["needs_facts", "needs_facts"]
    assert turns[2].verdict == "needs_override"


async def test_a_mandatory_rule_with_unrelated_words_is_evaluated_all_the_same(opened: Open) -> None:
    async with opened() as emma:
        turn = await emma.tenant("default").ask("loan_officer", "zebra xylophone", facts={"dti": 0.47})

    retrieved = {each.rule: each for each in turn.retrieved}
    assert retrieved[DTI_MAX].mandatory and not retrieved[DTI_MAX].matched
    assert turn.verdict == "needs_override"
    assert all("advisory" in left.why for left in turn.left_out if left.rule != DTI_43)


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        ("", {}, "empty"),
        (" \n ", {}, "empty"),
        ("x" * 1_000_000, {}, "1,000,000 characters"),
        ("half \ud800 pair", {}, "not Unicode"),
        ("x", {"facts": {"dti": True}}, "'dti'"),
        ("x", {"facts": {"dti": float("nan")}}, "'dti'"),
        ("x", {"facts": {"dti": float("inf")}}, "'dti'"),
        ("x", {"facts": {"dti": "0.4"}}, "'dti'"),
        ("x", {"facts": {"dti": None}}, "'dti'"),
        ("x", {"facts": {"application_date": "2024-02-30"}}, "'application_date'"),
        ("x", {"facts": {"dtii": 0.4}}, "did you mean 'dti'"),
        ("x", {"facts": {"loan_type": "jumbo"}}, "'loan_type'"),
        ("x", {"facts": {"text": "nothing to see"}}, "'text'"),
        ("x", {"facts": {"tool": "wire_money"}}, "'tool'"),
        ("x", {"facts": {"as_of": "2019-06-01"}}, "'as_of'"),
        ("x", {"facts": {f"f{n}": 1 for n in range(501)}}, "501 facts"),
        ("x", {"conversation": "c" * 201}, "does not fit"),
        ("x", {"as_of": date(1799, 12, 31)}, "'as_of'"),
        ("x", {"as_of": date(2200, 1, 1)}, "'as_of'"),
        ("x", {"facts": {"DTI": 0.4}}, "did you mean 'dti'"),
    ],
)
async def test_an_ask_that_does_not_fit_says_why_and_writes_nothing(
    opened: Open, words: str, more: dict[str, Any], said: str
) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        with pytest.raises(CallerError, match=said):
            await desk.ask("loan_officer", words, **more)

        assert await trail_kinds(desk) == []


async def test_a_caller_who_leaves_ends_the_turn_on_the_trail(opened: Open) -> None:
    async with opened(ScriptedModel(Says("x [1]", pause=30), again=True)) as emma:
        desk = emma.tenant("default")
        stream = desk.stream("loan_officer", QUESTION)
        async for event in stream:
            if event.step == "judged":
                break
        await stream.aclose()  # type: ignore[attr-defined]
        task = asyncio.create_task(desk.ask("loan_officer", QUESTION))
        while len(await trail_kinds(desk)) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await trail_kinds(desk) == ["judged", "stopped", "judged", "stopped"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_a_turn_cancelled_at_any_moment_has_an_end(opened: Open, again: bool) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        for moment in range(60):
            task = asyncio.create_task(desk.ask("loan_officer", QUESTION))
            await asyncio.sleep(moment / 10_000)
            task.cancel()
            if again:
                await asyncio.sleep(0)
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        lines = await (await desk.trail()).lines(limit=1_000)

    ends = Counter(line.turn for line in lines if line.kind in ("answered", "stopped"))
    assert ends == Counter(line.turn for line in lines if line.kind == "judged")


async def test_the_steps_of_a_stream_stand_in_order_and_the_last_carries_the_turn(opened: Open) -> None:
    async with opened() as emma:
        events = [event async for event in emma.tenant("default").stream("loan_officer", QUESTION)]

    assert [event.step for event in events] == ["facts", "retrieved", "findings", "judged", "answered"]
    assert events[-1].whole is not None and len(events[-1].whole.trail) == 2


async def test_a_hundred_turns_at_once_leave_an_unbroken_trail(opened: Open) -> None:
    async with opened() as emma:
        desk = emma.tenant("default")
        turns = await asyncio.gather(
            *(desk.ask("loan_officer", QUESTION, conversation=f"c-{n % 10}") for n in range(100))
        )
        lines = await (await desk.trail()).lines(limit=1_000)
        assert await trail_holds(desk)

    told = {(line.turn, line.kind) for line in lines}
    assert told == {(turn.id, kind) for turn in turns for kind in ("judged", "answered")}
    assert len(lines) == 200


async def test_two_tenants_with_prefix_names_share_nothing(opened: Open) -> None:
    async with opened() as emma:
        await emma.create_tenant("a")
        await emma.create_tenant("aa")
        first = await emma.tenant("a").ask("loan_officer", QUESTION, conversation="c", facts={"reserves_months": 3})
        mary = emma.tenant("aa", user="mary", roles=OFFICER)
        with pytest.raises(CallerError, match="0 overrides"):
            await mary.decide(first.overrides[0].id, "granted", reasons=REASONS)
        other = await emma.tenant("aa").ask("loan_officer", "Fine?", conversation="c")

        assert other.verdict == "needs_facts"
        assert await trail_kinds(emma.tenant("default")) == []
        assert len(await emma.tenant("a").overrides()) == 1
        assert await emma.tenant("aa").overrides() == []


async def test_the_same_turn_says_the_same_on_paper_but_for_ids_times_and_salts(opened: Open) -> None:
    async with opened() as emma:
        await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")
        await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-2")
        lines = await (await emma.tenant("default").trail()).lines()

    events = [audit.read(line) for line in lines]
    assert events[0].outcome == events[2].outcome
    assert events[0].commitment != events[2].commitment
    assert not any(word in line.line for line in lines for word in ("debt-to-income", "conventional", "0.47"))


async def test_a_remembered_fact_that_was_changed_on_the_trail_stops_the_turn(opened: Open, tmp_path: Path) -> None:
    async with opened() as emma:
        await emma.tenant("default").ask("loan_officer", "Fine?", facts={"dti": 0.47}, conversation="c-1")
    with closing(sqlite3.connect(tmp_path / "emma.db")) as database, database:
        database.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 1")
    async with opened() as emma:
        with pytest.raises(TrailError, match="Line 1 of the trail"):
            await emma.tenant("default").ask("loan_officer", "And now?", conversation="c-1")
