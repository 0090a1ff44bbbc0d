"""Run a rule's examples on every engine that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from emma_core.nouns import Outcome
from emma_core.rules.judging import outcome
from emma_core.rules.rulesets import CompiledRule

Engine = Callable[[CompiledRule, Sequence[Mapping[str, Any]]], list[Outcome | None]]
"""What a rule says of each of several facts, as `read_example` reads them; None where its `when` is FALSE."""


def installed() -> dict[str, Engine]:
    """The engines that can run here, by name; the closures first."""
    return {name: engine for name, (needs, engine) in _ENGINES.items() if needs is None or find_spec(needs)}


def _closures(rule: CompiledRule, examples: Sequence[Mapping[str, Any]]) -> list[Outcome | None]:
    return [outcome(rule, facts) for facts in examples]


def _polars(rule: CompiledRule, examples: Sequence[Mapping[str, Any]]) -> list[Outcome | None]:
    from emma_core.rules.table import of_examples

    return of_examples(rule, examples)


_ENGINES: Mapping[str, tuple[str | None, Engine]] = {"closures": (None, _closures), "polars": ("polars", _polars)}
