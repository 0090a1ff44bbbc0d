"""Hold a panel of rules, by its generated function and by closures, against the findings of each rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core.backends.closure_engine import ClosureEngine
from emma_core.backends.polars_engine import PolarsEngine
from emma_core.nouns import FactSpec, Table
from emma_core.nouns.table import Batches
from emma_core.rules import (
    BUILTINS,
    CompiledRule,
    Function,
    LanguageError,
    Panel,
    closures,
    explain,
    judge,
    parse,
    tree,
    types,
)
from emma_core.rules.generated import PAYS_AFTER
from emma_core.rules.scaled import millionths
from emma_core.rules.table.expressions import COLUMNS
from emma_core.rules.values import number

_SETTINGS = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
_DAY = date(2026, 11, 20)

_SAID: Mapping[str, tuple[Any, ...]] = {
    "text": ("", "12345", "-3.5", "20240229", "20230229", "va", "conventional", "It's 'VA'", "NA", "0.4500004", "²"),
    "number": tuple(Decimal(value) for value in ("0", "0.45", "0.450001", "-3", "12.50", "999999999999.999999")),
    "date": (date(2024, 2, 29), date(2023, 2, 28), date(1800, 1, 1), date(2199, 12, 31)),
    "bool": (True, False),
    "list": ((), ("a",), ("b", "a")),
}


def test_what_stands_against_a_record_is_what_its_findings_say(
    facts: Mapping[str, FactSpec],
    write_predicate: Callable[[Random], str],
    make_rule: Callable[..., CompiledRule],
) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})

    @given(seed=st.integers(0, 2**64))
    @_SETTINGS
    def holds(seed: int) -> None:
        random = Random(seed)
        rules = [_random_rule(plain, random, facts, write_predicate) for _ in range(12)]
        panel, waiting = Panel(rules, pays_after=0), Panel(rules)
        for _ in range(12):
            said = _some(random, facts)
            assert panel.standing(said) == _judged(rules, said), [(rule.when, rule.require) for rule in rules]
            assert waiting.standing(said) == _judged(rules, said)

    holds()


@pytest.mark.parametrize(
    "require",
    [
        "number(zip) + number(remarks) * 2 - length(zip) > 0.5",
        "abs(-number(zip)) BETWEEN number(remarks) AND 12345.000001",
        "number(zip) NOT IN (12345, -3.5, dti)",
        "number(zip) IN (0.45)",
        "number(zip) <= dti",
        "ratio(number(zip), debt) > 0.1",
        "'va' IN (zip, remarks, loan_type)",
        "'va' NOT IN (zip, remarks, loan_type)",
        "zip IN (remarks, 'va', loan_type)",
        "zip NOT IN (remarks, 'va', loan_type)",
        "is_number(zip) = is_number(remarks)",
        "(dti > 0.45 OR verified) = (jumbo AND closed IS NULL)",
        "(verified AND jumbo) IS NULL",
        "number(zip) IS NOT NULL AND ymd(remarks) IS NULL",
        "dti NOT BETWEEN debt AND income",
        "closed NOT BETWEEN applied AND ymd(zip)",
        "NOT verified",
        "verified <> TRUE",
        "CASE WHEN verified THEN dti ELSE number(zip) END > 0.45",
        "year(applied) = 2024 AND days_between(applied, closed) > -500",
        "matches(zip, '[0-9]{5}') OR NOT matches(zip, '[0-9]{5}')",
    ],
)
def test_each_way_to_write_a_predicate_is_the_closures_way(
    require: str, facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    rules = [_rule(plain, require, facts), _rule(plain, f"NOT ({require})", facts)]
    panel, random = Panel(rules, pays_after=0), Random(7)
    for _ in range(500):
        said = _some(random, facts)
        assert panel.standing(said) == _judged(rules, said), said


def test_the_engine_of_small_files_finds_what_polars_finds_before_and_after_the_function_is_written(
    facts: Mapping[str, FactSpec],
    write_predicate: Callable[[Random], str],
    make_rule: Callable[..., CompiledRule],
) -> None:
    plain, random = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5}), Random(18)
    rules = [_numbered(_random_rule(plain, random, facts, write_predicate), number) for number in range(8)]
    records = [_some(random, facts) for _ in range(PAYS_AFTER + 200)]
    columns = {
        name: pl.Series([_plain(record.get(name)) for record in records], dtype=COLUMNS[spec.type])
        for name, spec in facts.items()
    }
    frame = pl.DataFrame(columns).with_row_index("record", offset=1)
    table = Table(Batches(frame.schema, lambda _: iter([frame])), records=len(records))
    ours, theirs = (
        [(row["record"], list(numbers)) for each in engine.standing(table, rules, {}) for row, numbers in each.standing]
        for engine in (ClosureEngine(), PolarsEngine())
    )
    assert ours == theirs
    assert ours[0][0] < PAYS_AFTER < ours[-1][0]


def test_a_function_that_raises_breaks_its_own_rule_only(make_rule: Callable[..., CompiledRule]) -> None:
    def body(text: str) -> bool:
        if text == "bad":
            raise ValueError("no")
        return text == "good"

    fine = Function("fine", ("text",), "bool", body, ((("good",), True),), "Whether it is good.")
    ours = make_rule("fine(zip)", passes={"zip": "good"}, fails={"zip": ""}, functions=(fine,))
    other = make_rule("zip <> ''", passes={"zip": "1"}, fails={"zip": ""})
    panel = Panel([ours, other], pays_after=0)
    assert panel.standing({"zip": "good"}) == []
    assert panel.standing({"zip": "bad"}) == [(0, "broken")]
    assert panel.standing({}) == [(0, "undetermined"), (1, "undetermined")]


def test_the_function_is_written_when_enough_records_came_and_says_the_same(
    facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    panel = Panel([_rule(plain, "dti <= 0.45", facts), _rule(plain, "zip = '1'", facts, when="verified")], pays_after=3)
    said = {"dti": Decimal("0.46"), "verified": True, "zip": "2"}
    assert [panel.standing(said) for _ in range(5)] == [[(0, "failed"), (1, "failed")]] * 5
    assert [panel.standing(said | {"verified": False}) for _ in range(2)] == [[(0, "failed")]] * 2


@pytest.mark.parametrize(("name", "value"), [("zip", 12345), ("dti", 0.4), ("dti", True), ("closed", datetime.min)])
def test_a_fact_of_another_type_breaks_the_rules_that_read_it(
    name: str, value: Any, facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    reads = {"zip": "zip = '1'", "dti": "dti > 0.1", "closed": "closed IS NOT NULL"}[name]
    panel = Panel([_rule(plain, reads, facts), _rule(plain, "verified", facts)], pays_after=1)
    for _ in range(3):
        assert panel.standing({name: value, "verified": True}) == [(0, "broken")]


def test_words_of_a_rule_become_no_code(facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]) -> None:
    word = "'\"); __import__('os').abort() #\n\\x00{facts}"
    spelled = word.replace("'", "''")
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    panel = Panel([_rule(plain, f"zip = '{spelled}' OR contains(remarks, '{spelled}')", facts)], pays_after=0)
    assert panel.standing({"zip": word, "remarks": ""}) == []
    assert panel.standing({"zip": "1", "remarks": f"a{word}"}) == []
    assert panel.standing({"zip": "1", "remarks": ""}) == [(0, "failed")]


def test_a_rule_of_a_whole_file_is_refused(make_rule: Callable[..., CompiledRule]) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    of_file = replace(plain, rule=plain.rule.model_copy(update={"applies_to": ("file",)}))
    with pytest.raises(ValueError, match=r"acme\.policy\.one' speaks of a whole file"):
        Panel([of_file])


@given(st.one_of(st.from_regex(r"-?[0-9]{0,14}(\.[0-9]{0,9})?", fullmatch=True), st.text(max_size=4)))
@_SETTINGS
def test_millionths_are_the_number_that_a_text_holds(text: str) -> None:
    exact = number(text)
    assert millionths(text) == (None if exact is None else int(exact * 10**6))


def _random_rule(
    plain: CompiledRule, random: Random, facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> CompiledRule:
    while True:
        require, when = write_predicate(random), random.choice((None, write_predicate(random)))
        try:
            rule = _rule(plain, require, facts, when=when)
        except LanguageError:  # too many digits, or the same of everything
            continue
        missing = random.choice(("undetermined", "failed"))
        return replace(rule, ruleset=rule.ruleset.model_copy(update={"missing": missing}))


def _rule(plain: CompiledRule, require: str, facts: Mapping[str, FactSpec], *, when: str | None = None) -> CompiledRule:
    """A rule of other predicates, without the examples that a rule set is loaded with."""
    held = types.check(parse(require), facts, BUILTINS)
    guard = None if when is None else types.check(parse(when), facts, BUILTINS)
    required = explain.outline(held, _closure)
    unless = () if guard is None else (explain.Branch("not", (explain.outline(guard, _closure),)),)
    return replace(
        plain,
        specs={name: facts[name] for part in (guard, held) if part is not None for name in tree.names(part)},
        require=held,
        when=guard,
        held=_closure(held),
        guard=None if guard is None else _closure(guard),
        required=required,
        whole=explain.Branch("or", (*unless, required)),
    )


def _numbered(rule: CompiledRule, number: int) -> CompiledRule:
    return replace(rule, rule=rule.rule.model_copy(update={"id": f"acme.policy.r{number}"}))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _closure(node: tree.Node) -> closures.Closure:
    return closures.emit(node, BUILTINS, {})


def _judged(rules: list[CompiledRule], said: Mapping[str, Any]) -> list[tuple[int, str]]:
    findings = enumerate(judge(rule, said, basis={}, as_of=_DAY) for rule in rules)
    return [(number, one.outcome) for number, one in findings if one is not None and one.outcome != "passed"]


def _some(random: Random, facts: Mapping[str, FactSpec]) -> dict[str, Any]:
    values = {name: random.choice((None, *_SAID[spec.type])) for name, spec in facts.items()}
    return {name: value for name, value in values.items() if value is not None or random.random() < 0.2}
