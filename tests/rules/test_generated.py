"""Hold the generated function against the closures, rule by rule and record by record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_core.nouns import FactSpec
from emma_core.rules import (
    BUILTINS,
    CompiledRule,
    Function,
    LanguageError,
    closures,
    explain,
    judge,
    parse,
    tree,
    types,
)
from emma_core.rules.generated import emit
from emma_core.rules.scaled import millionths
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


def test_generated_outcomes_are_those_of_the_closures(
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
        outcomes = emit(rules)
        for _ in range(12):
            said = _some(random, facts)
            assert outcomes(said) == _judged(rules, said), [(rule.when, rule.require) for rule in rules]

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
    outcomes, random = emit(rules), Random(7)
    for _ in range(500):
        said = _some(random, facts)
        assert outcomes(said) == _judged(rules, said), said


def test_a_function_that_raises_breaks_its_own_rule_only(make_rule: Callable[..., CompiledRule]) -> None:
    def body(text: str) -> bool:
        if text == "bad":
            raise ValueError("no")
        return text == "good"

    fine = Function("fine", ("text",), "bool", body, ((("good",), True),), "Whether it is good.")
    ours = make_rule("fine(zip)", passes={"zip": "good"}, fails={"zip": ""}, functions=(fine,))
    other = make_rule("zip <> ''", passes={"zip": "1"}, fails={"zip": ""})
    outcomes = emit([ours, other])
    assert outcomes({"zip": "good"}) == ("passed", "passed")
    assert outcomes({"zip": "bad"}) == ("broken", "passed")
    assert outcomes({}) == ("undetermined", "undetermined")


@pytest.mark.parametrize(("name", "value"), [("zip", 12345), ("dti", 0.4), ("dti", True), ("closed", datetime.min)])
def test_a_fact_of_another_type_breaks_the_rules_that_read_it(
    name: str, value: Any, facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]
) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    reads = {"zip": "zip = '1'", "dti": "dti > 0.1", "closed": "closed IS NOT NULL"}[name]
    outcomes = emit([_rule(plain, reads, facts), _rule(plain, "verified", facts)])
    for _ in range(2):
        assert outcomes({name: value, "verified": True}) == ("broken", "passed")


def test_words_of_a_rule_become_no_code(facts: Mapping[str, FactSpec], make_rule: Callable[..., CompiledRule]) -> None:
    word = "'\"); __import__('os').abort() #\n\\x00{facts}"
    spelled = word.replace("'", "''")
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    outcomes = emit([_rule(plain, f"zip = '{spelled}' OR contains(remarks, '{spelled}')", facts)])
    assert outcomes({"zip": word, "remarks": ""}) == ("passed",)
    assert outcomes({"zip": "1", "remarks": f"a{word}"}) == ("passed",)
    assert outcomes({"zip": "1", "remarks": ""}) == ("failed",)


def test_a_rule_of_a_whole_file_is_refused(make_rule: Callable[..., CompiledRule]) -> None:
    plain = make_rule("dti <= 0.45", passes={"dti": 0.4}, fails={"dti": 0.5})
    of_file = replace(plain, rule=plain.rule.model_copy(update={"applies_to": ("file",)}))
    with pytest.raises(ValueError, match=r"acme\.policy\.one' speaks of a whole file"):
        emit([of_file])


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


def _closure(node: tree.Node) -> closures.Closure:
    return closures.emit(node, BUILTINS, {})


def _judged(rules: list[CompiledRule], said: Mapping[str, Any]) -> tuple[str | None, ...]:
    findings = [judge(rule, said, basis={}, as_of=_DAY) for rule in rules]
    return tuple(None if finding is None else finding.outcome for finding in findings)


def _some(random: Random, facts: Mapping[str, FactSpec]) -> dict[str, Any]:
    values = {name: random.choice((None, *_SAID[spec.type])) for name, spec in facts.items()}
    return {name: value for name, value in values.items() if value is not None or random.random() < 0.2}
