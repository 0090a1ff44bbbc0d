"""What a rule set must keep to before it loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from emma_core.errors import RuleError
from emma_core.nouns import FactSpec, RuleSet
from emma_core.rules import BUILTINS, CompiledRuleSet, Function, compile_ruleset, judge

Make = Callable[..., CompiledRuleSet]
_PASS, _FAIL = {"dti": 0.4}, {"dti": 0.47}


def test_an_error_names_file_rule_key_line_and_column(make_ruleset: Make) -> None:
    with pytest.raises(RuleError) as caught:
        make_ruleset("dtii <= 0.45", passes=_PASS, fails=_FAIL)
    first = "rules.json: acme.policy.one: require: line 1 col 1: no fact 'dtii'; did you mean 'dti'?"
    assert str(caught.value) == f"{first}\n  dtii <= 0.45\n  ^"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"when": "dti >"}, "acme.policy.one: when: line 1 col 6: expected a fact"),
        ({"message": "{dtii}"}, "acme.policy.one: message: no fact 'dtii'; did you mean 'dti'?"),
        ({"message": "{dti:>10}"}, "message: '{dti:>10}' does not fit a number; write {dti}"),
        ({"message": "{zip:.2f}"}, "message: '{zip:.2f}' does not fit a text"),
        ({"message": "{dti!r}"}, "message: '!r' is refused"),
        ({"message": "{dti.real}"}, "message: placeholder 'dti.real' is no bare name"),
        ({"message": "{0}"}, "message: placeholder '0' is no bare name"),
        ({"message": "{"}, "message: Single '{' encountered"),
        ({"message": "{dti:{zip}}"}, "message: '{dti:{zip}}' does not fit a number"),
        ({"id": "acme.other.one"}, "acme.other.one: id: it must begin with 'acme.policy.'"),
        ({"effective": {"from": date(2024, 1, 2), "to": date(2024, 1, 1)}}, "effective: 'to' 2024-01-01 lies before"),
        ({"override_template": "acme.dti"}, "no template 'acme.dti'; did you mean 'acme.dtis'?"),
        ({"override_template": "x"}, "no template 'x'; there are ['acme.dtis']"),
        ({"ruleset": {"as_of": "aplied"}}, "rules.json: as_of: no fact 'aplied'; did you mean 'applied'?"),
        ({"ruleset": {"as_of": "dti"}}, "rules.json: as_of: 'dti' is a number; name a date fact"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(change: dict[str, Any], said: str, make_ruleset: Make) -> None:
    with pytest.raises(RuleError) as caught:
        make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL, templates=("acme.dtis",), **change)
    assert said in str(caught.value)
    assert str(caught.value).startswith("rules.json: ")


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ({"pass": (_FAIL,), "fail": (_FAIL,)}, "examples.pass[0]: came out as failed, not passed"),
        ({"pass": (_PASS,), "fail": (_FAIL, _PASS)}, "examples.fail[1]: came out as passed, not failed"),
        ({"pass": ({},), "fail": (_FAIL,)}, "examples.pass[0]: came out as undetermined, not passed"),
        (
            {"pass": (_PASS,), "fail": (_FAIL,), "undetermined": (_PASS,)},
            "examples.undetermined[0]: came out as passed",
        ),
        ({"pass": ({"dtii": 0.4},), "fail": (_FAIL,)}, "examples.pass[0]: no fact 'dtii'; did you mean 'dti'?"),
        ({"pass": ({"dti": "0.4"},), "fail": (_FAIL,)}, "examples.pass[0]: Fact 'dti': '0.4' is no number"),
        ({"pass": ({"dti": True},), "fail": (_FAIL,)}, "examples.pass[0]: Fact 'dti': True is no number"),
        ({"pass": ({"loan_type": "fa"},), "fail": (_FAIL,)}, "did you mean 'fha'?"),
    ],
)
def test_an_example_that_does_not_hold_is_named(examples: dict[str, Any], said: str, make_ruleset: Make) -> None:
    with pytest.raises(RuleError) as caught:
        make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL, examples=examples)
    assert str(caught.value).startswith("rules.json: acme.policy.one: examples.")
    assert said in str(caught.value)


def test_an_example_to_which_the_rule_does_not_apply_is_named(make_ruleset: Make) -> None:
    with pytest.raises(RuleError, match=r"pass\[0\]: came out as not applicable, because its 'when' is FALSE"):
        make_ruleset("dti <= 0.45", when="verified", passes={"verified": False}, fails=_FAIL)


def test_an_example_that_breaks_a_function_is_named(make_ruleset: Make) -> None:
    odd = Function("odd", ("number",), "bool", lambda x: x < 1 // 0, (((1,), True),), "Odd.")
    with pytest.raises(RuleError, match=r"examples\.pass\[0\]: came out as broken: function 'odd' raised ZeroDivision"):
        make_ruleset("odd(dti)", passes=_PASS, fails=_FAIL, functions=(odd,))


def test_null_in_an_example_is_a_fact_nobody_has_said(make_ruleset: Make) -> None:
    examples = {"pass": (_PASS,), "fail": (_FAIL,), "undetermined": ({"dti": None}, {})}
    make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL, examples=examples)


def test_two_rules_of_one_id_are_refused(facts: Mapping[str, FactSpec], make_ruleset: Make) -> None:
    one = make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL).ruleset
    twice = one.model_copy(update={"rules": one.rules * 2})
    with pytest.raises(RuleError, match=r"rules\.json: acme\.policy\.one: id: two rules have it"):
        compile_ruleset(twice, facts, {}, file="rules.json")


def test_what_is_judged_is_in_every_facts_model(make_ruleset: Make) -> None:
    require = "NOT contains(text, tool) AND as_of < DATE '2030-01-01'"
    passes = {"text": "a", "tool": "b", "as_of": "2026-01-01"}
    compiled = make_ruleset(require, passes=passes, fails={**passes, "text": "abc"})
    assert list(compiled.rules[0].specs) == ["text", "tool", "as_of"]
    assert compiled.facts["as_of"].type == "date"


def test_a_facts_model_may_not_give_what_is_judged_another_type(make_ruleset: Make) -> None:
    ruleset = make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL).ruleset
    odd = {"dti": FactSpec(type="number", title="D"), "text": FactSpec(type="number", title="T")}
    with pytest.raises(RuleError, match="fact 'text' is a text in every facts model"):
        compile_ruleset(ruleset, odd, {}, file="rules.json")


def test_a_function_may_not_stand_in_for_a_built_in_one(make_ruleset: Make, facts: Mapping[str, FactSpec]) -> None:
    mine = Function("abs", ("number",), "number", lambda x: x, (((1,), 1),), "Mine.")
    with pytest.raises(RuleError, match="function 'abs' is built in; give yours another name"):
        make_ruleset("abs(dti) <= 0.45", passes=_PASS, fails=_FAIL, functions=(mine,))
    ruleset = make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL).ruleset
    compile_ruleset(ruleset, facts, BUILTINS, file="rules.json")
    with pytest.raises(RuleError, match="is registered as 'other'"):
        compile_ruleset(ruleset, facts, {"other": Function("f", *_rest(mine))}, file="rules.json")


def _rest(function: Function) -> tuple[Any, ...]:
    return function.params, function.returns, function.body, function.examples, function.doc


@pytest.mark.parametrize(
    ("require", "fails", "warned"),
    [
        ("number(zip) > 1", "0", ["number(zip) is NULL where zip holds none; guard it: is_number(zip) AND …"]),
        ("is_number(zip) AND number(zip) > 1", "0", []),
        ("is_integer(zip) AND number(zip) > 1", "0", []),
        ("is_number(lower(zip)) AND number(zip) > 1", "0", ["guard it: is_number(zip)"]),
        ("CASE WHEN is_number(zip) THEN number(zip) ELSE 0 END > 1", "0", []),
        ("ymd(zip) > DATE '2000-01-01' AND number(zip) > 1", "18000101", ["is_ymd(zip)", "is_number(zip)"]),
    ],
)
def test_a_reading_without_its_guard_is_warned_of(
    require: str, fails: str, warned: list[str], make_ruleset: Make
) -> None:
    compiled = make_ruleset(require, passes={"zip": "20240101"}, fails={"zip": fails})
    assert len(compiled.warnings) == len(warned)
    for warning, said in zip(compiled.warnings, warned, strict=True):
        assert warning.startswith("rules.json: acme.policy.one: ")
        assert said in warning


def test_the_hash_follows_what_is_judged_and_nothing_else(make_ruleset: Make) -> None:
    def hashed(require: str = "dti <= 0.45", **change: Any) -> str:
        return make_ruleset(require, passes=_PASS, fails=_FAIL, **change).rules[0].hash

    same = {hashed(), hashed(examples={"pass": ({"dti": 0.1},), "fail": (_FAIL,)}), hashed(templates=("a",))}
    assert len(same) == 1
    changes: tuple[dict[str, Any], ...] = (
        {"require": "dti <= 0.450"},
        {"message": "Other."},
        {"severity": "warning"},
        {"ruleset": {"edition": "2027"}},
        {"ruleset": {"missing": "failed"}},
        {"ruleset": {"as_of": "applied"}},
    )
    assert len({*same, *(hashed(**change) for change in changes)}) == len(changes) + 1


def test_the_hash_is_the_same_in_every_release(make_ruleset: Make) -> None:
    rule = make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL).rules[0]
    assert rule.hash == "4f57579f42c024df207ab65c7f13c67996ab4202e1155309c5c244b0e785150a"


def test_a_rule_reads_from_json_as_from_python(make_ruleset: Make, facts: Mapping[str, FactSpec]) -> None:
    compiled = make_ruleset("dti <= 0.45", passes=_PASS, fails=_FAIL)
    again = RuleSet.model_validate_json(json.dumps(compiled.ruleset.plain()))
    assert compile_ruleset(again, facts, {}, file="rules.json").rules[0].hash == compiled.rules[0].hash


def test_a_table_is_looked_up_by_its_name(make_ruleset: Make) -> None:
    zips = {"zips": frozenset({"90210"})}
    rule = make_ruleset("in_table(zip, 'zips')", passes={"zip": "90210"}, fails={"zip": "1"}, tables=zips).rules[0]
    assert rule.absent == ()
    assert rule.decide({"zip": "90210"}) is True
    assert rule.decide({}) is None


@pytest.mark.parametrize("missing", ["undetermined", "failed"])
def test_a_rule_whose_table_is_absent_is_undetermined(missing: str, make_ruleset: Make) -> None:
    compiled = make_ruleset("in_table(zip, 'zips')", passes={}, fails={}, ruleset={"missing": missing})
    assert "no table 'zips' is installed; its examples were not run" in compiled.warnings[0]
    finding = judge(compiled.rules[0], {"zip": "1"}, basis={}, as_of=date(2026, 1, 1))
    assert finding is not None
    assert finding.outcome == "undetermined"
    assert finding.message == "One: needs the table 'zips', which is not installed"


def test_a_leaf_that_cannot_run_decides_nothing_where_another_has(make_ruleset: Make) -> None:
    odd = Function("odd", ("number",), "bool", lambda x: 1 // x > 0, (((1,), True),), "Odd.")
    rule = make_ruleset(
        "verified OR odd(dti)", passes={"dti": 1}, fails={"dti": 2, "verified": False}, functions=(odd,)
    )
    finding = judge(rule.rules[0], {"verified": True, "dti": Decimal(0)}, basis={}, as_of=date(2026, 1, 1))
    assert finding is not None
    assert (finding.outcome, finding.fields) == ("passed", ("verified",))
