"""What a predicate may say, what it may not, and how a mistake is shown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from emma_core.errors import RuleError
from emma_core.rules import LanguageError, parse
from emma_core.rules.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Case,
    Compare,
    In,
    IsNull,
    Literal,
    Name,
    Negate,
    Node,
    Not,
    Or,
    Place,
    Product,
    Sum,
    walk,
)

_NOWHERE = Place("", 0, 0)


def a(name: str) -> Name:
    return Name(name, place=_NOWHERE)


def n(value: str | int) -> Literal:
    return Literal(Decimal(value), place=_NOWHERE)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("x OR y AND z", Or((a("x"), And((a("y"), a("z")), place=_NOWHERE)), place=_NOWHERE)),
        ("NOT x = y", Not(Compare("=", a("x"), a("y"), place=_NOWHERE), place=_NOWHERE)),
        ("x or y oR z", Or((a("x"), a("y"), a("z")), place=_NOWHERE)),
        ("x <> y", Compare("<>", a("x"), a("y"), place=_NOWHERE)),
        ("x + y * z", Sum((a("x"), Product((a("y"), a("z")), place=_NOWHERE)), ("+", "+"), place=_NOWHERE)),
        ("x - y + 1", Sum((a("x"), a("y"), n(1)), ("+", "-", "+"), place=_NOWHERE)),
        ("- x * y", Product((Negate(a("x"), place=_NOWHERE), a("y")), place=_NOWHERE)),
        ("-0.50", n("-0.50")),
        ("-(-3)", n(3)),
        ("-0", n(0)),
        ("x IS NOT NULL", IsNull(a("x"), True, place=_NOWHERE)),
        ("x NOT IN (1, -2, y)", In(a("x"), (n(1), n(-2), a("y")), True, _NOWHERE, place=_NOWHERE)),
        (
            "x BETWEEN 1 AND y AND z",
            And((Between(a("x"), n(1), a("y"), False, place=_NOWHERE), a("z")), place=_NOWHERE),
        ),
        ("Length('it''s')", Call("length", (Literal("it's", place=_NOWHERE),), place=_NOWHERE)),
        ("case when x then 1 else 2 end", Case(((a("x"), n(1)),), n(2), place=_NOWHERE)),
        ("count(*)", Aggregate("count", None, False, None, place=_NOWHERE)),
        ("Count(distinct x) filter (where y)", Aggregate("count", a("x"), True, a("y"), place=_NOWHERE)),
        ("count(distinct)", Aggregate("count", a("distinct"), False, None, place=_NOWHERE)),
        (
            "sum(x) FILTER (WHERE y) * 2",
            Product((Aggregate("sum", a("x"), False, a("y"), place=_NOWHERE), n(2)), place=_NOWHERE),
        ),
        ("date", a("date")),
        ("limit", a("limit")),
    ],
)
def test_operators_bind_as_the_grammar_says(text: str, tree: Node) -> None:
    assert parse(text) == tree


def test_every_node_knows_its_slice_of_the_text() -> None:
    text = "(a + (b - 1)) * 2 <= 3 AND NOT x IN ('p', 'q') OR f(a, (b))"
    slices = [node.text for node in walk(parse(text))]
    assert slices[:4] == [
        text,
        "(a + (b - 1)) * 2 <= 3 AND NOT x IN ('p', 'q')",
        "(a + (b - 1)) * 2 <= 3",
        "(a + (b - 1)) * 2",
    ]
    assert "NOT x IN ('p', 'q')" in slices
    assert "f(a, (b))" in slices
    assert all(slice.count("(") == slice.count(")") for slice in slices)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "found the end of the text"),
        ("a <", 4, "expected a fact or a literal or a function or '(', found the end of the text"),
        ("a / b > 1", 3, "ratio(a, b)"),
        ("a % 2 = 0", 3, "as a fraction"),
        ("a || b = c", 3, "write OR"),
        ("a == b", 3, "write ="),
        ("a != b", 3, "write <>"),
        ("a <=> b", 3, "a IS NULL AND b IS NULL"),
        ("a => b", 3, "write >="),
        ("a LIKE 'x%'", 3, "LIKE is refused; write starts_with"),
        ("a NOT ILIKE 'x%'", 7, "ILIKE is refused"),
        ("a ~ 'x'", 3, "matches(x, '…')"),
        ("a IS TRUE", 6, "IS TRUE is refused"),
        ("a IS NOT FALSE", 10, "IS FALSE is refused"),
        ("a IS DISTINCT FROM b", 6, "IS DISTINCT FROM is refused"),
        ("a IS 3", 6, "IS is followed by NULL or NOT NULL"),
        ("CAST(a AS INT) = 1", 1, "CAST is refused; write number(x)"),
        ("a::int = 1", 2, "'::' is refused; write number(x)"),
        ("coalesce(a, 1) = 1", 1, "COALESCE is refused; write CASE WHEN x IS NULL"),
        ("a IN (1, NULL)", 10, "write x IS NULL OR x IN"),
        ("a = NULL", 5, "write IS NULL"),
        ("a <> NULL", 6, "write IS NOT NULL"),
        ("a + NULL > 1", 5, "NULL stands only in IS NULL"),
        ("a IN (SELECT b)", 7, "subqueries are refused"),
        ("EXISTS (SELECT 1)", 1, "subqueries are refused"),
        ("a > ALL (b)", 5, "subqueries are refused"),
        ("rank() OVER (a) > 1", 1, "windows are refused"),
        ("a > 1 GROUP BY b", 7, "grouping is refused"),
        ("a > 1 -- why", 7, "comments are not read"),
        ("a /* why */ > 1", 3, "comments are not read"),
        ("a > 1; b", 6, "';' is refused"),
        ('"a" > 1', 1, "quoted names are refused"),
        ("`a` > 1", 1, "quoted names are refused"),
        ("[a] > 1", 1, "'[' is refused"),
        ("a = ?", 5, "parameters are refused"),
        ("a = :b", 5, "parameters are refused"),
        ("a = $1", 5, "parameters are refused"),
        ("a = @b", 5, "parameters are refused"),
        ("a < now()", 5, "clocks are refused; write as_of"),
        ("a < current_date", 5, "clocks are refused; write as_of"),
        ("a < random()", 5, "chance is refused"),
        ("t.a = 1", 1, "names with dots are refused"),
        ("Dti = 1", 1, "'dti'"),
        ("é = 1", 1, "write a-z, 0-9 and _"),
        ("a > 1e5", 5, "'1e5' is no number"),
        ("a > 1_000", 5, "'1_000' is no number"),
        ("a > 0x1F", 5, "'0x1F' is no number"),
        ("a > .5", 5, "write 0.5"),
        ("a > 5.", 5, "'5.' is no number"),
        ("a > 1234567890123", 5, "at most 12 digits"),
        ("a > 0.1234567", 5, "at most 12 digits before the point and 6 after it"),
        ("a = 'x", 5, "this text has no end"),
        ("a = DATE '2023-02-29'", 10, "there is no 29 February 2023"),
        ("a = DATE '1799-12-31'", 10, "the year 1799 is outside 1800 to 2199"),
        ("a = DATE '2024-2-9'", 10, "year-month-day"),
        ("a = TIMESTAMP '2024-02-09'", 5, "days have no times"),
        ("a < b < c", 7, "comparisons do not chain; write a < b AND b < c"),
        ("a IS NULL = b", 11, "comparisons do not chain"),
        ("a = NOT b", 5, "NOT needs brackets here"),
        ("a NOT b", 7, "expected IN or BETWEEN, found 'b'"),
        ("a IN 1", 6, "expected a list in (…), found '1'"),
        ("a IN ()", 7, "expected a literal or a fact, found ')'"),
        ("a IN (1 + 2)", 9, "expected ',' or ')', found '+'"),
        ("a IN (f(b))", 7, "a list holds literals and facts"),
        ("a BETWEEN 1 OR 2", 13, "expected AND, found 'OR'"),
        ("CASE a WHEN 1 THEN 2 ELSE 3 END", 6, "write CASE WHEN x = … THEN …"),
        ("CASE WHEN a THEN 2 END", 20, "CASE needs an ELSE"),
        ("(a > 1", 7, "expected ')', found the end of the text"),
        ("a > 1)", 6, "found ')'"),
        ("f(a,) = 1", 5, "expected a fact or a literal or a function or '(', found ')'"),
        ("a b", 3, "expected an operator or the end of the text, found 'b'"),
        ("a\u00a0> 1", 2, "U+00A0"),
        ("a ≤ 1", 3, "write <="),
        ("a = ‘x’", 5, "write the plain quote '"),
        ("a = '\ud800'", 6, "half of a character (U+D800)"),
        ("sum(*) > 1", 5, "only count takes *, so write sum(x)"),
        ("count() > 1", 7, "expected a fact"),
        ("count(a, b) > 1", 8, "expected ')', found ','"),
        ("sum(DISTINCT a) > 1", 5, "DISTINCT stands only in count(DISTINCT x); write sum(x)"),
        ("count(*) FILTER (a) > 1", 18, "write FILTER (WHERE …)"),
        ("a FILTER (WHERE b)", 3, "FILTER stands after an aggregate of a file rule"),
        ("a = b WHERE c", 7, "WHERE stands only in FILTER (WHERE …)"),
        ("avg(a) > 1", 1, "write sum(x) <= 5 * count(x)"),
    ],
)
def test_what_is_refused_says_where_and_what_to_write_instead(text: str, column: int, said: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (1, column), str(caught.value)
    assert said in caught.value.what


def test_an_error_draws_its_line_and_a_caret() -> None:
    with pytest.raises(RuleError) as caught:
        parse("dti <= 0.45\nAND dti => 0")
    assert str(caught.value) == "line 2 col 9: '=>' is refused; write >=\n  AND dti => 0\n          ^"


def test_an_error_in_a_long_line_draws_what_is_around_it() -> None:
    with pytest.raises(LanguageError) as caught:
        parse("x = 1 OR " * 500 + "y ==\x1b 1")
    _, drawn, caret = str(caught.value).split("\n")
    assert len(drawn) < 130
    assert drawn[caret.index("^")] == "="
    assert "\x1b" not in drawn


def test_an_error_says_what_was_expected() -> None:
    with pytest.raises(LanguageError) as caught:
        parse("a BETWEEN 1 2")
    assert caught.value.expected == ("AND",)


@pytest.mark.parametrize(
    ("fits", "too_much", "said"),
    [
        ("a = '" + "x" * 7994 + "'", "a = '" + "x" * 7995 + "'", "8001 characters; the most is 8000"),
        ("(" * 40 + "a" + ")" * 40, "(" * 41 + "a" + ")" * 41, "nested deeper than 40 levels"),
        ("NOT " * 40 + "a", "NOT " * 41 + "a", "nested deeper than 40 levels"),
        ("- " * 40 + "a", "- " * 41 + "a", "nested deeper than 40 levels"),
        ("f(" * 40 + "a" + ")" * 40, "f(" * 41 + "a" + ")" * 41, "nested deeper than 40 levels"),
        (" OR ".join(["a"] * 500), " OR ".join(["a"] * 501), "at most 500"),
        ("a IN (" + "1," * 999 + "1)", "a IN (" + "1," * 1000 + "1)", "at most 1000 values"),
    ],
)
def test_limits_hold_to_the_last_one_and_no_further(fits: str, too_much: str, said: str) -> None:
    parse(fits)
    with pytest.raises(LanguageError) as caught:
        parse(too_much)
    assert said in caught.value.what


@pytest.mark.parametrize("piece", ["(", "NOT ", "- ", "CASE WHEN ", "f(", "a IN (", "a + ", "a = ", "a AND ", "1,"])
def test_a_piece_repeated_to_the_limit_is_an_error_with_a_place(piece: str) -> None:
    for count in (39, 41, 499, 501, 1001, 4000):
        with pytest.raises(LanguageError):
            parse(piece * count)
