"""Times 150 rules over one record, beside zen-engine, C++ CEL and json-logic: `python -m benchmarks.rules`.

All are given the same rules and the same record, in which some fields are missing, and must come to the same outcomes:
`passed`, `failed` or `undetermined`. For each rule that did not pass they say which of its parts decided, with the
values. The record is a dict of what JSON holds: the neighbours start from it, and so does `Emma, from JSON`, which
reads every value at its door: floats become exact decimals, texts become days, and what does not fit is refused. `Emma`
starts from facts that a turn or a file has read already. To their advantage the neighbours compare floats, are given
days as whole numbers, and check nothing. They take turns in one process, and what counts is the CPU time of all its
threads, so that what else a machine does counts little; `of X` is the median over the rounds of the time divided by X's
in the same round. What is not installed is left out: `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
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
from emma_core.rules import CompiledRule, Panel, compile_ruleset, explain
from emma_core.rules.values import read_values

SPECS = {name: FactSpec(type=kind, title=name) for name, kind in FACTS.items()}
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
    return compile_ruleset(RuleSet.model_validate(whole), SPECS, {}, file="benchmarks.rules").rules


def by_panel(rules: tuple[CompiledRule, ...], *, pays_after: int = 0) -> Contender:
    """Emma over typed facts: by the function that is generated, or by closures."""
    panel = Panel(rules, pays_after=pays_after)
    whole = [rule.whole for rule in rules]

    def said(facts: Mapping[str, Any]) -> Said:
        return tuple([_explained(whole[index], index, one, facts) for index, one in panel.standing(facts)])

    return said


def _explained(
    whole: explain.Outline, index: int, outcome: Any, facts: Mapping[str, Any]
) -> tuple[int, str, tuple[Any, ...]]:
    _, seen = explain.deciding(whole, facts)
    return index, outcome, tuple([tuple(map(facts.get, leaf.names)) for leaf, _ in seen])


def read(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's facts, read at the door."""
    return read_values(SPECS, record)


def measure(rounds: int, rules: int) -> tuple[dict[str, list[float]], list[str]]:
    """Microseconds of CPU per record of each contender, in turn; and what was left out."""
    record, predicates = made(rules)
    said = in_emma(record)
    facts, ready = read(said), compiled(predicates)
    fast, slow = by_panel(ready), by_panel(ready, pays_after=sys.maxsize)
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
            start = time.process_time()
            for _ in range(10):
                contender()
            times[name].append((time.process_time() - start) * 1e5)
    return times, absent


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--rules", type=int, default=150)
    options = parser.parse_args()
    times, absent = measure(options.rounds, options.rules)
    table = Table(title=f"{options.rules} rules, one record of {len(FACTS)} fields (µs of CPU per record)")
    columns = ("", "best", "median", *(f"of {name}" for name in NEIGHBOURS if name in times))
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for name, each in times.items():
        shares = (f"{_share(each, times[other]):.3f}" for other in NEIGHBOURS if other in times)
        table.add_row(name, f"{min(each):.1f}", f"{statistics.median(each):.1f}", *shares)
    Console().print(table)
    for name in absent:
        print(f"{name} is not installed; pip install -e '.[bench]' brings it")


def _share(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _alike(said: Said) -> list[tuple[int, str]]:
    return [(index, outcome) for index, outcome, _ in said]


if __name__ == "__main__":
    main()
