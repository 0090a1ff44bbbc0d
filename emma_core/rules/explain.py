"""Explain an outcome after it is known: the leaves that decided it, and the nearest change that would pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from emma_core.rules import tree
from emma_core.rules.closures import Closure
from emma_core.rules.tree import Node

_TURNED: Mapping[str, str] = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True)
class Leaf:
    """A part of a predicate without connectives, and how to tell its outcome."""

    node: Node
    decide: Closure
    names: tuple[str, ...]
    """The facts in it, but for those that it reads of many records."""
    totals: Mapping[tree.Aggregate | tree.Unique, Closure]
    """What it asks of all records together."""


@dataclass(frozen=True)
class Branch:
    """Leaves and branches under AND, OR or NOT."""

    kind: Literal["and", "or", "not"]
    parts: tuple[Outline, ...]


Outline = Leaf | Branch


class Seen(NamedTuple):
    """A leaf with its outcome."""

    leaf: Leaf
    outcome: bool | None


class Unrunnable:
    """The outcome of a leaf that raised; it decides nothing, because a decided side stands before it."""


UNRUNNABLE = Unrunnable()
_Outcome = bool | None | Unrunnable


def outline(node: Node, emit: Callable[[Node], Closure]) -> Outline:
    """The connectives of a typed predicate, down to its leaves."""
    match node:
        case tree.And(parts=parts):
            return Branch("and", tuple(outline(part, emit) for part in parts))
        case tree.Or(parts=parts):
            return Branch("or", tuple(outline(part, emit) for part in parts))
        case tree.Not(part=part):
            return Branch("not", (outline(part, emit),))
    return Leaf(node, emit(node), tree.names_outside(node), {part: emit(part) for part in tree.totals(node)})


def deciding(part: Outline, facts: Mapping[str, Any]) -> tuple[_Outcome, tuple[Seen, ...]]:
    """The outcome and the leaves that decided it: had all others been different, it would be the same."""
    if isinstance(part, Leaf):
        outcome = _outcome(part, facts)
        return outcome, () if isinstance(outcome, Unrunnable) else (Seen(part, outcome),)
    below = [deciding(each, facts) for each in part.parts]
    if part.kind == "not":
        outcome, seen = below[0]
        return (not outcome if isinstance(outcome, bool) else outcome), seen
    settles = part.kind == "or"
    outcomes = [outcome for outcome, _ in below]
    for wanted in (settles, UNRUNNABLE, None, not settles):
        if wanted in outcomes:
            return wanted, tuple([leaf for outcome, seen in below if outcome is wanted for leaf in seen])
    raise ValueError("a connective without parts")


def leaves(part: Outline, facts: Mapping[str, Any]) -> tuple[Seen, ...]:
    """Every leaf with its outcome, in the order of the text; one that cannot be run has none."""
    if isinstance(part, Leaf):
        outcome = _outcome(part, facts)
        return (Seen(part, None if isinstance(outcome, Unrunnable) else outcome),)
    return tuple(seen for each in part.parts for seen in leaves(each, facts))


def would_pass(part: Outline, facts: Mapping[str, Any]) -> str | None:
    """The nearest change that would satisfy a predicate that does not hold, where it can be told."""
    changes = _changes(part, facts, wanted=True)
    return " AND ".join(dict.fromkeys(changes)) if changes else None


def _changes(part: Outline, facts: Mapping[str, Any], *, wanted: bool) -> list[str] | None:
    """What must hold for a part to come out as wanted: nothing where it does already, None where it cannot be told."""
    if isinstance(part, Leaf):
        if _outcome(part, facts) is wanted:
            return []
        change = _change(part.node, wanted=wanted)
        return None if change is None else [change]
    if part.kind == "not":
        return _changes(part.parts[0], facts, wanted=not wanted)
    ways = [_changes(each, facts, wanted=wanted) for each in part.parts]
    if (part.kind == "or") == wanted:
        return min((way for way in ways if way is not None), key=len, default=None)
    joined: list[str] = []
    for way in ways:
        if way is None:
            return None
        joined += way
    return joined


def _change(node: Node, *, wanted: bool) -> str | None:
    match node:
        case tree.Compare(operator=operator, left=left, right=right) if left.type != "bool":
            return f"{left.text} {operator if wanted else _TURNED[operator]} {right.text}"
        case tree.In(subject=subject, negated=negated, listed=listed):
            return f"{subject.text} {'NOT ' if negated == wanted else ''}IN {listed.text}"
        case tree.Between(subject=subject, low=low, high=high, negated=negated):
            return f"{subject.text} {'NOT ' if negated == wanted else ''}BETWEEN {low.text} AND {high.text}"
        case tree.IsNull(subject=subject, negated=negated) if isinstance(subject, tree.Name):
            return f"{subject.text} IS {'NOT ' if negated == wanted else ''}NULL"
        case tree.Name(name=name):
            return name if wanted else f"NOT {name}"
    return None


def _outcome(leaf: Leaf, facts: Mapping[str, Any]) -> _Outcome:
    try:
        outcome: _Outcome = leaf.decide(facts)
    except Exception:  # the outcome is known without it, or the finding is broken already
        return UNRUNNABLE
    return outcome
