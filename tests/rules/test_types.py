"""What fits a predicate's facts, and how many digits a number may need."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from emma_core.nouns import FactSpec
from emma_core.rules import BUILTINS, LanguageError, Node, parse, tree, types


def checked(text: str, facts: Mapping[str, FactSpec]) -> Node:
    return types.check(parse(text), facts, BUILTINS)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("dtii <= 0.45", 1, "no fact 'dtii'; did you mean 'dti'?"),
        ("wholly_unlike = 1", 1, "no fact 'wholly_unlike'"),
        ("today > DATE '2024-01-01'", 1, "no fact 'today'; clocks are refused; write as_of"),
        ("mtaches(zip, 'a')", 1, "no function 'mtaches'; did you mean 'matches'?"),
        ("dti = '0.45'", 1, "a number is held against a text; write the number without quotes"),
        ("zip = 12345", 1, "a text is held against a number; write number(zip)"),
        ("applied > '2024-01-01'", 1, "a date is held against a text; write DATE '2024-02-29'"),
        ("zip > applied", 1, "write ymd(zip)"),
        ("verified = 1", 1, "a bool is held against a number"),
        ("verified < jumbo", 1, "a bool has no order; write = or <>"),
        ("verified IN (TRUE)", 1, "a predicate stands alone; write x or NOT x"),
        ("verified BETWEEN TRUE AND FALSE", 1, "a bool has no order"),
        ("tags = tags", 1, "lists are not held against each other"),
        ("dti BETWEEN 1 AND 'x'", 1, "a number is held against a text"),
        ("dti IN (1, 'x')", 12, "a number is held against a text"),
        ("dti", 1, "a rule is a predicate, and this is a number"),
        ("dti AND verified", 1, "a number is no predicate"),
        ("NOT zip", 5, "a text is no predicate"),
        ("applied + 3 > closed", 1, "write add_days(d, 3) or days_between(a, b)"),
        ("zip * 2 > 1", 1, "a text is no number; write number(zip)"),
        ("-verified = TRUE", 2, "a bool is no number"),
        ("1 = 1", 1, "a predicate must name a fact"),
        ("length('a') = 1", 1, "a predicate must name a fact"),
        ("CASE WHEN verified THEN 1 ELSE 'x' END = 1", 25, "CASE gives a number here and a text at its ELSE"),
        ("CASE WHEN dti THEN 1 ELSE 2 END = 1", 11, "a number is no predicate"),
        ("length(zip, zip) = 1", 1, "2 arguments; write length(text)"),
        ("repeats()", 1, "0 arguments; write repeats(text, …)"),
        ("length(dti) = 1", 8, "a number where length(text) takes a text"),
        ("abs(zip) = 1", 5, "a text where abs(number) takes a number; write number(zip)"),
        ("matches(zip, remarks)", 14, "takes a literal here"),
        ("left(zip, 1.5) = 'a'", 11, "no whole number"),
        ("left(zip, -1) = 'a'", 11, "no whole number from 0 on"),
        ("add_days(applied, 0.5) = closed", 19, "no whole number"),
        ("matches(zip, '[0-9')", 14, "pattern, character 5: a set has no end"),
        ("loan_type = 'FHA'", 13, "'FHA' is no value of 'loan_type'; did you mean 'fha'?"),
        ("loan_type NOT IN ('fha', 'vaa')", 26, "'vaa' is no value of 'loan_type'; did you mean 'va'?"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(
    text: str, column: int, said: str, facts: Mapping[str, FactSpec]
) -> None:
    with pytest.raises(LanguageError) as caught:
        checked(text, facts)
    assert said in caught.value.what
    assert (caught.value.line, caught.value.column) == (1, column)


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("dti", (18, 6)),
        ("0.45", (2, 2)),
        ("0.5", (1, 1)),
        ("12.50", (4, 2)),
        ("-3", (1, 0)),
        ("0", (1, 0)),
        ("dti + debt", (19, 6)),
        ("dti + debt - 1", (20, 6)),
        ("dti + 0.1", (19, 6)),
        ("dti * debt", (37, 12)),
        ("debt * 100", (22, 6)),
        ("-dti", (18, 6)),
        ("CASE WHEN verified THEN 1 ELSE 0.45 END", (3, 2)),
        ("ratio(debt, income)", (25, 6)),
        ("abs(debt * 100)", (22, 6)),
        ("length(zip)", (10, 0)),
        ("days_between(applied, closed)", (6, 0)),
    ],
)
def test_digits_are_counted_as_spark_counts_them(
    number: str, digits: tuple[int, int], facts: Mapping[str, FactSpec]
) -> None:
    compared = checked(f"dti IS NULL OR {number} < 1", facts)
    assert isinstance(compared, tree.Or)
    assert isinstance(compared.parts[1], tree.Compare)
    assert compared.parts[1].left.digits == digits


@pytest.mark.parametrize(
    "text",
    [
        "dti * debt * income > 1",
        "dti * debt > 123456789012 * debt * 10",
        "dti * debt + income * 100 + dti > 1",
        "ratio(dti * debt, income * 0.1) > 1",
        "dti * debt > 100 * income * 12345678901",
        "dti * dti BETWEEN 0 AND income * debt + 1 + 1",
    ],
)
def test_more_than_38_digits_are_refused(text: str, facts: Mapping[str, FactSpec]) -> None:
    with pytest.raises(LanguageError, match="38 are exact"):
        checked(text, facts)


def test_every_node_of_a_checked_tree_has_a_type(facts: Mapping[str, FactSpec]) -> None:
    text = (
        "CASE WHEN NOT (dti + 1) * 2 IN (1, debt) THEN zip IS NULL ELSE applied BETWEEN closed AND as_of END = verified"
    )
    node = checked(text, {**facts, "as_of": FactSpec(type="date", title="Date")})
    assert all(part.type for part in tree.walk(node))
    assert all((part.digits is not None) == (part.type == "number") for part in tree.walk(node))
