"""Run a function that Polars has no words for, once for each distinct value of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from emma_core.rules.table import numbers
from emma_core.rules.tree import Digits, Node

_TYPES: dict[str, Any] = {"text": pl.String, "date": pl.Date, "bool": pl.Boolean, "list": pl.List(pl.String)}


def type_of(node: Node) -> Any:
    """How a column holds what a node comes to."""
    return numbers.width(node.digits or Digits(1, 0)) if node.type == "number" else _TYPES[node.type or "text"]


def run(
    body: Callable[..., Any], node: Node, given: Sequence[tuple[Node, pl.Expr]], *, raised: Callable[[], None]
) -> pl.Expr:
    """What the body gives for each row; NULL where an argument is NULL, and where it raises, which is told."""
    came = _Body(body, node, tuple(argument for argument, _ in given), raised)
    together = pl.struct([column.alias(str(index)) for index, (_, column) in enumerate(given)])
    return together.map_batches(came.over, return_dtype=type_of(node), is_elementwise=True)


class _Body:
    """A body over rows of columns."""

    def __init__(
        self, body: Callable[..., Any], node: Node, given: tuple[Node, ...], raised: Callable[[], None]
    ) -> None:
        self._body = body
        self._node = node
        self._given = given
        self._raised = raised

    def over(self, rows: pl.Series) -> pl.Series:
        known: dict[Any, Any] = {}
        columns = [_values(rows.struct.field(str(index)), part) for index, part in enumerate(self._given)]
        came = []
        for values in zip(*columns, strict=True):
            if values not in known:
                known[values] = None if None in values else self._once(values)
            came.append(known[values])
        return pl.Series(came, dtype=type_of(self._node))

    def _once(self, values: tuple[Any, ...]) -> Any:
        given = [
            numbers.unscaled(value, part.digits.scale) if part.digits else value
            for value, part in zip(values, self._given, strict=True)
        ]
        try:
            came = self._body(*given)
            if came is None or self._node.digits is None:
                return list(came) if isinstance(came, tuple) else came
            return numbers.scaled(came, self._node.digits.scale)
        except Exception:  # what it broke on is judged again, record by record, and said there
            self._raised()
            return None


def _values(column: pl.Series, node: Node) -> list[Any]:
    if node.type == "list":
        return [None if value is None else tuple(value) for value in column.to_list()]
    return column.to_list()
