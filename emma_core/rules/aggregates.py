"""Bring the records of a small file to one value: how many, their sum, the least, the greatest, whether all differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from emma_core.rules.tree import Aggregate, Unique
from emma_core.rules.values import EXACT

Closure = Callable[[Mapping[str, Any]], Any]
Rows = Sequence[Mapping[str, Any]]
Totals = Mapping[Aggregate | Unique, Any]
"""What an engine has worked out over a file that is too large to hold."""


class BodyFailed(Exception):
    """A pack's function raised, or returned what it had not declared."""


@dataclass(frozen=True)
class Failed:
    """Stands among totals for one that could not be worked out."""

    function: str


ROWS = "*"
"""Where the facts of a file hold its records, or the totals of them; no fact can have this name."""


def emit_aggregate(node: Aggregate, subject: Closure | None, where: Closure | None) -> Closure:
    """The closure of an aggregate over the facts of a file."""
    total = _TOTALS[node.function]

    def aggregated(facts: Mapping[str, Any]) -> Any:
        rows = facts.get(ROWS, ())
        if isinstance(rows, Mapping):
            return _told(rows[node])
        chosen = (row for row in _within(facts, rows) if where is None or where(row))
        if subject is None:
            return Decimal(sum(1 for _ in chosen))
        values = [value for row in chosen if (value := subject(row)) is not None]
        return total(set(values) if node.distinct else values)

    return aggregated


def emit_unique(node: Unique, subjects: list[Closure], where: Closure | None) -> Closure:
    """The closure of `unique`: FALSE where records are alike, NULL where one does not say what is asked of it."""

    def differ(facts: Mapping[str, Any]) -> bool | None:
        rows = facts.get(ROWS, ())
        if isinstance(rows, Mapping):
            told: bool | None = _told(rows[node])
            return told
        groups, unsaid = _alike(subjects, where, _within(facts, rows))
        if any(len(group) > 1 for group in groups.values()):
            return False
        return None if unsaid else True

    return differ


def alike(subjects: list[Closure], where: Closure | None, facts: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The places of the records that share all values, group by group."""
    rows = facts.get(ROWS, ())
    if isinstance(rows, Mapping):
        return []
    groups, _ = _alike(subjects, where, _within(facts, rows))
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _alike(
    subjects: list[Closure], where: Closure | None, rows: Iterable[Mapping[str, Any]]
) -> tuple[dict[tuple[Any, ...], list[int]], bool]:
    """The places of the records by their values, and whether any could not be told."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    unsaid = False
    for index, row in enumerate(rows):
        applies = where is None or where(row)
        if applies is False:
            continue
        values = tuple(subject(row) for subject in subjects)
        if applies is None or None in values:
            unsaid = True
        else:
            groups.setdefault(values, []).append(index)
    return groups, unsaid


class _Row(dict[str, Any]):
    """A record's facts, and behind them those of its file."""

    def __init__(self, said: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        super().__init__(said)
        self._shared = shared

    def get(self, name: str, default: Any = None) -> Any:
        """The fact of the record, else that of the file."""
        return self[name] if name in self else self._shared.get(name, default)


def _told(total: Any) -> Any:
    if isinstance(total, Failed):
        raise BodyFailed(f"function {total.function!r} raised for a record of the file")
    return total


def _within(facts: Mapping[str, Any], rows: Rows) -> Iterable[Mapping[str, Any]]:
    return (_Row(row, facts) for row in rows)


def _sum(values: Iterable[Decimal]) -> Decimal | None:
    total: Decimal | None = None
    for value in values:
        total = value if total is None else EXACT.add(total, value)
    return total


_TOTALS: Mapping[str, Callable[[Any], Any]] = {
    "count": lambda values: Decimal(len(values)),
    "sum": _sum,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
}
