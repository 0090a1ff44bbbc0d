"""Holds what a model says to its limits: nothing leaves but past the rules that guard it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from emma_core import BlueprintError, CallerError, Desk, Emma, NotFound, Settings, audit, hookimpl
from emma_core.nouns import Piece, Prompt
from emma_core.testing import Calls, Fails, Returns, Says, ScriptedModel, ScriptedPack

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"


Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def trail_kinds(desk: Desk) -> list[str]:
    return [line.kind for line in await (await desk.trail()).lines(limit=1_000)]


async def trail_holds(desk: Desk) -> bool:
    return (await audit.verify_trail(await desk.trail())).ok


async def test_a_social_security_number_is_shown_in_an_ask_and_masked_in_an_answer(opened: Open) -> None:
    model = ScriptedModel(Says("The number 219-09-9999 is on file [1]."))
    async with opened(model) as emma:
        turn = await emma.tenant("default").ask("loan_officer", "Is SSN 219-09-9999 fine at 40% DTI?")

    assert turn.answer is not None and turn.answer.mended
    assert turn.answer.text == "The number [removed] is on file [1]."
    assert [finding.outcome for finding in turn.answer.findings if "ssn" in finding.rule] == ["failed"]
    asked = next(finding for finding in turn.findings if "ssn" in finding.rule)
    assert asked.outcome == "failed" and asked.spans is not None
    assert "219" not in json.dumps(asked.plain())


async def test_the_model_is_told_the_findings_and_the_talk_so_far(opened: Open) -> None:
    model = ScriptedModel(Says("No [1]."), Says("Still no [1]."))
    async with opened(model) as emma:
        await emma.tenant("default").ask("loan_officer", QUESTION, conversation="c-1")
        await emma.tenant("default").ask("loan_officer", "Really?", conversation="c-1")

    assert "Verdict: needs_override" in model.prompts[0].system
    assert "12 CFR 1026.43(c)(2)(vii)" in model.prompts[0].system
    assert [message.text for message in model.prompts[1].messages] == [QUESTION, "No [1].", "Really?"]


async def test_a_model_that_fails_stops_the_turn_and_the_sealed_verdict_stays(opened: Open) -> None:
    async with opened(ScriptedModel(Fails("overloaded"))) as emma:
        desk = emma.tenant("default")
        turn = await desk.ask("loan_officer", QUESTION)

        assert turn.verdict == "needs_override"
        assert turn.answer is None and turn.stopped is not None and "overloaded" in turn.stopped
        assert await trail_kinds(desk) == ["judged", "stopped"]
        assert await trail_holds(desk)


async def test_a_model_that_asks_for_a_tool_it_does_not_have_is_told_so(opened: Open) -> None:
    model = ScriptedModel(Calls("wire_money", {"to": "me"}), Says("Without it, then [1]."))
    async with opened(model) as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)

    assert turn.answer is not None and turn.answer.text == "Without it, then [1]."
    assert "no tool 'wire_money'" in model.prompts[1].messages[-1].text


async def test_a_model_that_never_answers_meets_the_limit_of_calls(opened: Open) -> None:
    async with opened(ScriptedModel(Calls("loop"), again=True)) as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)

    assert turn.stopped is not None and turn.stopped.startswith("limits.model_calls")


@pytest.mark.parametrize("flaw", ["No source at all.", "See [99].", "See [ 1234 ]."])
async def test_an_answer_without_a_sound_citation_is_sent_back_once_and_then_stopped(opened: Open, flaw: str) -> None:
    async with opened(ScriptedModel(Says(flaw), Says("Mended [1]."), Says(flaw), Says(flaw))) as emma:
        mended = await emma.tenant("default").ask("loan_officer", QUESTION)
        stopped = await emma.tenant("default").ask("loan_officer", QUESTION)

    assert mended.answer is not None and [cite.n for cite in mended.answer.citations] == [1]
    assert mended.answer.citations[0].citation == "12 CFR 1026.43(c)(2)(vii)"
    assert stopped.answer is None and stopped.stopped is not None and "source" in stopped.stopped


def blueprint(folder: Path, **more: Any) -> Path:
    """A folder with one blueprint of its own, `own`."""
    said: dict[str, Any] = {
        "id": "own",
        "title": "Own",
        "instructions": "Answer.",
        "rules": {"use": ["mortgage/lender_policy", "global/*"]},
    }
    folder.mkdir(exist_ok=True)
    (folder / "own.yaml").write_text(json.dumps({**said, **more}))
    return folder


async def test_a_structured_answer_must_fit_its_schema(opened: Open, tmp_path: Path) -> None:
    shape = {"schema": {"type": "object", "required": ["yes"], "properties": {"yes": {"type": "boolean"}}}}
    own = blueprint(tmp_path / "own", answer=shape)
    model = ScriptedModel(Returns({"yes": "maybe"}), Returns({"yes": False}), Says("not json"), Says("nor this"))
    async with opened(model, blueprints=own) as emma:
        fits = await emma.tenant("default").ask("own", QUESTION)
        does_not = await emma.tenant("default").ask("own", QUESTION)

    assert fits.answer is not None and fits.answer.data == {"yes": False}
    assert does_not.stopped is not None and "is no JSON value" in does_not.stopped


async def test_a_warning_on_an_answer_stops_it_where_warnings_block(opened: Open, tmp_path: Path) -> None:
    class Curt:
        @hookimpl
        def register_content(self) -> Path:
            return tmp_path / "curt"

    rule = {
        "id": "curt.house.brief",
        "title": "Brief",
        "text": "An answer is brief.",
        "applies_to": ["answer"],
        "require": "length(text) <= 10",
        "severity": "warning",
        "message": "The answer is long.",
        "source": {"kind": "policy", "citation": "House rules 1", "read_on": "2026-11-01"},
        "examples": {"pass": [{"text": "short"}], "fail": [{"text": "not that short"}]},
    }
    ruleset = {"ruleset": "curt/house", "edition": "1", "facts": "curt.none", "rules": [rule]}
    for name, said in (("index", {"facts": {"curt.none": {}}}), ("house", ruleset)):
        (tmp_path / "curt").mkdir(exist_ok=True)
        (tmp_path / "curt" / f"{name}.json").write_text(json.dumps(said))
    verdicts = {}
    for on_warning in ("annotate", "block"):
        own = blueprint(tmp_path / on_warning, rules={"use": ["curt/house"], "on_warning": on_warning})
        model = ScriptedModel(Says("a long answer, and then some"), again=True)
        settings = Settings(store=f"sqlite:///{tmp_path}/curt.db", model="scripted:", blueprints=own)
        plugins = {"curt": Curt(), "scripted": ScriptedPack(model)}
        async with Emma.open(settings, plugins=plugins) as emma:
            turn = await emma.tenant("default").ask("own", QUESTION)
        verdicts[on_warning] = (turn.verdict, turn.stopped)

    assert verdicts == {
        "annotate": ("clear", None),
        "block": ("clear", "answer: curt.house.brief: The answer is long."),
    }


SHAPE = {"schema": {"type": "object", "additionalProperties": {"type": ["string", "number"]}}}


@pytest.mark.parametrize(
    ("said", "stopped"),
    [
        (Returns({"ssn": "219-09-9999"}), None),
        (Returns({"a": "x\n219-09-9999"}), None),
        (Returns({"219-09-9999": "a key"}), "a key of the structured answer"),
        (Returns({"a": "219-\u200b09-9999"}), "ssn_in_text"),
        (Says('{"a": NaN}'), "NaN is no JSON number"),
        (Says('{"a": 1e999}'), "JSON has no number"),
        (Says('{"a": "\\ud800"}'), "no JSON value"),
        (Says("[" * 20_000), "no JSON value"),
        (Says('{"a": ' + "1" * 5_000 + "}"), "no JSON value"),
    ],
)
async def test_no_text_of_a_structured_answer_leaves_but_past_the_rules(
    opened: Open, tmp_path: Path, said: Says | Returns, stopped: str | None
) -> None:
    own = blueprint(tmp_path / "own", answer=SHAPE)
    async with opened(ScriptedModel(said, again=True), blueprints=own) as emma:
        turn = await emma.tenant("default").ask("own", QUESTION)

    assert "219-09-9999" not in json.dumps(turn.answer.plain() if turn.answer else None)
    if stopped is None:
        assert turn.answer is not None and turn.answer.mended
    else:
        assert turn.stopped is not None and stopped in turn.stopped


async def test_a_masked_answer_that_leaves_its_schema_is_stopped(opened: Open, tmp_path: Path) -> None:
    shape = {"schema": {"type": "object", "properties": {"a": {"enum": ["219-09-9999"]}}}}
    own = blueprint(tmp_path / "own", answer=shape)
    async with opened(ScriptedModel(Returns({"a": "219-09-9999"})), blueprints=own) as emma:
        turn = await emma.tenant("default").ask("own", QUESTION)

    assert turn.stopped is not None and "masked, it does not fit" in turn.stopped


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "http://127.0.0.1:1/s.json"}, "lies outside"),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, "'pattern' is refused"),
        ({"patternProperties": {"x": {}}}, "'patternProperties' is refused"),
        ({"type": "objekt"}, "objekt"),
    ],
)
async def test_a_schema_that_answers_cannot_be_held_to_is_refused_with_the_blueprint(
    opened: Open, tmp_path: Path, schema: dict[str, Any], said: str
) -> None:
    own = blueprint(tmp_path / "own", answer={"schema": schema})
    async with opened(ScriptedModel(Returns({})), blueprints=own) as emma:
        with pytest.raises(BlueprintError, match=said):
            await emma.tenant("default").ask("own", QUESTION)


async def test_data_that_nobody_asked_for_is_dropped(opened: Open) -> None:
    class Chatty(ScriptedModel):
        """Says words, and data that its prompt did not ask for."""

        async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
            yield Piece(text="Fine [1].", data={"ssn": "219-09-9999"})

    async with opened(Chatty()) as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)

    assert turn.answer is not None and turn.answer.data is None


@pytest.mark.parametrize("hidden", ["219-\u200b09-9999", "219-0\u20609-9999 [1]"])
async def test_what_hides_inside_forbidden_characters_does_not_leave_by_their_removal(
    opened: Open, hidden: str
) -> None:
    async with opened(ScriptedModel(Says(f"It is {hidden} [1]."), again=True)) as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION)

    assert turn.answer is None
    assert turn.stopped is not None and "ssn_in_text" in turn.stopped


async def test_a_model_that_does_not_say_what_it_used_is_held_to_an_estimate(opened: Open, tmp_path: Path) -> None:
    own = blueprint(tmp_path / "own", limits={"tokens": 1_000})
    async with opened(ScriptedModel(Says("word " * 2_000 + "[1]")), blueprints=own) as emma:
        turn = await emma.tenant("default").ask("own", QUESTION)

    assert turn.stopped is not None and turn.stopped.startswith("limits.tokens")


async def test_a_turn_that_takes_too_long_is_stopped(opened: Open, tmp_path: Path) -> None:
    own = blueprint(tmp_path / "own", limits={"seconds": 1})
    async with opened(ScriptedModel(Says("late [1]", pause=30)), blueprints=own) as emma:
        desk = emma.tenant("default")
        turn = await desk.ask("own", QUESTION)

        assert turn.stopped is not None and turn.stopped.startswith("limits.seconds")
        assert await trail_kinds(desk) == ["judged", "stopped"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tools": ["mortgage.payment"]}, "no pack brings a tool 'mortgage.payment'"),
        ({"packs": {"mortgage": ">=9"}}, "'>=9' is needed"),
        ({"packs": {"mortgag": ">=1"}}, "did you mean 'mortgage'"),
        ({"rules": {"use": ["mortgage/lender_polcy"]}}, "did you mean 'mortgage/lender_policy"),
        ({"nonsense": 1}, "no such key"),
        ({"limits": {"seconds": "soon"}}, "limits.seconds"),
        ({"id": "other"}, "must be the file's name"),
    ],
)
async def test_a_blueprint_that_may_not_run_says_why_and_writes_nothing(
    opened: Open, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    own = blueprint(tmp_path / "own", **more)
    async with opened(blueprints=own) as emma:
        desk = emma.tenant("default")
        with pytest.raises(Exception, match=said) as caught:
            await desk.ask("own", QUESTION)

        assert type(caught.value).__module__ == "emma_core.errors"
        assert await trail_kinds(desk) == []


async def test_a_blueprint_with_a_price_limit_needs_a_model_with_a_price(opened: Open, tmp_path: Path) -> None:
    own = blueprint(tmp_path / "own", limits={"usd": 0.1})
    model = ScriptedModel(Says("x [1]"))
    model.usd_per_token = None
    async with opened(model, blueprints=own) as emma:
        with pytest.raises(BlueprintError, match=r"limits\.usd"):
            await emma.tenant("default").ask("own", QUESTION)


async def test_an_unknown_tenant_or_blueprint_is_not_found(opened: Open) -> None:
    async with opened() as emma:
        with pytest.raises(NotFound, match="did you mean 'loan_officer'"):
            await emma.tenant("default").ask("loan_oficer", QUESTION)
        with pytest.raises(NotFound, match="No tenant 'nobody'"):
            await emma.tenant("nobody").ask("loan_officer", QUESTION)
        with pytest.raises(CallerError, match="No caller"):
            emma.tenant("No Body!")
