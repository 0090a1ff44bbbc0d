"""Lay a rule open under facts: every part of its predicate, what it comes to, and with which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from emma_core.nouns import Value
from emma_core.rules import closures, explain, tree
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.tree import Node


@dataclass(frozen=True)
class PartReport:
    """One part of a rule under facts, for people."""

    key: str
    """`when` or `require`."""
    kind: Literal["and", "or", "not", "same", "leaf"]
    """What joins the parts below it (`same`: they hold both or neither); a leaf has none."""
    depth: int
    """How many parts it stands in."""
    text: str
    outcome: bool | None
    """TRUE, FALSE, or None for NULL and for what cannot be run."""
    values: Mapping[str, Value | None]
    """Of a leaf the facts in it, None where nobody has said, and what its totals came to."""
    decides: bool
    """Whether it is among the parts that decided the outcome."""
    line: int
    column: int


def explain_tree(rule: CompiledRule, facts: Mapping[str, Any]) -> tuple[PartReport, ...]:
    """Every part of the rule under typed facts, each before the parts it holds, and which of them decide."""
    _, seen = explain.deciding(rule.whole, facts)
    decided = {id(each.leaf.node) for each in seen}
    parts = (("when", rule.when), ("require", rule.require))
    return tuple(each for key, node in parts if node is not None for each in _parts(rule, facts, key, node, 0, decided))


def _parts(
    rule: CompiledRule, facts: Mapping[str, Any], key: str, node: Node, depth: int, decided: set[int]
) -> Iterator[PartReport]:
    kind, below = _below(node)
    if id(node) in decided:
        decided = decided | {id(each) for each in below}
    inside = [each for part in below for each in _parts(rule, facts, key, part, depth + 1, decided)]
    yield PartReport(
        key=key,
        kind=kind,
        depth=depth,
        text=node.text,
        outcome=_came(rule, facts, node),
        values=_values(rule, facts, node) if kind == "leaf" else {},
        decides=id(node) in decided or any(each.decides for each in inside),
        line=node.place.line,
        column=node.place.column,
    )
    yield from inside


def _below(node: Node) -> tuple[Literal["and", "or", "not", "same", "leaf"], tuple[Node, ...]]:
    match node:
        case tree.And(parts=parts):
            return "and", parts
        case tree.Or(parts=parts):
            return "or", parts
        case tree.Not(part=part):
            return "not", (part,)
        case tree.Compare(operator="=", left=left, right=right) if left.type == "bool":
            return "same", (left, right)
    return "leaf", ()


def _values(rule: CompiledRule, facts: Mapping[str, Any], node: Node) -> dict[str, Value | None]:
    totals = [part for part in tree.totals(node) if isinstance(part, tree.Aggregate)]
    said: dict[str, Value | None] = {name: facts.get(name) for name in tree.names_outside(node)}
    return said | {part.text: _came(rule, facts, part) for part in totals}


def _came(rule: CompiledRule, facts: Mapping[str, Any], node: Node) -> Any:
    try:
        return closures.emit(node, rule.functions, rule.tables)(facts)
    except Exception:  # a part that cannot be run has come to nothing; the finding says what was raised
        return None
