"""Times 150 rules over one record, beside zen-engine, C++ CEL and json-logic: `python -m benchmarks.rules`.

All are given the same rules and the same record, in which some fields are missing, and must come to the same outcomes:
`passed`, `failed` or `undetermined`. For each rule that did not pass they say which of its parts decided, with the
values. `Emma` starts from typed facts, which a turn has read at its door; `Emma, from JSON` reads them as well. They
take turns in one process, so that a stall of the machine hits all. The neighbours are given floats (and
days as whole numbers, which is to their advantage); Emma compares exact decimals and days. What is not installed is
left out: `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import rules_neighbours as neighbours
from benchmarks.rules_neighbours import Contender, Said
from benchmarks.rules_shape import FACTS, Predicate, in_emma, made
from emma_core.nouns import FactSpec, RuleSet
from emma_core.rules import CompiledRule, compile_ruleset, explain, generated, read_value
from emma_core.rules.rulesets import outcome_of

NEIGHBOURS: Mapping[str, tuple[str, Callable[[list[Predicate]], Contender]]] = {
    "C++ CEL": ("cel_expr_python", neighbours.cel),
    "zen-engine": ("zen", neighbours.zen),
    "json-logic": ("json_logic", neighbours.json_logic),
}


def compiled(predicates: list[Predicate]) -> tuple[CompiledRule, ...]:
    """The predicates as rules of Emma, each with examples, which are run."""
    rules = tuple(
        {
            "id": f"bench.shape.rule_{index:03}",
            "title": f"Rule {index}",
            "text": "A rule of the benchmark.",
            "applies_to": ("record",),
            "require": predicate.emma(),
            "severity": "error",
            "message": "It does not hold.",
            "source": {"kind": "policy", "citation": "none", "read_on": date(2026, 11, 23)},
            "examples": {"pass": (predicate.example(holds=True),), "fail": (predicate.example(holds=False),)},
        }
        for index, predicate in enumerate(predicates)
    )
    whole = {"ruleset": "bench/shape", "edition": "1", "facts": "bench.record", "rules": rules}
    specs = {name: FactSpec(type=kind, title=name) for name, kind in FACTS.items()}
    return compile_ruleset(RuleSet.model_validate(whole), specs, {}, file="benchmarks.rules").rules


def by_generated(rules: tuple[CompiledRule, ...]) -> Contender:
    """Emma's generated function over typed facts."""
    outcomes = generated.emit(rules)

    def said(facts: Mapping[str, Any]) -> Said:
        came = enumerate(outcomes(facts))
        return tuple(_explained(rules, index, one, facts) for index, one in came if one not in ("passed", None))

    return said


def by_closures(rules: tuple[CompiledRule, ...]) -> Contender:
    """Emma's closures over typed facts, rule by rule."""

    def said(facts: Mapping[str, Any]) -> Said:
        came = enumerate(outcome_of(rule, facts) for rule in rules)
        return tuple(_explained(rules, index, one, facts) for index, one in came if one not in ("passed", None))

    return said


def _explained(
    rules: tuple[CompiledRule, ...], index: int, outcome: Any, facts: Mapping[str, Any]
) -> tuple[int, str, tuple[Any, ...]]:
    _, seen = explain.deciding(rules[index].whole, facts)
    return index, outcome, tuple([tuple(map(facts.get, leaf.names)) for leaf, _ in seen])


def read(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's facts, read at the door."""
    return {name: read_value(FACTS[name], raw, name=name) for name, raw in record.items()}


def measure(rounds: int, rules: int) -> tuple[dict[str, list[float]], list[str]]:
    """Microseconds per record of each contender, in turn; and what was left out."""
    record, predicates = made(rules)
    said = in_emma(record)
    facts, ready = read(said), compiled(predicates)
    fast, slow = by_generated(ready), by_closures(ready)
    contenders: dict[str, Callable[[], Any]] = {
        "Emma": lambda: fast(facts),
        "Emma, from JSON": lambda: fast(read(said)),
        "Emma, by closures": lambda: slow(facts),
    }
    absent = []
    expected = _alike(fast(facts))
    assert expected == _alike(slow(facts)), "closures"
    for name, (module, make) in NEIGHBOURS.items():
        if find_spec(module) is None:
            absent.append(name)
            continue
        said_by = make(predicates)
        assert _alike(said_by(record)) == expected, name
        contenders[name] = lambda said_by=said_by: said_by(record)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in track(range(rounds), "Holding records against rules"):
        for name, contender in contenders.items():
            start = time.perf_counter()
            for _ in range(10):
                contender()
            times[name].append((time.perf_counter() - start) * 1e5)
    return times, absent


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--rules", type=int, default=150)
    options = parser.parse_args()
    times, absent = measure(options.rounds, options.rules)
    table = Table(title=f"{options.rules} rules, one record of {len(FACTS)} fields (µs per record)")
    columns = ("", "best", "median", *(f"of {name}" for name in NEIGHBOURS if name in times))
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, each in times.items():
        shares = (f"{medians[name] / medians[other]:.2f}" for other in NEIGHBOURS if other in times)
        table.add_row(name, f"{min(each):.1f}", f"{medians[name]:.1f}", *shares)
    Console().print(table)
    for name in absent:
        print(f"{name} is not installed; pip install -e '.[bench]' brings it")


def _alike(said: Said) -> list[tuple[int, str]]:
    return [(index, outcome) for index, outcome, _ in said]


if __name__ == "__main__":
    main()
