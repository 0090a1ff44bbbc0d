"""Lays a table out beside the rules that are held against it, sorted by what each of them reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emma_core import rules
from emma_core.checks.editions import Chosen
from emma_core.nouns import Problem, Table
from emma_core.rules import CompiledRule, CompiledRuleSet
from emma_core.rules.tree import totals
from emma_core.rules.types import is_of_file


@dataclass(frozen=True)
class Bench:
    """A table, and the rules of those sets that read the same date of it."""

    table: Table
    rows: tuple[CompiledRule, ...]
    """Held against each row."""
    head: tuple[CompiledRule, ...]
    """Held against what the file says once, for all its rows."""
    whole: tuple[CompiledRule, ...]
    """Held against what all rows come to."""
    without: tuple[tuple[CompiledRule, tuple[str, ...]], ...]
    """Held against nothing, because a table is absent, or facts that the file would say once; each with these facts."""
    shared: Mapping[str, Any]
    """What holds for every row, with `as_of`."""
    problems: tuple[Problem, ...]
    name: tuple[str, ...]
    """What names the whole, such as who filed it and for which year; empty where not all of that is said."""


def lay_out(chosen: Chosen) -> Iterator[Bench]:
    """A bench for each date fact that the sets name; what could not be read lies on the first."""
    problems = chosen.table.problems
    by_date: dict[str | None, list[CompiledRuleSet]] = {}
    for one in chosen.sets:
        by_date.setdefault(one.ruleset.as_of, []).append(one)
    for named, sets in by_date.items():
        yield _bench(chosen, named, sets, problems)
        problems = ()


def _bench(chosen: Chosen, named: str | None, sets: Sequence[CompiledRuleSet], problems: tuple[Problem, ...]) -> Bench:
    day = chosen.shared["as_of"]
    table = chosen.table
    dated = named is not None and named in table.batches.schema
    if dated:
        from emma_core.backends.readers import dated_by

        table = replace(table, batches=dated_by(table.batches, str(named), day))
    everyone = [rule for one in sets for rule in one.rules if dated or rules.in_force(rule, day)]
    specs = {name: spec for one in sets for name, spec in one.facts.items()}
    unsaid = {name for name, spec in specs.items() if is_of_file(name, spec)} - chosen.shared.keys()
    rows: list[CompiledRule] = []
    head: list[CompiledRule] = []
    whole: list[CompiledRule] = []
    without: list[tuple[CompiledRule, tuple[str, ...]]] = []
    for rule in everyone:
        lacks = tuple(name for name in rule.specs if name in unsaid)
        if rule.absent and (rule.of_file or "record" in rule.rule.applies_to):
            without.append((rule, ()))
        elif rule.of_file:
            asked = [part for part in (rule.when, rule.require) if part is not None]
            (whole if any(totals(part) for part in asked) else head).append(rule)
        elif "record" in rule.rule.applies_to:
            if lacks:
                without.append((rule, lacks))
            else:
                rows.append(rule)
    said = tuple(str(chosen.shared.get(name) or "") for name, spec in specs.items() if spec.names == "file")
    name = said if all(said) else ()
    return Bench(table, tuple(rows), tuple(head), tuple(whole), tuple(without), chosen.shared, problems, name)
