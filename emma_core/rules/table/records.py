"""Hold every record of a table against rules at once, and keep those for which one does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import and_
from types import MappingProxyType
from typing import Any

import polars as pl

from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.table.expressions import joined
from emma_core.rules.table.sharing import shared
from emma_core.rules.tree import Call, walk


@dataclass(frozen=True)
class Outcomes:
    """What rules say of each record of a table."""

    frame: pl.LazyFrame
    """The records for which some rule is not TRUE, whole, and for each rule a Boolean column under its id: FALSE is
    failed, null what the set's `missing` says."""
    rules: tuple[CompiledRule, ...]
    """Those that were held against it: they speak of records, and their tables are there."""
    raised: set[str]
    """Functions that raised while the frame was collected; of what calls them, the frame knows nothing."""

    def untold(self) -> tuple[CompiledRule, ...]:
        """The rules to hold against each record one by one, after the frame was collected: a function of theirs
        raised."""
        return tuple(rule for rule in self.rules if self.raised & _called(rule))


def outcomes(
    frame: pl.LazyFrame, rules: Sequence[CompiledRule], *, constants: Mapping[str, Any] = MappingProxyType({})
) -> Outcomes:
    """What the rules say of each record. The frame has a column for each fact that it holds; `constants` are typed
    facts of the whole file; any other fact is NULL."""
    columns = frame.collect_schema().names()
    held = tuple(rule for rule in rules if not rule.of_file and not rule.absent)
    if not held:
        return Outcomes(frame.head(0), (), set())
    nodes = [rule.predicate for rule in held]
    wide, emitter = shared(frame, held, nodes, constants, columns)
    said = {rule.rule.id: emitter.expression(node) for rule, node in zip(held, nodes, strict=True)}
    wide = wide.with_columns(**said)
    passed = joined(and_, [pl.col(name).fill_null(False) for name in said])
    return Outcomes(wide.filter(~passed).select(*columns, *said), held, emitter.raised)


def _called(rule: CompiledRule) -> set[str]:
    return {part.function for part in walk(rule.predicate) if isinstance(part, Call)}
