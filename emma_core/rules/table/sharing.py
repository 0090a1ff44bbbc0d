"""Work out once what several predicates ask of a record: numbers, days, and what a function gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from emma_core.rules.functions import FACT_DIGITS
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.table.builtins import is_built_in
from emma_core.rules.table.expressions import Emitter
from emma_core.rules.tree import Call, Digits, Node, walk

Levels = tuple[tuple[pl.Expr, ...], ...]
"""Columns to add to a frame; those of a level read the levels before it."""
_Key = tuple[Call, Digits | None]
_READS = {"is_number": ("number", FACT_DIGITS), "is_ymd": ("ymd", None)}
_ALWAYS = ("number", "ymd")
_SELDOM = ("length", "abs", "year", "size", "starts_with", "is_number", "is_ymd")
"""Cheaper to work out again than to keep."""


def shared(
    rules: Sequence[CompiledRule],
    nodes: Iterable[Node],
    constants: Mapping[str, Any],
    columns: Collection[str],
) -> tuple[Levels, Emitter]:
    """What to add to a frame, level by level, for each call worth keeping, and the emitter that reads those."""
    functions = {name: function for rule in rules for name, function in rule.functions.items()}
    tables = {name: table for rule in rules for name, table in rule.tables.items()}
    kept: dict[_Key, str] = {}
    raised: set[str] = set()

    def emitter() -> Emitter:
        return Emitter(functions, tables, columns=columns, constants=constants, shared=dict(kept), raised=raised)

    counts = Counter(key for node in nodes for key in _calls(node))
    worth = [key for key, count in counts.items() if _is_worth(key[0], count, functions)]
    levels = []
    for level in _levels(worth):
        now = emitter()
        names = {key: f"shared {len(kept) + index}" for index, key in enumerate(level)}
        levels.append(tuple(now.expression(call).alias(names[call, digits]) for call, digits in level))
        kept |= names
    return tuple(levels), emitter()


def widened(frame: pl.LazyFrame, levels: Levels) -> pl.LazyFrame:
    """The frame with what is shared."""
    for level in levels:
        frame = frame.with_columns(level)
    return frame


def _calls(node: Node) -> Iterator[_Key]:
    """The calls in a predicate, and those that stand behind them."""
    for part in walk(node):
        if isinstance(part, Call):
            yield part, part.digits
            if part.function in _READS:
                name, digits = _READS[part.function]
                kind: Any = "number" if digits else "date"
                yield Call(name, part.arguments, place=part.place, type=kind, digits=digits), digits


def _is_worth(call: Call, count: int, functions: Mapping[str, Any]) -> bool:
    if not is_built_in(functions[call.function]):
        return True
    return call.function in _ALWAYS or (count > 1 and call.function not in _SELDOM)


def _levels(keys: Sequence[_Key]) -> Iterator[list[_Key]]:
    """The calls so that each stands after those within it."""
    depth: dict[_Key, int] = {}
    for key in sorted(keys, key=lambda key: sum(1 for _ in walk(key[0]))):
        inner = [depth[each] for part in key[0].arguments for each in _calls(part) if each in depth]
        depth[key] = 1 + max(inner, default=0)
    for level in range(1, max(depth.values(), default=0) + 1):
        yield [key for key, at in depth.items() if at == level]
