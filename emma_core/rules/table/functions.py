"""Hold a function's Polars expression against its body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emma_core.nouns import FactSpec
from emma_core.rules import closures
from emma_core.rules import functions as catalogue
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.functions import FACT_DIGITS, Function
from emma_core.rules.table import numbers
from emma_core.rules.table.examples import frame_of
from emma_core.rules.table.expressions import Emitter
from emma_core.rules.tree import Call, Digits, Literal, Name, Node, Place

_NOWHERE = Place("", 0, 0)


def differs(function: Function, given: Sequence[Sequence[Any]]) -> str | None:
    """The first arguments for which expression and body give different things, and what they give; None where there
    are none. Each row of `given` is typed values, None for NULL."""
    functions = {**BUILTINS, function.name: function}
    for arguments in given:
        node = _call(function, arguments)
        said = {f"a{index}": value for index, value in enumerate(arguments)}
        expected = closures.emit(node, functions, {})(said)
        expression = Emitter(functions, {}).expression(node)
        specs = {name: FactSpec(type=catalogue.param(function, int(name[1:])), title=name) for name in said}
        came = frame_of([said], specs).select(came=expression).item()
        if came is not None and node.digits:
            came = numbers.unscaled(came, node.digits.scale)
        if came != expected:
            return f"{tuple(arguments)!r} gave {came!r} in Polars and {expected!r} in Python"
    return None


def _call(function: Function, arguments: Sequence[Any]) -> Call:
    """A call with the literals that it must have written out, and facts elsewhere."""
    parts: list[Node] = []
    for index, value in enumerate(arguments):
        kind = catalogue.param(function, index)
        digits = FACT_DIGITS if kind == "number" else None
        if catalogue.is_literal(function, index):
            parts.append(Literal(value, place=_NOWHERE, type=kind, digits=digits))
        else:
            parts.append(Name(f"a{index}", place=_NOWHERE, type=kind, digits=digits))
    known = function.digits
    returned = known if isinstance(known, Digits) else known([part.digits for part in parts if part.digits])
    digits = returned if function.returns == "number" else None
    return Call(function.name, tuple(parts), place=_NOWHERE, type=function.returns, digits=digits)
