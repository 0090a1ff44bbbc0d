"""Holds a table against predicates as Polars expressions, batch by batch; what functions broke on goes to the closures.

Two batches of rows are held at a time, whatever a file comes to: one is read while the one before it is judged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import polars as pl

from emma_core.backends.closure_engine import columns_for, fails, typed_rows
from emma_core.nouns import Outcome, Table
from emma_core.nouns.table import RECORD
from emma_core.ports import NAMED, Asked, Group, Stretch
from emma_core.rules import CompiledRule, Panel, Totals
from emma_core.rules import table as emitted

SIZE = 1_000
"""Records that stand against some rule and are handed over together, at most."""


class PolarsEngine:
    """The engine of files."""

    name = "polars"

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, and those for which some predicate is not TRUE."""
        columns, records = columns_for(table, rules), _records(table)
        outcomes = emitted.outcomes(table.batches.schema, rules, constants=_constants(table, shared))
        seen, panel = 0, Panel(rules)
        for batch in _ahead(table.batches.read(columns)):
            last = seen + batch.height
            told = records.told(batch).select(columns)
            found = outcomes.over(told.lazy(), columns).collect()
            rows = _rows(found, rules, shared)
            if outcomes.raised:  # an expression is NULL where a function raised, and a closure says so
                outcomes.raised.clear()
                rows = fails(typed_rows(told, shared), panel)
            while some := tuple(islice(rows, SIZE)):
                read = int(some[-1][0][RECORD])
                yield Stretch(read - seen, some)
                seen = read
            yield Stretch(last - seen, ())
            seen = last
            del batch, told, found, rows  # before the one after the next is read

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to."""
        return [_came_to(table, rules, shared).values] * len(rules)

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> Iterator[Group]:
        """The records that a rule's `unique` finds alike, group by group in the order of their first."""
        for groups in _came_to(table, [rule], shared).alike.values():
            firsts = groups["records"].list.first()
            columns = columns_for(table, [rule])
            found = (batch.filter(emitted.among(batch[RECORD], firsts)) for batch in table.batches.read(columns))
            rows = (row for batch in found for row in typed_rows(batch.select(columns), {}))
            # both by the first record of each
            for first, place in zip(rows, range(groups.height), strict=True):
                records = groups["records"][place]
                yield Group(first, records.head(NAMED).to_list(), len(records))

    def examples(self, asked: Sequence[Asked]) -> Iterator[Sequence[Outcome | None]]:
        """What each rule says of each of its examples, rule by rule."""
        return (emitted.of_examples(rule, examples) for rule, examples in asked)


def _ahead(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The batches, the next of which is being read already."""
    with ThreadPoolExecutor(1, "emma-batches") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch
            del batch


def _came_to(table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]) -> emitted.FileTotals:
    return emitted.totals(_records(table), rules, constants=_constants(table, shared))


def _records(table: Table) -> emitted.Records:
    unread = pl.Series(sorted(table.unread), dtype=pl.Int64) if table.unread else None
    return emitted.Records(table.batches.read, table.batches.schema, RECORD, unread)


def _constants(table: Table, shared: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for every row, but for what each row says itself."""
    return {name: value for name, value in shared.items() if name not in table.batches.schema}


def _rows(
    found: pl.DataFrame, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], Sequence[int]]]:
    """The rows, each with the rules of which it is not TRUE."""
    names = [rule.rule.id for rule in rules]
    for part in found.iter_slices(SIZE):
        standing: list[list[int]] = [[] for _ in range(part.height)]
        for number, name in enumerate(names):
            for place in (~part[name].fill_null(False)).arg_true():
                standing[place].append(number)
        yield from zip(typed_rows(part.drop(names), shared), standing, strict=True)
