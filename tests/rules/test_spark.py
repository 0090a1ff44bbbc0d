"""Hold Spark SQL against the closures, and its text against what a rule could smuggle in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from emma_core import canonical
from emma_core.backends.closure_engine import ClosureEngine
from emma_core.nouns import Batches, FactSpec, Table
from emma_core.rules import BUILTINS, CompiledRule, Function, LanguageError, closures, judge, parse, tree, types
from emma_core.rules.spark import SQL_TYPES, Unwritten, emit
from emma_core.rules.table.expressions import COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from emma_core.backends.spark_engine import SparkEngine

_DAY = date(2026, 11, 20)
_TEXTS = ("", "0", "-0", "007", "12345", "-3.5", "0.4500000", "0.0000005", "-0.0000005", "0.0000004999999999")
_MORE_TEXTS = ("999999999999.9999994", "999999999999.9999995", "1000000000000", "1.", ".5", "1e5", " 1", "12\n", "１２")
_DAYS = ("20240229", "20230229", "18000101", "17991231", "21991231", "22000101", "20241301")
_WORDS = ("va", "VA", "Exempt", "It's 'VA'", "straße", "İ", "🏠", "e\u0301", "a\x00b", "a\nb", "\\'; --", "${x}", "zz")
_SAID: Mapping[str, tuple[Any, ...]] = {
    "text": (*_TEXTS, *_MORE_TEXTS, *_DAYS, *_WORDS),
    "number": tuple(
        Decimal(value) for value in ("0", "0.45", "0.450001", "-3", "12", "999999999999.999999", "-0.000001")
    ),
    "date": (date(2024, 2, 29), date(2023, 2, 28), date(2024, 1, 31), date(1800, 1, 1), date(2199, 12, 31)),
    "bool": (True, False),
    "list": ((), ("a",), ("b", "a"), ("a", "a"), ("",)),
}
_LEAVES = (
    *("number(remarks) {c} {n}", "is_number(remarks)", "is_integer(zip)", "debt * income {c} number(zip) * {n}"),
    *("- debt {c} {n}", "abs(debt - income) {c} {n}", "debt + dti - income * 3 {c} {n}", "debt IN (dti, 0.450001)"),
    *("debt * 1.50 IN (0, 18.00, income)", "debt BETWEEN number(zip) AND income", "number(zip) NOT IN (12345, -3.5)"),
    *("ymd(remarks) {c} closed", "is_ymd(zip)", "add_years(closed, -1) {c} applied", "year(applied) {c} 2024"),
    *(
        "add_months(applied, -13) {c} closed",
        "add_days(closed, 400) {c} applied",
        "add_months(closed, 100000000) IS NULL",
    ),
    *("days_between(applied, closed) * dti {c} {n}", "left(remarks, 0) = ''", "left(zip, 3) {c} remarks"),
    *("lower(remarks) {c} lower(zip)", "contains(remarks, zip)", "starts_with(remarks, left(zip, 1))"),
    *("length(remarks) {c} 3", "matches(remarks, '.')", "matches(remarks, '[^a-z]{0,3}')", "matches(zip, '')"),
    *(
        "matches(zip, '(a|b\\\\.)?.*')",
        "remarks {c} zip",
        "remarks IN ('', 'NA', zip, loan_type)",
        "'NA' IN (remarks, zip)",
    ),
    *(
        "remarks IN ('It''s ''VA''', '\\''; --', '${x}', '🏠')",
        "repeats(zip, remarks, loan_type)",
        "has(tags, remarks)",
    ),
    *(
        "has_any(tags, 'b', '')",
        "has_all(tags, 'a', 'b')",
        "size(tags) {c} 1",
        "tags IS NULL",
        "in_table(zip, 'words')",
    ),
    *("CASE WHEN verified THEN zip ELSE remarks END = zip", "(verified = jumbo) <> (dti > 0)", "in_table(zip, 'none')"),
    *("CASE WHEN dti > 0 THEN closed WHEN jumbo THEN applied ELSE ymd(zip) END {c} applied", "verified <> (zip = '')"),
    *("ratio(debt, income) {c} {n}", "halved(debt) {c} {n}", "shout(zip) {c} remarks", "matches(zip, '(va|zz)*')"),
)
_TABLES = {"words": frozenset(("va", "", "12345", "🏠", "It's 'VA'")), "none": frozenset[str]()}


def _halved(number: Decimal) -> Decimal:
    if number == 12:
        raise ValueError("twelve")
    return number * Decimal("0.5")


_HALVED = Function("halved", ("number",), "number", _halved, (((3,), 1.5),), "Half of it.", digits=tree.Digits(19, 7))
_SHOUT = Function(
    "shout", ("text",), "text", lambda text: text + "!", ((("a",), "a!"),), "Louder.", spark="concat({0}, '!')"
)
_FUNCTIONS = {**BUILTINS, "halved": _HALVED, "shout": _SHOUT}


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A local session, made as the engine makes it."""
    from emma_core.backends.spark_session import session

    made = session()
    yield made
    made.stop()


@pytest.fixture
def engine(spark: SparkSession) -> SparkEngine:
    from emma_core.backends.spark_engine import SparkEngine

    return SparkEngine(spark)


@pytest.mark.parametrize("seed", [1, 2])
def test_spark_says_what_the_closures_say(
    seed: int, spark: SparkSession, facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> None:
    random = Random(seed)
    rows = [_some(random, facts) for _ in range(60)]
    columns = ", ".join(f"`{name}` {SQL_TYPES[spec.type]}" for name, spec in facts.items())
    frame = spark.createDataFrame([tuple(map(_in_spark, row.values())) for row in rows], columns).coalesce(1)
    nodes = [(node, text) for node in _nodes(random, 120, facts, write_predicate) if (text := _text(node))]
    assert len(nodes) > 60
    came = frame.selectExpr(*(f"{text} AS `{index}`" for index, (_, text) in enumerate(nodes))).collect()
    for index, (node, _) in enumerate(nodes):
        decide = closures.emit(node, _FUNCTIONS, _TABLES)
        for row, outcomes in zip(rows, came, strict=True):
            assert outcomes[index] is decide(row), (node.text, {name: row[name] for name in tree.names(node)})


@pytest.mark.parametrize("shares_disk", [True, False])
def test_the_engine_finds_the_records_that_the_closures_find(
    shares_disk: bool,
    spark: SparkSession,
    facts: Mapping[str, FactSpec],
    write_predicate: Callable[[Random], str],
    make_rule: Callable[..., CompiledRule],
) -> None:
    from emma_core.backends.spark_engine import SparkEngine

    random = Random(11)
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    nodes = _nodes(random, 25, facts, write_predicate)
    rules = [_ruled(base, index, node, facts) for index, node in enumerate(nodes)]
    table, shared = _table(random, facts)

    ours = SparkEngine(spark, shares_disk=shares_disk).standing(table, rules, shared)
    theirs = ClosureEngine().standing(table, rules, shared)

    found, expected = list(ours), list(theirs)
    assert sum(each.records for each in found) == sum(each.records for each in expected) == 80
    one, other = ([pair for each in all_ for pair in each.standing] for all_ in (found, expected))
    assert [(row["record"], list(numbers)) for row, numbers in one] == [(row["record"], list(n)) for row, n in other]
    for (row, _), (same, _) in zip(one, other, strict=True):
        assert _told(row) == _told(same)


@pytest.mark.parametrize(
    "require",
    [
        "count(*) = 80 AND count(zip) > 3 AND count(DISTINCT remarks) > 5",
        "sum(number(zip)) FILTER (WHERE verified) > 3 * count(*) OR min(remarks) < max(lower(zip))",
        "sum(dti) < 0 AND max(closed) = DATE '2199-12-31' AND min(ymd(zip)) IS NOT NULL",
        "sum(ratio(dti, income)) > 0.5",
        "max(halved(dti)) FILTER (WHERE dti > 0.4 AND dti < 1) * 10 = 2.250005",
        "sum(halved(dti)) > 1",
        "count(*) FILTER (WHERE halved(dti) > 0) > 1 OR count(*) = 80",
        "sum(number(zip)) FILTER (WHERE zip = 'nobody') IS NULL",
        "count(*) FILTER (WHERE dti < 1 AND halved(dti) > 0) > 1",
        "count(DISTINCT ratio(dti, 3)) FILTER (WHERE NOT matches(zip, '(va|zz)*')) > 2",
    ],
)
def test_a_file_comes_to_the_same_as_by_the_closures(
    require: str, engine: SparkEngine, facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    node = types.check(parse(require), facts, _FUNCTIONS, of_file=True)
    rule = _ruled(base, 0, node, facts, applies_to=("file",))
    table, shared = _table(Random(12), facts)
    (came,), (expected,) = (each.totals(table, [rule], shared) for each in (engine, ClosureEngine()))
    if isinstance(expected, Exception):
        finding = judge(rule, shared, basis={}, as_of=_DAY, rows=came)
        assert finding is not None and finding.outcome == "broken" and "halved" in finding.message
    else:
        assert came == expected


@pytest.mark.parametrize("where", [None, "verified", "number(zip) > 0 OR jumbo", "ratio(dti, 2) > 0"])
@pytest.mark.parametrize("names", [("loan_type",), ("zip", "closed"), ("record_key",)])
def test_records_that_are_alike_are_those_of_the_closures(
    where: str | None,
    names: tuple[str, ...],
    engine: SparkEngine,
    facts: Mapping[str, FactSpec],
    make_rule: Callable[..., CompiledRule],
) -> None:
    specs = {**facts, "record_key": FactSpec(type="text", title="Key")}
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    place = tree.Place("unique", 0, 6)
    asked = tuple(tree.Name(name, place=place) for name in names)
    unique = tree.Unique(asked, None if where is None else parse(where), place=place)
    node = types.check(unique, specs, _FUNCTIONS, of_file=True)
    rule = _ruled(base, 0, node, specs, applies_to=("file",), unique=names)
    table, shared = _table(Random(13), facts)
    keyed = pl.concat(table.batches.read(None)).with_columns(record_key=pl.col("record").cast(pl.String))
    table = replace(table, batches=_batches(keyed))
    closed = ClosureEngine()
    assert engine.totals(table, [rule], shared) == closed.totals(table, [rule], shared)
    ours, theirs = (list(each.alike(table, rule, shared)) for each in (engine, closed))
    assert [(group.records, group.count) for group in ours] == [(group.records, group.count) for group in theirs]
    assert all(a.first[name] == b.first[name] for a, b in zip(ours, theirs, strict=True) for name in names)


def test_a_guard_that_raises_tells_nobody_that_all_differ(
    engine: SparkEngine, facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    place = tree.Place("unique", 0, 6)
    unique = tree.Unique((tree.Name("zip", place=place),), parse("halved(dti) > 0"), place=place)
    rule = _ruled(base, 0, types.check(unique, facts, _FUNCTIONS, of_file=True), facts, applies_to=("file",))
    table, shared = _table(Random(14), facts)
    (came,) = engine.totals(table, [rule], shared)
    finding = judge(rule, shared, basis={}, as_of=_DAY, rows=came)
    assert finding is not None and finding.outcome == "broken"


@pytest.mark.parametrize("word", ["it's", "\\", "\\' OR TRUE --", "${spark.app.name}", "`x`", "é\n", "\x00", "{0}"])
def test_words_that_could_be_read_as_sql_travel_as_bytes(word: str, facts: Mapping[str, FactSpec]) -> None:
    spelled = word.replace("'", "''")
    text = emit(types.check(parse(f"zip = '{spelled}'"), facts, BUILTINS), BUILTINS, {})
    assert text == f"(`zip` = CAST(X'{word.encode().hex()}' AS STRING))"


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a|b){60}", "a?" * 40 + "a", ".*a.*a.*a", "(ab)+"])
def test_a_pattern_that_java_could_try_for_ever_is_left_to_the_linear_engine(
    pattern: str, facts: Mapping[str, FactSpec]
) -> None:
    node = types.check(parse(f"matches(zip, '{pattern}')"), facts, BUILTINS)
    with pytest.raises(Unwritten):
        emit(node, BUILTINS, {})


@pytest.mark.parametrize(
    "pattern", ["[0-9]{5}(-[0-9]{4})?", "(.*[^a-z])?and([^a-z].*)?", "[A-Z0-9]{18}[0-9]{2}", "(a|b)c"]
)
def test_a_plain_pattern_is_written_as_sql(pattern: str, facts: Mapping[str, FactSpec]) -> None:
    node = types.check(parse(f"matches(zip, '{pattern}')"), facts, BUILTINS)
    assert " RLIKE " in emit(node, BUILTINS, {})


def test_where_no_java_is_found_the_one_of_the_extra_is_used(tmp_path: Path) -> None:
    for folder in ("/bin", "/usr/bin"):
        for program in Path(folder).iterdir():
            if "java" not in program.name and not (link := tmp_path / program.name).exists():
                link.symlink_to(program)
    code = "from emma_core.backends.spark_session import session; print(session().sql('SELECT 40 + 2 AS n').first().n)"
    settings = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONWARNINGS": "default"}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.split()[-1] == "42", done.stderr


def _text(node: tree.Node) -> str | None:
    try:
        return emit(node, _FUNCTIONS, _TABLES)
    except Unwritten:
        return None


def _nodes(
    random: Random, count: int, facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> list[tree.Node]:
    nodes: list[tree.Node] = []
    while len(nodes) < count:
        parts = (
            write_predicate(random) if random.random() < 0.4 else _filled(random) for _ in range(random.randint(1, 3))
        )
        joined = f" {random.choice(('AND', 'OR'))} ".join(f"({part})" for part in parts)
        try:
            nodes.append(types.check(parse(random.choice(("{}", "NOT ({})")).format(joined)), facts, _FUNCTIONS))
        except LanguageError as error:
            assert "digits" in error.what or "must name a fact" in error.what, joined
    return nodes


def _filled(random: Random) -> str:
    number = random.choice(("0", "0.45", "-3", "0.000001", "999999999999.999999", "dti", "income", "length(zip)"))
    comparator = random.choice(("=", "<>", "<", "<=", ">", ">="))
    return random.choice(_LEAVES).replace("{c}", comparator).replace("{n}", number)


def _ruled(
    base: CompiledRule, index: int, node: tree.Node, facts: Mapping[str, FactSpec], **changed: Any
) -> CompiledRule:
    rule = base.rule.model_copy(update={"id": f"acme.policy.rule_{index}", **changed})
    specs = {name: facts[name] for name in tree.names(node)}
    decide = closures.emit(node, _FUNCTIONS, _TABLES)
    return replace(
        base,
        rule=rule,
        hash=canonical.sha256(index),
        require=node,
        specs=specs,
        decide=decide,
        held=decide,
        functions=_FUNCTIONS,
        tables=_TABLES,
    )


def _table(random: Random, facts: Mapping[str, FactSpec]) -> tuple[Table, dict[str, Any]]:
    """80 records, two of them unread, with one fact for all of them and one for none."""
    rows = [_some(random, facts) for _ in range(80)]
    frame = pl.DataFrame(
        {
            name: pl.Series([_in_spark(row[name]) for row in rows], dtype=COLUMNS[spec.type])
            for name, spec in facts.items()
            if name not in ("debt", "jumbo")
        }
    )
    frame = frame.with_row_index("record", offset=1)
    return Table(_batches(frame), records=80, unread=frozenset((3, 80))), {"debt": Decimal("0.45"), "as_of": _DAY}


def _batches(frame: pl.DataFrame) -> Batches:
    return Batches(frame.schema, lambda _: frame.iter_slices(30))


def _some(random: Random, facts: Mapping[str, FactSpec]) -> dict[str, Any]:
    said = {name: random.choice((None, *_SAID[spec.type])) for name, spec in facts.items()}
    return {**said, "loan_type": random.choice((None, "va", "conventional"))}


def _told(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in row.items() if value is not None}


def _in_spark(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
