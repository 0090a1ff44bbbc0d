"""Read raw values into typed facts at the door, strictly."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact
from typing import Any

from emma_core.errors import CallerError
from emma_core.nouns import FactSpec, FactType, Value
from emma_core.rules.mistakes import nearest

FIRST_DAY = date(1800, 1, 1)
LAST_DAY = date(2199, 12, 31)
EXACT = Context(prec=80, rounding=ROUND_HALF_UP, traps=[Inexact])
"""Arithmetic in which every digit counts; the loader sees to it that 38 are enough."""

_ROUNDING = Context(prec=80, rounding=ROUND_HALF_UP)
_SIX_PLACES = Decimal("0.000001")
_TOO_LARGE = Decimal(10) ** 12
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_NUMBER = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]+))?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WANTED: dict[FactType, str] = {
    "text": "a text",
    "number": "a number such as 0.47",
    "date": "a day such as '2024-02-29'",
    "bool": "true or false",
    "list": "a list of texts",
}


def read_value(spec_type: FactType, raw: object, *, name: str, values: tuple[str, ...] = ()) -> Value:
    """The typed value of a fact. Raises `CallerError` naming the fact, what came and what is wanted."""
    result = _READERS[spec_type](raw)
    if isinstance(result, _Unfit):
        said = f"; {result.why}" if result.why else ""
        raise CallerError(f"Fact {name!r}: {_shown(raw)} is no {spec_type}{said}; write {_WANTED[spec_type]}")
    if values and spec_type in ("text", "list"):
        for word in result if isinstance(result, tuple) else (result,):
            if word not in values:
                known = f"one of {list(values)}{nearest(str(word), values)}"
                raise CallerError(f"Fact {name!r}: {_shown(word)} is not among its values; write {known}")
    return result  # type: ignore[no-any-return]


def read_values(specs: Mapping[str, FactSpec], raw: Mapping[str, Any]) -> dict[str, Value]:
    """The typed values of a record's facts, each of which is declared. Raises as `read_value` does."""
    read: dict[str, Value] = {}
    for name, given in raw.items():
        spec = specs[name]
        kind = spec.type
        if kind == "text":
            if type(given) is str and given.isascii() and not spec.values:
                read[name] = given
                continue
        elif (quick := _QUICK[kind].get(type(given))) and (typed := quick(given)) is not None:
            read[name] = typed  # what most records hold is told to fit by a look
            continue
        read[name] = read_value(kind, given, name=name, values=spec.values)
    return read


def to_places(value: Decimal) -> Decimal | None:
    """Rounded half away from zero to 6 places, plainly; None where more than 12 digits stand before the point."""
    if not value.is_finite():
        return None
    if not value or value.adjusted() < -8:
        return Decimal(0)
    if value.adjusted() > 12:
        return None
    rounded = value.quantize(_SIX_PLACES, context=_ROUNDING)
    if abs(rounded) >= _TOO_LARGE:
        return None
    return plain(rounded)


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros, exponent or negative zero."""
    if not value:
        return Decimal(0)
    short = value.normalize(_ROUNDING)
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1), context=_ROUNDING) if isinstance(exponent, int) and exponent > 0 else short


def number(text: str) -> Decimal | None:
    """The number that a text holds, else None."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.groups()
    # the seventh place settles the rounding, half away from zero
    return to_places(Decimal(f"{sign}{whole}.{(part or '0')[:7]}"))


def day(text: str) -> date | str:
    """The day that an ISO text names, else what is wrong with it."""
    found = _ISO.fullmatch(text)
    if found is None:
        return f"{text[:40]!r} is not written as year-month-day"
    return on(int(found[1]), int(found[2]), int(found[3]))


def on(year: int, month: int, day_of_month: int) -> date | str:
    """The day of these numbers, else what is wrong with them."""
    if not 1 <= month <= 12:
        return f"there is no month {month}"
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        return f"the year {year} is outside {FIRST_DAY.year} to {LAST_DAY.year}"
    if not 1 <= day_of_month <= calendar.monthrange(year, month)[1]:
        return f"there is no {day_of_month} {calendar.month_name[month]} {year}"
    return date(year, month, day_of_month)


class _Unfit:
    """Why a raw value is refused."""

    def __init__(self, why: str = "") -> None:
        self.why = why


def _read_text(raw: object) -> str | _Unfit:
    if not isinstance(raw, str):
        return _Unfit()
    if not raw.isascii() and _SURROGATE.search(raw):
        return _Unfit("it holds half of a character")
    return str(raw)


def _read_number(raw: object) -> Decimal | _Unfit:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return _Unfit()
    if isinstance(raw, int) and abs(raw) >= 10**12:
        return _Unfit("it has more than 12 digits before the point")
    quick = _QUICK["number"].get(type(raw))
    if quick is not None and (typed := quick(raw)) is not None:
        return typed  # type: ignore[no-any-return]
    # the shortest text that gives the float back is what was meant; its binary dust is not
    exact = Decimal(float.__repr__(raw)) if isinstance(raw, float) else Decimal(raw)
    if not exact.is_finite():
        return _Unfit("it is not finite")
    rounded = to_places(exact)
    return _Unfit("it has more than 12 digits before the point") if rounded is None else rounded


def _short(raw: float) -> Decimal | None:
    """What the shortest text of a float says, where that is a fraction of at most 6 places; else None."""
    # a point among the last seven characters; from 0.0001 on no float of this size is written with an exponent
    if 1e-4 <= raw < 1e12 and "." in (text := repr(raw))[-7:] and not text.endswith(".0"):
        return Decimal(text)
    return None


def _small(raw: int) -> Decimal | None:
    return Decimal(raw) if -(10**12) < raw < 10**12 else None


def _read_date(raw: object) -> date | _Unfit:
    if isinstance(raw, datetime):
        return _Unfit("days have no times")
    if isinstance(raw, date):
        inside = FIRST_DAY <= raw <= LAST_DAY
        return raw if inside else _Unfit(f"the year {raw.year} is outside {FIRST_DAY.year} to {LAST_DAY.year}")
    if not isinstance(raw, str):
        return _Unfit()
    read = _iso(raw) or day(raw)
    return _Unfit(read) if isinstance(read, str) else read


def _iso(raw: str) -> date | None:
    if len(raw) == 10 and raw[4] == raw[7] == "-" and raw.isascii():
        try:
            read = date.fromisoformat(raw)
        except ValueError:
            return None
        return read if FIRST_DAY <= read <= LAST_DAY else None
    return None


def _read_bool(raw: object) -> bool | _Unfit:
    return raw if isinstance(raw, bool) else _Unfit()


def _read_list(raw: object) -> tuple[str, ...] | _Unfit:
    if not isinstance(raw, list | tuple):
        return _Unfit()
    for index, item in enumerate(raw):
        if isinstance(read := _read_text(item), _Unfit):
            return _Unfit(f"item {index} is {_shown(item)}" + (f" and {read.why}" if read.why else ""))
    return tuple(str(item) for item in raw)


_READERS: dict[FactType, Callable[[object], Any]] = {
    "text": _read_text,
    "number": _read_number,
    "date": _read_date,
    "bool": _read_bool,
    "list": _read_list,
}

_QUICK: dict[FactType, dict[type, Callable[[Any], Any]]] = {
    "text": {},
    "number": {float: _short, int: _small},
    "date": {str: _iso},
    "bool": {bool: bool},
    "list": {},
}
"""How values of a Python type are read where nothing is odd about them; None where it takes a closer look."""


def _shown(raw: object) -> str:
    """What came, short enough to read; a huge integer is not spelled out, which could take long or fail."""
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) >= 10**40:
        return "a huge whole number"
    text = ascii(raw) if isinstance(raw, str) and _SURROGATE.search(raw) else repr(raw)
    return text if len(text) <= 60 else text[:57] + "…"
