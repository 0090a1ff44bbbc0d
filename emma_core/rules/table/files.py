"""Bring all records of a table to what file rules ask of them, batch by batch: counts, sums, least and greatest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add
from types import MappingProxyType
from typing import Any

import polars as pl

from emma_core.rules.aggregates import Failed
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.table import numbers
from emma_core.rules.table.alike import Alike, among
from emma_core.rules.table.expressions import Emitter
from emma_core.rules.table.sharing import shared, widened
from emma_core.rules.tree import Aggregate, Call, Unique, names, walk
from emma_core.rules.tree import totals as totals_of

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_JOINED: Mapping[str, Callable[[Any, Any], Any]] = {"sum": add, "min": min, "max": max}
_MANY = 1 << 20
"""Distinct values that lie about before they are thinned out."""


@dataclass(frozen=True)
class FileTotals:
    """What all records of a table come to."""

    values: Mapping[Aggregate | Unique, Any]
    """For `judge(rule, …, rows=values)`."""
    alike: Mapping[Unique, pl.DataFrame]
    """Where `unique` does not hold: a list of records in each row of the column `records`, by the first of them."""


@dataclass(frozen=True)
class Records:
    """All records of a table, read a batch at a time and as often as need be."""

    read: Callable[[Collection[str]], Iterable[pl.DataFrame]]
    """Batches with these columns or more."""
    columns: Collection[str]
    """Those that there are."""
    number: str
    """The one that counts the records."""
    unread: pl.Series | None = None
    """The records that nobody could read, in order."""

    def batches(self, names: Iterable[str]) -> Iterable[pl.DataFrame]:
        """Batches with those of these columns that there are."""
        return self.read({self.number, *names}.intersection(self.columns))

    def told(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Those of a batch that somebody could read."""
        return batch if self.unread is None else batch.filter(~among(batch[self.number], self.unread))


def totals(records: Records, rules: Sequence[CompiledRule], *, constants: Mapping[str, Any] = _NOTHING) -> FileTotals:
    """What file rules ask of all records. One that nobody could read counts among them, and is like no other.

    What is held does not grow with the records but by eight bytes for each under a `unique`, by 24 more for one that
    is like another, and by the values of a count of distinct ones.
    """
    held = [rule for rule in rules if rule.of_file and not rule.absent]
    nodes = list(dict.fromkeys(node for rule in held for node in totals_of(rule.predicate)))
    aggregates = [node for node in nodes if isinstance(node, Aggregate)]
    levels, emitter = shared(held, aggregates, constants, records.columns)
    _, plain = shared(held, (), constants, records.columns)
    sums = [_Sum(index, emitter, node) for index, node in enumerate(aggregates)]
    alike = [Alike(index, plain, node) for index, node in enumerate(nodes) if isinstance(node, Unique)]
    asked = [each.column for each in sums]
    for batch in records.batches(name for node in nodes for name in names(node)) if nodes else ():
        seen = widened(batch.lazy(), levels).select(records.number, *asked).collect()
        for one in sums:
            one.add(seen)
        told = records.told(batch)
        for two in alike:
            two.add(told)
        del batch, told, seen  # before the next is read
    suspected = [one for one in alike if one.suspects()]
    for batch in records.batches(name for one in suspected for name in names(one.node)) if suspected else ():
        told = records.told(batch)
        for two in suspected:
            two.add_again(told, records.number)
        del batch, told
    groups = {one.node: one.groups() for one in alike}
    values: dict[Aggregate | Unique, Any] = {one.node: one.value() for one in sums}
    values |= {one.node: False if groups[one.node].height else None if one.unsaid else True for one in alike}
    values |= _failed(nodes, emitter.raised | plain.raised)
    return FileTotals(values, {node: found for node, found in groups.items() if found.height})


class _Sum:
    """What one aggregate comes to so far."""

    def __init__(self, index: int, emitter: Emitter, node: Aggregate) -> None:
        where = pl.lit(True) if node.where is None else emitter.expression(node.where)
        subject = pl.lit(True) if node.subject is None else emitter.expression(node.subject)
        if node.function == "sum":
            subject = subject.cast(pl.Int128)
        self.node = node
        self._name = f"read {index}"
        self.column = pl.when(where).then(subject).alias(self._name)
        """What it reads of each record."""
        self._said = 0
        self._came: Any = None
        self._distinct: list[pl.Series] = []

    def add(self, seen: pl.DataFrame) -> None:
        """Some records more."""
        column = seen[self._name]
        said = len(column) - column.null_count()
        if not said:
            return
        self._said += said
        if self.node.distinct:
            self._distinct.append(column.drop_nulls().unique())
            if sum(map(len, self._distinct[1:])) > max(_MANY, len(self._distinct[0])):
                self._distinct = [pl.concat(self._distinct).unique()]
        elif self.node.function != "count":
            here = getattr(column, self.node.function)()
            self._came = here if self._came is None else _JOINED[self.node.function](self._came, here)

    def value(self) -> Any:
        """What it comes to: of no values None, or a count of 0."""
        if self.node.function == "count":
            distinct = pl.concat(self._distinct).n_unique() if self._distinct else 0
            return numbers.unscaled(distinct if self.node.distinct else self._said, 0)
        digits = self.node.digits
        return self._came if digits is None or self._came is None else numbers.unscaled(self._came, digits.scale)


def _failed(nodes: Sequence[Aggregate | Unique], raised: set[str]) -> dict[Aggregate | Unique, Any]:
    found = {node: raised & {part.function for part in walk(node) if isinstance(part, Call)} for node in nodes}
    return {node: Failed(sorted(broken)[0]) for node, broken in found.items() if broken}
