"""Generate one Python function for many rules, which tells their outcomes over a record at once.

The function asks first whether a predicate is TRUE, and only where it is not whether it is FALSE, so that no NULL is
carried about. It is built as a syntax tree in which facts, literals and functions go by names of our own making: no
text of a rule becomes code. Numbers read from texts are counted in whole millionths; what other numbers hold stays an
exact decimal. Whatever a pack's function takes part in is left to the closures, which also judge a record that the
generated function cannot.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from emma_core.nouns import FactSpec, Outcome
from emma_core.rules import closures
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.inline import Inline
from emma_core.rules.inline_values import Values, all_of, load
from emma_core.rules.judging import CLASSES, judge
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.tree import Call, Node, walk
from emma_core.rules.values import LAST_DAY

Outcomes = Callable[[Mapping[str, Any]], tuple[Outcome | None, ...]]
"""What each rule says of typed facts by bare name, in the order of the rules; None where its `when` is FALSE."""

_SHAPES = 4096


def emit(rules: Sequence[CompiledRule]) -> Outcomes:
    """The outcomes of `judge` for rules that speak of one record; what cannot be run is `broken`."""
    if of_file := [rule.rule.id for rule in rules if rule.of_file]:
        raise ValueError(f"{of_file[0]!r} speaks of a whole file; hold the file against it, not a record")
    specs: dict[str, FactSpec] = {}
    for rule in rules:
        specs.update(rule.specs)
    decide = _function(rules, tuple(specs))
    names = tuple(specs)
    classes = tuple(CLASSES[spec.type] for spec in specs.values())
    shapes: set[tuple[type, ...]] = set()

    def outcomes(facts: Mapping[str, Any]) -> tuple[Outcome | None, ...]:
        values = tuple(map(facts.get, names))
        shape = tuple(map(type, values))
        if shape not in shapes:
            if not all(map(_fits, values, classes)):
                return _one_by_one(rules, facts)
            if len(shapes) < _SHAPES:
                shapes.add(shape)
        try:
            return decide(facts, values)
        except Exception:  # one rule's failure is no other's: each is asked alone
            return _one_by_one(rules, facts)

    return outcomes


def _function(
    rules: Sequence[CompiledRule], facts: tuple[str, ...]
) -> Callable[[Mapping[str, Any], tuple[Any, ...]], tuple[Outcome | None, ...]]:
    parts = (part for rule in rules for node in _predicates(rule) for part in walk(node))
    values = Values(facts, Counter(part for part in parts if isinstance(part, Call)))
    outcomes = [_outcome(rule, values) for rule in rules]
    body: list[ast.stmt] = []
    if facts:
        body.append(ast.Assign([_targets(values.facts.values())], load("values")))
    for name in values.kept.values():
        body.append(ast.Assign([ast.Name(name, ast.Store())], ast.Constant(...)))
    body.append(ast.Return(ast.Tuple(outcomes, ast.Load())))
    given = ast.arguments([], [ast.arg("facts"), ast.arg("values")], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("decide", given, body, [], None)], [])
    names: dict[str, Any] = {"__builtins__": {}, **values.names}
    exec(compile(ast.fix_missing_locations(module), "<rules>", "exec"), names)
    made: Callable[..., tuple[Outcome | None, ...]] = names["decide"]
    return made


def _outcome(rule: CompiledRule, values: Values) -> ast.expr:
    if rule.absent:
        return ast.Constant("undetermined")
    values.tables = rule.tables
    inline = Inline(values, lambda node: closures.emit(node, rule.functions, rule.tables))
    failed: ast.expr = ast.Constant("failed")
    if rule.ruleset.missing != "failed":
        refused = [_test(inline, rule.require, wanted=False)]
        if rule.when is not None:
            refused.insert(0, _test(inline, rule.when, wanted=True))
        failed = ast.IfExp(all_of(refused), failed, ast.Constant(rule.ruleset.missing))
    held = ast.IfExp(_test(inline, rule.require, wanted=True), ast.Constant("passed"), failed)
    if rule.when is None:
        return held
    return ast.IfExp(_test(inline, rule.when, wanted=False), ast.Constant(None), held)


def _test(inline: Inline, node: Node, *, wanted: bool) -> ast.expr:
    calls = (part.function for part in walk(node) if isinstance(part, Call))
    # what a pack's function takes part in may raise, and is asked in the order of the text
    ours = all(name in BUILTINS for name in calls)
    return inline.test(node, wanted=wanted) if ours else inline.asked(node, wanted=wanted)


def _one_by_one(rules: Sequence[CompiledRule], facts: Mapping[str, Any]) -> tuple[Outcome | None, ...]:
    findings = (judge(rule, facts, basis={}, as_of=LAST_DAY) for rule in rules)
    return tuple(None if finding is None else finding.outcome for finding in findings)


def _fits(value: Any, kind: type) -> bool:
    return value is None or (isinstance(value, kind) and not isinstance(value, datetime))


def _predicates(rule: CompiledRule) -> list[Node]:
    return [rule.require] if rule.when is None else [rule.when, rule.require]


def _targets(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
