"""Spell literals, names and patterns for Spark SQL, so that no text of a rule is ever read as SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from emma_core.nouns import FactType
from emma_core.rules import patterns
from emma_core.rules.functions import FACT_DIGITS
from emma_core.rules.tree import Digits

SQL_TYPES: dict[FactType, str] = {
    "text": "STRING",
    "number": f"DECIMAL({FACT_DIGITS.total},{FACT_DIGITS.scale})",
    "date": "DATE",
    "bool": "BOOLEAN",
    "list": "ARRAY<STRING>",
}
"""How a table of Spark holds facts."""

_HARMLESS = re.compile(r"[A-Za-z0-9 _.,:;/()<>=+*#@!?-]*")
_MOST_WAYS = 10_000
_MOST_OPEN = 2


class Unwritten(Exception):
    """A part of a predicate that Spark SQL cannot say exactly, or not in bounded time; its body has to run."""


def type_of(kind: FactType | None, digits: Digits | None) -> str:
    """The SQL type of a value."""
    if kind == "number" and digits is not None:
        return f"DECIMAL({digits.total},{digits.scale})"
    return SQL_TYPES[kind or "text"]


def literal(value: Any) -> str:
    """A value as SQL that reads the same whatever the session's settings are."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal):
        return f"({value:f}BD)" if value < 0 else f"{value:f}BD"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, tuple):
        return f"CAST(array({', '.join(map(literal, value))}) AS ARRAY<STRING>)"
    return _text(str(value))


def name(fact: str) -> str:
    """A fact as a column."""
    return f"`{fact}`"


def null(kind: FactType | None, digits: Digits | None) -> str:
    """NULL of a type."""
    return f"CAST(NULL AS {type_of(kind, digits)})"


def pattern(text: str) -> str:
    """A whole-match pattern as a literal for RLIKE. Raises `Unwritten` where Java might try too many ways."""
    if _ways(patterns.read(text)) > _MOST_WAYS:
        raise Unwritten(f"the pattern {text!r} could take Java's regex engine very long")
    return _text(patterns.whole(text))


def _text(value: str) -> str:
    # quotes, backslashes and $ mean different things under different settings; bytes mean one thing
    if _HARMLESS.fullmatch(value):
        return f"'{value}'"
    try:
        return f"CAST(X'{value.encode().hex()}' AS STRING)"
    except UnicodeEncodeError:
        raise Unwritten("half of a character has no bytes") from None


def _ways(pattern: patterns.Pattern) -> int:
    """In how many ways a backtracking engine might try to match, more or less."""
    ways, free = _tried(pattern)
    return ways if free <= _MOST_OPEN else _MOST_WAYS + 1


def _tried(pattern: patterns.Pattern) -> tuple[int, int]:
    """How many ways through it there are, and how many repeats in it have no end."""
    match pattern:
        case patterns.Sequence(parts=parts):
            return _product([_tried(part) for part in parts])
        case patterns.Choice(parts=parts):
            tried = [_tried(part) for part in parts]
            return min(sum(ways for ways, _ in tried), _MOST_WAYS + 1), sum(free for _, free in tried)
        case patterns.Repeat(part=part, low=low, high=high):
            ways, free = _tried(part)
            if isinstance(part, patterns.Chars):
                return (1, 1) if high is None else (high - low + 1, 0)
            if high is None:
                return _MOST_WAYS + 1, free + 1
            return _product([(ways, free)] * high + [(high - low + 1, 0)])
    return 1, 0


def _product(tried: Sequence[tuple[int, int]]) -> tuple[int, int]:
    ways = 1
    for each, _ in tried:
        ways = min(ways * each, _MOST_WAYS + 1)
    return ways, sum(free for _, free in tried)
