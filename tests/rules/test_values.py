"""What the door lets in as a fact."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_core.errors import CallerError
from emma_core.nouns import FactType
from emma_core.rules import read_value


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("number", 0.47, Decimal("0.47")),
        ("number", 0.1 + 0.2, Decimal("0.3")),
        ("number", 3, Decimal(3)),
        ("number", 3.0, Decimal(3)),
        ("number", -0.0, Decimal(0)),
        ("number", Decimal("0.0000005"), Decimal("0.000001")),
        ("number", Decimal("-0.0000005"), Decimal("-0.000001")),
        ("number", Decimal("0.00000049999"), Decimal(0)),
        ("number", Decimal("1E+3"), Decimal(1000)),
        ("number", Decimal("0E+999999"), Decimal(0)),
        ("number", Decimal("1E-999999"), Decimal(0)),
        ("number", 999_999_999_999, Decimal(999_999_999_999)),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", date(1800, 1, 1), date(1800, 1, 1)),
        ("text", "", ""),
        ("bool", False, False),
        ("list", ["a", "b"], ("a", "b")),
        ("list", (), ()),
    ],
)
def test_a_fitting_value_is_read_exactly(kind: FactType, raw: Any, value: Any) -> None:
    read = read_value(kind, raw, name="x")
    assert read == value
    assert type(read) is type(value)
    assert str(read) == str(value)


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        ("number", True, "Fact 'x': True is no number; write a number such as 0.47"),
        ("number", "0.47", "Fact 'x': '0.47' is no number"),
        ("number", None, "None is no number"),
        ("number", float("nan"), "not finite"),
        ("number", float("inf"), "not finite"),
        ("number", Decimal("sNaN"), "not finite"),
        ("number", 10**12, "more than 12 digits"),
        ("number", 10**400, "a huge whole number is no number"),
        ("number", Decimal("999999999999.9999995"), "more than 12 digits"),
        ("number", Decimal("1E+999999"), "more than 12 digits"),
        ("date", "2024-02-30", "Fact 'x': '2024-02-30' is no date; there is no 30 February 2024"),
        ("date", "2024-13-01", "there is no month 13"),
        ("date", "1799-12-31", "the year 1799 is outside 1800 to 2199"),
        ("date", date(2200, 1, 1), "the year 2200 is outside 1800 to 2199"),
        ("date", "2024-2-3", "not written as year-month-day"),
        ("date", "٢٠٢٤-٠٢-٠٣", "not written as year-month-day"),
        ("date", datetime(2024, 2, 3), "days have no times"),
        ("date", 20240203, "20240203 is no date"),
        ("text", 5, "5 is no text"),
        ("text", "a\ud800", "half of a character"),
        ("bool", 1, "1 is no bool; write true or false"),
        ("bool", "true", "'true' is no bool"),
        ("list", "a", "'a' is no list"),
        ("list", ["a", None], "item 1 is None"),
        ("list", ["a", "\udfff"], "item 1"),
    ],
)
def test_an_unfitting_value_is_refused_by_name(kind: FactType, raw: Any, said: str) -> None:
    with pytest.raises(CallerError) as caught:
        read_value(kind, raw, name="x")
    assert said in str(caught.value)
    assert str(caught.value).startswith("Fact 'x': ")
    assert len(str(caught.value)) < 250
    assert str(caught.value).encode()


def test_a_text_outside_its_values_names_the_nearest() -> None:
    assert read_value("text", "va", name="loan_type", values=("va", "fha")) == "va"
    with pytest.raises(CallerError, match="did you mean 'fha'"):
        read_value("text", "FHA", name="loan_type", values=("va", "fha"))
    with pytest.raises(CallerError, match="not among its values"):
        read_value("list", ["va", "usda"], name="loan_types", values=("va", "fha"))


def test_an_integer_too_long_to_spell_is_refused() -> None:
    with pytest.raises(CallerError, match="more than 12 digits"):
        read_value("number", 10**5000, name="x")


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.decimals(-(10**12), 10**12, places=6).map(float)))
@settings(deadline=None, max_examples=2000)
def test_a_float_is_read_as_the_shortest_decimal_that_gives_it_back(raw: float) -> None:
    exact = Fraction(repr(raw))
    millionths = math.floor(abs(exact) * 10**6 + Fraction(1, 2))
    if millionths >= 10**18:
        with pytest.raises(CallerError, match="12 digits"):
            read_value("number", raw, name="x")
        return
    read = read_value("number", raw, name="x")
    assert Fraction(str(read)) == Fraction(millionths if raw >= 0 else -millionths, 10**6)
    assert str(read) == format(Decimal(str(read)), "f") and not re.search(r"\.[0-9]*0$|^-0$", str(read))
