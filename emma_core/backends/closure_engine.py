"""Holds a table's rows against predicates one by one, in plain Python, from the same tree as the closures of a turn."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from emma_core.nouns import Outcome, Table
from emma_core.nouns.table import RECORD
from emma_core.ports import NAMED, Asked, Group, Stretch
from emma_core.rules import ROWS, CompiledRule, Panel, Totals, closures, duplicates, outcome
from emma_core.rules.tree import totals
from emma_core.rules.values import plain

if TYPE_CHECKING:
    import polars as pl

SIZE = 20_000
"""Records that are held against the rules between two looks at the clock."""


class ClosureEngine:
    """The engine of small files, and the one the others are held to."""

    name = "closures"

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, and those for which some predicate is not TRUE."""
        panel = Panel(rules)
        for batch in table.batches.read(columns_for(table, rules)):
            for part in batch.iter_slices(SIZE):
                rows = (row for row in typed_rows(part, shared) if row[RECORD] not in table.unread)
                yield Stretch(part.height, tuple(fails(rows, panel)))

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to."""
        rows = _rows(table)
        # a record that nobody could read counts among them, and is like no other
        told = [row for row in rows if row[RECORD] not in table.unread]
        return [_totals(rule, {**shared, ROWS: rows if rule.rule.unique is None else told}) for rule in rules]

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> Iterator[Group]:
        """The records that a rule's `unique` finds alike, group by group in the order of their first."""
        rows = [row for row in _rows(table) if row[RECORD] not in table.unread]
        for group in duplicates(rule, shared, rows):
            yield Group(rows[group[0]], [rows[place][RECORD] for place in group[:NAMED]], len(group))

    def examples(self, asked: Sequence[Asked]) -> Iterator[Sequence[Outcome | None]]:
        """What each rule says of each of its examples, rule by rule."""
        return ([outcome(rule, facts) for facts in examples] for rule, examples in asked)


def columns_for(table: Table, rules: Sequence[CompiledRule]) -> list[str]:
    """The columns of a table that the rules read, or that name its records."""
    wanted = {RECORD, table.key, "as_of"}.union(*(rule.reads for rule in rules))
    return [name for name in table.batches.schema if name in wanted]


def fails(rows: Iterable[Mapping[str, Any]], panel: Panel) -> Iterator[tuple[Mapping[str, Any], Sequence[int]]]:
    """The rows for which some rule is not TRUE, each with those rules by number."""
    for facts in rows:
        if found := panel.standing(facts):
            yield facts, [number for number, _ in found]


def typed_row(row: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the rules read facts: exact numbers without trailing zeros, lists as tuples, no NULL."""
    facts = dict(shared)
    facts.update((name, _plain(value)) for name, value in row.items() if value is not None)
    return facts


def typed_rows(batch: pl.DataFrame, shared: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The batch's rows as the rules read facts: exact numbers without trailing zeros, lists as tuples."""
    # a text is a text in any engine; a row has a hundred of them, so they are left alone
    changed = [name for name, kind in batch.schema.items() if kind.base_type().__name__ in ("Decimal", "List")]
    for row in batch.iter_rows(named=True):
        for name in changed:
            row[name] = _plain(row[name])
        yield {**shared, **row}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return tuple(value) if isinstance(value, list) else value


def _rows(table: Table) -> list[Mapping[str, Any]]:
    """Every record; nothing is known of one that could not be read, and it counts."""
    return [row for batch in table.batches.read(None) for row in typed_rows(batch, {})]


def _totals(rule: CompiledRule, facts: Mapping[str, Any]) -> Totals | Exception:
    nodes = [node for part in (rule.when, rule.require) if part is not None for node in totals(part)]
    try:
        return {node: closures.emit(node, rule.functions, rule.tables)(facts) for node in nodes}
    except Exception as error:  # a function's body may raise anything
        return error
