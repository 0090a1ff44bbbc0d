"""Bring all records of a table to what file rules ask of them: counts, sums, least and greatest, and who is alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl

from emma_core.rules.aggregates import Failed
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.table import numbers
from emma_core.rules.table.expressions import Emitter
from emma_core.rules.table.sharing import shared
from emma_core.rules.tree import Aggregate, Call, Unique, walk
from emma_core.rules.tree import totals as totals_of

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class FileTotals:
    """What all records of a table come to."""

    values: Mapping[Aggregate | Unique, Any]
    """For `judge(rule, …, rows=values)`."""
    alike: Mapping[Unique, pl.DataFrame]
    """Where `unique` does not hold: a list of records in each row of the column `records`."""


def totals(
    frame: pl.LazyFrame,
    rules: Sequence[CompiledRule],
    *,
    record: str,
    constants: Mapping[str, Any] = _NOTHING,
) -> FileTotals:
    """What file rules ask of all records, worked out in streams; `record` names the column that counts them."""
    columns = frame.collect_schema().names()
    held = [rule for rule in rules if rule.of_file and not rule.absent]
    nodes = list(dict.fromkeys(node for rule in held for node in totals_of(rule.predicate)))
    wide, emitter = shared(frame, held, nodes, constants, columns)
    values: dict[Aggregate | Unique, Any] = {}
    alike: dict[Unique, pl.DataFrame] = {}
    aggregates = [node for node in nodes if isinstance(node, Aggregate)]
    if aggregates:
        values |= _aggregated(wide, emitter, aggregates)
    uniques = [node for node in nodes if isinstance(node, Unique)]
    for unique, (outcome, found) in zip(uniques, _unique(wide, emitter, uniques, record), strict=True):
        values[unique], alike[unique] = outcome, found
    for node in nodes:
        if broken := emitter.raised & {part.function for part in walk(node) if isinstance(part, Call)}:
            values[node] = Failed(sorted(broken)[0])
    return FileTotals(values, {node: found for node, found in alike.items() if found.height})


def duplicates(
    frame: pl.LazyFrame, rule: CompiledRule, *, record: str, constants: Mapping[str, Any] = _NOTHING
) -> pl.DataFrame:
    """The records that a rule's `unique` finds alike: a list in each row of the column `records`."""
    found = totals(frame, [rule], record=record, constants=constants).alike
    empty = pl.DataFrame(schema={"records": pl.List(pl.Int64)})
    return next(iter(found.values()), empty)


def _aggregated(frame: pl.LazyFrame, emitter: Emitter, nodes: Sequence[Aggregate]) -> dict[Aggregate | Unique, Any]:
    read, asked = [], []
    for index, node in enumerate(nodes):
        where = pl.lit(True) if node.where is None else emitter.expression(node.where)
        subject = pl.lit(True) if node.subject is None else emitter.expression(node.subject)
        if node.function == "sum":
            subject = subject.cast(pl.Int128)
        # as columns, so that what is the same for all records is still counted once for each
        read.append(pl.when(where).then(subject).alias(f"read {index}"))
        column = pl.col(f"read {index}")
        asked.append(_asked(node, column).alias(f"came {index}"))
        asked.append(column.count().alias(f"said {index}"))
    row = frame.with_columns(read).select(asked).collect(engine="streaming").row(0, named=True)
    return {node: _value(node, row[f"came {index}"], row[f"said {index}"]) for index, node in enumerate(nodes)}


def _asked(node: Aggregate, column: pl.Expr) -> pl.Expr:
    if node.distinct:
        return column.drop_nulls().n_unique()
    asked: dict[str, pl.Expr] = {
        "count": column.count(),
        "sum": column.sum(),
        "min": column.min(),
        "max": column.max(),
    }
    return asked[node.function]


def _value(node: Aggregate, came: Any, said: int) -> Any:
    if node.function == "count":
        return numbers.unscaled(came, 0)
    if not said:
        return None
    digits = node.digits
    return came if digits is None else numbers.unscaled(came, digits.scale)


def _unique(
    frame: pl.LazyFrame, emitter: Emitter, nodes: Sequence[Unique], record: str
) -> list[tuple[bool | None, pl.DataFrame]]:
    """Whether no two are alike, and who is: found by a hash of what they say, then by that itself."""
    if not nodes:
        return []
    asked = [_Asked.of(emitter, node) for node in nodes]
    columns = [column.alias(f"{kind} {i}") for i, one in enumerate(asked) for kind, column in one.columns().items()]
    # eight bytes a record, sorted: a table of groups would take many times that
    seen = frame.select(columns).collect(engine="streaming")
    came = []
    for index, one in enumerate(asked):
        hashes = seen[f"hash {index}"].drop_nulls().sort()
        twice = hashes.filter(hashes == hashes.shift(1)).unique()
        alike = _groups(frame, one, twice, record)
        unsaid = bool(seen[f"unsaid {index}"].any())
        came.append((False if alike.height else None if unsaid else True, alike))
    return came


@dataclass(frozen=True)
class _Asked:
    """What `unique` asks of each record."""

    applies: pl.Expr
    subjects: tuple[pl.Expr, ...]

    @classmethod
    def of(cls, emitter: Emitter, node: Unique) -> _Asked:
        applies = pl.lit(True) if node.where is None else emitter.expression(node.where)
        named = (emitter.expression(part).alias(f"subject {index}") for index, part in enumerate(node.subjects))
        return cls(applies, tuple(named))

    def columns(self) -> dict[str, pl.Expr]:
        """The hash of what a record says, where it can be told, and whether it cannot."""
        return {"hash": pl.when(self.told()).then(pl.struct(self.subjects).hash()), "unsaid": self._unsaid()}

    def told(self) -> pl.Expr:
        return pl.all_horizontal(self.applies, *(each.is_not_null() for each in self.subjects)).fill_null(False)

    def _unsaid(self) -> pl.Expr:
        return self.applies.fill_null(True) & ~self.told()


def _groups(frame: pl.LazyFrame, asked: _Asked, hashes: pl.Series, record: str) -> pl.DataFrame:
    if not len(hashes):
        return pl.DataFrame(schema={"records": pl.List(pl.Int64)})
    same = asked.told() & pl.struct(asked.subjects).hash().is_in(hashes.implode())
    return (
        frame.filter(same)
        .select(pl.col(record).cast(pl.Int64).alias("record"), *asked.subjects)
        .group_by(pl.exclude("record"))
        .agg(pl.col("record").sort().alias("records"))
        .filter(pl.col("records").list.len() > 1)
        .select("records")
        .sort(pl.col("records").list.first())
        .collect(engine="streaming")
    )
