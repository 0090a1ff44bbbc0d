"""Fill a rule's message with the facts, and refuse at load what could not be filled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from string import Formatter
from typing import Any

from emma_core.errors import RuleError
from emma_core.nouns import FactSpec
from emma_core.rules.mistakes import nearest
from emma_core.rules.values import plain

_SPEC = re.compile(r",?(\.[0-9])?[%f]?")


def check_message(message: str, facts: Mapping[str, FactSpec]) -> None:
    """Every placeholder names a fact and fits its type. Raises `RuleError` naming the one that does not."""
    try:
        pieces = list(_pieces(message))
    except ValueError as error:
        raise RuleError(f"{error}; write {{fact}}, and {{{{ for a plain bracket") from error
    for _, name, spec in pieces:
        if name is None:
            continue
        if name not in facts:
            raise RuleError(f"no fact {name!r}{nearest(name, facts)}")
        if spec and (not _SPEC.fullmatch(spec) or facts[name].type != "number"):
            said = f"'{{{name}:{spec}}}' does not fit a {facts[name].type}"
            raise RuleError(f"{said}; write {{{name}}}, or for numbers such as {{{name}:%}} or {{{name}:,.2f}}")


def names(message: str) -> tuple[str, ...]:
    """The facts that a message names."""
    return tuple(name for _, name, _ in _pieces(message) if name is not None)


def fill(message: str, facts: Mapping[str, Any]) -> str:
    """The message with the facts in their places; one that nobody has said is `unknown`."""
    filled = []
    for words, name, spec in _pieces(message):
        filled.append(words)
        if name is not None:
            filled.append(shown(facts.get(name), spec))
    return "".join(filled)


def shown(value: Any, spec: str = "") -> str:
    """A value as a person reads it."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return _number(value, spec)
    if isinstance(value, date):
        return value.isoformat()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _number(value: Decimal, spec: str) -> str:
    if not spec:
        return format(plain(value), "f")
    if spec[-1] not in "%f":
        spec += "f"
    if spec == ",f":
        value = plain(value)
    if spec in ("%", ",%"):  # every digit it has: a limit that is missed by little must not read as met
        return format(plain(value * 100), spec[:-1] + "f") + "%"
    with localcontext(prec=80, rounding=ROUND_HALF_UP):
        return format(value, spec)


def _pieces(message: str) -> Iterator[tuple[str, str | None, str]]:
    """Words, then the name and format of the placeholder after them."""
    for words, name, spec, conversion in Formatter().parse(message):
        if conversion is not None:
            raise ValueError(f"'!{conversion}' is refused")
        if name is not None and not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            raise ValueError(f"placeholder {name!r} is no bare name")
        yield words, name, spec or ""
