"""Hold every record of a table against rules at once, and keep those for which one does not hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import and_
from types import MappingProxyType
from typing import Any

import polars as pl

from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.table.expressions import joined
from emma_core.rules.table.sharing import Levels, shared, widened


@dataclass(frozen=True)
class Outcomes:
    """Rules as expressions, to hold any part of a table against, and all that its columns are asked."""

    rules: tuple[CompiledRule, ...]
    """Those that are held against it: they speak of records, and their tables are there."""
    raised: set[str]
    """Functions that raised while a frame was collected; of what calls them, that frame knows nothing."""
    _levels: Levels
    _said: Mapping[str, pl.Expr]

    def over(self, frame: pl.LazyFrame, keep: Sequence[str]) -> pl.LazyFrame:
        """The records for which some rule is not TRUE: the columns to keep, and for each rule a Boolean column under
        its id: FALSE is failed, null what the set's `missing` says."""
        if not self.rules:
            return frame.select(keep).head(0)
        wide = widened(frame, self._levels).with_columns(**self._said)
        passed = joined(and_, [pl.col(name).fill_null(False) for name in self._said])
        return wide.filter(~passed).select(*keep, *self._said)


def outcomes(
    columns: Collection[str], rules: Sequence[CompiledRule], *, constants: Mapping[str, Any] = MappingProxyType({})
) -> Outcomes:
    """What to ask of frames with these columns, one for each fact that there is; `constants` are typed facts of the
    whole file; any other fact is NULL."""
    held = tuple(rule for rule in rules if not rule.of_file and not rule.absent)
    nodes = [rule.predicate for rule in held]
    levels, emitter = shared(held, nodes, constants, columns)
    said = {rule.rule.id: emitter.expression(node) for rule, node in zip(held, nodes, strict=True)}
    return Outcomes(held, emitter.raised, levels, said)
