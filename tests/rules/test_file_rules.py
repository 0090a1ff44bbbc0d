"""What a rule may ask of a whole file, and what `each` and `unique` make of a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from emma_core.errors import RuleError
from emma_core.nouns import FactSpec, Finding
from emma_core.rules import (
    ROWS,
    CompiledRule,
    LanguageError,
    closures,
    duplicates,
    explain_tree,
    judge,
    parse,
    tree,
    types,
)

Make = Callable[..., CompiledRule]
_DAY = date(2026, 11, 23)
_FACTS: Mapping[str, FactSpec] = {
    "state": FactSpec(type="text", title="State"),
    "amount": FactSpec(type="number", title="Amount"),
    "opened": FactSpec(type="date", title="Opened"),
    "paid": FactSpec(type="bool", title="Paid"),
    "tags": FactSpec(type="list", title="Tags"),
    "aus_1": FactSpec(type="text", title="System 1"),
    "aus_2": FactSpec(type="text", title="System 2"),
    "aus_3": FactSpec(type="text", title="System 3"),
    "ts_entries": FactSpec(type="number", title="Entries stated"),
    "filing_year": FactSpec(type="text", title="Filing year"),
    "office": FactSpec(type="text", title="Office", of="file"),
    "ts_of_a_record": FactSpec(type="text", title="A record's own", of="record"),
}
_ROWS = [{"state": "CA", "amount": 1.5}, {"state": "UT", "amount": 2}, {"state": "CA"}]


@pytest.fixture
def of_file(make_rule: Make) -> Make:
    def made(require: str | None, *, passes: Any, fails: Any, **changed: Any) -> CompiledRule:
        return make_rule(require, passes=passes, fails=fails, facts=_FACTS, applies_to=("file",), **changed)

    return made


def judged(rule: CompiledRule, rows: Any, **facts: Any) -> Finding:
    finding = judge(rule, facts, basis={}, as_of=_DAY, rows=rows)
    assert finding is not None
    return finding


def test_a_file_rule_holds_what_the_file_says_against_its_records(of_file: Make) -> None:
    rule = of_file(
        "ts_entries = count(*) AND count(*) FILTER (WHERE state = 'CA') * 100 <= 50 * count(*)",
        passes={"rows": [{"state": "CA"}, {"state": "UT"}], "ts_entries": 2},
        fails={"rows": _ROWS, "ts_entries": 3},
    )
    rows = [{"state": "CA"}, {"state": "CA"}, {"state": "UT"}]
    finding = judged(rule, rows, ts_entries=Decimal(3))
    assert finding.outcome == "failed"
    assert finding.values == {"count(*) FILTER (WHERE state = 'CA')": Decimal(2), "count(*)": Decimal(3)}
    assert finding.fields == ("state",)
    assert finding.would_pass == "count(*) FILTER (WHERE state = 'CA') * 100 <= 50 * count(*)"


@pytest.mark.parametrize(
    ("predicate", "holds"),
    [
        ("count(*) = 3", True),
        ("count(amount) = 2", True),
        ("count(DISTINCT state) = 2", True),
        ("count(*) FILTER (WHERE amount > 1.5) = 1", True),
        ("sum(amount) = 3.5", True),
        ("sum(amount) FILTER (WHERE state = 'NY') = 0", None),
        ("sum(amount) FILTER (WHERE state = 'NY') IS NULL", True),
        ("count(amount) FILTER (WHERE state = 'NY') = 0", True),
        ("min(amount) = 1.5 AND max(amount) = 2", True),
        ("min(state) = 'CA' AND max(state) = 'UT'", True),
        ("max(opened) = DATE '2024-01-02'", None),
        ("sum(amount) <= 5 * count(amount)", True),
        ("filing_year = '2024' AND count(*) > 0", None),
        ("count(*) FILTER (WHERE state = office) = 2", True),
        ("count(*) FILTER (WHERE state = filing_year) = 0", True),
    ],
)
def test_what_records_come_to(predicate: str, holds: bool | None) -> None:
    decide = closures.emit(types.check(parse(predicate), _FACTS, {}, of_file=True), {}, {})
    rows = [{name: Decimal(str(v)) if name == "amount" else v for name, v in row.items()} for row in _ROWS]
    assert decide({"office": "CA", ROWS: rows}) is holds


def test_a_file_rule_that_comes_to_null_is_undetermined_even_in_a_filing(of_file: Make) -> None:
    rule = of_file(
        "sum(amount) <= 10",
        passes={"rows": [{"amount": 10}]},
        fails={"rows": [{"amount": 10.1}]},
        ruleset={"missing": "failed"},
    )
    finding = judged(rule, [])
    assert (finding.outcome, finding.missing) == ("undetermined", None)
    assert finding.message == "One: needs records that say what it adds up"


@pytest.mark.parametrize(
    ("predicate", "column", "said"),
    [
        ("state = 'CA'", 1, "'state' is said of each record; a file rule reads it inside count, sum, min or max"),
        ("ts_of_a_record = ''", 1, "'ts_of_a_record' is said of each record"),
        ("count(state) = count(sum(amount))", 22, "sum stands inside another; aggregates do not nest"),
        ("count(*) FILTER (WHERE count(*) > 1) > 1", 24, "aggregates do not nest"),
        ("count(ts_entries) > 1", 7, "count reads a fact of the records"),
        ("count(1) > 1", 7, "count reads a fact of the records"),
        ("sum(state) > 1", 5, "a text is no number; write number(state)"),
        ("min(paid)", 1, "a bool has no order; write count(*) FILTER (WHERE paid)"),
        ("count(tags) = 1", 7, "count takes no list; write size(x)"),
        ("count(*) FILTER (WHERE state) = 1", 24, "a text is no predicate"),
        ("sum(amount) * amount > 1", 15, "'amount' is said of each record"),
        ("sum(amount * amount) * ts_entries > 1", 1, "this can need 47 digits"),
        ("count(*)", 1, "a rule is a predicate, and this is a number"),
        ("filing_year = '2024' OR 1 = 2 * count(*) AND dti > 1", 46, "no fact 'dti'"),
    ],
)
def test_what_a_file_rule_may_not_say(predicate: str, column: int, said: str) -> None:
    with pytest.raises(LanguageError) as caught:
        types.check(parse(predicate), _FACTS, {}, of_file=True)
    assert said in caught.value.what
    assert caught.value.column == column


def test_a_rule_over_one_record_refuses_aggregates(make_rule: Make) -> None:
    with pytest.raises(
        RuleError, match=r'require: line 1 col 1: COUNT belongs to file rules; write applies_to: \["file"'
    ):
        make_rule("count(*) > 1", passes={}, fails={})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"applies_to": ("file", "record")}, "applies_to: a file rule applies to nothing else"),
        ({"message": "{state} is odd"}, "message: no fact 'state'"),
        (
            {"examples": {"pass": ({"state": "CA"},), "fail": ({},)}},
            "pass[0]: 'state' is said of each record; write it",
        ),
        ({"examples": {"pass": ({"rows": {}},), "fail": ({},)}}, "pass[0]: 'rows' holds the records of the file"),
        ({"examples": {"pass": ({"rows": [{"stat": ""}]},), "fail": ({},)}}, "pass[0]: rows[0]: no fact 'stat'"),
        ({"examples": {"pass": ({"rows": [{}, {"state": 1}]},), "fail": ({},)}}, "rows[1]: Fact 'state': 1 is no text"),
        ({"require": None}, "require: it is missing; write a predicate, or 'unique' in a file rule"),
        ({"unique": ("state",)}, "unique: it stands in place of 'require'"),
        ({"require": None, "unique": ("stat",)}, "unique: no fact 'stat'; did you mean 'state'?"),
        ({"require": None, "unique": ("state", "state")}, "unique: it names a fact twice"),
        ({"require": None, "unique": ("state", "office")}, "unique: line 1 col 16: unique reads a fact of the records"),
        ({"require": None, "unique": ("state",), "when": "amont > 1"}, "when: line 1 col 1: no fact 'amont'"),
        ({"require": None, "unique": ("state",), "applies_to": ("record",)}, 'write applies_to: ["file"]'),
    ],
)
def test_keys_that_do_not_go_together_are_refused(change: dict[str, Any], said: str, make_rule: Make) -> None:
    rule = {"require": "count(*) > 1", "applies_to": ("file",)} | change
    with pytest.raises(RuleError) as caught:
        make_rule(passes={"rows": [{}, {}]}, fails={"rows": []}, facts=_FACTS, **rule)
    assert said in str(caught.value)
    assert str(caught.value).startswith("rules.json: acme.policy.one: ")


def test_unique_names_what_records_share_and_who_they_are(of_file: Make) -> None:
    rule = of_file(
        None,
        unique=("state", "aus_1"),
        when="amount > 1",
        message="{state} stands twice.",
        passes={"rows": [{"state": "CA", "aus_1": "", "amount": 1}, {"state": "CA", "aus_1": "", "amount": 2}]},
        fails={"rows": [{"state": "CA", "aus_1": "", "amount": 2}, {"state": "CA", "aus_1": "", "amount": 2}]},
    )
    two = Decimal(2)
    rows = [
        {"state": state, "aus_1": system, "amount": two}
        for state, system in (("UT", ""), ("CA", "1"), ("CA", ""), ("CA", "1"), ("CA", ""))
    ]
    assert duplicates(rule, {}, rows) == ((1, 3), (2, 4))
    finding = judged(rule, rows)
    assert (finding.outcome, finding.message) == ("failed", "CA stands twice.")
    assert finding.values == {"state": "CA", "aus_1": "1"}
    assert finding.fields == ("state", "aus_1", "amount")
    assert [leaf.text for leaf in explain_tree(rule, {ROWS: rows})] == ["unique (state, aus_1)"]


def test_unique_cannot_be_told_where_a_record_does_not_say(of_file: Make) -> None:
    fails = {"rows": [{"state": "CA"}, {"state": "CA"}]}
    rule = of_file(None, unique=("state",), when="aus_1 <> 'x' OR paid", passes={}, fails=fails, examples=_ALIKE)
    one: dict[str, Any] = {"state": "CA", "aus_1": ""}
    assert judged(rule, [one, {"aus_1": ""}]).outcome == "undetermined"
    assert judged(rule, [one, {"state": "CA"}]).outcome == "undetermined"
    assert judged(rule, [one, {"state": "CA", "aus_1": "x", "paid": False}]).outcome == "passed"
    assert judged(rule, [one, {"aus_1": ""}, one]).outcome == "failed"


_ALIKE: Any = {"pass": ({},), "fail": ({"rows": [{"state": "CA", "aus_1": ""}, {"state": "CA", "aus_1": ""}]},)}


def test_what_an_engine_worked_out_is_judged_as_the_records_are(of_file: Make) -> None:
    rule = of_file("count(*) <= 2", passes={"rows": [{}]}, fails={"rows": [{}, {}, {}]})
    (node,) = tree.totals(rule.require)
    assert judged(rule, {node: Decimal(7)}).values == {"count(*)": Decimal(7)}
    assert judged(rule, {}).outcome == "broken"


def test_each_repeats_a_predicate_and_names_the_leaf_that_decided(make_rule: Make) -> None:
    rule = make_rule(
        "aus_{i} IN ('', '{i}')",
        each={"i": (1, 2, 3)},
        facts=_FACTS,
        passes={"aus_1": "1", "aus_2": "", "aus_3": "3"},
        fails={"aus_1": "1", "aus_2": "", "aus_3": "2"},
    )
    finding = judge(rule, {"aus_1": "", "aus_2": "1", "aus_3": ""}, basis={}, as_of=_DAY)
    assert finding is not None
    assert (finding.fields, finding.would_pass) == (("aus_2",), "aus_2 IN ('', '2')")
    assert tuple(rule.specs) == ("aus_1", "aus_2", "aus_3")


def test_each_fills_in_the_guard_too_and_says_nothing_where_no_guard_holds(make_rule: Make) -> None:
    rule = make_rule(
        "paid",
        when="aus_{i} = '{word}'",
        each={"i": (1, 2), "word": ("x", "y")},
        facts=_FACTS,
        passes={"aus_1": "x", "aus_2": "", "paid": True},
        fails={"aus_1": "", "aus_2": "y", "paid": False},
    )
    assert judge(rule, {"aus_1": "", "aus_2": "z", "paid": False}, basis={}, as_of=_DAY) is None
    assert rule.decide({"aus_1": "", "aus_2": "z", "paid": False}) is True


@pytest.mark.parametrize(
    ("require", "each", "said"),
    [
        ("aus_{i} = ''", {"i": (1, 4)}, "require: with i = 4: line 1 col 1: no fact 'aus_4'; did you mean 'aus_3'?"),
        ("aus_{j} = ''", {"i": (1,)}, "each: {j} is filled by nothing; there are ['i']"),
        ("aus_1 = ''", {"i": (1,)}, "each: 'i' is filled in nowhere; write {i} in 'require'"),
        ("aus_{i} = '" + "x" * 500 + "'", {"i": tuple(range(16))}, "each: 16 times filled in they have"),
        ("aus_{i} = ", {"i": (1, 2)}, "require: with i = 1: line 1 col 9: expected a fact"),
    ],
)
def test_what_each_cannot_fill_in_is_named(require: str, each: Any, said: str, make_rule: Make) -> None:
    with pytest.raises(RuleError) as caught:
        make_rule(require, each=each, facts=_FACTS, passes={}, fails={})
    assert said in str(caught.value)
