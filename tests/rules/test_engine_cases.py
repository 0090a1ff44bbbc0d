"""Hold every engine to the same on what engines are apt to differ in, and on what breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from emma_core.backends.closure_engine import ClosureEngine
from emma_core.backends.polars_engine import PolarsEngine
from emma_core.nouns import FactSpec
from emma_core.rules import BUILTINS, ROWS, CompiledRule, Function, closures, judge, parse, read_value, types
from emma_core.rules.functions import is_literal, param
from emma_core.rules.table import Records, differs, emit, outcomes, totals
from emma_core.rules.table.examples import frame_of

_DIFFERED = (
    # with 7 places and 12 digits before the point, more than 64 bits hold
    ("number(zip) IS NULL", {"zip": "999999999999.9999995"}, True),
    ("number(zip) = 999999999999.999999", {"zip": "999999999999.9999994"}, True),
    # rounded half away from zero, by the seventh place alone
    ("number(zip) = 0.000001", {"zip": "0.0000005"}, True),
    ("number(zip) = -0.000001", {"zip": "-0.0000005"}, True),
    ("number(zip) = 0", {"zip": "-0.00000049999999999999999999999999999999999999999999999"}, True),
    ("is_number(zip)", {"zip": "１２"}, False),
    ("is_number(zip)", {"zip": "12\n"}, False),
    ("is_integer(zip)", {"zip": "12\n"}, False),
    ("is_ymd(zip)", {"zip": "20230229"}, False),
    ("is_ymd(zip)", {"zip": "17991231"}, False),
    ("is_ymd(zip)", {}, None),
    # products of 38 digits, and scales that differ
    (
        "debt * income = 999999999999.999999 * 999999999999.999999",
        {"debt": "999999999999.999999", "income": "-1"},
        False,
    ),
    ("debt * income > 0.000000", {"debt": "0.000001", "income": "0.000001"}, True),
    ("debt * 1.50 IN (0, 18.00, income)", {"debt": "12", "income": "0"}, True),
    ("ratio(debt, income) = 0.5", {"debt": "-0.000001", "income": "-0.000002"}, True),
    ("ratio(debt, income) = -0.333333", {"debt": "1", "income": "-3"}, True),
    ("ratio(debt, income) IS NULL", {"debt": "1", "income": "0"}, True),
    ("abs(debt * income) > 0", {"debt": "-999999999999.999999", "income": "999999999999.999999"}, True),
    # NULL in lists, CASE and calls
    ("zip IN ('a', remarks)", {"zip": "b"}, None),
    ("zip NOT IN ('a', remarks)", {"zip": "a"}, False),
    ("zip BETWEEN 'b' AND remarks", {"zip": "a"}, False),
    ("has(tags, zip)", {"tags": ("a",)}, None),
    ("CASE WHEN verified THEN FALSE ELSE TRUE END", {}, True),
    ("left(zip, 0) = ''", {}, None),
    ("repeats(zip, remarks)", {"zip": "", "remarks": ""}, False),
    # texts as they are: by code point, only A-Z folded, `.` any character
    ("zip < remarks", {"zip": "\uffee", "remarks": "🏠"}, True),
    ("length(zip) = 2", {"zip": "e\u0301"}, True),
    ("lower(zip) = 'Éa'", {"zip": "ÉA"}, True),
    ("matches(zip, 'a.b')", {"zip": "a\nb"}, True),
    ("matches(zip, '.')", {"zip": "🏠"}, True),
    ("contains(zip, '')", {"zip": ""}, True),
    # days out of range
    ("add_years(closed, 1) = DATE '2025-02-28'", {"closed": date(2024, 2, 29)}, True),
    ("add_months(closed, 1) = DATE '2024-02-29'", {"closed": date(2024, 1, 31)}, True),
    ("add_days(closed, 1) IS NULL", {"closed": date(2199, 12, 31)}, True),
    ("add_months(closed, 100000000) IS NULL", {"closed": date(2024, 1, 31)}, True),
)


@pytest.mark.parametrize(("predicate", "said", "holds"), _DIFFERED)
def test_where_engines_are_apt_to_differ_they_do_not(
    predicate: str, said: dict[str, Any], holds: bool | None, facts: Mapping[str, FactSpec]
) -> None:
    row = {name: Decimal(value) if facts[name].type == "number" else value for name, value in said.items()}
    node = types.check(parse(predicate), facts, BUILTINS)
    assert closures.emit(node, BUILTINS, {})(row) is holds
    assert frame_of([row], facts).select(came=emit(node, BUILTINS, {})).item() is holds


def _halved(number: Decimal, kind: str) -> Decimal | None:
    return number / 2 if kind == "x" else None


def test_a_pack_s_expression_is_given_millionths_and_is_null_where_an_argument_is(
    facts: Mapping[str, FactSpec],
) -> None:
    half = replace(
        Function("half", ("number", "text"), "number", _halved, (((1, "x"), 0.5),), "One."),
        literal=frozenset({1}),
        polars=lambda number, kind: number // 2 if kind == "x" else pl.lit(None, dtype=pl.Int64),
    )
    functions = {"half": half, **BUILTINS}
    rows = [{"dti": Decimal("0.45")}, {"dti": None}, {"dti": Decimal("0.000002")}]
    for text, said in (("half(dti, 'x') = 0.225", [True, None, False]), ("half(dti, 'y') IS NULL", [True] * 3)):
        node = types.check(parse(text), facts, functions)
        frame = frame_of(rows, facts)
        assert frame.select(came=emit(node, functions, {})).to_series().to_list() == said
        assert [closures.emit(node, functions, {})(row) for row in rows] == said


def test_what_a_function_raised_on_is_told_and_never_passed(make_rule: Callable[..., CompiledRule]) -> None:
    odd = Function("odd_one", ("text",), "bool", {"va": True, "fha": False}.__getitem__, ((("va",), True),), "One.")
    of_record = make_rule("odd_one(zip)", passes={"zip": "va"}, fails={"zip": "fha"}, functions=(odd,))
    of_file = make_rule(
        "count(*) FILTER (WHERE odd_one(zip)) <= 1",
        passes={"rows": [{"zip": "va"}]},
        fails={"rows": [{"zip": "va"}, {"zip": "va"}]},
        functions=(odd,),
        applies_to=("file",),
    )
    frame = pl.DataFrame({"record": [1, 2], "zip": ["va", "?"]})

    came = outcomes(frame.columns, [of_record])
    assert came.over(frame.lazy(), ["record"]).collect()[of_record.rule.id].to_list() == [None]
    assert came.raised == {"odd_one"}

    values = totals(Records(lambda _: [frame], frame.columns, "record"), [of_file]).values
    finding = judge(of_file, {}, basis={}, as_of=date(2026, 11, 23), rows=values)
    assert finding is not None
    assert finding.message == "One: could not be run: function 'odd_one' raised for a record of the file"
    for engine in (ClosureEngine(), PolarsEngine()):
        assert list(engine.examples([(of_record, [{"zip": "va"}])])) == [["passed"]]
        asked = [(of_record, [{"zip": "?"}]), (of_file, [{ROWS: ({"zip": "?"},)}])]
        assert list(engine.examples(asked)) == [["broken"], ["broken"]]


def test_every_engine_says_what_the_closures_say_of_examples(make_rule: Callable[..., CompiledRule]) -> None:
    rule = make_rule(
        "dti <= 0.45", when="verified", passes={"dti": 0.4, "verified": True}, fails={"dti": 0.5, "verified": True}
    )
    needs = make_rule("in_table(zip, 'census')", passes={"zip": "1"}, fails={"zip": "2"})
    limit = Decimal("0.45")
    said = [
        {"dti": limit, "verified": True},
        {"dti": limit * 2, "verified": True},
        {"verified": False},
        {"dti": limit * 2},
    ]
    for engine in (ClosureEngine(), PolarsEngine()):
        came = engine.examples([(rule, said), (needs, [{"zip": "1"}])])
        assert list(came) == [["passed", "failed", None, "undetermined"], ["undetermined"]]
    assert outcomes(["zip"], [needs]).over(pl.LazyFrame({"zip": ["1"]}), ["zip"]).collect().height == 0


def test_a_built_in_s_examples_hold_in_polars_too() -> None:
    for function in BUILTINS.values():
        if function.name == "in_table":  # its table is no literal of its own
            continue
        given = [
            [read_value(param(function, index), raw, name="a") for index, raw in enumerate(arguments)]
            for arguments, _ in function.examples
        ]
        unsaid = [
            [None if not is_literal(function, index) else value for index, value in enumerate(row)] for row in given
        ]
        assert differs(function, [*given, *unsaid]) is None, function.name


def test_an_expression_that_says_something_else_than_its_body_is_named() -> None:
    odd = Function("odd_one", ("text",), "bool", lambda text: text == "", ((("",), True),), "One.")
    wrong = replace(odd, polars=lambda text: text != "")
    assert differs(replace(odd, polars=lambda text: text == ""), [("",), ("a",), (None,)]) is None
    assert differs(wrong, [(None,), ("a",)]) == "('a',) gave True in Polars and False in Python"
