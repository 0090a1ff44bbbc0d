"""Read a rule's examples as facts and, for a file rule, records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emma_core.errors import CallerError, RuleError
from emma_core.nouns import Examples, FactSpec, Outcome
from emma_core.rules.aggregates import ROWS
from emma_core.rules.mistakes import nearest
from emma_core.rules.types import is_of_file
from emma_core.rules.values import read_value

_SAID = "rows"
"""The key under which the example of a file rule holds its records."""


def each(examples: Examples) -> Iterator[tuple[str, int, Outcome, Mapping[str, Any]]]:
    """Every example with its key, its place under that, and the outcome that it must have."""
    said: tuple[tuple[str, Outcome, tuple[Mapping[str, Any], ...]], ...] = (
        ("pass", "passed", examples.pass_),
        ("fail", "failed", examples.fail),
        ("undetermined", "undetermined", examples.undetermined),
    )
    for key, outcome, group in said:
        for index, example in enumerate(group):
            yield key, index, outcome, example


def read_example(example: Mapping[str, Any], specs: Mapping[str, FactSpec], *, of_file: bool) -> dict[str, Any]:
    """The typed facts of an example, with the records of a file among them. Raises `RuleError` naming what does not
    fit."""
    if not of_file:
        return _facts(example, specs)
    said = {name: raw for name, raw in example.items() if name != _SAID}
    for name in said:
        if name in specs and not is_of_file(name, specs[name]):
            raise RuleError(f"{name!r} is said of each record; write it into {_SAID!r}: [{{{name!r}: …}}]")
    rows = example.get(_SAID, [])
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise RuleError(f"{_SAID!r} holds the records of the file; write a list of objects")
    read = []
    for index, row in enumerate(rows):
        try:
            read.append(_facts(row, specs))
        except RuleError as error:
            raise RuleError(f"{_SAID}[{index}]: {error}") from error
    return {**_facts(said, specs), ROWS: tuple(read)}


def _facts(example: Mapping[str, Any], specs: Mapping[str, FactSpec]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, raw in example.items():
        if name not in specs:
            raise RuleError(f"no fact {name!r}{nearest(name, specs)}")
        spec = specs[name]
        try:
            facts[name] = None if raw is None else read_value(spec.type, raw, name=name, values=spec.values)
        except CallerError as error:
            raise RuleError(str(error)) from error
    return facts
