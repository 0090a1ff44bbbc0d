"""Works out in Spark what file rules ask of all records: totals, and which records are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, GroupedData, Row, SparkSession
from pyspark.sql import functions as F

from emma_core import canonical
from emma_core.backends.spark_bodies import Raises, Reads, register, typed
from emma_core.nouns.table import RECORD
from emma_core.ports import NAMED, Group
from emma_core.rules import CompiledRule, Totals
from emma_core.rules.aggregates import Failed
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.spark import Emitter, Unwritten, spelling, type_of
from emma_core.rules.tree import Aggregate, Call, Node, Unique, walk
from emma_core.rules.tree import names as names_of
from emma_core.rules.tree import totals as totals_of
from emma_core.rules.values import plain


def totals(spark: SparkSession, frame: DataFrame, rule: CompiledRule, shared: Mapping[str, Any]) -> Totals:
    """What all records come to, for `judge(rule, …, rows=…)`."""
    asking = _Asking(spark, frame, rule, shared)
    nodes = totals_of(rule.predicate)
    found: dict[Aggregate | Unique, Any] = {node: asking.unique(node) for node in nodes if isinstance(node, Unique)}
    return found | asking.aggregated([node for node in nodes if isinstance(node, Aggregate)])


def totals_by(spark: SparkSession, frame: DataFrame, rule: CompiledRule, by: str) -> Mapping[Any, Totals]:
    """The same of the records that share a value of a column, by that value, every fact being a column."""
    asking = _Asking(spark, frame, rule, {})
    nodes = totals_of(rule.predicate)
    came: dict[Any, dict[Aggregate | Unique, Any]] = asking.aggregated_by(
        [node for node in nodes if isinstance(node, Aggregate)], by
    )
    for node in nodes:
        if isinstance(node, Unique):
            told = asking.unique_by(node, by)
            for row in frame.select(by).distinct().collect():
                came.setdefault(row[by], {})[node] = told.get((row[by],), True)
    return came


def alike(spark: SparkSession, frame: DataFrame, rule: CompiledRule, shared: Mapping[str, Any]) -> Iterator[Group]:
    """The records that a rule's `unique` finds alike, group by group in the order of their first, which comes with the
    facts that the rule reads."""
    asking = _Asking(spark, frame, rule, shared)
    nodes = [node for node in totals_of(rule.predicate) if isinstance(node, Unique)]
    found = sorted(row["records"] for node in nodes for row in asking.groups(node).collect())
    if not found:
        return
    names = [name for name in frame.columns if name == RECORD or name in rule.specs]
    firsts = spark.createDataFrame([(group[0],) for group in found], f"`{RECORD}` BIGINT")
    rows = frame.select(*names).join(firsts, RECORD).collect()
    said = {row[RECORD]: {name: typed(value) for name, value in row.asDict().items()} for row in rows}
    yield from (Group(said[group[0]], group[:NAMED], len(group)) for group in found)


class _Asking:
    """A frame, and what a rule asks of all its records; what SQL cannot say is registered as it is met."""

    def __init__(self, spark: SparkSession, frame: DataFrame, rule: CompiledRule, shared: Mapping[str, Any]) -> None:
        self._spark = spark
        self._frame = frame
        self._rule = rule
        self._constants = {name: value for name, value in shared.items() if name not in frame.columns}
        self._emitter = Emitter(rule.functions, rule.tables, columns=frame.columns, constants=self._constants)

    def aggregated(self, nodes: Sequence[Aggregate]) -> dict[Aggregate | Unique, Any]:
        """What each aggregate comes to, all in one pass; `Failed` where a function raised."""
        if not nodes:
            return {}
        return _came(nodes, self._frame.selectExpr(*self._columns(nodes)).collect()[0])

    def aggregated_by(self, nodes: Sequence[Aggregate], by: str) -> dict[Any, dict[Aggregate | Unique, Any]]:
        """The same by the value of a column."""
        if not nodes:
            return {}
        rows = self._frame.groupBy(by).agg(*map(F.expr, self._columns(nodes))).collect()
        return {row[by]: _came(nodes, row) for row in rows}

    def unique(self, node: Unique) -> bool | Failed | None:
        """TRUE where no two are alike, FALSE where some are, None where one does not say what is asked of it."""
        return self.unique_by(node).get((), True)

    def unique_by(self, node: Unique, *by: str) -> dict[tuple[Any, ...], bool | Failed | None]:
        """The same by the values of columns; it is TRUE of those that are left out."""
        alike = self._grouped(self._within(node, *by), node, *by, "said").count().selectExpr("*", "count > 1 AS many")
        asked = (F.expr("bool_or(said AND many) AS alike"), F.expr("bool_or(NOT said) AS unsaid"))
        told: dict[tuple[Any, ...], bool | Failed | None] = {
            tuple(row[name] for name in by): False if row["alike"] else None if row["unsaid"] else True
            for row in alike.groupBy(*by).agg(*asked).collect()
        }
        raises = "FALSE" if node.where is None else self._read(_counting(node.where))[1]
        if node.where is not None and raises != "FALSE":
            broken = self._frame.where(raises).groupBy(*by).count().where("count > 0").collect()
            told |= {tuple(row[name] for name in by): Failed(_called(node.where)[0]) for row in broken}
        return told

    def groups(self, node: Unique) -> DataFrame:
        """The records that are alike, a list in each row."""
        grouped = self._grouped(self._within(node).where("said"), node)
        return grouped.agg(F.sort_array(F.collect_list(RECORD)).alias("records")).where("size(records) > 1")

    def _grouped(self, rows: DataFrame, node: Unique, *by: str) -> GroupedData:
        """The records that say the same."""
        return rows.groupBy(*by, *(f"s{index}" for index in range(len(node.subjects))))

    def _within(self, node: Unique, *by: str) -> DataFrame:
        """The records that `when` does not excuse, with what they say, and whether they say all that is asked."""
        subjects = [f"{self._emitter.text(part)} AS s{index}" for index, part in enumerate(node.subjects)]
        where = "TRUE" if node.where is None else self._read(_counting(node.where))[0]
        kept = (f"`{name}`" for name in (RECORD, *by))
        rows = self._frame.selectExpr(*kept, *subjects, f"{where} AS applies").where("applies IS NOT FALSE")
        known = (f"s{index} IS NOT NULL" for index in range(len(node.subjects)))
        return rows.selectExpr("*", f"coalesce(applies, FALSE) AND {' AND '.join(known)} AS said")

    def _columns(self, nodes: Sequence[Aggregate]) -> list[str]:
        """SQL of what the aggregates come to, then of whether a function raises for any of their records."""
        asked = [self._aggregate(node) for node in nodes]
        columns = [f"{text} AS `came {index}`" for index, (text, _) in enumerate(asked)]
        return columns + [f"bool_or({raises}) AS `raised {index}`" for index, (_, raises) in enumerate(asked)]

    def _aggregate(self, node: Aggregate) -> tuple[str, str]:
        """SQL of what it comes to, and of whether a function raises for a record."""
        try:
            return self._emitter.text(node), "FALSE"
        except Unwritten:
            reads, raises = self._read(node)
            came = f"{node.function}({'DISTINCT ' if node.distinct else ''}{reads})"
            return (f"CAST({came} AS {type_of(node.type, node.digits)})" if node.digits else came), raises

    def _read(self, node: Aggregate) -> tuple[str, str]:
        """SQL of what an aggregate reads of a record, and of whether a function raises there."""
        try:
            if node.where is None and node.subject is not None:
                return self._emitter.text(node.subject), "FALSE"
        except Unwritten:
            pass  # its body has to run
        names = [name for name in names_of(node) if name in self._frame.columns]
        given = [spelling.name(name) for name in names]
        kind = "BOOLEAN" if node.subject is None else type_of(node.subject.type, node.subject.digits)
        made = (node, self._rule, names, self._constants)
        reads = self._registered("reads", node, Reads(*made), kind, given)
        return reads, self._registered("raises", node, Raises(*made), "BOOLEAN", given)

    def _registered(self, verb: str, node: Node, body: Any, kind: str, given: Sequence[str]) -> str:
        key = canonical.sha256([self._rule.hash, node.place.source, node.place.start, node.place.end])[:32]
        return register(self._spark, f"emma_{verb}_{key}", body, kind, given)


def _came(nodes: Sequence[Aggregate], row: Row) -> dict[Aggregate | Unique, Any]:
    """What the columns of aggregates hold; `Failed` where a function raised."""
    came: dict[Aggregate | Unique, Any] = {}
    for index, node in enumerate(nodes):
        value = row[f"came {index}"]
        broken = Failed(_called(node)[0]) if row[f"raised {index}"] else None
        came[node] = broken or (plain(value) if isinstance(value, Decimal) else value)
    return came


def _counting(node: Node) -> Aggregate:
    """An aggregate that reads what a predicate comes to."""
    return Aggregate("count", node, False, None, place=node.place, type="number")


def _called(node: Node) -> list[str]:
    """The functions of packs in a node, else any."""
    called = {part.function for part in walk(node) if isinstance(part, Call)}
    return sorted(called - BUILTINS.keys()) or sorted(called)
