"""Holds the examples of many rules against their Spark SQL, in a few jobs for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from emma_core.backends import spark_files
from emma_core.nouns import FactSpec, Outcome
from emma_core.nouns.table import RECORD
from emma_core.ports import Asked
from emma_core.rules import ROWS, CompiledRule, outcome
from emma_core.rules.spark import SQL_TYPES
from emma_core.rules.tree import totals

TOGETHER = 40
"""How many rules share a job: Spark compiles what it runs, and that takes longer than to run it."""
_GROUP = "rule or file"
"""No fact can have this name."""

Holds = Callable[[CompiledRule, Sequence[str], Mapping[str, Any]], str]
"""SQL that is TRUE where a rule's predicate is, over these columns and these constants."""


def outcomes(spark: SparkSession, asked: Sequence[Asked], holds: Holds) -> Iterator[Sequence[Outcome | None]]:
    """What each rule says of each of its examples, as a check by Spark would tell it."""
    records = _of_records(spark, [one for one in asked if not one[0].of_file], holds)
    for rule, examples in asked:
        yield _of_file(spark, rule, examples) if rule.of_file else next(records)


def _of_records(spark: SparkSession, asked: Sequence[Asked], holds: Holds) -> Iterator[Sequence[Outcome | None]]:
    # facts models may declare a name twice, each in its own way
    for _, pairs in groupby(asked, key=lambda one: one[0].ruleset.facts):
        several = list(pairs)
        for start in range(0, len(several), TOGETHER):
            yield from _together(spark, several[start : start + TOGETHER], holds)


def _together(spark: SparkSession, asked: Sequence[Asked], holds: Holds) -> Iterator[Sequence[Outcome | None]]:
    specs = {name: spec for rule, _ in asked for name, spec in rule.specs.items()}
    rows = [(number, facts) for number, (_, examples) in enumerate(asked) for facts in examples]
    frame = _frame(spark, rows, specs)
    whether = (f"WHEN {number} THEN {holds(rule, tuple(specs), {})}" for number, (rule, _) in enumerate(asked))
    found = frame.selectExpr(f"`{RECORD}`", f"CASE `{_GROUP}` {' '.join(whether)} END AS holds").collect()
    told = {row[RECORD]: row["holds"] for row in found}
    came = iter([_outcome(asked[number][0], facts, told[place]) for place, (number, facts) in enumerate(rows, 1)])
    for _, examples in asked:
        yield list(islice(came, len(examples)))


def _outcome(rule: CompiledRule, facts: Mapping[str, Any], holds: bool | None) -> Outcome | None:
    """What a check tells: of what an engine does not find TRUE the closures say why, and where they find it is, the
    rule is broken."""
    if rule.absent:
        return "undetermined"
    why = outcome(rule, facts)
    if holds:
        return None if why is None else "passed"
    return "broken" if why is None or why == "passed" else why


def _of_file(
    spark: SparkSession, rule: CompiledRule, examples: Sequence[Mapping[str, Any]]
) -> Sequence[Outcome | None]:
    if rule.absent or not totals(rule.predicate):  # Spark is asked for nothing
        return [outcome(rule, facts) for facts in examples]
    files = [{name: value for name, value in facts.items() if name != ROWS} for facts in examples]
    rows = [(number, {**files[number], **row}) for number, facts in enumerate(examples) for row in facts.get(ROWS, ())]
    frame = _frame(spark, rows, rule.specs)
    came = spark_files.totals_by(spark, frame, rule, _GROUP)
    if len(came) < len(examples):
        none = spark_files.totals(spark, frame.where("FALSE"), rule, {})
        came = {number: came.get(number, none) for number in range(len(examples))}
    return [outcome(rule, {**said, ROWS: came[number]}) for number, said in enumerate(files)]


def _frame(
    spark: SparkSession, rows: Sequence[tuple[int, Mapping[str, Any]]], specs: Mapping[str, FactSpec]
) -> DataFrame:
    """A table of typed facts, its records counted from 1, with what each belongs to."""
    columns = [
        f"`{RECORD}` BIGINT",
        f"`{_GROUP}` INT",
        *(f"`{name}` {SQL_TYPES[spec.type]}" for name, spec in specs.items()),
    ]
    values = [
        (place, number, *(_given(facts.get(name)) for name in specs)) for place, (number, facts) in enumerate(rows, 1)
    ]
    return spark.createDataFrame(values, ", ".join(columns))


def _given(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
