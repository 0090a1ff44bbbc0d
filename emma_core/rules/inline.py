"""Write predicates as Python expressions over local names, for a generated function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emma_core.rules import tree
from emma_core.rules.closures import Closure
from emma_core.rules.inline_values import Part, Values, all_of, any_of, load
from emma_core.rules.tree import Node

_COMPARATORS: Mapping[str, type[ast.cmpop]] = {
    "=": ast.Eq,
    "<>": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_TURNED = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Inline:
    """Tests over the names that one function binds."""

    def __init__(self, values: Values, closure: Callable[[Node], Closure]) -> None:
        self.values = values
        self._closure = closure

    def test(self, node: Node, *, wanted: bool) -> ast.expr:
        """Whether a predicate of built-in functions is TRUE or, where that is wanted, FALSE."""
        match node:
            case tree.Not(part=part):
                return self.test(part, wanted=not wanted)
            case tree.And(parts=parts) | tree.Or(parts=parts):
                tests = [self.test(part, wanted=wanted) for part in parts]
                return all_of(tests) if isinstance(node, tree.And) is wanted else any_of(tests)
            case tree.Literal(value=value):
                return ast.Constant(value is wanted)
            case tree.Name(name=name):
                fact = self.values.fact(name)
                return fact if wanted else ast.Compare(fact, [ast.Is()], [ast.Constant(False)])
        return self._leaf(node, wanted=wanted) if self._writes(node) else self.asked(node, wanted=wanted)

    def asked(self, node: Node, *, wanted: bool) -> ast.expr:
        """The same of any predicate, by asking its closure once."""
        key = ("closure", id(self.values.tables), node)
        call = ast.Call(self.values.bound(self._closure(node)), [load("facts")], [])
        came = self.values.once(key, call)
        return ast.Compare(came, [ast.Is()], [ast.Constant(wanted)])

    def _writes(self, node: Node) -> bool:
        """Whether a leaf can be written out; predicates held against each other cannot."""
        match node:
            case tree.Compare() | tree.In() | tree.Between() | tree.IsNull():
                return all(map(self.values.can, tree.children(node)))
        return self.values.can(node)

    def _leaf(self, node: Node, *, wanted: bool) -> ast.expr:
        match node:
            case tree.IsNull(subject=subject, negated=negated):
                known = all_of(self.values.part(subject).known)
                return known if negated is wanted else ast.UnaryOp(ast.Not(), known)
            case tree.Compare(operator=operator, left=left, right=right):
                parts = self.values.alike((left, right))
                return _held(operator if wanted else _TURNED[operator], *parts)
            case tree.In(subject=subject, options=options, negated=negated):
                one, *listed = self.values.alike((subject, *options))
                return self._among(one, listed) if negated is not wanted else self._not_among(one, listed)
            case tree.Between(subject=subject, low=low, high=high, negated=negated):
                parts = self.values.alike((subject, low, high))
                return _within(*parts) if negated is not wanted else _outside(*parts)
            case tree.Call(function="is_number" | "is_ymd"):
                *before, read = self.values.read(node).known
                return all_of([*before, read if wanted else ast.UnaryOp(ast.Not(), read)])
        call = self.values.part(node)
        return all_of([*call.known, call.value if wanted else ast.UnaryOp(ast.Not(), call.value)])

    def _among(self, one: Part, options: Sequence[Part]) -> ast.expr:
        fixed, others = _split(options)
        if one.literal is not None and not fixed and all(option.plain for option in others):
            return ast.Compare(one.value, [ast.In()], [_tuple(others)])
        ways = [ast.Compare(one.value, [ast.In()], [self.values.bound(fixed)])] if fixed else []
        if one.plain and not others:  # NULL is none of the literals
            return any_of(ways)
        return all_of([*one.known, any_of([*ways, *(_held("=", one, other) for other in others)])])

    def _not_among(self, one: Part, options: Sequence[Part]) -> ast.expr:
        fixed, others = _split(options)
        if one.literal is not None and not fixed and all(option.plain for option in others):
            unlike = ast.Compare(one.value, [ast.NotIn()], [_tuple(others)])
            return all_of([unlike, ast.Compare(ast.Constant(None), [ast.NotIn()], [_tuple(others)])])
        tests = [ast.Compare(one.value, [ast.NotIn()], [self.values.bound(fixed)])] if fixed else []
        return all_of([*one.known, *tests, *(_held("<>", one, other) for other in others)])


def _split(options: Sequence[Part]) -> tuple[frozenset[Any], list[Part]]:
    fixed = frozenset(option.literal for option in options if option.literal is not None)
    return fixed, [option for option in options if option.literal is None]


def _held(operator: str, left: Part, right: Part) -> ast.expr:
    compare = ast.Compare(left.value, [_COMPARATORS[operator]()], [right.value])
    # NULL equals no literal, so it need not be asked for
    if operator == "=" and (left.plain or right.plain) and not (left.plain and right.plain):
        known = [*(() if left.plain else left.known), *(() if right.plain else right.known)]
        return all_of([*known, compare])
    return all_of([*left.known, *right.known, compare])


def _within(subject: Part, low: Part, high: Part) -> ast.expr:
    between = ast.Compare(low.value, [ast.LtE(), ast.LtE()], [subject.value, high.value])
    return all_of([*subject.known, *low.known, *high.known, between])


def _outside(subject: Part, low: Part, high: Part) -> ast.expr:
    below = all_of([*low.known, ast.Compare(subject.value, [ast.Lt()], [low.value])])
    above = all_of([*high.known, ast.Compare(subject.value, [ast.Gt()], [high.value])])
    return all_of([*subject.known, any_of([below, above])])


def _tuple(parts: list[Part]) -> ast.expr:
    return ast.Tuple([part.value for part in parts], ast.Load())
