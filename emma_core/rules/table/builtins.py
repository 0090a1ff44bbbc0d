"""Say the built-in functions as Polars expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from operator import and_, or_
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import polars as pl

from emma_core.rules import patterns
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.functions import Function
from emma_core.rules.table import numbers
from emma_core.rules.tree import Call, Digits, Literal, Node
from emma_core.rules.values import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from emma_core.rules.table.expressions import Emitter

_INTEGER = r"\A-?[0-9]{1,12}\z"
_EIGHT_DIGITS = r"\A(?:1[89]|2[01])[0-9]{6}\z"
_MOST_PAIRS = 6
"""Up to how many texts `repeats` holds each against each."""
_FAR = 400 * 366
_EPOCH = date(1970, 1, 1)
_INSIDE = ((FIRST_DAY - _EPOCH).days, (LAST_DAY - _EPOCH).days)


def is_built_in(function: Function) -> bool:
    """Whether it is no pack's."""
    return BUILTINS.get(function.name) is function


def _number(emitter: Emitter, node: Call) -> pl.Expr:
    return numbers.of_text(emitter.expression(node.arguments[0]))


def _is_number(emitter: Emitter, node: Call) -> pl.Expr:
    (text,) = node.arguments
    read = Call("number", (text,), place=node.place, type="number", digits=BUILTINS["number"].digits)  # type: ignore[arg-type]
    return _whether(emitter.expression(text), emitter.expression(read).is_not_null())


def _is_ymd(emitter: Emitter, node: Call) -> pl.Expr:
    (text,) = node.arguments
    read = Call("ymd", (text,), place=node.place, type="date")
    return _whether(emitter.expression(text), emitter.expression(read).is_not_null())


def _whether(text: pl.Expr, holds: pl.Expr) -> pl.Expr:
    """Whether it holds of a text, which is NULL where there is none."""
    return pl.when(text.is_not_null()).then(holds)


def _ymd(emitter: Emitter, node: Call) -> pl.Expr:
    text = emitter.expression(node.arguments[0])
    return pl.when(text.str.contains(_EIGHT_DIGITS)).then(text.str.to_date("%Y%m%d", strict=False))


def _ratio(emitter: Emitter, node: Call) -> pl.Expr | None:
    a, b = node.arguments
    given, over = a.digits or Digits(18, 6), b.digits or Digits(18, 6)
    came = numbers.ratio(emitter.expression(a), given, emitter.expression(b), over)
    return None if came is None else came.cast(numbers.width(node.digits or given))


def _absolute(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).abs()


def _length(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).str.len_chars().cast(pl.Int64)


def _left(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).str.slice(0, min(int(_word(node, 1)), 2**31))


def _lower(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).str.replace_many(list(ascii_uppercase), list(ascii_lowercase))


def _starts_with(emitter: Emitter, node: Call) -> pl.Expr:
    text, start = (emitter.expression(part) for part in node.arguments)
    return text.str.starts_with(start)


def _contains(emitter: Emitter, node: Call) -> pl.Expr:
    text, part = (emitter.expression(part) for part in node.arguments)
    return text.str.contains(part, literal=True)


def _matches(emitter: Emitter, node: Call) -> pl.Expr | None:
    whole = patterns.whole(str(_word(node, 1)))
    try:
        pl.Series([""]).str.contains(whole)
    except pl.exceptions.ComputeError:  # larger than Polars lets a pattern grow; the loader's engine has read it
        return None
    return emitter.expression(node.arguments[0]).str.contains(whole)


def _year(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).dt.year().cast(pl.Int64)


def _add_months(emitter: Emitter, node: Call) -> pl.Expr:
    months = int(_word(node, 1)) * (12 if node.function == "add_years" else 1)
    day = emitter.expression(node.arguments[0])
    if abs(months) > _FAR:
        return _never(day)
    return _inside(day.dt.offset_by(f"{months}mo"))


def _add_days(emitter: Emitter, node: Call) -> pl.Expr:
    days = int(_word(node, 1))
    day = emitter.expression(node.arguments[0])
    if abs(days) > _FAR:
        return _never(day)
    return _inside((day.cast(pl.Int32) + pl.lit(days, dtype=pl.Int32)).cast(pl.Date))


def _inside(day: pl.Expr) -> pl.Expr:
    """The day, or NULL where the language has none."""
    return pl.when(day.cast(pl.Int32).is_between(*_INSIDE)).then(day)


def _never(day: pl.Expr) -> pl.Expr:
    return pl.when(day.is_null() & day.is_not_null()).then(day)


def _days_between(emitter: Emitter, node: Call) -> pl.Expr:
    first, last = (emitter.expression(part).cast(pl.Int32).cast(pl.Int64) for part in node.arguments)
    return last - first


def _repeats(emitter: Emitter, node: Call) -> pl.Expr:
    from emma_core.rules.table.expressions import joined

    texts = [emitter.expression(part) for part in node.arguments]
    said = joined(and_, [text.is_not_null() for text in texts])
    if len(texts) > _MOST_PAIRS:
        filled = pl.concat_list(texts).list.eval(pl.element().filter(pl.element() != ""))
        return pl.when(said).then(filled.list.n_unique() < filled.list.len())
    pairs = [(a == b) & (a != "") for index, a in enumerate(texts) for b in texts[:index]]
    return pl.when(said).then(joined(or_, pairs) if pairs else pl.lit(False))


def _in_table(emitter: Emitter, node: Call) -> pl.Expr:
    words = pl.Series(sorted(emitter.table(str(_word(node, 1)))), dtype=pl.String)
    return emitter.expression(node.arguments[0]).is_in(words.implode())


def _has(emitter: Emitter, node: Call) -> pl.Expr:
    listed, word = (emitter.expression(part) for part in node.arguments)
    return pl.when(listed.is_not_null() & word.is_not_null()).then(listed.list.contains(word))


def _has_any(emitter: Emitter, node: Call) -> pl.Expr:
    return _has_words(emitter, node, or_)


def _has_all(emitter: Emitter, node: Call) -> pl.Expr:
    return _has_words(emitter, node, and_)


def _has_words(emitter: Emitter, node: Call, connect: Callable[[Any, Any], Any]) -> pl.Expr:
    from emma_core.rules.table.expressions import joined

    listed = emitter.expression(node.arguments[0])
    words = [listed.list.contains(pl.lit(str(_value(part)))) for part in node.arguments[1:]]
    return pl.when(listed.is_not_null()).then(joined(connect, words))


def _size(emitter: Emitter, node: Call) -> pl.Expr:
    return emitter.expression(node.arguments[0]).list.len().cast(pl.Int64)


def _word(node: Call, index: int) -> Any:
    return _value(node.arguments[index])


def _value(part: Node) -> Any:
    """What a literal says."""
    if not isinstance(part, Literal):
        raise TypeError(f"{part.text} is no literal")
    return part.value


BUILT: Mapping[str, Callable[[Emitter, Call], pl.Expr | None]] = {
    "number": _number,
    "is_number": _is_number,
    "is_integer": lambda emitter, node: emitter.expression(node.arguments[0]).str.contains(_INTEGER),
    "ratio": _ratio,
    "abs": _absolute,
    "length": _length,
    "left": _left,
    "lower": _lower,
    "starts_with": _starts_with,
    "contains": _contains,
    "matches": _matches,
    "ymd": _ymd,
    "is_ymd": _is_ymd,
    "year": _year,
    "add_years": _add_months,
    "add_months": _add_months,
    "add_days": _add_days,
    "days_between": _days_between,
    "repeats": _repeats,
    "in_table": _in_table,
    "has": _has,
    "has_any": _has_any,
    "has_all": _has_all,
    "size": _size,
}
"""What each comes to; None where whole numbers or patterns do not reach, so that its body is run."""
