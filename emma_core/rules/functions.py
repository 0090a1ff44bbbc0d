"""Name the pure functions that a predicate may call, and check the ones that packs bring."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from emma_core.errors import CallerError, RuleError
from emma_core.nouns import FactType
from emma_core.rules import refusals
from emma_core.rules.tokens import AGGREGATES, KEYWORDS
from emma_core.rules.tree import Digits
from emma_core.rules.values import EXACT, FIRST_DAY, LAST_DAY, read_value

if TYPE_CHECKING:
    import polars as pl

FACT_DIGITS = Digits(18, 6)
"""What a fact that is a number can hold."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_CLASSES: Mapping[FactType, type | tuple[type, ...]] = {
    "text": str,
    "number": (Decimal, int),
    "date": date,
    "bool": bool,
    "list": tuple,
}


@dataclass(frozen=True)
class Function:
    """A named pure function; given NULL it gives NULL without being run."""

    name: str
    """What a predicate writes."""
    params: tuple[FactType, ...]
    returns: FactType
    body: Callable[..., Any]
    """Never given None; what it returns is of type `returns`, or None for NULL."""
    examples: tuple[tuple[tuple[Any, ...], Any], ...]
    """Arguments and the result they must give."""
    doc: str
    """One sentence."""
    literal: frozenset[int] = frozenset()
    """Positions that must be written out in the predicate."""
    variadic: bool = False
    """The last parameter may repeat."""
    digits: Digits | Callable[[Sequence[Digits]], Digits] = FACT_DIGITS
    """What a number that it returns can hold, or how that follows from the numbers it is given."""
    prepare: Callable[..., Callable[..., Any]] | None = None
    """Given the literal arguments, the body over the others; raises `ValueError` where a literal does not fit."""
    polars: Callable[..., pl.Expr] | None = None
    """The same over Polars expressions, literals as they are; a number is a whole one of millionths, given and
    returned. Without it the body is run, once for each distinct value."""
    spark: str | None = None
    """The same as Spark SQL with `{0}`, `{1}`, … where the arguments stand; without it the body is run."""


def check_function(function: Function) -> None:
    """It is well said and its examples hold. Raises `RuleError` naming the function and what does not."""
    _check_signature(function)
    for index, (arguments, expected) in enumerate(function.examples):
        where = f"Function {function.name!r}: examples[{index}]"
        if not fits_count(function, len(arguments)):
            raise RuleError(f"{where}: {len(arguments)} arguments; it takes {takes(function)}")
        try:
            given = [read_value(param(function, i), raw, name=f"#{i + 1}") for i, raw in enumerate(arguments)]
            wanted = None if expected is None else read_value(function.returns, expected, name="result")
        except CallerError as error:
            raise RuleError(f"{where}: {error}") from error
        for _ in range(2):  # a pure function gives the same twice
            came = _run(function, given, where)
            if came != wanted:
                raise RuleError(f"{where}: came out as {came!r}, not {wanted!r}; mend the example or the function")


def result(function: Function, came: Any) -> Any:
    """What a pack's body returned, as a typed value. Raises `TypeError` where it is not what was declared."""
    odd = (isinstance(came, bool) and function.returns != "bool") or isinstance(came, datetime)
    if odd or not isinstance(came, _CLASSES[function.returns]):
        raise TypeError(f"it returned a {type(came).__name__}, not a {function.returns}")
    value: Any = came
    if function.returns == "number":
        value = Decimal(value)
        digits = function.digits if isinstance(function.digits, Digits) else FACT_DIGITS
        if not value.is_finite() or not _holds(digits, value):
            raise TypeError(f"it returned {value}, which does not fit {digits.total} digits with {digits.scale} places")
    if function.returns == "date" and not FIRST_DAY <= value <= LAST_DAY:
        raise TypeError(f"it returned {value}, which is outside {FIRST_DAY} to {LAST_DAY}")
    if function.returns == "list" and not all(isinstance(item, str) for item in value):
        raise TypeError("it returned a list that holds more than texts")
    return value


def param(function: Function, index: int) -> FactType:
    """The type of the argument at a position."""
    return function.params[min(index, len(function.params) - 1)]


def is_literal(function: Function, index: int) -> bool:
    """Whether the argument at a position must be written out."""
    return min(index, len(function.params) - 1) in function.literal


def fits_count(function: Function, count: int) -> bool:
    """Whether it takes so many arguments."""
    return count >= len(function.params) if function.variadic else count == len(function.params)


def takes(function: Function) -> str:
    """Its parameters as a message shows them: `(text, number!)`."""
    shown = [f"{kind}{'!' if index in function.literal else ''}" for index, kind in enumerate(function.params)]
    return f"({', '.join(shown)}{', …' if function.variadic else ''})"


def _check_signature(function: Function) -> None:
    where = f"Function {function.name!r}"
    if not _NAME.fullmatch(function.name) or function.name in KEYWORDS:
        raise RuleError(f"{where}: a predicate cannot write this name; use a-z, 0-9 and _, and no keyword")
    if refusals.of_call(function.name) or function.name in AGGREGATES:
        raise RuleError(f"{where}: the language refuses this name for what other dialects mean by it; choose another")
    if not function.params:
        raise RuleError(f"{where}: it takes nothing, so it says nothing of a fact; give it a parameter")
    if unknown := [kind for kind in (*function.params, function.returns) if kind not in _CLASSES]:
        raise RuleError(f"{where}: there is no type {unknown[0]!r}; there are {sorted(_CLASSES)}")
    if any(index not in range(len(function.params)) for index in function.literal):
        raise RuleError(f"{where}: 'literal' names a position that it does not have")
    if not function.doc.strip().endswith("."):
        raise RuleError(f"{where}: 'doc' is one sentence, ended with a full stop")
    if not function.examples:
        raise RuleError(f"{where}: it has no examples; give arguments and the result they must come to")


def _run(function: Function, given: Sequence[Any], where: str) -> Any:
    try:
        came = function.body(*given)
        return None if came is None else result(function, came)
    except Exception as error:  # whatever a body raises is its author's to mend
        raise RuleError(f"{where}: {type(error).__name__}: {error}") from error


def _holds(digits: Digits, value: Decimal) -> bool:
    scaled = value.normalize(EXACT)
    exponent = int(scaled.as_tuple().exponent)
    return -exponent <= digits.scale and scaled.adjusted() < digits.total - digits.scale
