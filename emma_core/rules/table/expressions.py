"""Turn a typed predicate into a Polars expression: TRUE, FALSE, or null for NULL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import Any

import polars as pl

from emma_core.nouns import FactType
from emma_core.rules import closures
from emma_core.rules import functions as catalogue
from emma_core.rules.functions import FACT_DIGITS, Function
from emma_core.rules.table import builtins, distinct, numbers
from emma_core.rules.tree import (
    And,
    Between,
    Call,
    Case,
    Compare,
    Digits,
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
)
from emma_core.rules.types import widened

COLUMNS: Mapping[FactType, Any] = {
    "text": pl.String,
    "number": numbers.FACT,
    "date": pl.Date,
    "bool": pl.Boolean,
    "list": pl.List(pl.String),
}
"""How a table holds facts."""

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def emit(node: Node, functions: Mapping[str, Function], tables: Mapping[str, Collection[str]]) -> pl.Expr:
    """The expression of a typed node over columns by bare name; a number comes as a whole one, times 10 to its
    scale."""
    return Emitter(functions, tables).expression(node)


class Emitter:
    """The functions, tables and columns that expressions are bound to."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        tables: Mapping[str, Collection[str]],
        *,
        columns: Collection[str] | None = None,
        constants: Mapping[str, Any] | None = None,
        shared: Mapping[tuple[Call, Digits | None], str] | None = None,
        raised: set[str] | None = None,
    ) -> None:
        self._functions = functions
        self._tables = tables
        self._columns = columns
        self._constants = constants or {}
        self._shared = shared or {}
        self.raised: set[str] = set() if raised is None else raised
        """Functions that raised while expressions were run."""

    def expression(self, node: Node) -> pl.Expr:
        """The expression of a typed node."""
        match node:
            case Literal(value=value):
                return numbers.literal(value, _digits(node)) if isinstance(value, Decimal) else pl.lit(value)
            case Name():
                return self._name(node)
            case And(parts=parts):
                return joined(and_, [self.expression(part) for part in parts])
            case Or(parts=parts):
                return joined(or_, [self.expression(part) for part in parts])
            case Not(part=part):
                return ~self.expression(part)
            case IsNull(subject=subject, negated=negated):
                inner = self.expression(subject)
                return inner.is_not_null() if negated else inner.is_null()
            case Compare() | In() | Between():
                return self._comparison(node)
            case Call():
                return self._call(node)
            case Case():
                return self._case(node)
            case Negate() | Sum() | Product():
                return self._arithmetic(node)
        raise TypeError(f"no expression for a {type(node).__name__}")

    def _name(self, node: Name) -> pl.Expr:
        kind = node.type or "text"
        if node.name in self._constants:
            value = self._constants[node.name]
            if isinstance(value, Decimal):
                return numbers.literal(value, FACT_DIGITS)
            return pl.lit(list(value) if isinstance(value, tuple) else value, dtype=distinct.type_of(node))
        if self._columns is not None and node.name not in self._columns:
            return pl.lit(None, dtype=distinct.type_of(node))
        return numbers.of_column(pl.col(node.name)) if kind == "number" else pl.col(node.name)

    def _comparison(self, node: Compare | In | Between) -> pl.Expr:
        if isinstance(node, Compare):
            left, right = self._alike(node.left, node.right)
            return self._held(node.operator, left, right)
        if isinstance(node, Between):
            subject, low, high = self._alike(node.subject, node.low, node.high)
            inside = (subject >= low) & (subject <= high)
            return ~inside if node.negated else inside
        subject, *options = self._alike(node.subject, *node.options)
        fixed = [option for option in node.options if isinstance(option, Literal)]
        others = [
            subject == column
            for option, column in zip(node.options, options, strict=True)
            if not isinstance(option, Literal)
        ]
        among = joined(or_, [self._among(subject, node, fixed), *others] if fixed else others)
        return ~among if node.negated else among

    def _held(self, operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
        came: pl.Expr = _OPERATORS[operator](left, right)
        return came

    def _among(self, subject: pl.Expr, node: In, fixed: Sequence[Literal]) -> pl.Expr:
        if len(fixed) == 1:
            return subject == self._alike(node.subject, *node.options)[1 + node.options.index(fixed[0])]
        values: list[Any] = [option.value for option in fixed]
        if node.subject.type == "number":
            wide = widened(*(_digits(part) for part in (node.subject, *node.options)))
            values = [numbers.scaled(value, wide.scale) for value in values]
            return subject.is_in(pl.Series(values, dtype=numbers.width(wide)).implode())
        return subject.is_in(pl.Series(values, dtype=distinct.type_of(node.subject)).implode())

    def _alike(self, *nodes: Node) -> list[pl.Expr]:
        """Expressions that can be held against each other: numbers with the same places."""
        if nodes[0].type != "number":
            return [self.expression(node) for node in nodes]
        wide = widened(*(_digits(node) for node in nodes))
        return [self._as(node, wide) for node in nodes]

    def _as(self, node: Node, wanted: Digits) -> pl.Expr:
        if isinstance(node, Literal) and isinstance(node.value, Decimal):
            return numbers.literal(node.value, wanted)
        return numbers.moved(self.expression(node), _digits(node), wanted)

    def _case(self, node: Case) -> pl.Expr:
        values = [value for _, value in node.whens] + [node.otherwise]
        if node.type == "number":
            columns = [self._as(value, _digits(node)) for value in values]
        else:
            columns = [self.expression(value) for value in values]
        chosen = columns[-1]
        for (condition, _), value in zip(reversed(node.whens), reversed(columns[:-1]), strict=True):
            chosen = pl.when(self.expression(condition)).then(value).otherwise(chosen)
        return chosen

    def _arithmetic(self, node: Negate | Sum | Product) -> pl.Expr:
        wide = _digits(node)
        zero = pl.lit(0, dtype=numbers.width(wide))
        if isinstance(node, Negate):
            return zero - self._as(node.part, wide)
        if isinstance(node, Sum):
            total = self._as(node.terms[0], wide)
            for sign, term in zip(node.signs[1:], node.terms[1:], strict=True):
                total = total + self._as(term, wide) if sign == "+" else total - self._as(term, wide)
            return total
        factors = [self.expression(factor).cast(numbers.width(wide)) for factor in node.factors]
        return reduce(lambda a, b: a * b, factors)

    def _call(self, node: Call) -> pl.Expr:
        if (name := self._shared.get((node, node.digits))) is not None:
            return pl.col(name)
        function = self._functions[node.function]
        build = builtins.BUILT.get(function.name) if builtins.is_built_in(function) else None
        if build is not None and (built := build(self, node)) is not None:
            return built
        if function.polars is not None and (given := self._millionths(function, node)) is not None:
            return self._of_pack(function.polars, given, node)
        body, arguments = closures.bound(node, self._functions, self._tables)
        given_ = [(argument, self.expression(argument)) for argument in arguments]
        return distinct.run(body, node, given_, raised=lambda: self.raised.add(function.name))

    def table(self, name: str) -> Collection[str]:
        """The words of a table, none where nobody brought it."""
        return self._tables.get(name, ())

    def _millionths(self, function: Function, node: Call) -> list[Any] | None:
        """Arguments as a pack's expression takes them; None where a number does not fit."""
        if node.digits is not None and node.digits.scale > FACT_DIGITS.scale:
            return None
        given: list[Any] = []
        for index, argument in enumerate(node.arguments):
            if catalogue.is_literal(function, index) and isinstance(argument, Literal):
                given.append(argument.value)
            elif argument.type != "number":
                given.append(self.expression(argument))
            elif _digits(argument).scale > FACT_DIGITS.scale or _digits(argument).total > FACT_DIGITS.total:
                return None
            else:
                given.append(self._as(argument, FACT_DIGITS))
        return given

    def _of_pack(self, build: Callable[..., pl.Expr], given: list[Any], node: Call) -> pl.Expr:
        """A pack's expression, which is NULL where an argument is."""
        said = joined(and_, [each.is_not_null() for each in given if isinstance(each, pl.Expr)] or [pl.lit(True)])
        came = pl.when(said).then(build(*given))
        if node.digits is None:
            return came
        shift = pl.lit(10 ** (FACT_DIGITS.scale - node.digits.scale), dtype=pl.Int128)
        return (came.cast(pl.Int128) // shift).cast(distinct.type_of(node))


def joined(connect: Callable[[Any, Any], Any], parts: Sequence[pl.Expr]) -> pl.Expr:
    """The parts under one connective, as shallow as they can lie."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    came: pl.Expr = connect(joined(connect, parts[:half]), joined(connect, parts[half:]))
    return came


def _digits(node: Node) -> Digits:
    return node.digits or FACT_DIGITS
