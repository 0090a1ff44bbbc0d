"""Hold exact numbers as whole ones: a number with s places is kept as the number times 10 to the s."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from emma_core.rules.functions import FACT_DIGITS
from emma_core.rules.tree import Digits
from emma_core.rules.values import EXACT, plain

FACT = pl.Decimal(FACT_DIGITS.total, FACT_DIGITS.scale)
"""How a table holds a fact that is a number."""

_SHORT = 18
"""How many digits 64 bits hold."""
_PLAIN = r"\A-?[0-9]{1,12}(?:\.[0-9]{1,6})?\z"
_LONG = r"\A(-?[0-9]{1,12}\.[0-9]{6})[0-9]+\z"
_ROUNDED_UP = r"\.[0-9]{6}[5-9]"
_SHORTEST_LONG = len("0.1234567")
_LIMIT = 10**FACT_DIGITS.total


def width(digits: Digits) -> Any:
    """The type that holds every number of so many digits."""
    return pl.Int64 if digits.total <= _SHORT else pl.Int128


def scaled(value: Decimal, scale: int) -> int:
    """The number times 10 to the scale. Raises `ValueError` where it has more places."""
    moved = value.scaleb(scale, EXACT)
    if moved != moved.to_integral_value():
        raise ValueError(f"{value} has more than {scale} places")
    return int(moved)


def unscaled(value: int, scale: int) -> Decimal:
    """The number that a whole one stands for."""
    return plain(Decimal(value).scaleb(-scale, EXACT))


def literal(value: Decimal, digits: Digits) -> pl.Expr:
    """A number written in a predicate."""
    return pl.lit(scaled(value, digits.scale), dtype=width(digits))


def moved(number: pl.Expr, digits: Digits, wanted: Digits) -> pl.Expr:
    """The same number with more places, or held in more bits."""
    if width(digits) != width(wanted):
        number = number.cast(width(wanted))
    if digits.scale == wanted.scale:
        return number
    return number * pl.lit(10 ** (wanted.scale - digits.scale), dtype=width(wanted))


def of_column(column: pl.Expr) -> pl.Expr:
    """A fact that is a number."""
    return column.cast(FACT).to_physical().cast(pl.Int64)


def of_text(text: pl.Expr) -> pl.Expr:
    """The number that a text holds, rounded half away from zero, or NULL."""
    exact = pl.when(text.str.contains(_PLAIN)).then(text.cast(FACT, strict=False).to_physical().cast(pl.Int64))
    # past 6 places the seventh settles it; few texts are that long, and the rest is made NULL before it is looked at
    long = pl.when(text.str.len_bytes() >= _SHORTEST_LONG).then(text)
    cut = long.str.extract(_LONG, 1).cast(FACT, strict=False).to_physical().cast(pl.Int64)
    more = long.str.contains(_ROUNDED_UP).cast(pl.Int64)
    rounded = pl.when(long.str.starts_with("-")).then(cut - more).otherwise(cut + more)
    return pl.coalesce(exact, pl.when(rounded.is_between(-_LIMIT, _LIMIT, closed="none")).then(rounded))


def ratio(a: pl.Expr, given: Digits, b: pl.Expr, over: Digits) -> pl.Expr | None:
    """The first number over the second, to 6 places; None where whole numbers of 38 digits do not reach."""
    shift = over.scale + FACT_DIGITS.scale - given.scale
    if over.total - min(shift, 0) > 38 or given.total + max(shift, 0) > 38:
        return None
    top, under = a.cast(pl.Int128).abs(), b.cast(pl.Int128).abs()
    if shift >= 0:
        top = top * pl.lit(10**shift, dtype=pl.Int128)
    else:
        under = under * pl.lit(10**-shift, dtype=pl.Int128)
    share, rest = top // under, top % under
    # rest + rest could need one bit more than there is
    share = share + (rest >= under - rest).cast(pl.Int128)
    signed = pl.when((a < 0) != (b < 0)).then(pl.lit(0, dtype=pl.Int128) - share).otherwise(share)
    return pl.when(b != 0).then(signed)
