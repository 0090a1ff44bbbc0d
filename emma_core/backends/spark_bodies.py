"""Carries to Spark's workers what SQL cannot say: whole predicates, and the bodies of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from emma_core.rules import closures
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.closures import Closure
from emma_core.rules.functions import Function
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.tree import Aggregate, Call, Literal, Node, walk
from emma_core.rules.values import plain


class _Carried:
    """Nodes that travel with the functions and tables of packs that they need, and are emitted where they arrive."""

    def __init__(
        self, nodes: Sequence[Node | None], rule: CompiledRule, names: Sequence[str], shared: Mapping[str, Any]
    ) -> None:
        calls = [part for node in nodes if node is not None for part in walk(node) if isinstance(part, Call)]
        named = {part.value for call in calls for part in call.arguments if isinstance(part, Literal)}
        self._nodes = tuple(nodes)
        self._names = tuple(names)
        self._shared = dict(shared)
        self._functions: dict[str, Function] = {
            call.function: rule.functions[call.function] for call in calls if call.function not in BUILTINS
        }
        self._tables = {name: frozenset(words) for name, words in rule.tables.items() if name in named}
        self._closures: tuple[Closure | None, ...] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_closures": None}

    def emitted(self) -> tuple[Closure | None, ...]:
        """The closures of the nodes."""
        if self._closures is None:
            known = {**self._functions, **BUILTINS}
            self._closures = tuple(
                None if node is None else closures.emit(node, known, self._tables) for node in self._nodes
            )
        return self._closures

    def facts(self, given: Sequence[Any]) -> dict[str, Any]:
        """The facts of a record, from its columns in the order of the names."""
        said = {name: typed(value) for name, value in zip(self._names, given, strict=True)}
        return {**self._shared, **said}


class Holds(_Carried):
    """Whether a rule's predicate is TRUE of a record; where a function raises, it is not."""

    def __init__(self, rule: CompiledRule, names: Sequence[str], shared: Mapping[str, Any]) -> None:
        super().__init__((rule.predicate,), rule, names, shared)

    def __call__(self, *given: Any) -> bool:
        """Whether it is TRUE."""
        (holds,) = self.emitted()
        try:
            return holds is not None and holds(self.facts(given)) is True
        except Exception:  # whoever explains the record says what was raised
            return False


class Reads(_Carried):
    """What an aggregate reads of a record: its subject, or TRUE where it counts records. It is NULL where its
    `FILTER` does not hold, and where a function raises."""

    def __init__(self, node: Aggregate, rule: CompiledRule, names: Sequence[str], shared: Mapping[str, Any]) -> None:
        super().__init__((node.where, node.subject), rule, names, shared)

    def __call__(self, *given: Any) -> Any:
        """What it reads, as Spark takes it."""
        try:
            came = self.read(given)
        except Exception:  # `Raises` tells
            return None
        return list(came) if isinstance(came, tuple) else came

    def read(self, given: Sequence[Any]) -> Any:
        """What it reads. Raises what a function raises."""
        where, subject = self.emitted()
        facts = self.facts(given)
        if where is not None and not where(facts):
            return None
        return True if subject is None else subject(facts)


class Raises(Reads):
    """Whether a function raises where an aggregate reads a record."""

    def __call__(self, *given: Any) -> bool:
        """Whether it does."""
        try:
            self.read(given)
        except Exception:
            return True
        return False


def register(spark: SparkSession, name: str, body: Callable[..., Any], returns: str, given: Sequence[str]) -> str:
    """SQL that runs the body over what is given, under a name that says which body it is."""
    spark.udf.register(name, body, returns)
    return f"{name}({', '.join(given)})"


def typed(value: Any) -> str | Decimal | date | bool | tuple[str, ...] | None:
    """A value of a row as the rules read facts: an exact number without trailing zeros, a list as a tuple."""
    if isinstance(value, Decimal):
        return plain(value)
    return tuple(value) if isinstance(value, list) else value
