"""Hold the closures and explanations against a slow evaluator that reads the tree word by word."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core.nouns import FactSpec
from emma_core.rules import BUILTINS, LanguageError, closures, explain, parse, tree, types

_SETTINGS = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))

_SAID: Mapping[str, tuple[Any, ...]] = {
    "text": ("", "12345", "-3.5", "20240229", "20230229", "va", "conventional", "It's 'VA'", "x" * 3),
    "number": tuple(Decimal(value) for value in ("0", "0.45", "0.450001", "-3", "12", "999999999999.999999")),
    "date": (date(2024, 2, 29), date(2023, 2, 28), date(1800, 1, 1), date(2199, 12, 31)),
    "bool": (True, False),
    "list": ((), ("a",), ("b", "a")),
}


def test_closures_and_explanations_say_what_a_slow_evaluator_says(
    facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> None:
    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        for _ in range(10):
            node = _checked(write_predicate(random), facts)
            if node is None:
                continue
            decide = closures.emit(node, BUILTINS, {})
            whole = explain.outline(node, lambda part: closures.emit(part, BUILTINS, {}))
            for _ in range(5):
                said = _some(random, facts)
                expected = evaluate(node, said)
                assert decide(said) is expected, (node.text, said)
                assert explain.deciding(whole, said)[0] is expected, (node.text, said)

    holds()


def test_facts_that_did_not_decide_never_change_the_outcome(
    facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> None:
    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        for _ in range(10):
            node = _checked(write_predicate(random), facts)
            if node is None:
                continue
            whole = explain.outline(node, lambda part: closures.emit(part, BUILTINS, {}))
            said = _some(random, facts)
            outcome, seen = explain.deciding(whole, said)
            decided = {name for each in seen for name in each.leaf.names}
            for _ in range(5):
                other = {**_some(random, facts), **{name: said[name] for name in decided if name in said}}
                other = {name: value for name, value in other.items() if name in said or name not in decided}
                assert outcome is None or explain.deciding(whole, other)[0] is outcome, (node.text, said, other)

    holds()


def test_what_would_pass_passes_once_it_holds(facts: Mapping[str, FactSpec]) -> None:
    leaves = ("dti <= 0.45", "debt > 12", "income NOT BETWEEN -3 AND 12", "zip IN ('va', '')", "verified")
    more = ("applied >= DATE '2024-01-01'", "closed IS NOT NULL", "loan_type <> 'va'", "remarks = '12345'")

    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        node = _checked(_woven(random, random.sample((*leaves, *more), random.randint(1, 6))), facts)
        assert node is not None
        whole = explain.outline(node, lambda part: closures.emit(part, BUILTINS, {}))
        said = _some(random, facts)
        change = explain.would_pass(whole, said)
        if change is None:
            assert evaluate(node, said) is True
            return
        wanted = _checked(change, facts)
        assert wanted is not None
        for _ in range(60):
            moved = {**said, **{k: v for k, v in _some(random, facts).items() if k in tree.names(wanted)}}
            assert evaluate(wanted, moved) is not True or evaluate(node, moved) is True, (node.text, change, moved)

    holds()


def _woven(random: Random, leaves: list[str]) -> str:
    """A predicate in which each leaf, and so each fact, stands once."""
    if len(leaves) == 1:
        return random.choice(("{}", "NOT ({})", "({})")).format(leaves[0])
    cut = random.randint(1, len(leaves) - 1)
    sides = _woven(random, leaves[:cut]), _woven(random, leaves[cut:])
    return random.choice(("({} AND {})", "({} OR {})", "NOT ({} OR {})", "NOT ({} AND {})")).format(*sides)


def _checked(text: str, facts: Mapping[str, FactSpec]) -> tree.Node | None:
    """The typed tree; None where it would need too many digits or says the same of everything."""
    try:
        return types.check(parse(text), facts, BUILTINS)
    except LanguageError as error:
        assert "digits" in error.what or "must name a fact" in error.what, text
        return None


def _some(random: Random, facts: Mapping[str, FactSpec]) -> dict[str, Any]:
    values = {name: random.choice((None, *_SAID[spec.type])) for name, spec in facts.items()}
    values["loan_type"] = random.choice((None, "va", "conventional"))
    return {name: value for name, value in values.items() if value is not None}


def evaluate(node: tree.Node, facts: Mapping[str, Any]) -> Any:
    """The value of a node, worked out as plainly as it can be said."""
    match node:
        case tree.Literal(value=value):
            return _exact(value)
        case tree.Name(name=name):
            return _exact(facts.get(name))
        case tree.And() | tree.Or():
            return _joined([evaluate(part, facts) for part in node.parts], settles=isinstance(node, tree.Or))
        case tree.Not(part=part):
            return _turned(evaluate(part, facts))
        case tree.IsNull(subject=subject, negated=negated):
            return (evaluate(subject, facts) is None) is not negated
        case tree.Case(whens=whens, otherwise=otherwise):
            chosen = [value for condition, value in whens if evaluate(condition, facts) is True]
            return evaluate((chosen or [otherwise])[0], facts)
        case tree.Between(subject=subject, low=low, high=high, negated=negated):
            value, least, most = (evaluate(part, facts) for part in (subject, low, high))
            within = _joined([_held(">=", value, least), _held("<=", value, most)], settles=False)
            return _turned(within) if negated else within
        case tree.In(subject=subject, options=options, negated=negated):
            value = evaluate(subject, facts)
            among = _joined([_held("=", value, evaluate(option, facts)) for option in options], settles=True)
            return _turned(among) if negated else among
        case tree.Compare(operator=operator, left=left, right=right):
            return _held(operator, evaluate(left, facts), evaluate(right, facts))
    given = [evaluate(part, facts) for part in tree.children(node)]
    return None if any(value is None for value in given) else _worked_out(node, given)


def _worked_out(node: tree.Node, given: list[Any]) -> Any:
    match node:
        case tree.Negate():
            return -given[0]
        case tree.Sum(signs=signs):
            return sum((value if sign == "+" else -value) for sign, value in zip(signs, given, strict=True))
        case tree.Product():
            result = Fraction(1)
            for value in given:
                result *= value
            return result
        case tree.Call(function=function):
            return _FUNCTIONS[function](*given)
    raise AssertionError(node)


def _exact(value: Any) -> Any:
    return Fraction(value) if isinstance(value, Decimal) else value


def _turned(value: bool | None) -> bool | None:
    return None if value is None else not value


def _joined(values: list[bool | None], *, settles: bool) -> bool | None:
    if settles in [value for value in values if value is not None]:
        return settles
    return None if None in values else not settles


def _held(operator: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    less, equal = (False, left == right) if isinstance(left, bool) else (left < right, left == right)
    return {
        "=": equal,
        "<>": not equal,
        "<": less,
        "<=": less or equal,
        ">": not less and not equal,
        ">=": not less,
    }[operator]


def _number(text: str) -> Fraction | None:
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]+)?", text):
        return None
    return _six(Fraction(text))


def _six(value: Fraction) -> Fraction:
    return (1 if value >= 0 else -1) * Fraction((abs(value) * 10**6 + Fraction(1, 2)).__floor__(), 10**6)


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if re.fullmatch("[0-9]{8}", text) else None
    except ValueError:
        return None


def _years(start: date, count: Fraction) -> date | None:
    year = start.year + int(count)
    if not 1800 <= year <= 2199:
        return None
    leap = start.month == 2 and start.day == 29
    return date(year, 2, 28) if leap and int(count) % 4 else start.replace(year=year)


def _months(start: date, count: Fraction) -> date | None:
    end = start
    for _ in range(int(count)):
        end = (end.replace(day=28) + timedelta(days=4)).replace(day=1)
    last = (end.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return end.replace(day=min(start.day, last.day)) if end.year <= 2199 else None


def _days(start: date, count: Fraction) -> date | None:
    end = start + timedelta(days=int(count))
    return end if 1800 <= end.year <= 2199 else None


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "number": _number,
    "is_number": lambda text: _number(text) is not None,
    "is_integer": lambda text: re.fullmatch("-?[0-9]{1,12}", text) is not None,
    "ratio": lambda a, b: None if b == 0 else _six(a / b),
    "abs": lambda a: a if a >= 0 else -a,
    "length": lambda text: Fraction(sum(1 for _ in text)),
    "left": lambda text, count: text[: int(count)],
    "lower": lambda text: re.sub("[A-Z]", lambda found: chr(ord(found.group()) + 32), text),
    "starts_with": lambda text, other: text[: len(other)] == other,
    "contains": lambda text, other: other in text,
    "matches": lambda text, pattern: re.fullmatch(f"(?s:{pattern})", text) is not None,
    "ymd": _day,
    "is_ymd": lambda text: _day(text) is not None,
    "year": lambda day: Fraction(day.year),
    "add_years": _years,
    "add_months": _months,
    "add_days": _days,
    "days_between": lambda a, b: Fraction((b - a).days),
    "repeats": lambda *texts: any(a == b for a, b in pairwise(sorted(text for text in texts if text))),
    "has": lambda listed, text: text in list(listed),
    "has_any": lambda listed, *words: any(word in listed for word in words),
    "has_all": lambda listed, *words: all(word in listed for word in words),
    "size": lambda listed: Fraction(len(list(listed))),
}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("jumbo AND verified", None),
        ("jumbo AND FALSE", False),
        ("jumbo OR TRUE", True),
        ("jumbo OR FALSE", None),
        ("NOT jumbo", None),
        ("jumbo = verified", None),
        ("dti <= 1 OR dti > 1", None),
        ("dti + 1 > dti", None),
        ("1 IN (dti, 1)", True),
        ("1 IN (dti, 2)", None),
        ("1 NOT IN (dti, 2)", None),
        ("1 NOT IN (dti, 1)", False),
        ("dti IN (1)", None),
        ("1 BETWEEN 2 AND dti", False),
        ("1 BETWEEN 0 AND dti", None),
        ("1 NOT BETWEEN dti AND 0", True),
        ("dti IS NULL", True),
        ("dti IS NOT NULL", False),
        ("(dti > 1) IS NULL", True),
        ("CASE WHEN jumbo THEN FALSE ELSE TRUE END", True),
        ("CASE WHEN TRUE THEN jumbo ELSE TRUE END", None),
    ],
)
def test_null_means_nobody_said(text: str, outcome: bool | None, facts: Mapping[str, FactSpec]) -> None:
    node = types.check(parse(text), facts, BUILTINS)
    assert closures.emit(node, BUILTINS, {})({}) is outcome
    assert evaluate(node, {}) is outcome


def test_arithmetic_is_exact_to_the_last_of_38_digits(facts: Mapping[str, FactSpec]) -> None:
    most = Decimal("999999999999.999999")
    said = {"dti": most, "debt": most, "income": Decimal("0.000001")}
    assert closures.emit(_typed("dti * debt > dti * debt - income * income", facts), BUILTINS, {})(said) is True
    assert closures.emit(_typed("dti * debt = dti * debt", facts), BUILTINS, {})(said) is True
    assert closures.emit(_typed("dti + dti - dti = dti", facts), BUILTINS, {})(said) is True


def _typed(text: str, facts: Mapping[str, FactSpec]) -> tree.Node:
    return types.check(parse(text), facts, BUILTINS)
