"""Change a rule a little in every way, and tell which changes none of its examples notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from emma_core.nouns import FactSpec
from emma_core.rules import closures, tree
from emma_core.rules.examples import each, read_example
from emma_core.rules.judging import outcome
from emma_core.rules.rulesets import CompiledRule
from emma_core.rules.tree import Node
from emma_core.rules.values import FIRST_DAY, LAST_DAY

_MOVED: Mapping[tree.Comparator, tree.Comparator] = {
    "=": "<>",
    "<>": "=",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
}
_READ = {"is_number": "number", "is_ymd": "ymd"}


@dataclass(frozen=True)
class Mutant:
    """A rule changed in one place."""

    key: str
    """`when` or `require`."""
    change: str
    """What was changed: `dti <= 0.45: <= became <`."""
    rule: CompiledRule


@dataclass(frozen=True)
class Mutation:
    """How many changes of a rule there are, and those that its examples do not notice."""

    count: int
    alive: tuple[Mutant, ...]


def mutation(rule: CompiledRule, specs: Mapping[str, FactSpec]) -> Mutation:
    """Which changes of the rule leave every one of its examples as it says. A rule whose table is absent has none."""
    if rule.absent:
        return Mutation(0, ())
    examples = [
        (wanted, read_example(example, specs, of_file=rule.of_file))
        for _, _, wanted, example in each(rule.rule.examples)
    ]
    examples.sort(key=lambda pair: pair[0] == "passed")
    every = list(mutants(rule))
    alive = [one for one in every if all(outcome(one.rule, facts) == wanted for wanted, facts in examples)]
    return Mutation(len(every), tuple(alive))


def mutants(rule: CompiledRule) -> Iterator[Mutant]:
    """The rule with one change, for every change there is."""
    repeated = rule.rule.each is not None
    lenient = rule.ruleset.missing == "failed" and not rule.of_file
    for change, node in _whole(rule.require, repeated=repeated, lenient=lenient):
        if held := _emitted(rule, node):
            yield Mutant("require", change, replace(rule, require=node, held=held))
    if rule.when is not None:
        for change, node in _whole(rule.when, repeated=repeated and isinstance(rule.when, tree.Or), lenient=False):
            if guard := _emitted(rule, node):
                yield Mutant("when", change, replace(rule, when=node, guard=guard))


def _emitted(rule: CompiledRule, node: Node) -> closures.Closure | None:
    """The closure of a changed node; None where a function does not take the changed literal."""
    try:
        return closures.emit(node, rule.functions, rule.tables)
    except ValueError:
        return None


_Change = tuple[str, Node]


def _whole(node: Node, *, repeated: bool, lenient: bool) -> Iterator[_Change]:
    """The changes of a predicate; what `each` repeats is changed in every repeat at once, as its author would.
    `lenient`: NULL comes to the same as FALSE here."""
    if not repeated or not isinstance(node, tree.And | tree.Or):
        yield from _changes(node, lenient=lenient)
        return
    for changed in zip(*(list(_changes(part, lenient=lenient)) for part in node.parts), strict=True):
        yield changed[0][0], replace(node, parts=tuple(part for _, part in changed))
    for index, part in enumerate(node.parts):
        if len(node.parts) > 1:
            yield f"{part.text}: left out", replace(node, parts=node.parts[:index] + node.parts[index + 1 :])


def _changes(node: Node, *, lenient: bool) -> Iterator[_Change]:
    """The node with one change in it, for every change there is."""
    yield from _of_node(node, lenient=lenient)
    for name, index, child in _places(node):
        inside = lenient if isinstance(node, tree.And | tree.Or) else isinstance(node, tree.Aggregate)
        for change, changed in _changes(child, lenient=inside and name in ("parts", "where")):
            yield change, _with(node, name, index, changed)


def _of_node(node: Node, *, lenient: bool) -> Iterator[_Change]:
    said = node.text
    match node:
        case tree.Compare(operator=operator):
            yield f"{said}: {operator} became {_MOVED[operator]}", replace(node, operator=_MOVED[operator])
        case tree.Literal(value=value):
            for moved in _moved(value):
                yield f"{said} became {moved}", replace(node, value=moved)
        case tree.Not(part=part):
            yield f"{said}: NOT left out", part
        case tree.And() | tree.Or():
            yield from _of_connective(node, lenient=lenient)
        case tree.In() | tree.Between() | tree.IsNull():
            yield from _of_test(node)
        case tree.Case(whens=whens, otherwise=otherwise):
            for index, (condition, _) in enumerate(whens):
                rest = whens[:index] + whens[index + 1 :]
                yield f"WHEN {condition.text}: left out", replace(node, whens=rest) if rest else otherwise
        case tree.Aggregate() | tree.Unique():
            yield from _of_total(node)


def _of_connective(node: tree.And | tree.Or, *, lenient: bool) -> Iterator[_Change]:
    if isinstance(node, tree.And):
        yield f"{node.text}: AND became OR", tree.Or(node.parts, place=node.place, type="bool")
    else:
        yield f"{node.text}: OR became AND", tree.And(node.parts, place=node.place, type="bool")
    for index, part in enumerate(node.parts):
        rest = node.parts[:index] + node.parts[index + 1 :]
        if lenient and isinstance(node, tree.And) and _only_guards(part, rest):
            continue
        yield f"{part.text}: left out", replace(node, parts=rest) if len(rest) > 1 else rest[0]


def _only_guards(part: Node, rest: tuple[Node, ...]) -> bool:
    """Whether a part asks no more than what the rest reads, so that without it NULL fails all the same."""
    if not isinstance(part, tree.Call) or part.function not in _READ:
        return False
    reads = {
        (call.function, call.arguments) for each in rest for call in tree.walk(each) if isinstance(call, tree.Call)
    }
    return (_READ[part.function], part.arguments) in reads


def _of_test(node: tree.In | tree.Between | tree.IsNull) -> Iterator[_Change]:
    yield f"{node.text}: NOT {'left out' if node.negated else 'put in'}", replace(node, negated=not node.negated)
    if isinstance(node, tree.In) and len(node.options) > 1:
        for index, option in enumerate(node.options):
            rest = node.options[:index] + node.options[index + 1 :]
            yield f"{node.subject.text} IN …: {option.text} left out", replace(node, options=rest)
    if isinstance(node, tree.Between):
        for first, second, side in ((">", "<=", node.low), (">=", "<", node.high)):
            inside = tree.And(
                (_held(node, first, node.low), _held(node, second, node.high)), place=node.place, type="bool"
            )
            changed = tree.Not(inside, place=node.place, type="bool") if node.negated else inside
            yield f"{node.text}: without {side.text} itself", changed


def _held(node: tree.Between, operator: Any, side: Node) -> Node:
    return tree.Compare(operator, node.subject, side, place=node.place, type="bool")


def _of_total(node: tree.Aggregate | tree.Unique) -> Iterator[_Change]:
    if node.where is not None:
        yield f"{node.where.text}: left out", replace(node, where=None)
    if isinstance(node, tree.Aggregate) and node.distinct:
        yield f"{node.text}: DISTINCT left out", replace(node, distinct=False)
    if isinstance(node, tree.Unique) and len(node.subjects) > 1:
        for index, subject in enumerate(node.subjects):
            rest = node.subjects[:index] + node.subjects[index + 1 :]
            yield f"{subject.text}: left out", replace(node, subjects=rest)


def _moved(value: Any) -> Iterator[Any]:
    """The values next to a number, in its last place, and next to a day."""
    if isinstance(value, Decimal):
        step = Decimal(1).scaleb(int(value.as_tuple().exponent))
        yield from (value - step, value + step)
    elif isinstance(value, date):
        near = (value - timedelta(days=1), value + timedelta(days=1))
        yield from (day for day in near if FIRST_DAY <= day <= LAST_DAY)


def _places(node: Node) -> Iterator[tuple[str, tuple[int, ...], Node]]:
    """Where the nodes directly below stand: the field, the place in it, the node."""
    match node:
        case tree.In(subject=subject):
            yield "subject", (), subject
        case tree.Case(whens=whens, otherwise=otherwise):
            for index, pair in enumerate(whens):
                yield "whens", (index, 0), pair[0]
                yield "whens", (index, 1), pair[1]
            yield "otherwise", (), otherwise
        case tree.Unique(where=where):
            if where is not None:
                yield "where", (), where
        case _:
            for name in _FIELDS.get(type(node), ()):
                value = getattr(node, name)
                if isinstance(value, tuple):
                    for index, child in enumerate(value):
                        yield name, (index,), child
                elif value is not None:
                    yield name, (), value


_FIELDS: Mapping[type[Node], tuple[str, ...]] = {
    tree.Call: ("arguments",),
    tree.Negate: ("part",),
    tree.Not: ("part",),
    tree.Sum: ("terms",),
    tree.Product: ("factors",),
    tree.Compare: ("left", "right"),
    tree.Between: ("subject", "low", "high"),
    tree.IsNull: ("subject",),
    tree.And: ("parts",),
    tree.Or: ("parts",),
    tree.Aggregate: ("subject", "where"),
}


def _with(node: Node, name: str, index: tuple[int, ...], child: Node) -> Node:
    """The node with another one below it."""
    changed: dict[str, Any] = {name: child}
    if index:
        parts = list(getattr(node, name))
        if len(index) == 1:
            parts[index[0]] = child
        else:
            pair = list(parts[index[0]])
            pair[index[1]] = child
            parts[index[0]] = tuple(pair)
        changed = {name: tuple(parts)}
    return replace(node, **changed)
