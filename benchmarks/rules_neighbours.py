"""Sets up the neighbours of the rules benchmark, each to say the same of a record as Emma does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.rules_shape import FACTS, Leaf, Predicate, leaves

Said = tuple[tuple[int, str, tuple[Any, ...]], ...]
"""For each rule that did not pass: its number, its outcome, and the values that its parts compared."""
Contender = Callable[[Mapping[str, Any]], Said]


def cel(predicates: list[Predicate]) -> Contender:
    """C++ CEL: errors of what is missing are absorbed by `&&` and `||`, so that they are NULL; leaves asked after."""
    from cel_expr_python import cel as engine

    kinds = {"number": engine.Type.DOUBLE, "date": engine.Type.DOUBLE, "text": engine.Type.STRING}
    env = engine.NewEnv(variables={name: kinds.get(kind, engine.Type.BOOL) for name, kind in FACTS.items()})
    whole = [env.compile(predicate.infix(cel=True)) for predicate in predicates]
    parts = [[(env.compile(leaf.infix(cel=True)), leaf.facts) for leaf in leaves(each)] for each in predicates]

    def said(record: Mapping[str, Any]) -> Said:
        activation, found = env.Activation(record), []
        for index, rule in enumerate(whole):
            came = rule.eval(activation).value()
            if came is True:
                continue
            leaf_of = [(_told(leaf.eval(activation).value()), facts) for leaf, facts in parts[index]]
            found.append(_decided(index, _told(came), leaf_of, record))
        return tuple(found)

    return said


def zen(predicates: list[Predicate]) -> Contender:
    """zen-engine: one expression node of a decision, its trace on; leaves asked after, each with what it reads."""
    import zen as engine

    expressions = [
        {"id": f"r{index}", "key": f"r{index}", "value": _kleene(each)} for index, each in enumerate(predicates)
    ]
    kinds = {"i": "inputNode", "e": "expressionNode", "o": "outputNode"}
    nodes = [
        {"id": id, "type": kind, "name": id, "position": {"x": 0, "y": 0}, "content": {"expressions": expressions}}
        for id, kind in kinds.items()
    ]
    edges = [{"id": a + b, "type": "edge", "sourceId": a, "targetId": b} for a, b in ("ie", "eo")]
    content = {"contentType": "application/vnd.gorules.decision", "nodes": nodes, "edges": edges}
    decision = engine.ZenEngine().create_decision(json.dumps(content))
    parts = [[(engine.compile_expression(_known(leaf)), leaf.facts) for leaf in leaves(each)] for each in predicates]
    keys = [f"r{index}" for index in range(len(predicates))]

    def said(record: Mapping[str, Any]) -> Said:
        result, found = decision.evaluate(record, {"trace": True})["result"], []
        for index, key in enumerate(keys):
            came = result.get(key)
            if came is not True:
                leaf_of = [
                    (leaf.evaluate({fact: record.get(fact) for fact in facts}), facts) for leaf, facts in parts[index]
                ]
                found.append(_decided(index, came, leaf_of, record))
        return tuple(found)

    return said


def json_logic(predicates: list[Predicate]) -> Contender:
    """json-logic-qubit, in Python: what is missing is asked for by the rules; leaves asked after."""
    from json_logic import jsonLogic as apply

    whole = [_logic(predicate) for predicate in predicates]
    parts = [[(_logic(leaf), leaf.facts) for leaf in leaves(each)] for each in predicates]

    def said(record: Mapping[str, Any]) -> Said:
        found = []
        for index, rule in enumerate(whole):
            came = apply(rule, record)
            if came is not True:
                leaf_of = [(apply(leaf, record), facts) for leaf, facts in parts[index]]
                found.append(_decided(index, came, leaf_of, record))
        return tuple(found)

    return said


def _decided(
    index: int, came: Any, leaf_of: list[tuple[Any, tuple[str, ...]]], record: Mapping[str, Any]
) -> tuple[int, str, tuple[Any, ...]]:
    outcome = "failed" if came is False else "undetermined"
    values = tuple(tuple(map(record.get, facts)) for one, facts in leaf_of if one is came)
    return index, outcome, values


def _known(leaf: Leaf) -> str:
    return f"({' or '.join(f'{fact} == null' for fact in leaf.facts)}) ? null : ({leaf.infix(cel=False)})"


def _kleene(predicate: Predicate) -> str:
    """A predicate in zen's words, with NULL where what is missing decides."""
    if isinstance(predicate, Leaf):
        return _known(predicate)
    settles = predicate.word == "or"
    unknown = " or ".join(f"{fact} == null" for fact in predicate.facts)
    sides = []
    for part in predicate.parts:
        told = " and ".join(f"{fact} != null" for fact in part.facts)
        sides.append(f"({told} and {'' if settles else 'not '}({part.infix(cel=False)}))")
    rest = ("true", "false") if settles else ("false", "true")
    return f"({' or '.join(sides)}) ? {rest[0]} : (({unknown}) ? null : {rest[1]})"


def _logic(predicate: Predicate) -> Any:
    """The same in json-logic."""
    unknown = {"or": [{"===": [{"var": fact}, None]} for fact in predicate.facts]}
    if isinstance(predicate, Leaf):
        return {"if": [unknown, None, predicate.logic()]}
    settles = predicate.word == "or"
    sides = []
    for part in predicate.parts:
        told = [{"!==": [{"var": fact}, None]} for fact in part.facts]
        sides.append({"and": [*told, part.logic() if settles else {"!": [part.logic()]}]})
    return {"if": [{"or": sides}, settles, unknown, None, not settles]}


def _told(came: Any) -> bool | None:
    return came if isinstance(came, bool) else None
