"""Turn a typed node into Spark SQL text: TRUE, FALSE or NULL for a predicate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from emma_core.rules.builtins import BUILTINS
from emma_core.rules.functions import FACT_DIGITS, Function
from emma_core.rules.spark import spelling
from emma_core.rules.spark.builtins import WRITTEN
from emma_core.rules.spark.spelling import Unwritten, type_of
from emma_core.rules.tree import (
    Aggregate,
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


def emit(node: Node, functions: Mapping[str, Function], tables: Mapping[str, Collection[str]]) -> str:
    """The SQL of a typed node over columns by bare name. Raises `Unwritten` where the body of a function must run."""
    return Emitter(functions, tables).text(node)


class Emitter:
    """The functions, tables and columns that SQL is written with."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        tables: Mapping[str, Collection[str]],
        *,
        columns: Collection[str] | None = None,
        constants: Mapping[str, Any] | None = None,
    ) -> None:
        self._functions = functions
        self._tables = tables
        self._columns = columns
        self._constants = constants or {}

    def text(self, node: Node) -> str:
        """The SQL of a typed node, in brackets where it has parts."""
        match node:
            case Literal(value=value):
                return spelling.literal(value)
            case Name():
                return self._name(node)
            case And(parts=parts):
                return self._joined(" AND ", parts)
            case Or(parts=parts):
                return self._joined(" OR ", parts)
            case Not(part=part):
                return f"(NOT {self.text(part)})"
            case IsNull(subject=subject, negated=negated):
                return f"({self.text(subject)} IS {'NOT ' if negated else ''}NULL)"
            case Compare(operator=operator, left=left, right=right):
                return f"({self.text(left)} {operator} {self.text(right)})"
            case In() | Between():
                return self._one_of(node)
            case Case(whens=whens, otherwise=otherwise):
                pairs = " ".join(f"WHEN {self.text(when)} THEN {self.text(then)}" for when, then in whens)
                return f"(CASE {pairs} ELSE {self.text(otherwise)} END)"
            case Call():
                return f"({self._call(node)})"
            case Negate(part=part):
                return f"(- {self.text(part)})"
            case Sum() | Product():
                return self._arithmetic(node)
            case Aggregate():
                return self._aggregate(node)
        raise TypeError(f"no Spark SQL for a {type(node).__name__}")

    def table(self, name: str) -> Collection[str]:
        """The words of a table."""
        return self._tables.get(name, ())

    def _name(self, node: Name) -> str:
        if node.name in self._constants and (value := self._constants[node.name]) is not None:
            written = spelling.literal(value)
            return f"CAST({written} AS {type_of('number', FACT_DIGITS)})" if isinstance(value, Decimal) else written
        if node.name in self._constants or (self._columns is not None and node.name not in self._columns):
            return spelling.null(node.type, node.digits)
        return spelling.name(node.name)

    def _joined(self, word: str, parts: tuple[Node, ...]) -> str:
        return f"({word.join(self.text(part) for part in parts)})"

    def _one_of(self, node: In | Between) -> str:
        subject, negated = self.text(node.subject), "NOT " if node.negated else ""
        if isinstance(node, Between):
            return f"({subject} {negated}BETWEEN {self.text(node.low)} AND {self.text(node.high)})"
        return f"({subject} {negated}IN ({', '.join(self.text(option) for option in node.options)}))"

    def _arithmetic(self, node: Sum | Product) -> str:
        # one step a bracket, so that Spark counts digits as the loader did
        if isinstance(node, Product):
            parts, words = node.factors, ["*"] * len(node.factors)
        else:
            parts, words = node.terms, list(node.signs)
        written = self.text(parts[0])
        for part, word in zip(parts[1:], words[1:], strict=True):
            written = f"({written} {word} {self.text(part)})"
        return written

    def _call(self, node: Call) -> str:
        function = self._functions.get(node.function) or BUILTINS[node.function]
        if BUILTINS.get(function.name) is function:
            return WRITTEN[function.name](self, node)
        if function.spark is None:
            raise Unwritten(f"function {function.name!r} has no Spark SQL")
        written = function.spark.format(*(self.text(part) for part in node.arguments))
        return f"CAST({written} AS {type_of(node.type, node.digits)})" if node.type == "number" else written

    def _aggregate(self, node: Aggregate) -> str:
        what = "*" if node.subject is None else self.text(node.subject)
        where = "" if node.where is None else f" FILTER (WHERE {self.text(node.where)})"
        came = f"{node.function}({'DISTINCT ' if node.distinct else ''}{what}){where}"
        return f"CAST({came} AS {type_of(node.type, node.digits or Digits(1, 0))})" if node.digits else came
