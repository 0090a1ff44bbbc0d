"""Check a predicate against its facts: every node gets its type, every number its digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from emma_core.nouns import FactSpec, FactType
from emma_core.rules import functions as catalogue
from emma_core.rules import refusals
from emma_core.rules.functions import FACT_DIGITS, Function
from emma_core.rules.mistakes import LanguageError, nearest
from emma_core.rules.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Case,
    Compare,
    Digits,
    In,
    IsNull,
    Literal,
    Name,
    Negate,
    Node,
    Not,
    Or,
    Product,
    Sum,
    Unique,
    names,
    totals,
)

MAX_DIGITS = 38
COUNT_DIGITS = Digits(12, 0)
"""What a count can come to."""
SUM_DIGITS = 10
"""How many digits a sum can have more than what is added."""

_FILE_FACTS = re.compile("ts_.*|filing_year|as_of")


def check(
    node: Node, facts: Mapping[str, FactSpec], functions: Mapping[str, Function], *, of_file: bool = False
) -> Node:
    """The predicate with types, of one record or of a whole file. Raises `LanguageError` where it does not fit its
    facts or the functions there are."""
    typed = _Checker(facts, functions, of_file=of_file).typed(node)
    if typed.type != "bool":
        raise LanguageError(f"a rule is a predicate, and this is a {typed.type}; hold it against something", node.place)
    if not names(typed) and not totals(typed):
        raise LanguageError("a predicate must name a fact; this one says the same of everything", node.place)
    return typed


def is_of_file(name: str, spec: FactSpec) -> bool:
    """Whether a fact is said of a whole file once, and not of each record."""
    return spec.of == "file" or (spec.of is None and _FILE_FACTS.fullmatch(name) is not None)


class _Checker:
    """The facts and functions that a predicate may name."""

    def __init__(self, facts: Mapping[str, FactSpec], functions: Mapping[str, Function], *, of_file: bool) -> None:
        self._facts = facts
        self._functions = functions
        self._of_file = of_file
        self._inside = False

    def typed(self, node: Node) -> Node:
        match node:
            case Literal() | Name():
                return self._atom(node)
            case Negate() | Sum() | Product():
                return self._arithmetic(node)
            case Compare() | Between() | In():
                return self._comparison(node)
            case And(parts=parts) | Or(parts=parts):
                return replace(node, type="bool", parts=tuple(self._predicate(part) for part in parts))
            case Not(part=part):
                return replace(node, type="bool", part=self._predicate(part))
            case IsNull(subject=subject):
                return replace(node, type="bool", subject=self.typed(subject))
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)
            case Aggregate() | Unique():
                return self._total(node)
        raise LanguageError(f"a {type(node).__name__} is not read", node.place)

    def _atom(self, node: Literal | Name) -> Node:
        if isinstance(node, Name):
            if node.name not in self._facts:
                hint = refusals.of_call(node.name) if node.name in ("today", "now") else None
                near = f"; {hint}" if hint else nearest(node.name, self._facts)
                raise LanguageError(f"no fact {node.name[:80]!r}{near}", node.place, expected=("a fact",))
            kind = self._facts[node.name].type
            if self._of_file and not self._inside and not is_of_file(node.name, self._facts[node.name]):
                what = f"{node.name!r} is said of each record; a file rule reads it inside count, sum, min or max"
                raise LanguageError(what, node.place, expected=("an aggregate", "a fact of the file"))
            return replace(node, type=kind, digits=FACT_DIGITS if kind == "number" else None)
        if isinstance(node.value, Decimal):
            _, digits, exponent = node.value.as_tuple()
            scale = -int(exponent)
            return replace(node, type="number", digits=Digits(max(len(digits), scale, 1), scale))
        kind = "bool" if isinstance(node.value, bool) else "text" if isinstance(node.value, str) else "date"
        return replace(node, type=kind)

    def _arithmetic(self, node: Negate | Sum | Product) -> Node:
        if isinstance(node, Negate):
            part = self._number(node.part, node)
            return replace(node, type="number", digits=part.digits, part=part)
        if isinstance(node, Sum):
            terms = tuple(self._number(term, node) for term in node.terms)
            digits = _digits(terms[0])
            for term in terms[1:]:
                wide = widened(digits, _digits(term))
                digits = _few(Digits(wide.total + 1, wide.scale), node)
            return replace(node, type="number", digits=digits, terms=terms)
        factors = tuple(self._number(factor, node) for factor in node.factors)
        digits = _digits(factors[0])
        for factor in factors[1:]:
            other = _digits(factor)
            digits = _few(Digits(digits.total + other.total + 1, digits.scale + other.scale), node)
        return replace(node, type="number", digits=digits, factors=factors)

    def _comparison(self, node: Compare | Between | In) -> Node:
        if isinstance(node, Compare):
            left, right = self.typed(node.left), self.typed(node.right)
            _alike(left, right, node)
            if left.type in ("bool", "list") and node.operator not in ("=", "<>"):
                raise LanguageError(f"a {left.type} has no order; write = or <>", node.place)
            if node.operator in ("=", "<>"):
                self._among(left, (right,))
                self._among(right, (left,))
            return replace(node, type="bool", left=left, right=right)
        subject = self.typed(node.subject)
        if subject.type == "bool":
            instead = "write x or NOT x" if isinstance(node, In) else "a bool has no order"
            raise LanguageError(f"a predicate stands alone; {instead}", node.place)
        if isinstance(node, Between):
            low, high = self.typed(node.low), self.typed(node.high)
            for side in (low, high):
                _alike(subject, side, node)
            _few(widened(*(part.digits for part in (subject, low, high) if part.digits)), node)
            return replace(node, type="bool", subject=subject, low=low, high=high)
        options = tuple(self.typed(option) for option in node.options)
        for option in options:
            _alike(subject, option, option)
        _few(widened(*(part.digits for part in (subject, *options) if part.digits)), node)
        self._among(subject, options)
        return replace(node, type="bool", subject=subject, options=options)

    def _case(self, node: Case) -> Node:
        whens = tuple((self._predicate(condition), self.typed(value)) for condition, value in node.whens)
        otherwise = self.typed(node.otherwise)
        for _, value in whens:
            if value.type != otherwise.type:
                what = f"CASE gives a {value.type} here and a {otherwise.type} at its ELSE; give one type"
                raise LanguageError(what, value.place)
        values = [part.digits for part in (*(value for _, value in whens), otherwise) if part.digits]
        digits = _few(widened(*values), node) if values else None
        return replace(node, type=otherwise.type, digits=digits, whens=whens, otherwise=otherwise)

    def _call(self, node: Call) -> Node:
        function = self._functions.get(node.function)
        if function is None:
            near = nearest(node.function, self._functions)
            raise LanguageError(f"no function {node.function[:80]!r}{near}", node.place, expected=("a function",))
        shown = f"{function.name}{catalogue.takes(function)}"
        if not catalogue.fits_count(function, len(node.arguments)):
            raise LanguageError(f"{len(node.arguments)} arguments; write {shown}", node.place)
        arguments = tuple(self.typed(argument) for argument in node.arguments)
        for index, argument in enumerate(arguments):
            wanted = catalogue.param(function, index)
            if argument.type != wanted:
                what = f"a {argument.type} where {shown} takes a {wanted}{_reading(argument, wanted)}"
                raise LanguageError(what, argument.place, expected=(f"a {wanted}",))
            if catalogue.is_literal(function, index) and not isinstance(argument, Literal):
                raise LanguageError(f"{shown} takes a literal here; write the value out", argument.place)
        _prepared(function, arguments, node)
        digits = None
        if function.returns == "number":
            given = [argument.digits for argument in arguments if argument.digits]
            known = function.digits
            digits = _few(known if isinstance(known, Digits) else known(given), node)
        return replace(node, type=function.returns, digits=digits, arguments=arguments)

    def _total(self, node: Aggregate | Unique) -> Node:
        shown = node.function if isinstance(node, Aggregate) else "unique"
        if not self._of_file:
            what = f'{shown.upper()} belongs to file rules; write applies_to: ["file"], or a rule over one record'
            raise LanguageError(what, node.place)
        if self._inside:
            raise LanguageError(f"{shown} stands inside another; aggregates do not nest", node.place)
        self._inside = True
        where = None if node.where is None else self._predicate(node.where)
        if isinstance(node, Unique):
            subjects = tuple(self._said_of_records(subject, shown) for subject in node.subjects)
            typed: Node = replace(node, type="bool", subjects=subjects, where=where)
        else:
            subject = None if node.subject is None else self._said_of_records(node.subject, shown)
            typed = self._aggregate(replace(node, subject=subject, where=where))
        self._inside = False
        return typed

    def _aggregate(self, node: Aggregate) -> Node:
        if node.subject is None or node.function == "count":
            return replace(node, type="number", digits=COUNT_DIGITS)
        if node.function == "sum":
            digits = _digits(self._number(node.subject, node))
            return replace(node, type="number", digits=_few(Digits(digits.total + SUM_DIGITS, digits.scale), node))
        if node.subject.type == "bool":
            raise LanguageError(f"a bool has no order; write count(*) FILTER (WHERE {node.subject.text})", node.place)
        return replace(node, type=node.subject.type, digits=node.subject.digits)

    def _said_of_records(self, part: Node, shown: str) -> Node:
        typed = self.typed(part)
        if typed.type == "list":
            raise LanguageError(f"{shown} takes no list; write size(x) or has(x, '…')", part.place)
        if all(is_of_file(name, self._facts[name]) for name in names(typed)):
            what = f"{shown} reads a fact of the records; this one is the same of all, so write count(*)"
            raise LanguageError(what, part.place, expected=("a fact of the records",))
        return typed

    def _number(self, part: Node, whole: Node) -> Node:
        typed = self.typed(part)
        if typed.type != "number":
            hint = "; write add_days(d, 3) or days_between(a, b)" if typed.type == "date" else _reading(typed, "number")
            raise LanguageError(f"a {typed.type} is no number{hint}", part.place, expected=("a number",))
        return typed

    def _predicate(self, part: Node) -> Node:
        typed = self.typed(part)
        if typed.type != "bool":
            what = f"a {typed.type} is no predicate; hold it against something"
            raise LanguageError(what, part.place, expected=("a predicate",))
        return typed

    def _among(self, subject: Node, options: tuple[Node, ...]) -> None:
        """A text that a fact can never hold is a misspelling."""
        if not isinstance(subject, Name) or not (values := self._facts[subject.name].values):
            return
        for option in options:
            if isinstance(option, Literal) and isinstance(option.value, str) and option.value not in values:
                what = f"{option.value!r} is no value of {subject.name!r}{nearest(option.value, values)}"
                raise LanguageError(what, option.place, expected=tuple(repr(value) for value in values))


def widened(*digits: Digits) -> Digits:
    """What holds each of several numbers."""
    if not digits:
        return Digits(1, 0)
    scale = max(each.scale for each in digits)
    return Digits(max(each.total - each.scale for each in digits) + scale, scale)


def _digits(node: Node) -> Digits:
    return node.digits or FACT_DIGITS


def _few(digits: Digits, node: Node) -> Digits:
    if digits.total > MAX_DIGITS:
        what = f"this can need {digits.total} digits, and {MAX_DIGITS} are exact; multiply fewer numbers"
        raise LanguageError(what, node.place)
    return digits


def _alike(left: Node, right: Node, node: Node) -> None:
    if left.type != right.type:
        hint = _reading(left, right.type) or _reading(right, left.type)
        raise LanguageError(f"a {left.type} is held against a {right.type}{hint}", node.place)
    if left.type == "list":
        raise LanguageError("lists are not held against each other; write has(x, '…') or size(x)", node.place)
    if left.digits and right.digits:
        _few(widened(left.digits, right.digits), node)


def _reading(node: Node, wanted: FactType | None) -> str:
    """How a text is read as what was wanted."""
    if isinstance(node, Literal) and node.type == "text" and wanted == "date":
        return "; write DATE '2024-02-29'"
    if isinstance(node, Literal) and node.type == "text" and wanted == "number":
        return "; write the number without quotes"
    function = {"number": "number", "date": "ymd"}.get(wanted or "")
    return f"; write {function}({node.text[:40]})" if node.type == "text" and function else ""


def _prepared(function: Function, arguments: tuple[Node, ...], node: Call) -> None:
    """The literals fit, or the mistake stands at the literal."""
    if function.prepare is None:
        return
    chosen = [part for index, part in enumerate(arguments) if catalogue.is_literal(function, index)]
    try:
        function.prepare(*(part.value for part in chosen if isinstance(part, Literal)))
    except ValueError as error:
        raise LanguageError(str(error), chosen[0].place) from error
