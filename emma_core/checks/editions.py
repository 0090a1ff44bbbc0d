"""Chooses the rule sets of a check: the edition that somebody named, else the file's own, else that of the day."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from emma_core import rules
from emma_core.checks.sources import Source
from emma_core.errors import CallerError, NotFound
from emma_core.nouns import Examples, FactSpec, Table
from emma_core.packs import Packs
from emma_core.rules import CompiledRuleSet

_YEAR = re.compile("[0-9]{4}")
_EDITION = "filing_year"
"""The fact in which a facts model holds the edition that a file is checked under."""
_NO_EXAMPLES = Examples.model_construct(pass_=(), fail=(), undetermined=())


@dataclass(frozen=True)
class Order:
    """What is to be held against what."""

    source: object
    """A path, a Polars or pandas frame, or an iterable of mappings."""
    rules: tuple[str, ...]
    """`pack/name`, `pack/name@edition` or `pack/*`."""
    as_of: date
    engine: str = "polars"
    tables: Mapping[str, Path] = field(default_factory=dict)
    """Files of reference tables by name, beside those of the packs."""
    limit: int | None = None
    """How many findings are listed at most; all are counted."""
    id: str = ""
    """What the check is to be called, where it may be tried more than once and be on the trail once."""


@dataclass(frozen=True)
class Chosen:
    """The rule sets over one facts model, and the table they are held against."""

    table: Table
    sets: tuple[CompiledRuleSet, ...]
    shared: Mapping[str, Any]
    """The facts that hold for every row: what the file says once, its edition, and `as_of`."""


def choose(packs: Packs, source: Source, order: Order) -> tuple[Chosen, ...]:
    """The rule sets by facts model, each with its table. Raises `CallerError` for editions that contradict."""
    if not order.rules:
        raise CallerError("No rules were named; name a rule set such as 'pack/name' with --rules")
    tables = {name: values for named, path in order.tables.items() for name, values in _read_table(named, path)}
    opened = _Opened(packs, source)
    sets: dict[str, list[CompiledRuleSet]] = {}
    named: dict[str, set[str]] = {}
    for name, (asked, there) in _asked(packs, order.rules).items():
        edition = asked or _edition(name, there, opened.edition(name.partition("/")[0]), order, source.name)
        one = packs.rulesets(f"{name}@{edition}")[0]
        sets.setdefault(one.ruleset.facts, []).append(one)
        named.setdefault(one.ruleset.facts, set()).update({asked} - {""})
    _check_used(tables, (one for found in sets.values() for one in found))
    return tuple(_chosen(model, found, named[model], opened, order, tables) for model, found in sets.items())


def _asked(packs: Packs, patterns: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """By name, the edition that was named, and those there are."""
    asked: dict[str, tuple[str, list[str]]] = {}
    for pattern in patterns:
        edition = pattern.partition("@")[2]
        for name, there in packs.editions(pattern).items():
            before, known = asked.get(name, ("", there))
            if before and edition and before != edition:
                raise CallerError(f"Rule set {name!r} is asked for as @{before} and as @{edition}; name one of them")
            asked[name] = (before or edition, known)
    return asked


def _chosen(
    model: str,
    sets: list[CompiledRuleSet],
    named: set[str],
    opened: _Opened,
    order: Order,
    tables: Mapping[str, frozenset[str]],
) -> Chosen:
    specs = sets[0].facts
    table = opened.table(model, specs, edition=next(iter(named)) if len(named) == 1 else None)
    columns = table.batches.schema
    key = next((name for name, spec in specs.items() if spec.names == "record" and name in columns), table.key)
    shared: dict[str, Any] = {name: value for name, value in table.file_facts.items() if value is not None}
    if _EDITION in specs and (_YEAR.fullmatch(sets[0].ruleset.edition) or _EDITION not in shared):
        shared[_EDITION] = sets[0].ruleset.edition  # what the file is checked under, whatever it says of itself
    return Chosen(replace(table, key=key), tuple(_with(one, tables) for one in sets), {**shared, "as_of": order.as_of})


class _Opened:
    """The source, read once for each facts model and edition."""

    def __init__(self, packs: Packs, source: Source) -> None:
        self._packs = packs
        self._source = source
        self._tables: dict[tuple[str, str | None], Table] = {}

    def table(self, model: str, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """Its table under a model."""
        if (model, edition) not in self._tables:
            readers = self._packs.readers()
            self._tables[model, edition] = self._source.table(model, facts, readers, edition=edition)
        return self._tables[model, edition]

    def edition(self, pack: str) -> str | None:
        """The edition that the file says it is of, where one of the pack's models is its own format."""
        own = {reader.model for reader in self._packs.readers().values() if self._source.suffix in reader.suffixes}
        for model, facts in self._packs.need(pack).facts.items():
            if model in own:
                return self.table(model, facts, edition=None).edition
        return None


def _edition(name: str, there: list[str], files: str | None, order: Order, file: str) -> str:
    """The file's own edition, else that of the day, else the only one."""
    yearly = all(_YEAR.fullmatch(edition) for edition in there)
    wanted = files or str(order.as_of.year)
    if wanted in there:
        return wanted
    if files is not None and yearly:
        raise CallerError(
            f"{file!r} says that it is of {files!r}, and {name!r} has the editions {sorted(there)}; name one, such as"
            f" {name}@{max(there)}"
        )
    if len(there) == 1:
        return there[0]
    before = [edition for edition in there if edition <= wanted]
    if not yearly or not before:
        raise CallerError(f"{name!r} has the editions {sorted(there)}; name one, such as {name}@{max(there)}")
    return max(before)


def _with(one: CompiledRuleSet, tables: Mapping[str, frozenset[str]]) -> CompiledRuleSet:
    """The rule set with tables that somebody brought for this check; its examples were held against the pack's own."""
    if not any(set(rule.absent) & tables.keys() for rule in one.rules):
        return one
    bare = [rule.rule.model_copy(update={"examples": _NO_EXAMPLES}) for rule in one.rules]
    first = one.rules[0]
    return rules.compile_ruleset(
        one.ruleset.model_copy(update={"rules": tuple(bare)}),
        one.facts,
        first.functions,
        file=one.ruleset.ruleset,
        tables={**first.tables, **tables},
    )


def _check_used(tables: Mapping[str, frozenset[str]], sets: Iterable[CompiledRuleSet]) -> None:
    read = {name for one in sets for rule in one.rules for name in rule.absent}
    if tables and not read & tables.keys():
        wanted = f"they need {sorted(read)}" if read else "they need none"
        raise NotFound(f"--table: no rule in use reads {sorted(tables)}; {wanted}")


def _read_table(name: str, path: Path) -> Iterable[tuple[str, frozenset[str]]]:
    """A file of one value a line is the table `name`; of a CSV with several columns, each is `name_<column>`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    except (OSError, ValueError, csv.Error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise CallerError(f"--table {name}: {str(path)!r} cannot be read: {said}") from error
    if not rows:
        raise CallerError(f"--table {name}: {str(path)!r} holds no values; write one a line")
    if len(rows[0]) == 1:
        yield name, frozenset(row[0].strip() for row in rows)
        return
    for place, column in enumerate(rows[0]):
        values = frozenset(row[place].strip() for row in rows[1:] if place < len(row) and row[place].strip())
        yield f"{name}_{column.strip()}", values
