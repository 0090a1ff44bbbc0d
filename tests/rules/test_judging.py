"""What a finding says, and what findings come to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest

from emma_core.nouns import Basis, Finding, OverrideState, Span
from emma_core.rules import CompiledRule, explain_tree, in_force, judge, verdict

Make = Callable[..., CompiledRule]
_DAY = date(2026, 11, 23)


def found(rule: CompiledRule, basis: dict[str, Basis] | None = None, **facts: Any) -> Finding:
    finding = judge(rule, facts, basis=basis or {}, as_of=_DAY)
    assert finding is not None
    return finding


@pytest.fixture
def dti_max(make_rule: Make) -> CompiledRule:
    return make_rule(
        "dti <= 0.45",
        passes={"dti": 0.4},
        fails={"dti": 0.47},
        message="Debt-to-income is {dti:.0%}; the limit is 45%.",
        suggestion="Lower the debt.",
        title="Debt-to-income within the limit",
    )


def test_a_failed_finding_says_all_that_is_known(dti_max: CompiledRule) -> None:
    finding = found(dti_max, {"dti": "extracted"}, dti=Decimal("0.47"), zip="1")
    assert finding.plain() == {
        "rule": "acme.policy.one",
        "ruleset": "acme/policy",
        "edition": "2026",
        "rule_hash": dti_max.hash,
        "outcome": "failed",
        "severity": "error",
        "message": "Debt-to-income is 47%; the limit is 45%.",
        "values": {"dti": 0.47},
        "fields": ["dti"],
        "basis": {"dti": "extracted"},
        "as_of": "2026-11-23",
        "source": {"kind": "policy", "citation": "Handbook 1", "read_on": "2026-11-20"},
        "suggestion": {"text": "Lower the debt."},
        "would_pass": "dti <= 0.45",
    }


def test_a_passed_finding_says_whether_it_rests_on_words(dti_max: CompiledRule) -> None:
    assert found(dti_max, {"dti": "given"}, dti=Decimal("0.4")).message == "Debt-to-income within the limit: holds"
    for basis in ("extracted", "remembered"):
        finding = found(dti_max, {"dti": basis}, dti=Decimal("0.4"))
        assert finding.message == "Debt-to-income within the limit: holds, as asserted"


def test_an_undetermined_finding_names_what_nobody_has_said(dti_max: CompiledRule) -> None:
    finding = found(dti_max)
    assert finding.message == "Debt-to-income within the limit: needs Debt-to-income"
    assert (finding.outcome, finding.missing, finding.fields, finding.values) == (
        "undetermined",
        ("dti",),
        ("dti",),
        None,
    )


def test_an_undetermined_finding_names_what_cannot_be_read(make_rule: Make) -> None:
    finding = found(make_rule("number(zip) > 1", passes={"zip": "2"}, fails={"zip": "1"}), zip="NA")
    assert finding.message == "One: needs ZIP code in a form that can be read"
    assert (finding.outcome, finding.missing) == ("undetermined", None)


def test_where_missing_means_failed_a_null_fails(make_rule: Make) -> None:
    rule = make_rule(
        "dti <= 0.45", passes={"dti": 0.4}, fails={}, ruleset={"missing": "failed"}, message="{dti} is over 45%."
    )
    finding = found(rule)
    assert (finding.outcome, finding.message) == ("failed", "unknown is over 45%.")


@pytest.mark.parametrize(
    ("facts", "outcome", "fields"),
    [
        ({"jumbo": False}, None, None),
        ({"jumbo": False, "verified": False}, None, None),
        ({"jumbo": True, "verified": True}, "passed", ("verified",)),
        ({"verified": True}, "passed", ("verified",)),
        ({"jumbo": True, "verified": False}, "failed", ("jumbo", "verified")),
        ({"jumbo": True}, "undetermined", ("verified",)),
        ({"verified": False}, "undetermined", ("jumbo",)),
        ({}, "undetermined", ("jumbo", "verified")),
    ],
)
def test_a_guard_excuses_only_where_it_is_false(
    facts: dict[str, bool], outcome: str | None, fields: tuple[str, ...] | None, make_rule: Make
) -> None:
    holds, fails = {"verified": True}, {"jumbo": True, "verified": False}
    rule = make_rule("verified", when="jumbo", passes=holds, fails=fails)
    finding = judge(rule, facts, basis={}, as_of=_DAY)
    assert (finding and finding.outcome, finding and finding.fields) == (outcome, fields)


@pytest.mark.parametrize(
    ("require", "facts", "fields", "would_pass"),
    [
        ("dti <= 0.45", {"dti": 1}, ("dti",), "dti <= 0.45"),
        ("NOT (dti > 0.45)", {"dti": 1}, ("dti",), "dti <= 0.45"),
        ("NOT dti >= 0.45", {"dti": 1}, ("dti",), "dti < 0.45"),
        ("NOT dti = 1", {"dti": 1}, ("dti",), "dti <> 1"),
        ("debt * 100 <= 43 * income", {"debt": 5, "income": 1}, ("debt", "income"), "debt * 100 <= 43 * income"),
        ("loan_type IN ('fha', 'va')", {"loan_type": "conventional"}, ("loan_type",), "loan_type IN ('fha', 'va')"),
        ("loan_type NOT IN ('va')", {"loan_type": "va"}, ("loan_type",), "loan_type NOT IN ('va')"),
        ("NOT loan_type IN ('va')", {"loan_type": "va"}, ("loan_type",), "loan_type NOT IN ('va')"),
        ("dti BETWEEN 0 AND 0.4", {"dti": 1}, ("dti",), "dti BETWEEN 0 AND 0.4"),
        ("zip IS NOT NULL", {"dti": 1}, ("zip",), "zip IS NOT NULL"),
        ("verified", {"verified": False}, ("verified",), "verified"),
        ("NOT verified", {"verified": True}, ("verified",), "NOT verified"),
        ("dti <= 0.4 AND debt <= 3", {"dti": 1, "debt": 4}, ("dti", "debt"), "dti <= 0.4 AND debt <= 3"),
        ("dti <= 0.4 AND debt <= 3", {"dti": 1, "debt": 2}, ("dti",), "dti <= 0.4"),
        ("dti <= 0.4 AND debt <= 3", {"dti": 1}, ("dti",), "dti <= 0.4 AND debt <= 3"),
        ("(dti < 0.4 AND debt < 3) OR verified", {"dti": 1, "debt": 4, "verified": False}, None, "verified"),
        ("dti < 0.4 OR verified", {"dti": 1, "verified": False}, ("dti", "verified"), "verified"),
        ("starts_with(zip, '9')", {"zip": "1"}, ("zip",), "starts_with(zip, '9')"),
        ("NOT starts_with(zip, '1')", {"zip": "1"}, ("zip",), None),
        ("verified = jumbo", {"verified": True, "jumbo": False}, ("verified", "jumbo"), None),
    ],
)
def test_a_failure_names_what_decided_it_and_the_nearest_change(
    require: str, facts: dict[str, Any], fields: tuple[str, ...] | None, would_pass: str | None, make_rule: Make
) -> None:
    passes = {"dti": 0.3, "debt": 0, "income": 1, "loan_type": "fha", "zip": "9", "jumbo": "NOT" not in require}
    rule = make_rule(require, passes={**passes, "verified": "NOT" not in require}, fails=facts)
    exact = {name: Decimal(value) if type(value) is int else value for name, value in facts.items()}
    finding = found(rule, **exact)
    assert finding.outcome == "failed"
    assert fields is None or finding.fields == fields
    assert finding.would_pass == would_pass


def test_the_nearest_change_leaves_the_guard_alone(make_rule: Make) -> None:
    fails = {"dti": 0.44, "debt": 1}
    rule = make_rule("debt >= 2", when="dti > 0.43", passes={"dti": 0.44, "debt": 2}, fails=fails)
    finding = found(rule, dti=Decimal("0.44"), debt=Decimal(1))
    assert (finding.fields, finding.would_pass) == (("dti", "debt"), "debt >= 2")


@pytest.mark.parametrize(
    ("require", "text", "spans"),
    [
        ("NOT contains(remarks, 'kids')", "no kids, kids", [(3, 7), (9, 13)]),
        ("NOT contains(lower(remarks), 'kids')", "No KIDS", [(3, 7)]),
        ("NOT matches(remarks, '.*no (kids|pets).*')", "👍 no kids, no pets", [(2, 9), (11, 18)]),
        ("verified OR NOT matches(remarks, '.*kids.*')", "kids", [(0, 4)]),
        ("starts_with(remarks, 'x') AND contains(remarks, 'y')", "kids", None),
    ],
)
def test_a_failure_shows_where_the_text_matched(
    require: str, text: str, spans: list[tuple[int, int]] | None, make_rule: Make
) -> None:
    fails = {"remarks": text, "verified": False}
    finding = found(make_rule(require, passes={"remarks": "xy", "verified": False}, fails=fails), **fails)
    marked = spans and tuple(Span(field="remarks", start=start, end=end, kind="matched") for start, end in spans)
    assert finding.spans == marked


def test_a_fact_of_another_type_is_a_broken_finding(dti_max: CompiledRule) -> None:
    for odd in (0.4, "0.4", 1, True):
        finding = found(dti_max, dti=odd)
        assert finding.outcome == "broken"
        assert "could not be run: fact 'dti' came as a" in finding.message


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{dti}", "0.47"),
        ("{dti:.1%} {{x}}", "47.0% {x}"),
        ("{dti:.0f} {debt:,.2f} {debt:,}", "0 1,234.50 1,234.5"),
        ("{income:,.0f} {income}", "1,000,000 1000000"),
        ("{verified} {jumbo} {applied} {tags} {zip}", "yes unknown 2024-02-29 a, b 90210"),
        ("{closed} {as_of}", "unknown unknown"),
    ],
)
def test_a_message_prints_values_as_people_write_them(message: str, said: str, make_rule: Make) -> None:
    rule = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.47}, message=message)
    facts = {"dti": Decimal("0.470000"), "debt": Decimal("1234.5"), "income": Decimal(1_000_000), "verified": True}
    finding = found(rule, **facts, applied=date(2024, 2, 29), tags=("a", "b"), zip="90210")
    assert finding.message == said


def test_a_half_is_rounded_away_from_zero_in_a_message(make_rule: Make) -> None:
    rule = make_rule("dti <= 0.4", passes={"dti": 0.4}, fails={"dti": 0.425}, message="{dti:.0%}")
    assert found(rule, dti=Decimal("0.425")).message == "43%"


def test_every_leaf_is_told_with_its_values_and_whether_it_decides(make_rule: Make) -> None:
    passes = {"jumbo": True, "dti": 0.4}
    rule = make_rule(
        "dti <= 0.45\nOR verified", when="jumbo", passes=passes, fails={**passes, "dti": 1, "verified": False}
    )
    told = explain_tree(rule, {"jumbo": True, "dti": Decimal("0.4")})
    assert [(part.key, part.kind, part.depth, part.text, part.outcome, part.decides) for part in told] == [
        ("when", "leaf", 0, "jumbo", True, False),
        ("require", "or", 0, "dti <= 0.45\nOR verified", True, True),
        ("require", "leaf", 1, "dti <= 0.45", True, True),
        ("require", "leaf", 1, "verified", None, False),
    ]
    assert told[2].values == {"dti": Decimal("0.4")}
    assert (told[3].values, told[3].line, told[3].column) == ({"verified": None}, 2, 4)


def test_the_tree_of_a_rule_goes_down_to_what_must_hold_both_or_neither(make_rule: Make) -> None:
    passes = {"verified": True, "jumbo": True, "dti": 0.5}
    rule = make_rule(
        "NOT (dti > 0.4 AND (verified = (jumbo AND dti < 1)) = FALSE)", passes=passes, fails={**passes, "jumbo": False}
    )
    told = explain_tree(rule, {"verified": True, "jumbo": False, "dti": Decimal("0.5")})

    assert [(part.kind, part.depth, part.outcome) for part in told] == [
        ("not", 0, False),
        ("and", 1, True),
        ("leaf", 2, True),
        ("same", 2, True),
        ("same", 3, False),
        ("leaf", 4, True),
        ("and", 4, False),
        ("leaf", 5, False),
        ("leaf", 5, True),
        ("leaf", 3, False),
    ]
    assert all(part.decides for part in told)


@pytest.mark.parametrize(
    ("day", "holds"),
    [(date(2014, 1, 9), False), (date(2014, 1, 10), True), (date(2022, 9, 30), True), (date(2022, 10, 1), False)],
)
def test_effective_dates_are_inclusive(day: date, holds: bool, make_rule: Make) -> None:
    effective = {"from": date(2014, 1, 10), "to": date(2022, 9, 30)}
    rule = make_rule("dti <= 0.43", passes={"dti": 0.4}, fails={"dti": 1}, effective=effective)
    assert in_force(rule, day) is holds
    assert in_force(make_rule("dti <= 0.43", passes={"dti": 0.4}, fails={"dti": 1}), day)


_TEMPLATED = {"override_template": "acme.exception"}


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ([], "clear"),
        ([("passed", {})], "clear"),
        ([("failed", {})], "blocked"),
        ([("failed", _TEMPLATED)], "needs_override"),
        ([("undetermined", {})], "needs_facts"),
        ([("broken", {})], "broken"),
        ([("broken", {"severity": "info"})], "broken"),
        ([("undetermined", {"severity": "warning"})], "needs_facts"),
        ([("failed", {"severity": "warning"})], "clear"),
        ([("failed", {"severity": "info"})], "clear"),
        ([("failed", {"mandatory": False})], "clear"),
        ([("broken", {"mandatory": False})], "clear"),
        ([("undetermined", {"mandatory": False})], "clear"),
        ([("undetermined", {}), ("failed", _TEMPLATED)], "needs_override"),
        ([("failed", _TEMPLATED), ("failed", {})], "blocked"),
        ([("failed", {}), ("broken", {})], "broken"),
        ([("passed", {}), ("undetermined", {})], "needs_facts"),
    ],
)
def test_the_verdict_is_the_first_word_that_holds(rules: list[tuple[str, Any]], word: str, make_rule: Make) -> None:
    findings, known = _judged(rules, make_rule)
    assert verdict(findings, known) == word
    assert verdict(reversed(findings), known) == word


@pytest.mark.parametrize(
    ("severity", "on_warning", "word"),
    [("warning", "annotate", "clear"), ("warning", "block", "blocked"), ("info", "block", "clear")],
)
def test_warnings_weigh_where_the_blueprint_says_so(
    severity: str, on_warning: Literal["annotate", "block"], word: str, make_rule: Make
) -> None:
    findings, known = _judged([("failed", {"severity": severity})], make_rule)
    assert verdict(findings, known, on_warning=on_warning) == word


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("granted", "clear"),
        ("suggested", "needs_override"),
        ("refused", "needs_override"),
        ("expired", "needs_override"),
    ],
)
def test_only_a_granted_override_no_longer_weighs(state: Any, word: str, make_rule: Make) -> None:
    findings, known = _judged([("failed", _TEMPLATED)], make_rule)
    override = OverrideState(template="acme.exception", state=state, id="0" * 64)
    assert verdict([findings[0].model_copy(update={"override": override})], known) == word


def _judged(rules: list[tuple[str, Any]], make_rule: Make) -> tuple[list[Finding], dict[str, CompiledRule]]:
    known, findings = {}, []
    for index, (outcome, keys) in enumerate(rules):
        named = {**keys, "id": f"acme.policy.rule_{index}"}
        rule = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 1}, **named)
        said = {"passed": Decimal(0), "failed": Decimal(1), "broken": "odd"}.get(outcome)
        findings.append(found(rule, **({} if said is None else {"dti": said})))
        known[rule.rule.id] = rule
        assert findings[-1].outcome == outcome
    return findings, known
