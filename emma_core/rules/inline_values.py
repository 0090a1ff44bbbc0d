"""Write the values in predicates as Python expressions, each with what must hold for it not to be NULL."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from emma_core.rules import functions as catalogue
from emma_core.rules import tree
from emma_core.rules.builtins import BUILTINS, IN_TABLE
from emma_core.rules.scaled import PLACES, millionths
from emma_core.rules.tree import Node
from emma_core.rules.values import EXACT

_COUNTS = ("length", "size", "year", "days_between")
_READS = {"is_number": "number", "is_ymd": "ymd"}
_MAY_BE_NULL = ("number", "ymd", "ratio", "add_years", "add_months", "add_days")


class Part(NamedTuple):
    """An expression, and what must hold before it is worth anything."""

    known: tuple[ast.expr, ...]
    """What holds where the value is not NULL."""
    value: ast.expr
    places: int = 0
    """What a whole number is scaled by."""
    literal: Any = None
    plain: bool = False
    """It is a fact as it came."""


def load(name: str) -> ast.expr:
    """A local or global name."""
    return ast.Name(name, ast.Load())


def all_of(parts: Sequence[ast.expr]) -> ast.expr:
    """What holds where each part does."""
    return ast.BoolOp(ast.And(), list(parts)) if len(parts) > 1 else parts[0] if parts else ast.Constant(True)


def any_of(parts: Sequence[ast.expr]) -> ast.expr:
    """What holds where one part does."""
    return ast.BoolOp(ast.Or(), list(parts)) if len(parts) > 1 else parts[0] if parts else ast.Constant(False)


class Values:
    """Values over the names that one function binds."""

    def __init__(self, facts: Iterable[str], asked: Counter[tree.Call]) -> None:
        self.facts = {name: f"f{index}" for index, name in enumerate(facts)}
        """The local name of each fact."""
        self.names: dict[str, Any] = {}
        """What the function's global names are bound to."""
        self.kept: dict[Any, str] = {}
        """The local names of values that are worked out once, when first asked for."""
        self.tables: Mapping[str, Collection[str]] = {}
        """Those of the rule that is being written."""
        self._asked = asked
        self._bound: dict[Any, str] = {}
        self._words: dict[int, frozenset[str]] = {}

    def can(self, node: Node) -> bool:
        """Whether it writes the value of a node."""
        match node:
            case tree.Literal() | tree.Name():
                return True
            case tree.Call() | tree.Sum() | tree.Product() | tree.Negate():
                return all(map(self.can, tree.children(node)))
        return False

    def bound(self, value: Any) -> ast.expr:
        """A global name for a value."""
        key = (type(value), value) if isinstance(value, str | int | frozenset) else id(value)
        name = self._bound.setdefault(key, f"k{len(self._bound)}")
        self.names[name] = value
        return load(name)

    def once(self, key: Any, value: ast.expr) -> ast.expr:
        """A value that is worked out when first asked for, and kept."""
        name = self.kept.setdefault(key, f"v{len(self.kept)}")
        unread = ast.Compare(load(name), [ast.Is()], [ast.Constant(...)])
        return ast.IfExp(unread, ast.NamedExpr(ast.Name(name, ast.Store()), value), load(name))

    def fact(self, name: str) -> ast.expr:
        """A fact as it came."""
        return load(self.facts[name])

    def alike(self, nodes: Sequence[Node]) -> list[Part]:
        """Values in one form, so that they can be held against each other."""
        if nodes[0].type == "number" and all(map(is_whole, nodes)):
            return self._aligned([self._whole(node) for node in nodes])
        return [self._exact(node) for node in nodes]

    def part(self, node: Node) -> Part:
        """A value in the form that is quickest."""
        return self._whole(node) if is_whole(node) else self._exact(node)

    def read(self, call: tree.Call) -> Part:
        """What a text is read as whose `is_…` is asked; the last of what is known says whether it can be."""
        other = _READS[call.function]
        return self._nullable(call, millionths if other == "number" else BUILTINS[other].body, other)

    def _exact(self, node: Node) -> Part:
        """A value as the closures have it."""
        match node:
            case tree.Literal(value=value):
                return Part((), self.bound(value), literal=value)
            case tree.Name(name=name):
                return Part((is_known(self.fact(name)),), self.fact(name), plain=True)
            case tree.Negate(part=part):
                return self._applied(EXACT.minus, [self._exact(part)])
            case tree.Sum(terms=terms, signs=signs):
                total = self._exact(terms[0])
                for term, sign in zip(terms[1:], signs[1:], strict=True):
                    step = EXACT.add if sign == "+" else EXACT.subtract
                    total = self._applied(step, [total, self._exact(term)])
                return total
            case tree.Product(factors=factors):
                product = self._exact(factors[0])
                for factor in factors[1:]:
                    product = self._applied(EXACT.multiply, [product, self._exact(factor)])
                return product
            case tree.Call():
                return self._call(node)
        raise TypeError(f"no expression for a {type(node).__name__}")

    def _applied(self, body: Callable[..., Any], given: Sequence[Part]) -> Part:
        known = tuple(each for part in given for each in part.known)
        return Part(known, ast.Call(self.bound(body), [part.value for part in given], []))

    def _whole(self, node: Node) -> Part:
        """A number as a whole one, scaled by some places."""
        match node:
            case tree.Literal(value=Decimal() as value):
                places = max(-int(value.as_tuple().exponent), 0)
                scaled = int(value.scaleb(places, EXACT))
                return Part((), ast.Constant(scaled), places, scaled)
            case tree.Call(function="number"):
                return self._nullable(node, millionths, "number")._replace(places=PLACES)
            case tree.Call(function="abs", arguments=(part,)):
                inner = self._whole(part)
                return self._applied(abs, [inner])._replace(places=inner.places)
            case tree.Call():
                return self._call(node, whole=True)
            case tree.Negate(part=part):
                inner = self._whole(part)
                return Part(inner.known, ast.UnaryOp(ast.USub(), inner.value), inner.places)
            case tree.Sum(terms=terms, signs=signs):
                first, *others = self._aligned([self._whole(term) for term in terms])
                total = first.value
                for other, sign in zip(others, signs[1:], strict=True):
                    total = ast.BinOp(total, ast.Add() if sign == "+" else ast.Sub(), other.value)
                return Part(_known((first, *others)), total, first.places)
            case tree.Product(factors=factors):
                parts = [self._whole(factor) for factor in factors]
                product = parts[0].value
                for each in parts[1:]:
                    product = ast.BinOp(product, ast.Mult(), each.value)
                return Part(_known(parts), product, sum(each.places for each in parts))
        raise TypeError(f"a {type(node).__name__} is no whole number")

    @staticmethod
    def _aligned(parts: Sequence[Part]) -> list[Part]:
        places = max(part.places for part in parts)
        return [_scaled(part, places) for part in parts]

    def _call(self, node: tree.Call, *, whole: bool = False) -> Part:
        name = node.function
        if name in _READS:
            *known, readable = self.read(node).known
            return Part(tuple(known), readable)
        if name in _COUNTS:
            given = [self._exact(argument) for argument in node.arguments]
            number = _count(name, [part.value for part in given], self.bound(len))
            return Part(_known(given), number if whole else ast.Call(self.bound(Decimal), [number], []))
        body, arguments = self._prepared(node)
        if name in _MAY_BE_NULL:
            return self._nullable(node, body, name)
        given = [self._exact(argument) for argument in arguments]
        values = [part.value for part in given]
        written = _WRITTEN[name](*values) if name in _WRITTEN else ast.Call(self.bound(body), values, [])
        often = name not in (*_WRITTEN, IN_TABLE) and self._asked[node] > 1
        return Part(_known(given), self.once(node, written) if often else written)

    def _nullable(self, node: tree.Call, body: Callable[..., Any], name: str) -> Part:
        """A call whose value may be NULL though its arguments are not, kept so that it is asked once."""
        _, arguments = self._prepared(node)
        given = [self._exact(argument) for argument in arguments]
        call = ast.Call(self.bound(body), [part.value for part in given], [])
        key = (name, body is millionths, node.arguments)
        came = self.once(key, call)
        return Part((*_known(given), is_known(came)), load(self.kept[key]))

    def _prepared(self, node: tree.Call) -> tuple[Callable[..., Any], list[Node]]:
        """The body over the arguments that are left when the literals are bound to it."""
        function, arguments = BUILTINS[node.function], list(node.arguments)
        if function.name == IN_TABLE:
            table = arguments.pop()
            words = self.tables.get(str(table.value), ()) if isinstance(table, tree.Literal) else ()
            return self._words.setdefault(id(words), frozenset(words)).__contains__, arguments
        if function.prepare is None:
            return function.body, arguments
        fixed = [index for index in range(len(arguments)) if catalogue.is_literal(function, index)]
        literals = [arguments[index] for index in fixed]
        body = function.prepare(*(part.value for part in literals if isinstance(part, tree.Literal)))
        return body, [part for index, part in enumerate(arguments) if index not in fixed]


def is_known(value: ast.expr) -> ast.expr:
    """Whether a value is not NULL."""
    return ast.Compare(value, [ast.IsNot()], [ast.Constant(None)])


def is_whole(node: Node) -> bool:
    """Whether a number is read from texts or counted, so that a scaled whole number holds it."""
    match node:
        case tree.Literal(value=value):
            return isinstance(value, Decimal)
        case tree.Call(function=name, arguments=arguments):
            return name in ("number", *_COUNTS) or (name == "abs" and is_whole(arguments[0]))
        case tree.Sum() | tree.Product() | tree.Negate():
            return all(map(is_whole, tree.children(node)))
    return False


def _known(parts: Sequence[Part]) -> tuple[ast.expr, ...]:
    return tuple(each for part in parts for each in part.known)


def _scaled(part: Part, places: int) -> Part:
    factor = 10 ** (places - part.places)
    if factor == 1:
        return part
    if part.literal is not None:
        literal = part.literal * factor
        return Part((), ast.Constant(literal), places, literal)
    return Part(part.known, ast.BinOp(part.value, ast.Mult(), ast.Constant(factor)), places)


def _count(name: str, values: Sequence[ast.expr], length: ast.expr) -> ast.expr:
    if name == "year":
        return ast.Attribute(values[0], "year", ast.Load())
    if name == "days_between":
        return ast.Attribute(ast.BinOp(values[1], ast.Sub(), values[0]), "days", ast.Load())
    return ast.Call(length, [values[0]], [])


def _within(whole: ast.expr, part: ast.expr) -> ast.expr:
    return ast.Compare(part, [ast.In()], [whole])


def _starts(text: ast.expr, start: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(text, "startswith", ast.Load()), [start], [])


_WRITTEN: Mapping[str, Callable[..., ast.expr]] = {"contains": _within, "has": _within, "starts_with": _starts}
