"""Holds a table against predicates as Spark SQL, in whatever session there is; what SQL cannot say runs as Python."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import DataFrame, SparkSession

from emma_core.backends import spark_examples, spark_files
from emma_core.backends.spark_bodies import Holds, register, typed
from emma_core.backends.spark_session import session
from emma_core.nouns import Outcome, Table
from emma_core.nouns.table import RECORD
from emma_core.ports import Asked, Group, Stretch
from emma_core.rules import CompiledRule, Totals
from emma_core.rules.spark import SQL_TYPES, Emitter, Unwritten

SIZE = 20_000
"""Records that stand against some rule and are handed over together."""
_STAND = "rules that stand"


class SparkEngine:
    """The engine of a cluster."""

    name = "spark"

    def __init__(self, spark: SparkSession | None = None, *, shares_disk: bool | None = None) -> None:
        """`shares_disk`: whether the workers read this machine's files; None: where the session is a local one."""
        self._given = spark
        self._shares_disk = shares_disk

    @cached_property
    def _spark(self) -> SparkSession:
        # found when rows are there to be held against rules: a JVM takes seconds
        return self._given or session()

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, and those for which some predicate is not TRUE."""
        seen = 0
        batch: list[tuple[Mapping[str, Any], Sequence[int]]] = []
        with self._loaded(table) as frame:
            for row in self._stand(_told(frame, table), rules, shared):
                numbers = row.pop(_STAND)
                batch.append(({**shared, **{name: typed(value) for name, value in row.items()}}, numbers))
                if len(batch) == SIZE:
                    yield Stretch(row[RECORD] - seen, batch)
                    seen, batch = row[RECORD], []
            yield Stretch(max(frame.count() - seen, 0), batch)

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to."""
        with self._loaded(table) as frame:
            told = _told(frame, table)
            # a record that nobody could read counts among them, and is like no other
            return [
                spark_files.totals(self._spark, frame if rule.rule.unique is None else told, rule, shared)
                for rule in rules
            ]

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> Iterator[Group]:
        """The records that a rule's `unique` finds alike, group by group in the order of their first."""
        with self._loaded(table) as frame:
            yield from spark_files.alike(self._spark, _told(frame, table), rule, shared)

    def examples(self, asked: Sequence[Asked]) -> Iterator[Sequence[Outcome | None]]:
        """What each rule says of each of its examples, rule by rule."""
        return spark_examples.outcomes(self._spark, asked, self._holds)

    def _stand(
        self, frame: DataFrame, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        if not rules:
            return
        columns = frame.columns
        held = (f"IF({self._holds(rule, columns, shared)}, NULL, {index})" for index, rule in enumerate(rules))
        numbers = f"array_compact(array({', '.join(held)})) AS `{_STAND}`"
        found = frame.selectExpr("*", numbers).where(f"size(`{_STAND}`) > 0").orderBy(RECORD)
        for row in found.toLocalIterator(prefetchPartitions=True):
            yield row.asDict()

    def _holds(self, rule: CompiledRule, columns: Sequence[str], shared: Mapping[str, Any]) -> str:
        """SQL that is TRUE where the rule's predicate is."""
        constants = {name: value for name, value in shared.items() if name not in columns}
        emitter = Emitter(rule.functions, rule.tables, columns=columns, constants=constants)
        try:
            return emitter.text(rule.predicate)
        except Unwritten:  # the whole of it, so that what raises is told as the closures tell it
            names = [name for name in rule.specs if name in columns]
            body = Holds(rule, names, constants)
            return register(
                self._spark, f"emma_holds_{rule.hash[:32]}", body, "BOOLEAN", [f"`{name}`" for name in names]
            )

    @contextmanager
    def _loaded(self, table: Table) -> Iterator[DataFrame]:
        """The rows in the session: by a file where it reads this machine's disk, else sent."""
        shares_disk = self._shares_disk
        if shares_disk is None:
            # a remote session is of another class, and has no context to ask
            local = isinstance(self._spark, SparkSession) and self._spark.sparkContext.master
            shares_disk = str(local).startswith("local")
        if shares_disk:
            with tempfile.TemporaryDirectory(prefix="emma-spark-") as folder:
                _empty(table).write_parquet(Path(folder) / "rows.parquet")
                for number, batch in enumerate(_whole(table)):
                    batch.write_parquet(Path(folder) / f"rows-{number}.parquet")
                yield self._spark.read.parquet(folder)
        else:
            rows = pl.concat([_empty(table), *_whole(table)])
            columns = ", ".join(f"`{name}` {_sql_type(kind)}" for name, kind in rows.schema.items())
            yield self._spark.createDataFrame(rows.rows(), columns)


def _whole(table: Table) -> Iterator[pl.DataFrame]:
    return (batch.select(list(table.batches.schema)) for batch in table.batches.read(None))


def _empty(table: Table) -> pl.DataFrame:
    """No row, so that the columns are there where no batch is."""
    return pl.DataFrame(schema=dict(table.batches.schema))


def _told(frame: DataFrame, table: Table) -> DataFrame:
    """The records that could be read."""
    if not table.unread:
        return frame
    return frame.where(f"`{RECORD}` NOT IN ({', '.join(map(str, sorted(table.unread)))})")


def _sql_type(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "BIGINT"
    if kind.is_decimal():
        return SQL_TYPES["number"]
    kinds = {pl.Date: SQL_TYPES["date"], pl.Boolean: SQL_TYPES["bool"], pl.List: SQL_TYPES["list"]}
    return kinds.get(kind.base_type(), SQL_TYPES["text"])
