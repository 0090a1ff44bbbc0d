"""Hold a rule's examples against its Polars expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from emma_core.nouns import FactSpec, Outcome
from emma_core.rules.aggregates import ROWS
from emma_core.rules.rulesets import CompiledRule, outcome_of
from emma_core.rules.table.expressions import COLUMNS, Emitter
from emma_core.rules.table.files import Records, totals

_RECORD = "the record"
"""No fact can have this name."""


def of_examples(rule: CompiledRule, examples: Sequence[Mapping[str, Any]]) -> list[Outcome | None]:
    """What the rule says of each; None where its `when` is FALSE."""
    if rule.absent:
        return ["undetermined"] * len(examples)
    if rule.of_file:
        return [_of_file(rule, facts) for facts in examples]
    emitter = Emitter(rule.functions, rule.tables)
    guard = pl.lit(True) if rule.when is None else emitter.expression(rule.when)
    asked = {"applies": guard, "holds": emitter.expression(rule.predicate)}
    came = frame_of(examples, rule.specs).lazy().with_columns(**asked).select("applies", "holds").collect()
    if emitter.raised:
        return ["broken"] * len(examples)
    return [_outcome(rule, applies, holds) for applies, holds in came.rows()]


def frame_of(records: Sequence[Mapping[str, Any]], specs: Mapping[str, FactSpec]) -> pl.DataFrame:
    """A table of typed facts, with a column that counts its records from 1."""
    columns = {
        name: pl.Series([_plain(record.get(name)) for record in records], dtype=COLUMNS[spec.type])
        for name, spec in specs.items()
    }
    return pl.DataFrame({_RECORD: pl.Series(range(1, len(records) + 1), dtype=pl.Int64), **columns})


def _outcome(rule: CompiledRule, applies: bool | None, holds: bool | None) -> Outcome | None:
    if applies is False:
        return None
    if holds is None:
        return rule.ruleset.missing
    return "passed" if holds else "failed"


def _of_file(rule: CompiledRule, facts: Mapping[str, Any]) -> Outcome | None:
    said = {name: value for name, value in facts.items() if name != ROWS}
    records = {name: spec for name, spec in rule.specs.items() if name not in said}
    frame = frame_of(facts.get(ROWS, ()), records)
    came = totals(Records(lambda _: [frame], frame.columns, _RECORD), [rule], constants=said)
    try:
        return outcome_of(rule, {**said, ROWS: came.values})
    except Exception:  # an outcome like any other
        return "broken"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
