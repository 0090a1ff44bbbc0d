"""Holds a table against predicates as Polars expressions, in streams; what functions broke on goes to the closures."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import polars as pl

from emma_core.backends.closure_engine import ClosureEngine, typed_rows
from emma_core.backends.readers.batches import batches_of
from emma_core.nouns import Table
from emma_core.nouns.table import RECORD
from emma_core.ports import Stretch
from emma_core.rules import CompiledRule, Totals
from emma_core.rules import table as emitted

SIZE = 20_000
"""Records that stand against some rule and are handed over together, more or less."""


class PolarsEngine:
    """The engine of files."""

    name = "polars"

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, and those for which some predicate is not TRUE."""
        seen = 0
        found = emitted.outcomes(read(table), rules, constants=_constants(table, shared))
        names = [rule.rule.id for rule in rules]
        with closing(batches_of(found.frame, table.feed, SIZE)) as batches:
            for batch in batches:
                if found.raised:
                    break
                if not batch.height:
                    continue
                last = batch[RECORD][-1]
                yield Stretch(last - seen, _rows(batch, names, shared))
                seen = last
        if found.raised:  # where a function raised, an expression is NULL and a closure says so: ask the closures
            rest = replace(table, frame=table.frame.filter(pl.col(RECORD) > seen))
            yield from ClosureEngine().standing(rest, rules, shared)
        elif table.records is not None and table.records > seen:
            yield Stretch(table.records - seen, ())

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to."""
        came: dict[str, Totals] = {}
        # a record that nobody could read counts among them, and is like no other
        for frame, some in (
            (table.frame, [rule for rule in rules if rule.rule.unique is None]),
            (read(table), [rule for rule in rules if rule.rule.unique is not None]),
        ):
            if some:
                found = emitted.totals(frame, some, record=RECORD, constants=_constants(table, shared))
                came |= dict.fromkeys((rule.rule.id for rule in some), found.values)
        return [came[rule.rule.id] for rule in rules]

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> list[list[Mapping[str, Any]]]:
        """The records that a rule's `unique` finds alike, group by group."""
        frame = read(table)
        found = emitted.duplicates(frame, rule, record=RECORD, constants=_constants(table, shared))
        groups = found["records"].to_list()
        firsts = pl.Series([group[0] for group in groups], dtype=pl.Int64)
        columns = [name for name in frame.collect_schema().names() if name == RECORD or name in rule.specs]
        rows = frame.filter(pl.col(RECORD).is_in(firsts.implode())).select(columns).collect(engine="streaming")
        by_number = {row[RECORD]: row for row in typed_rows(rows, {})}
        return [[by_number[group[0]], *({RECORD: number} for number in group[1:])] for group in groups]


def read(table: Table) -> pl.LazyFrame:
    """The records that could be read."""
    if not table.unread:
        return table.frame
    unread = pl.Series(sorted(table.unread), dtype=pl.Int64)
    return table.frame.filter(~pl.col(RECORD).is_in(unread.implode()))


def _constants(table: Table, shared: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for every row, but for what each row says itself."""
    columns = set(table.frame.collect_schema().names())
    return {name: value for name, value in shared.items() if name not in columns}


def _rows(
    batch: pl.DataFrame, names: Sequence[str], shared: Mapping[str, Any]
) -> list[tuple[Mapping[str, Any], Sequence[int]]]:
    """The rows, each with the rules of which it is not TRUE."""
    standing: list[list[int]] = [[] for _ in range(batch.height)]
    for number, name in enumerate(names):
        for place in (~batch[name].fill_null(False)).arg_true():
            standing[place].append(number)
    facts = typed_rows(batch.drop(names), shared)
    return list(zip(facts, standing, strict=True))
