"""Say the built-in functions in Spark SQL; one that casts never raises, whatever the session's settings are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

from emma_core.rules.spark.spelling import Unwritten, literal, null, pattern
from emma_core.rules.tree import Call, Literal, Node
from emma_core.rules.values import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from emma_core.rules.spark.expressions import Emitter

_NUMBER = literal(r"(?s)\A-?[0-9]{1,12}(?:\.[0-9]+)?\z")
_INTEGER = literal(r"(?s)\A-?[0-9]{1,12}\z")
_DAY = literal(r"(?s)\A(?:1[89]|2[01])[0-9]{6}\z")
_SPAN = f"BETWEEN {literal(FIRST_DAY)} AND {literal(LAST_DAY)}"
_MOST_CHARACTERS = 2**31 - 1
_FAR = 400 * 366


def _number(text: str) -> str:
    return f"CASE WHEN {text} RLIKE {_NUMBER} THEN try_cast({text} AS DECIMAL(18,6)) END"


def _ymd(text: str) -> str:
    parts = (f"substring({text}, {start}, {length})" for start, length in ((1, 4), (5, 2), (7, 2)))
    return f"CASE WHEN {text} RLIKE {_DAY} THEN try_cast(concat_ws('-', {', '.join(parts)}) AS DATE) END"


def _whether(text: str, read: str) -> str:
    return f"CASE WHEN {text} IS NOT NULL THEN ({read}) IS NOT NULL END"


def _left(emitter: Emitter, node: Call) -> str:
    text, count = node.arguments
    return f"substring({emitter.text(text)}, 1, {min(int(_number_of(count)), _MOST_CHARACTERS)})"


def _matches(emitter: Emitter, node: Call) -> str:
    text, sought = node.arguments
    return f"{emitter.text(text)} RLIKE {pattern(str(_value(sought)))}"


def _add_months(emitter: Emitter, node: Call) -> str:
    months = int(_number_of(node.arguments[1])) * (12 if node.function == "add_years" else 1)
    return _moved("add_months", emitter.text(node.arguments[0]), months)


def _add_days(emitter: Emitter, node: Call) -> str:
    return _moved("date_add", emitter.text(node.arguments[0]), int(_number_of(node.arguments[1])))


def _moved(function: str, day: str, count: int) -> str:
    if abs(count) > _FAR:
        return null("date", None)
    moved = f"{function}({day}, {count})"
    return f"CASE WHEN {moved} {_SPAN} THEN {moved} END"


def _repeats(emitter: Emitter, node: Call) -> str:
    texts = [emitter.text(part) for part in node.arguments]
    pairs = [f"({a} = {b} AND {a} <> '')" for index, a in enumerate(texts) for b in texts[:index]]
    known = " AND ".join(f"{text} IS NOT NULL" for text in texts)
    return f"CASE WHEN {known} THEN {' OR '.join(pairs) or 'FALSE'} END"


def _in_table(emitter: Emitter, node: Call) -> str:
    text = emitter.text(node.arguments[0])
    words = emitter.table(str(_value(node.arguments[1])))
    if not words:
        return f"CASE WHEN {text} IS NOT NULL THEN FALSE END"
    return f"{text} IN ({', '.join(literal(word) for word in sorted(words))})"


def _has_any(emitter: Emitter, node: Call) -> str:
    return _each(emitter, node, " OR ")


def _has_all(emitter: Emitter, node: Call) -> str:
    return _each(emitter, node, " AND ")


def _each(emitter: Emitter, node: Call, joined: str) -> str:
    listed = emitter.text(node.arguments[0])
    words = (literal(str(_value(part))) for part in node.arguments[1:])
    return joined.join(f"array_contains({listed}, {word})" for word in words)


def _ratio(emitter: Emitter, node: Call) -> str:
    raise Unwritten("Spark divides in two steps of rounding")


def _plain(write: Callable[..., str]) -> Callable[[Emitter, Call], str]:
    """What takes its arguments as they are."""
    return lambda emitter, node: write(*(emitter.text(part) for part in node.arguments))


def _value(part: Node) -> object:
    """What a literal says."""
    if not isinstance(part, Literal):
        raise TypeError(f"{part.text} is no literal")
    return part.value


def _number_of(part: Node) -> int:
    value = _value(part)
    return int(value)  # type: ignore[call-overload, no-any-return]


def _counted(write: Callable[..., str], digits: int) -> Callable[[Emitter, Call], str]:
    """A count of Spark's, as the exact number that the language has for it."""
    return _plain(lambda *given: f"CAST({write(*given)} AS DECIMAL({digits},0))")


def _lower(text: str) -> str:
    return f"translate({text}, '{ascii_uppercase}', '{ascii_lowercase}')"


WRITTEN: Mapping[str, Callable[[Emitter, Call], str]] = {
    "number": _plain(_number),
    "is_number": _plain(lambda text: _whether(text, _number(text))),
    "is_integer": _plain(lambda text: f"{text} RLIKE {_INTEGER}"),
    "ratio": _ratio,
    "abs": _plain(lambda number: f"abs({number})"),
    "length": _counted(lambda text: f"char_length({text})", 10),
    "left": _left,
    "lower": _plain(_lower),
    "starts_with": _plain(lambda text, start: f"startswith({text}, {start})"),
    "contains": _plain(lambda text, part: f"contains({text}, {part})"),
    "matches": _matches,
    "ymd": _plain(_ymd),
    "is_ymd": _plain(lambda text: _whether(text, _ymd(text))),
    "year": _counted(lambda day: f"year({day})", 4),
    "add_years": _add_months,
    "add_months": _add_months,
    "add_days": _add_days,
    "days_between": _counted(lambda first, last: f"datediff({last}, {first})", 6),
    "repeats": _repeats,
    "in_table": _in_table,
    "has": _plain(lambda listed, word: f"array_contains({listed}, {word})"),
    "has_any": _has_any,
    "has_all": _has_all,
    "size": _counted(lambda listed: f"CASE WHEN {listed} IS NOT NULL THEN size({listed}) END", 10),
}
"""What each is written as; `Unwritten` is raised where its body has to run."""
