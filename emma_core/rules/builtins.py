"""The functions that every predicate may call."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from emma_core.rules import patterns
from emma_core.rules.functions import Function
from emma_core.rules.tree import Digits
from emma_core.rules.values import EXACT, FIRST_DAY, LAST_DAY, number, on

IN_TABLE = "in_table"
"""The function whose literal names a table, so that the loader binds it."""

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_FAR = 400 * 366
_COUNT = Digits(10, 0)


def lower(text: str) -> str:
    """The text with A-Z turned into a-z and nothing else, so that every character keeps its place."""
    return text.translate(_LOWER)


def _is_number(text: str) -> bool:
    return number(text) is not None


def _is_integer(text: str) -> bool:
    digits = text[1:] if text.startswith("-") else text
    return 0 < len(digits) <= 12 and digits.isascii() and digits.isdigit()


def _ratio(a: Decimal, b: Decimal) -> Decimal | None:
    if not b:
        return None
    (top, under), (over, below) = a.as_integer_ratio(), b.as_integer_ratio()
    share, rest = divmod(abs(top * below) * 10**6, abs(under * over))
    share += 2 * rest >= abs(under * over)
    return Decimal(-share if (a < 0) != (b < 0) else share).scaleb(-6, EXACT)


def _ratio_digits(given: Sequence[Digits]) -> Digits:
    a, b = given
    return Digits(a.total - a.scale + b.scale + 7, 6)


def _whole(count: Decimal, *, least: int) -> int:
    if count != count.to_integral_value() or count < least:
        raise ValueError(f"{count} is no whole number from {least} on; write one")
    return int(count)


def _left(count: Decimal) -> Callable[[str], str]:
    stop = _whole(count, least=0)
    return lambda text: text[:stop]


def _ymd(text: str) -> date | None:
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    read = on(int(text[:4]), int(text[4:6]), int(text[6:]))
    return read if isinstance(read, date) else None


def _add_months(count: Decimal, *, each: int = 1) -> Callable[[date], date | None]:
    months = _whole(count, least=-(10**12)) * each

    def added(start: date) -> date | None:
        year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
        if not FIRST_DAY.year <= year <= LAST_DAY.year:
            return None
        return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))

    return added


def _add_days(count: Decimal) -> Callable[[date], date | None]:
    days = _whole(count, least=-(10**12))

    def added(start: date) -> date | None:
        if abs(days) > _FAR:
            return None
        end = start + timedelta(days)
        return end if FIRST_DAY <= end <= LAST_DAY else None

    return added


def _repeats(*texts: str) -> bool:
    said = [text for text in texts if text != ""]
    return len(set(said)) < len(said)


def _over(prepare: Callable[..., Callable[..., Any]]) -> Callable[..., Any]:
    """A body that takes the literals too, after the first argument."""
    return lambda first, *literals: prepare(*literals)(first)


def _has_any(*words: str) -> Callable[[tuple[str, ...]], bool]:
    wanted = frozenset(words)
    return lambda listed: not wanted.isdisjoint(listed)


def _has_all(*words: str) -> Callable[[tuple[str, ...]], bool]:
    wanted = frozenset(words)
    return lambda listed: wanted.issubset(listed)


def _add_years(count: Decimal) -> Callable[[date], date | None]:
    return _add_months(count, each=12)


_LEAP = date(2024, 2, 29)
_ALL = (
    Function(
        "number", ("text",), "number", number,
        ((("-12.50",), Decimal("-12.5")), (("1,000",), None), (("0.0000005",), Decimal("0.000001"))),
        "The number that a text holds, rounded half away from zero to 6 places, or NULL.",
    ),
    Function(
        "is_number", ("text",), "bool", _is_number, ((("0.43",), True), (("NA",), False), (("1e5",), False)),
        "Whether a text holds a number of at most 12 digits before the point.",
    ),
    Function(
        "is_integer", ("text",), "bool", _is_integer, ((("360",), True), (("3.0",), False), (("",), False)),
        "Whether a text holds a whole number of at most 12 digits.",
    ),
    Function(
        "ratio", ("number", "number"), "number", _ratio,
        (((1, 3), Decimal("0.333333")), ((2, -3), Decimal("-0.666667")), ((1, 0), None)),
        "The first number over the second to 6 places, half away from zero, or NULL when the second is 0.",
        digits=_ratio_digits,
    ),
    Function(
        "abs", ("number",), "number", Decimal.copy_abs, (((-3,), 3),),
        "A number without its sign.",
        digits=lambda given: given[0],
    ),
    Function(
        "length", ("text",), "number", len, ((("añb",), 3), (("",), 0)),
        "How many code points a text has.",
        digits=_COUNT,
    ),
    Function(
        "left", ("text", "number"), "text", _over(_left), ((("12345", 2), "12"), (("1", 5), "1")),
        "The first characters of a text.",
        literal=frozenset({1}), prepare=_left,
    ),
    Function(
        "lower", ("text",), "text", lower, ((("ABC Ä",), "abc Ä"),),
        "A text with A-Z turned into a-z and nothing else.",
    ),
    Function(
        "starts_with", ("text", "text"), "bool", str.startswith, ((("12 CFR", "12"), True), (("a", "ab"), False)),
        "Whether the first text begins with the second.",
    ),
    Function(
        "contains", ("text", "text"), "bool", str.__contains__, ((("abc", "b"), True), (("abc", "B"), False)),
        "Whether the second text stands anywhere in the first.",
    ),
    Function(
        "matches", ("text", "text"), "bool", _over(patterns.matcher),
        ((("90210", "[0-9]{5}"), True), (("902101", "[0-9]{5}"), False)),
        "Whether a pattern matches the whole text.",
        literal=frozenset({1}), prepare=patterns.matcher,
    ),
    Function(
        "ymd", ("text",), "date", _ymd, ((("20240229",), _LEAP), (("20230229",), None)),
        "The day that eight digits name, or NULL.",
    ),
    Function(
        "is_ymd", ("text",), "bool", lambda text: _ymd(text) is not None,
        ((("20240229",), True), (("2024-02-29",), False)),
        "Whether a text is eight digits that name a real day.",
    ),
    Function(
        "year", ("date",), "number", lambda day: Decimal(day.year), (((_LEAP,), 2024),),
        "The year of a day.",
        digits=Digits(4, 0),
    ),
    Function(
        "add_years", ("date", "number"), "date", _over(_add_years), (((_LEAP, 1), date(2025, 2, 28)),),
        "The same day so many years on; 29 February becomes 28, and a day out of range NULL.",
        literal=frozenset({1}), prepare=_add_years,
    ),
    Function(
        "add_months", ("date", "number"), "date", _over(_add_months), (((date(2024, 1, 31), 1), _LEAP),),
        "The same day so many months on, or the month's last; out of range it is NULL.",
        literal=frozenset({1}), prepare=_add_months,
    ),
    Function(
        "add_days", ("date", "number"), "date", _over(_add_days), (((_LEAP, -29), date(2024, 1, 31)),),
        "The day so many days on, or NULL out of range.",
        literal=frozenset({1}), prepare=_add_days,
    ),
    Function(
        "days_between", ("date", "date"), "number", lambda first, last: Decimal((last - first).days),
        (((date(2024, 2, 28), date(2024, 3, 1)), 2), ((date(2024, 3, 1), date(2024, 2, 28)), -2)),
        "How many days the second day comes after the first.",
        digits=Digits(6, 0),
    ),
    Function(
        "repeats", ("text",), "bool", _repeats, ((("1", "2", "1"), True), (("", ""), False)),
        "Whether any text but the empty one occurs twice.",
        variadic=True,
    ),
    Function(
        IN_TABLE, ("text", "text"), "bool", lambda text, table: text in table, ((("a", "abc"), True),),
        "Whether a text is among the words of a table.",
        literal=frozenset({1}),
    ),
    Function(
        "has", ("list", "text"), "bool", tuple.__contains__, (((["a"], "a"), True), (([], "a"), False)),
        "Whether a list holds a text.",
    ),
    Function(
        "has_any", ("list", "text"), "bool", _over(_has_any), (((["a"], "a", "b"), True), ((["c"], "a", "b"), False)),
        "Whether a list holds any of the texts.",
        literal=frozenset({1}), variadic=True, prepare=_has_any,
    ),
    Function(
        "has_all", ("list", "text"), "bool", _over(_has_all),
        (((["a"], "a", "b"), False), ((["b", "a"], "a", "b"), True)),
        "Whether a list holds all of the texts.",
        literal=frozenset({1}), variadic=True, prepare=_has_all,
    ),
    Function(
        "size", ("list",), "number", len, (((["a", "b"],), 2),),
        "How many texts a list holds.",
        digits=_COUNT,
    ),
)  # fmt: skip

BUILTINS: Mapping[str, Function] = {function.name: function for function in _ALL}
"""The built-in functions by name."""
