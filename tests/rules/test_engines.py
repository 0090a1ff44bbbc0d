"""Hold Polars against the closures: generated predicates over generated tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core.nouns import FactSpec
from emma_core.rules import (
    BUILTINS,
    ROWS,
    CompiledRule,
    Function,
    LanguageError,
    closures,
    duplicates,
    parse,
    tree,
    types,
)
from emma_core.rules.table import Emitter, Records, outcomes, totals
from emma_core.rules.table.examples import frame_of

_SETTINGS = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))

_PLAIN = """
0 -0 007 12345 -3.5 0.4500000 0.0000005 -0.0000005 0.00000049 0.0000004999999999 999999999999.999999
999999999999.9999994 999999999999.9999995 -999999999999.9999995 1000000000000 1. .5 +1 1e5 --1 1,000 NaN inf
0x1 1_0 - 1.5.5 20240229 20230229 18000101 17991231 21991231 22000101 2024022 00000000 20241301 2024-02-29 va
VA Exempt NA zz
"""
_TEXTS = (
    *_PLAIN.split(),
    *("", " 1", "1 ", "12\n", "１２", "²", "It's 'VA'", "straße", "ﬀ", "É", "İ", "🏠", "e\u0301", "a\x00b", "a\nb"),
)
_SAID: Mapping[str, tuple[Any, ...]] = {
    "text": _TEXTS,
    "number": tuple(
        Decimal(value)
        for value in ("0", "0.45", "0.450001", "-3", "12", "999999999999.999999", "-999999999999.999999", "0.000001")
    ),
    "date": (date(2024, 2, 29), date(2023, 2, 28), date(2024, 1, 31), date(1800, 1, 1), date(2199, 12, 31)),
    "bool": (True, False),
    "list": ((), ("a",), ("b", "a"), ("a", "a"), ("",)),
}
_MORE = """
number(remarks) {c} {n}
is_number(remarks)
is_integer(zip)
debt * income {c} number(zip) * {n}
- debt {c} {n}
abs(debt - income) {c} {n}
ratio(debt, income) {c} {n}
ratio(number(zip), dti) {c} {n}
ratio(debt * 0.000001, income + dti) {c} {n}
ratio(debt, income * 0.000001) {c} {n}
debt * 1.50 IN (0, 18.00, income)
debt BETWEEN number(zip) AND income
debt IN (number_, 0.450001)
ymd(remarks) {c} closed
is_ymd(zip)
add_years(closed, -1) {c} applied
add_months(applied, -13) {c} closed
add_days(closed, 400) {c} applied
add_months(closed, 100000000) IS NULL
add_days(closed, -1000000000) IS NULL
days_between(applied, closed) * dti {c} {n}
year(applied) {c} 2024
left(remarks, 0) = ''
left(zip, 3) {c} remarks
lower(remarks) {c} lower(zip)
contains(remarks, zip)
starts_with(remarks, left(zip, 1))
length(remarks) {c} 3
matches(remarks, '.')
matches(remarks, '[^a-z]{0,3}')
matches(zip, '(a|b\\\\.)?.*')
matches(zip, '')
remarks {c} zip
remarks IN ('', 'NA', zip, loan_type)
'NA' IN (remarks, zip)
repeats(zip, remarks, loan_type)
repeats(zip, remarks, loan_type, zip, left(zip, 1), 'a', '')
has(tags, remarks)
has(tags, '')
size(tags) {c} 1
has_any(tags, 'b', '')
has_all(tags, 'a')
tags IS NULL
CASE WHEN verified THEN zip ELSE remarks END = zip
CASE WHEN dti > 0 THEN closed WHEN jumbo THEN applied ELSE ymd(zip) END {c} applied
in_table(zip, 'words')
CASE WHEN verified THEN debt ELSE debt * dti END {c} {n}
(verified = jumbo) = (dti > 0)
first_half(remarks) {c} zip
doubled(debt) {c} {n}
doubled(doubled(dti)) + 1 {c} {n}
odd(tags, verified)
later(closed) {c} applied
verified <> (zip = '')
""".strip().splitlines()
_WORDS = frozenset(("va", "", "12345", "🏠"))
_TABLES = {"words": _WORDS}


def _function(name: str, params: tuple[Any, ...], returns: Any, body: Callable[..., Any]) -> Function:
    return Function(name, params, returns, body, ((("a",), "a"),), "One.")


_PACK = {
    function.name: function
    for function in (
        _function("first_half", ("text",), "text", lambda text: text[: len(text) // 2] or None),
        _function("doubled", ("number",), "number", lambda number: number * 2 if abs(number) < 10**11 else None),
        _function("odd", ("list", "bool"), "bool", lambda listed, flag: (len(listed) % 2 == 1) is flag),
        _function("later", ("date",), "date", lambda day: day.replace(day=28) if day.year > 1800 else None),
    )
}
_FUNCTIONS = {**_PACK, **BUILTINS}


def test_polars_says_what_the_closures_say(
    facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> None:
    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        nodes = [node for _ in range(25) if (node := _checked(_written(random, write_predicate), facts)) is not None]
        rows = [_some(random, facts) for _ in range(random.choice((0, 1, 40)))]
        _agree(nodes, rows, facts)

    holds()


def test_many_rules_over_one_table_keep_the_records_that_do_not_hold(
    facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str], make_rule: Callable[..., CompiledRule]
) -> None:
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.47}, ruleset={"missing": "failed"})

    @given(seed=st.integers(0, 2**64))
    @settings(_SETTINGS, max_examples=40)
    def holds(seed: int) -> None:
        random = Random(seed)
        nodes = [node for _ in range(12) if (node := _checked(_written(random, write_predicate), facts)) is not None]
        rules = [_ruled(base, index, node) for index, node in enumerate(nodes)]
        rows = [_some(random, facts) for _ in range(20)]
        constant = random.choice(("dti", "remarks", "applied", "verified", "tags"))
        absent = random.choice(("debt", "zip", "closed", "jumbo", "loan_type"))
        for row in rows:
            row[constant], row[absent] = rows[0][constant], None
        frame = frame_of(rows, facts).drop(constant, absent).with_row_index("record")

        came = outcomes(frame.columns, rules, constants={constant: rows[0][constant]})
        kept = came.over(frame.lazy(), frame.columns).collect()
        found = {row["record"]: row for row in kept.iter_rows(named=True)}

        for index, row in enumerate(rows):
            expected = {rule.rule.id: closures.emit(rule.require, _FUNCTIONS, _TABLES)(row) for rule in rules}
            assert (index in found) is (set(expected.values()) - {True} != set()), row
            for id, outcome in expected.items() if index in found else ():
                assert found[index][id] is outcome, (id, row)
        assert not came.raised

    holds()


def test_a_file_comes_to_the_same_in_batches_as_record_by_record(
    facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str], make_rule: Callable[..., CompiledRule]
) -> None:
    specs = {**facts, **_FILE_FACTS}
    base = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.47}, applies_to=("record",))

    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        written = [_of_file(random, write_predicate) for _ in range(8)]
        nodes = [node for text in written if (node := _checked(text, specs, of_file=True)) is not None]
        nodes.append(_unique(random, specs, write_predicate))
        rules = [_ruled(base, index, node, applies_to=("file",)) for index, node in enumerate(nodes)]
        rows = [_some(random, facts) for _ in range(random.choice((0, 1, 3, 40)))]
        said = {
            "ts_count": random.choice((None, Decimal(3))),
            "ts_name": random.choice((None, "va")),
            "filing_year": "2024",
        }
        frame = frame_of(rows, facts).with_row_index("record")
        size = random.choice((1, 7, 100))

        records = Records(lambda _: frame.iter_slices(size), frame.columns, "record")
        came = totals(records, rules, constants=said)

        for rule in rules:
            decide = closures.emit(rule.require, _FUNCTIONS, _TABLES)
            expected = decide({**said, ROWS: rows})
            assert decide({**said, ROWS: came.values}) is expected, (rule.require.text, rows)
            if isinstance(rule.require, tree.Unique):
                groups = came.alike[rule.require]["records"].to_list() if rule.require in came.alike else []
                assert sorted(groups) == sorted(map(list, duplicates(rule, said, rows)))

    holds()


def _ruled(base: CompiledRule, index: int, node: tree.Node, **changed: Any) -> CompiledRule:
    rule = base.rule.model_copy(update={"id": f"acme.policy.rule_{index}", **changed})
    return replace(base, rule=rule, require=node, functions=_FUNCTIONS, tables=_TABLES)


_FILE_FACTS = {
    "ts_count": FactSpec(type="number", title="Records stated"),
    "ts_name": FactSpec(type="text", title="Who files"),
    "filing_year": FactSpec(type="text", title="Filing year"),
}


def _of_file(random: Random, write_predicate: Callable[[Random], str]) -> str:
    parts = [_held(random, write_predicate) for _ in range(random.randint(1, 3))]
    joined = f" {random.choice(('AND', 'OR'))} ".join(f"({part})" for part in parts)
    return random.choice(("{}", "NOT ({})")).format(joined)


def _held(random: Random, write_predicate: Callable[[Random], str]) -> str:
    def where() -> str:
        return random.choice(("", f" FILTER (WHERE {_written(random, write_predicate)})"))

    number = random.choice(("debt", "dti", "number(remarks)", "debt * dti", "- income", "length(zip)", "doubled(dti)"))
    anything = random.choice(
        (number, "zip", "closed", "verified", "lower(remarks)", "ymd(zip)", "dti > 0", "ts_count + debt")
    )
    counted = (f"count(*){where()}", f"count({anything}){where()}", f"count(DISTINCT {anything}){where()}")
    numbers = (*counted, f"sum({number}){where()}", f"min({number}){where()}", f"max({number}){where()}")
    texts = (f"min(remarks){where()}", f"max(lower(zip)){where()}", "ts_name", "'va'")
    days = (f"min(closed){where()}", f"max(ymd(zip)){where()}", "DATE '2024-01-31'")
    kind = random.choice((numbers, numbers, texts, days))
    limit = random.choice((*kind, "0", "3", "ts_count", "10.5")) if kind is numbers else random.choice(kind)
    times = random.choice(("", "", " * 100")) if kind is numbers else ""
    compared = f"{random.choice(kind)}{times} {random.choice(('=', '<>', '<', '<=', '>', '>='))} {limit}"
    return random.choice((compared, compared, compared, f"{random.choice(kind)} IS NULL", "filing_year = '2024'"))


def _unique(random: Random, specs: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]) -> tree.Node:
    names = random.sample(("loan_type", "verified", "jumbo", "applied", "dti"), random.randint(1, 2))
    where = parse(_written(random, write_predicate)) if random.random() < 0.5 else None
    place = tree.Place("unique", 0, 6)
    node = tree.Unique(tuple(tree.Name(name, place=place) for name in names), where, place=place)
    try:
        return types.check(node, specs, _FUNCTIONS, of_file=True)
    except LanguageError:
        return types.check(replace(node, where=None), specs, _FUNCTIONS, of_file=True)


def _written(random: Random, write_predicate: Callable[[Random], str]) -> str:
    parts = [
        write_predicate(random) if random.random() < 0.4 else _filled(random, random.choice(_MORE))
        for _ in range(random.randint(1, 3))
    ]
    joined = f" {random.choice(('AND', 'OR'))} ".join(f"({part})" for part in parts)
    return random.choice(("{}", "NOT ({})")).format(joined)


def _filled(random: Random, text: str) -> str:
    number = random.choice(("0", "0.45", "-3", "12", "0.000001", "999999999999.999999", "dti", "income", "length(zip)"))
    return (
        text.replace("{c}", random.choice(("=", "<>", "<", "<=", ">", ">=")))
        .replace("{n}", number)
        .replace("number_", random.choice(("dti", "income")))
    )


def _checked(text: str, facts: Mapping[str, FactSpec], *, of_file: bool = False) -> tree.Node | None:
    try:
        return types.check(parse(text), facts, _FUNCTIONS, of_file=of_file)
    except LanguageError as error:
        assert "digits" in error.what or "must name a fact" in error.what, (text, str(error))
        return None


def _some(random: Random, facts: Mapping[str, FactSpec]) -> dict[str, Any]:
    said = {name: random.choice((None, *_SAID[spec.type])) for name, spec in facts.items()}
    said["loan_type"] = random.choice((None, "va", "conventional"))
    return said


def _agree(nodes: Sequence[tree.Node], rows: Sequence[Mapping[str, Any]], facts: Mapping[str, FactSpec]) -> None:
    emitter = Emitter(_FUNCTIONS, _TABLES)
    asked = {str(index): emitter.expression(node) for index, node in enumerate(nodes)}
    came = frame_of(rows, facts).lazy().with_columns(**asked).select(list(asked)).collect()
    for index, node in enumerate(nodes):
        decide = closures.emit(node, _FUNCTIONS, _TABLES)
        for row, outcome in zip(rows, came[str(index)].to_list(), strict=True):
            assert outcome is decide(row), (node.text, {name: row[name] for name in tree.names(node)})
