"""Turn a typed predicate into Python closures over facts: TRUE, FALSE, or None for NULL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from emma_core.rules import aggregates
from emma_core.rules import functions as catalogue
from emma_core.rules.aggregates import BodyFailed
from emma_core.rules.builtins import BUILTINS, IN_TABLE
from emma_core.rules.functions import Function
from emma_core.rules.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Case,
    Compare,
    In,
    IsNull,
    Literal,
    Name,
    Negate,
    Node,
    Not,
    Or,
    Product,
    Sum,
    Unique,
)
from emma_core.rules.values import EXACT

Closure = Callable[[Mapping[str, Any]], Any]
"""The value of a node under facts by bare name; a fact that is absent is NULL."""

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def emit(node: Node, functions: Mapping[str, Function], tables: Mapping[str, Collection[str]]) -> Closure:
    """The closure of a typed node."""
    return _Emitter(functions, tables).closure(node)


def bound(
    node: Call, functions: Mapping[str, Function], tables: Mapping[str, Collection[str]]
) -> tuple[Callable[..., Any], list[Node]]:
    """The body that a call runs, its literals and table within, and the arguments it is still to be given."""
    function = functions[node.function]
    body, arguments = function.body, list(node.arguments)
    if function.name == IN_TABLE:
        name = arguments.pop()
        table = tables.get(str(name.value), ()) if isinstance(name, Literal) else ()
        body = frozenset(table).__contains__
    elif function.prepare is not None:
        fixed = [index for index in range(len(arguments)) if catalogue.is_literal(function, index)]
        literals = [arguments[index] for index in fixed]
        body = function.prepare(*(part.value for part in literals if isinstance(part, Literal)))
        arguments = [part for index, part in enumerate(arguments) if index not in fixed]
    if BUILTINS.get(function.name) is not function:
        body = _guarded(function, body)
    elif function.name in ("length", "size"):
        count = body
        body = lambda value: Decimal(count(value))  # noqa: E731
    return body, arguments


class _Emitter:
    """The functions and tables that closures are bound to."""

    def __init__(self, functions: Mapping[str, Function], tables: Mapping[str, Collection[str]]) -> None:
        self._functions = functions
        self._tables = tables

    def closure(self, node: Node) -> Closure:
        match node:
            case Literal(value=value):
                return lambda facts: value
            case Name(name=name):
                return lambda facts: facts.get(name)
            case And(parts=parts):
                return _all([self.closure(part) for part in parts])
            case Or(parts=parts):
                return _any([self.closure(part) for part in parts])
            case Not(part=part):
                return _not(self.closure(part))
            case Compare():
                return self._compare(node)
            case IsNull(subject=subject, negated=negated):
                return _null(self.closure(subject), negated)
            case In():
                return self._in(node)
            case Between(subject=subject, low=low, high=high, negated=negated):
                return _between(self.closure(subject), self.closure(low), self.closure(high), negated)
            case Call():
                return self._call(node)
            case Case(whens=whens, otherwise=otherwise):
                pairs = [(self.closure(condition), self.closure(value)) for condition, value in whens]
                return _case(pairs, self.closure(otherwise))
            case Negate(part=part):
                return _applied(EXACT.minus, [self.closure(part)])
            case Sum(terms=terms, signs=signs):
                return _sum([self.closure(term) for term in terms], [sign == "+" for sign in signs])
            case Product(factors=factors):
                return _product([self.closure(factor) for factor in factors])
            case Aggregate(subject=subject, where=where):
                return aggregates.emit_aggregate(node, self._maybe(subject), self._maybe(where))
            case Unique(subjects=subjects, where=where):
                return aggregates.emit_unique(node, [self.closure(part) for part in subjects], self._maybe(where))
        raise TypeError(f"no closure for a {type(node).__name__}")

    def _maybe(self, node: Node | None) -> Closure | None:
        return None if node is None else self.closure(node)

    def _compare(self, node: Compare) -> Closure:
        compare = _OPERATORS[node.operator]
        left = self.closure(node.left)
        if isinstance(node.right, Literal):
            limit = node.right.value
            if isinstance(node.left, Name):
                return _limited(node.left.name, compare, limit)

            def against(facts: Mapping[str, Any]) -> bool | None:
                value = left(facts)
                return None if value is None else compare(value, limit)

            return against
        return _applied(compare, [left, self.closure(node.right)])

    def _in(self, node: In) -> Closure:
        subject, negated = self.closure(node.subject), node.negated
        fixed = frozenset(option.value for option in node.options if isinstance(option, Literal))
        others = [self.closure(option) for option in node.options if not isinstance(option, Literal)]

        def among(facts: Mapping[str, Any]) -> bool | None:
            value = subject(facts)
            if value is None:
                return None
            if value in fixed:
                return not negated
            unknown = False
            for other in others:
                option = other(facts)
                if option == value:
                    return not negated
                unknown = unknown or option is None
            return None if unknown else negated

        return among

    def _call(self, node: Call) -> Closure:
        body, arguments = bound(node, self._functions, self._tables)
        return _applied(body, [self.closure(argument) for argument in arguments])


def _limited(name: str, compare: Callable[[Any, Any], Any], limit: Any) -> Closure:
    def against(facts: Mapping[str, Any]) -> Any:
        value = facts.get(name)
        return None if value is None else compare(value, limit)

    return against


def _all(parts: list[Closure]) -> Closure:
    def conjunction(facts: Mapping[str, Any]) -> bool | None:
        unknown = False
        for part in parts:
            value = part(facts)
            if value is None:
                unknown = True
            elif not value:
                return False
        return None if unknown else True

    return conjunction


def _any(parts: list[Closure]) -> Closure:
    def disjunction(facts: Mapping[str, Any]) -> bool | None:
        unknown = False
        for part in parts:
            value = part(facts)
            if value:
                return True
            if value is None:
                unknown = True
        return None if unknown else False

    return disjunction


def _not(part: Closure) -> Closure:
    def turned(facts: Mapping[str, Any]) -> bool | None:
        value = part(facts)
        return None if value is None else not value

    return turned


def _null(subject: Closure, negated: bool) -> Closure:
    if negated:
        return lambda facts: subject(facts) is not None
    return lambda facts: subject(facts) is None


def _between(subject: Closure, low: Closure, high: Closure, negated: bool) -> Closure:
    def between(facts: Mapping[str, Any]) -> bool | None:
        value = subject(facts)
        if value is None:
            return None
        least, most = low(facts), high(facts)
        if (least is not None and value < least) or (most is not None and value > most):
            return negated
        return None if least is None or most is None else not negated

    return between


def _case(pairs: list[tuple[Closure, Closure]], otherwise: Closure) -> Closure:
    def chosen(facts: Mapping[str, Any]) -> Any:
        for condition, value in pairs:
            if condition(facts):
                return value(facts)
        return otherwise(facts)

    return chosen


def _applied(body: Callable[..., Any], arguments: list[Closure]) -> Closure:
    """The body over its arguments, which is NULL where one of them is."""
    if len(arguments) == 1:
        only = arguments[0]

        def one(facts: Mapping[str, Any]) -> Any:
            value = only(facts)
            return None if value is None else body(value)

        return one
    if len(arguments) == 2:
        first, second = arguments

        def two(facts: Mapping[str, Any]) -> Any:
            left = first(facts)
            if left is None:
                return None
            right = second(facts)
            return None if right is None else body(left, right)

        return two

    def many(facts: Mapping[str, Any]) -> Any:
        values = []
        for argument in arguments:
            value = argument(facts)
            if value is None:
                return None
            values.append(value)
        return body(*values)

    return many


def _sum(terms: list[Closure], plus: list[bool]) -> Closure:
    first, *others = terms
    steps = [(EXACT.add if sign else EXACT.subtract, term) for sign, term in zip(plus[1:], others, strict=True)]
    return _folded(first, steps)


def _product(factors: list[Closure]) -> Closure:
    first, *others = factors
    return _folded(first, [(EXACT.multiply, factor) for factor in others])


def _folded(first: Closure, steps: list[tuple[Callable[..., Decimal], Closure]]) -> Closure:
    def folded(facts: Mapping[str, Any]) -> Decimal | None:
        result: Decimal | None = first(facts)
        if result is None:
            return None
        for step, part in steps:
            value = part(facts)
            if value is None:
                return None
            result = step(result, value)
        return result

    return folded


def _guarded(function: Function, body: Callable[..., Any]) -> Callable[..., Any]:
    """A pack's body, whose failures carry its name."""

    def run(*values: Any) -> Any:
        try:
            came = body(*values)
            return None if came is None else catalogue.result(function, came)
        except (Exception, SystemExit) as error:
            raise BodyFailed(f"function {function.name!r} raised {type(error).__name__}: {error}") from error

    return run
