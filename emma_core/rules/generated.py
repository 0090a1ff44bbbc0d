"""Generate one Python function for many rules, which tells at once of which of them a record does not pass.

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
from typing import Any

from emma_core.nouns import FactSpec, Outcome
from emma_core.rules import closures
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.inline import Inline
from emma_core.rules.inline_values import Values, all_of, any_of, load
from emma_core.rules.judging import CLASSES, fits, outcome
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.tree import Call, Node, walk

PAYS_AFTER = 500
"""How many records closures judge in about the time that it takes to write the function for as many rules."""

_Standing = list[tuple[int, Outcome]]
_SHAPES = 4096


class Panel:
    """Rules on single records, held together against one record after another."""

    def __init__(self, rules: Sequence[CompiledRule], *, pays_after: int = PAYS_AFTER) -> None:
        """`pays_after`: how many records the closures judge before the function is written."""
        if of_file := [rule.rule.id for rule in rules if rule.of_file]:
            raise ValueError(f"{of_file[0]!r} speaks of a whole file; hold the file against it, not a record")
        specs: dict[str, FactSpec] = {}
        for rule in rules:
            specs.update(rule.specs)
        self._rules = tuple(rules)
        self._names = tuple(specs)
        self._classes = tuple(CLASSES[spec.type] for spec in specs.values())
        self._shapes: set[tuple[type, ...]] = set()
        self._left = pays_after
        self._decide: Callable[[Mapping[str, Any], tuple[Any, ...]], _Standing] | None = None

    def standing(self, facts: Mapping[str, Any]) -> Sequence[tuple[int, Outcome]]:
        """The rules that typed facts by bare name do not pass, by their numbers, each with its outcome; a rule whose
        `when` is FALSE is none of them, and one that cannot be run is `broken`."""
        values = tuple(map(facts.get, self._names))
        if not self._typed(values):
            return self._one_by_one(facts, checked=False)
        if self._decide is None:
            if self._left > 0:
                self._left -= 1
                return self._one_by_one(facts, checked=True)
            self._decide = _function(self._rules, self._names)
        try:
            return self._decide(facts, values)
        except Exception:  # one rule's failure is no other's: each is asked alone
            return self._one_by_one(facts, checked=True)

    def _typed(self, values: tuple[Any, ...]) -> bool:
        """Whether each is of its fact's type."""
        shape = tuple(map(type, values))
        if shape in self._shapes:
            return True
        typed = all(map(fits, values, self._classes))
        if typed and len(self._shapes) < _SHAPES:
            self._shapes.add(shape)
        return typed

    def _one_by_one(self, facts: Mapping[str, Any], *, checked: bool) -> _Standing:
        came = ((number, outcome(rule, facts, checked=checked)) for number, rule in enumerate(self._rules))
        return [(number, one) for number, one in came if one is not None and one != "passed"]


def _function(
    rules: Sequence[CompiledRule], facts: tuple[str, ...]
) -> Callable[[Mapping[str, Any], tuple[Any, ...]], _Standing]:
    parts = (part for rule in rules for node in _predicates(rule) for part in walk(node))
    values = Values(facts, Counter(part for part in parts if isinstance(part, Call)))
    told = [_told(number, rule, values) for number, rule in enumerate(rules)]
    body: list[ast.stmt] = [ast.Assign([ast.Name("found", ast.Store())], ast.List([], ast.Load()))]
    if facts:
        body.append(ast.Assign([_targets(values.facts.values())], load("values")))
    for name in values.kept.values():
        body.append(ast.Assign([ast.Name(name, ast.Store())], ast.Constant(...)))
    body += [*told, ast.Return(load("found"))]
    given = ast.arguments([], [ast.arg("facts"), ast.arg("values")], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("decide", given, body, [], None)], [])
    names: dict[str, Any] = {"__builtins__": {}, **values.names}
    exec(compile(ast.fix_missing_locations(module), "<rules>", "exec"), names)
    made: Callable[..., _Standing] = names["decide"]
    return made


def _told(number: int, rule: CompiledRule, values: Values) -> ast.stmt:
    """The statement that adds a rule to what is found, unless it is passed or does not apply."""
    if rule.absent:
        return ast.Expr(_added(number, ast.Constant("undetermined")))
    values.tables = rule.tables
    inline = Inline(values, lambda node: closures.emit(node, rule.functions, rule.tables))
    excused = [] if rule.when is None else [_test(inline, rule.when, wanted=False)]
    held = any_of([*excused, _test(inline, rule.require, wanted=True)])
    came: ast.expr = ast.Constant("failed")
    if rule.ruleset.missing != "failed":
        refused = [_test(inline, rule.require, wanted=False)]
        if rule.when is not None:
            refused.insert(0, _test(inline, rule.when, wanted=True))
        came = ast.IfExp(all_of(refused), came, ast.Constant(rule.ruleset.missing))
    return ast.If(ast.UnaryOp(ast.Not(), held), [ast.Expr(_added(number, came))], [])


def _added(number: int, came: ast.expr) -> ast.expr:
    append = ast.Attribute(load("found"), "append", ast.Load())
    return ast.Call(append, [ast.Tuple([ast.Constant(number), came], ast.Load())], [])


def _test(inline: Inline, node: Node, *, wanted: bool) -> ast.expr:
    calls = (part.function for part in walk(node) if isinstance(part, Call))
    # what a pack's function takes part in may raise, and is asked in the order of the text
    ours = all(name in BUILTINS for name in calls)
    return inline.test(node, wanted=wanted) if ours else inline.asked(node, wanted=wanted)


def _predicates(rule: CompiledRule) -> list[Node]:
    return [rule.require] if rule.when is None else [rule.when, rule.require]


def _targets(names: Iterable[str]) -> ast.expr:
    return ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
