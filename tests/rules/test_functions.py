"""What the built-in functions give, and what a pack's function must keep to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from emma_core.errors import RuleError
from emma_core.nouns import FactSpec
from emma_core.rules import BUILTINS, CompiledRule, Digits, Function, check_function, closures, judge, parse, types
from emma_core.rules.builtins import IN_TABLE

TWICE = Function(
    "twice",
    ("number",),
    "number",
    lambda x: x * 2,
    (((3,), 6), ((0.5,), 1)),
    "A number, doubled.",
    digits=Digits(19, 6),
)


@pytest.mark.parametrize("name", sorted(set(BUILTINS) - {IN_TABLE}))
def test_a_built_in_function_keeps_its_own_examples(name: str) -> None:
    check_function(BUILTINS[name])


@pytest.mark.parametrize(
    ("name", "given", "result"),
    [
        ("number", ("000000000001.5",), Decimal("1.5")),
        ("number", ("0000000000001",), None),
        ("number", ("999999999999.9999995",), None),
        ("number", ("-0.0",), Decimal(0)),
        ("number", ("+1",), None),
        ("number", (".5",), None),
        ("number", ("5.",), None),
        ("number", (" 5",), None),
        ("number", ("٣",), None),
        ("number", ("1\n",), None),
        ("number", ("1." + "9" * 5000,), Decimal(2)),
        ("is_number", ("-1.25",), True),
        ("is_integer", ("-1234567890123",), False),
        ("is_integer", ("٣",), False),
        ("ratio", (Decimal("0.000001"), Decimal("0.000002")), Decimal("0.5")),
        ("ratio", (Decimal(-1), Decimal(2_000_000)), Decimal("-0.000001")),
        ("ratio", (Decimal(1), Decimal(2_000_001)), Decimal(0)),
        ("ratio", (Decimal("9" * 25), Decimal("0.000001")), Decimal("9" * 25 + "000000")),
        ("length", ("👍🏽",), 2),
        ("left", ("añb", Decimal(2)), "añ"),
        ("lower", ("ÀÉİ ABC",), "ÀÉİ abc"),
        ("contains", ("abc", ""), True),
        ("ymd", ("18000101",), date(1800, 1, 1)),
        ("ymd", ("17991231",), None),
        ("ymd", ("2024022",), None),
        ("ymd", ("٢٠٢٤٠٢٢٩",), None),
        ("add_years", (date(2024, 2, 29), Decimal(4)), date(2028, 2, 29)),
        ("add_years", (date(2199, 1, 1), Decimal(1)), None),
        ("add_years", (date(2000, 1, 1), Decimal(-999_999_999_999)), None),
        ("add_months", (date(2024, 3, 31), Decimal(-1)), date(2024, 2, 29)),
        ("add_months", (date(1800, 1, 1), Decimal(-1)), None),
        ("add_days", (date(2199, 12, 31), Decimal(1)), None),
        ("add_days", (date(2000, 1, 1), Decimal(999_999_999_999)), None),
        ("repeats", ("a", "b", "c"), False),
        ("repeats", (" ", " "), True),
        ("has_any", ((), "a"), False),
        ("has_all", (("a", "b", "c"), "c", "a"), True),
    ],
)
def test_a_built_in_function_at_its_edges(name: str, given: tuple[Any, ...], result: Any) -> None:
    came = BUILTINS[name].body(*given)
    assert came == result
    assert (came is None) == (result is None)


@pytest.mark.parametrize(
    "leaf",
    [
        "number(zip) = 1",
        "is_number(zip)",
        "ratio(dti, debt) = 1",
        "ratio(1, dti) = 1",
        "contains(remarks, zip)",
        "starts_with('a', zip)",
        "matches(zip, '.*')",
        "left(zip, 0) = ''",
        "add_days(applied, 0) = closed",
        "repeats(zip, 'a', 'a')",
        "has_any(tags, 'a')",
        "size(tags) = 0",
        "in_table(zip, 'codes')",
        "twice(dti) = 2",
    ],
)
def test_null_in_gives_null_out(leaf: str, facts: Mapping[str, FactSpec]) -> None:
    functions = {**BUILTINS, "twice": TWICE}
    node = types.check(parse(leaf), facts, functions)
    assert closures.emit(node, functions, {"codes": {"00000"}})({}) is None


def test_a_pack_function_is_called_by_its_name(make_rule: Callable[..., CompiledRule]) -> None:
    rule = make_rule("twice(dti) <= 0.9", passes={"dti": 0.45}, fails={"dti": 0.46}, functions=(TWICE,))
    assert rule.decide({"dti": Decimal("0.45")}) is True
    assert rule.decide({}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"examples": (((3,), 7),)},
            r"Function 'twice': examples\[0\]: came out as Decimal\('6'\), not Decimal\('7'\)",
        ),
        ({"examples": (((3, 4), 7),)}, r"examples\[0\]: 2 arguments; it takes \(number\)"),
        ({"examples": ((("3",), 6),)}, r"examples\[0\]: Fact '#1': '3' is no number"),
        ({"examples": ()}, "it has no examples"),
        ({"body": lambda x: str(x)}, "TypeError: it returned a str, not a number"),
        ({"body": lambda x: True}, "TypeError: it returned a bool, not a number"),
        ({"body": lambda x: float(x)}, "TypeError: it returned a float, not a number"),
        ({"body": lambda x: x / 0}, "DivisionByZero"),
        ({"digits": Digits(1, 0), "examples": (((30,), 60),)}, "does not fit 1 digits with 0 places"),
        ({"name": "Twice"}, "a predicate cannot write this name"),
        ({"name": "and"}, "a predicate cannot write this name"),
        ({"name": "count"}, "the language refuses this name"),
        ({"params": ()}, "it takes nothing"),
        ({"params": ("money",)}, "there is no type 'money'"),
        ({"literal": frozenset({1})}, "'literal' names a position that it does not have"),
        ({"doc": "doubles"}, "'doc' is one sentence"),
    ],
)
def test_a_function_that_does_not_keep_its_word_is_refused(change: dict[str, Any], said: str) -> None:
    check_function(TWICE)
    with pytest.raises(RuleError, match=said):
        check_function(replace(TWICE, **change))


def test_a_function_that_gives_another_answer_the_second_time_is_refused() -> None:
    answers = iter((6, 7, 6, 7))
    with pytest.raises(RuleError, match="came out as"):
        check_function(replace(TWICE, body=lambda x: next(answers)))


@pytest.mark.parametrize(
    ("returns", "body", "said"),
    [
        ("date", lambda x: date(2300, 1, 1), "outside 1800-01-01 to 2199-12-31"),
        ("list", lambda x: (1,), "a list that holds more than texts"),
        ("list", lambda x: ["a"], "it returned a list, not a list"),
        ("bool", lambda x: 1, "it returned a int, not a bool"),
    ],
)
def test_what_a_body_returns_is_of_the_declared_type(returns: Any, body: Callable[..., Any], said: str) -> None:
    expected = {"date": "2024-01-01", "list": [], "bool": True}[returns]
    with pytest.raises(RuleError, match=said):
        check_function(Function("f", ("number",), returns, body, (((1,), expected),), "One."))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda x: 1 // 0, "function 'odd' raised ZeroDivisionError: integer division or modulo by zero"),
        (lambda x: "yes", "function 'odd' raised TypeError: it returned a str, not a bool"),
    ],
)
def test_a_body_that_raises_is_a_broken_finding_and_never_a_pass(
    body: Callable[..., Any], said: str, make_rule: Callable[..., CompiledRule]
) -> None:
    careful = Function("odd", ("number",), "bool", lambda x: x < 1 or body(x), (((0,), True),), "Odd.")
    holds, holds_not = {"dti": 0, "verified": True}, {"dti": 0, "verified": False}
    rule = make_rule("odd(dti) AND verified", passes=holds, fails=holds_not, functions=(careful,))
    finding = judge(rule, {"dti": Decimal(5), "verified": True}, basis={}, as_of=date(2026, 1, 1))
    assert finding is not None
    assert finding.outcome == "broken"
    assert finding.message == f"One: could not be run: {said}"
