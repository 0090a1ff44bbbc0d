"""Explain an outcome after it is known: the leaves that decided it, and the nearest change that would pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def decider(self) -> Decider:
        """What tells which leaves decided it; made when first asked for."""
        return Decider(self)


@dataclass(frozen=True)
class Branch:
    """Leaves and branches under AND, OR or NOT."""

    kind: Literal["and", "or", "not"]
    parts: tuple[Outline, ...]

    @cached_property
    def decider(self) -> Decider:
        """What tells which leaves decided it; made when first asked for."""
        return Decider(self)


Outline = Leaf | Branch


class Seen(NamedTuple):
    """A leaf with its outcome."""

    leaf: Leaf
    outcome: bool | None


class Unrunnable:
    """The outcome of a leaf that raised; it decides nothing, because a decided side stands before it."""


UNRUNNABLE = Unrunnable()
_Outcome = bool | None | Unrunnable
_Decided = tuple[_Outcome, tuple[Seen, ...]]
_PATTERNS = 1024


class Decider:
    """Asks the leaves of an outline, and remembers what their outcomes came to: there are few ways they come out."""

    def __init__(self, part: Outline) -> None:
        self._part = part
        self._leaves = _leaves(part)
        self._closures = [leaf.decide for leaf in self._leaves]
        self._known: dict[tuple[_Outcome, ...], _Decided] = {}

    def __call__(self, facts: Mapping[str, Any]) -> _Decided:
        """See `deciding`."""
        try:
            outcomes: tuple[_Outcome, ...] = tuple([decide(facts) for decide in self._closures])
        except Exception:  # a leaf that cannot be run is told from the others
            outcomes = tuple([_outcome(leaf, facts) for leaf in self._leaves])
        found = self._known.get(outcomes)
        if found is None:
            found = _decided(self._part, iter(outcomes))
            if len(self._known) < _PATTERNS:
                self._known[outcomes] = found
        return found


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


def deciding(part: Outline, facts: Mapping[str, Any]) -> _Decided:
    """The outcome and the leaves that decided it: had all others been different, it would be the same."""
    return part.decider(facts)


def leaves(part: Outline, facts: Mapping[str, Any]) -> tuple[Seen, ...]:
    """Every leaf with its outcome, in the order of the text; one that cannot be run has none."""
    told = ((leaf, _outcome(leaf, facts)) for leaf in _leaves(part))
    return tuple(Seen(leaf, None if isinstance(outcome, Unrunnable) else outcome) for leaf, outcome in told)


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
        # the fewest changes; among as few the last: exceptions and guards are written before the norm
        return min((way for way in reversed(ways) if way is not None), key=len, default=None)
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
        case tree.Call(text=text) if wanted:
            return text
    return None


def _outcome(leaf: Leaf, facts: Mapping[str, Any]) -> _Outcome:
    try:
        outcome: _Outcome = leaf.decide(facts)
    except Exception:  # the outcome is known without it, or the finding is broken already
        return UNRUNNABLE
    return outcome


def _leaves(part: Outline) -> tuple[Leaf, ...]:
    """Those of an outline, in the order of the text."""
    return (part,) if isinstance(part, Leaf) else tuple(leaf for each in part.parts for leaf in _leaves(each))


def _decided(part: Outline, outcomes: Iterator[_Outcome]) -> _Decided:
    """What the outcomes of the leaves, in the order of the text, come to."""
    if isinstance(part, Leaf):
        outcome = next(outcomes)
        return outcome, () if isinstance(outcome, Unrunnable) else (Seen(part, outcome),)
    below = [_decided(each, outcomes) for each in part.parts]
    if part.kind == "not":
        outcome, seen = below[0]
        return (not outcome if isinstance(outcome, bool) else outcome), seen
    settles = part.kind == "or"
    came = [outcome for outcome, _ in below]
    for wanted in (settles, UNRUNNABLE, None, not settles):
        if wanted in came:
            return wanted, tuple([leaf for outcome, seen in below if outcome is wanted for leaf in seen])
    raise ValueError("a connective without parts")
