"""Feed the reader of predicates random texts, and hold its trees against sqlglot's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import expressions as exp

from emma_core.nouns import FactSpec
from emma_core.rules import BUILTINS, LanguageError, parse, tree, types

_SPELLED = r"""
or and not in between is null true false case when then else end date DATE AND OR NOT Is ( ) ( ) ,
dti debt zip remarks applied verified tags dtii Dti x_1 _ number matches ymd left contains has ts_x filing_year
count sum min max count(*) sum(debt) count(DISTINCT distinct FILTER filter WHERE where FILTER(WHERE
select like cast coalesce now current_date 0 1 0.45 12 999999999999 1e5 1_000 0x1F .5 5. 1.2.3
+ - * / % = <> != < <= > >= || == :: ; -- /* */ " ` [ ] { } ? : @ $ # ! ~ ^ \ & | ≤ ’ é
'a' '' 'it''s' ' '2024-02-29' '20240229' '[a-z]+' '(a+)*' '\d'
"""
_WORDS = (*_SPELLED.split(), "\u00a0", "\u200b", "\x00", "\ud800", "\n", "\t")
_QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck))


def reads(text: str, facts: Mapping[str, FactSpec]) -> bool:
    """A tree that checks or is refused at a place; anything else raised fails the test."""
    try:
        types.check(parse(text), facts, BUILTINS, of_file="count" in text.lower())
    except LanguageError as error:
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines), text
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1, text
        assert str(error).startswith(f"line {error.line} col {error.column}: "), text
        return False
    return True


@given(texts=st.lists(st.text(max_size=60), min_size=40, max_size=80))
@settings(_QUICK, max_examples=300)
def test_any_text_gives_a_tree_or_an_error_with_a_place(texts: list[str], facts: Mapping[str, FactSpec]) -> None:
    for text in texts:
        reads(text, facts)


@given(seed=st.integers(0, 2**64))
@settings(_QUICK, max_examples=300)
def test_a_soup_of_tokens_gives_a_tree_or_an_error_with_a_place(seed: int, facts: Mapping[str, FactSpec]) -> None:
    random = Random(seed)
    for _ in range(220):
        joint = random.choice((" ", " ", ""))
        reads(joint.join(random.choices(_WORDS, k=random.randint(1, 14))), facts)


@given(seed=st.integers(0, 2**64))
@settings(_QUICK, max_examples=300)
def test_a_predicate_with_a_slip_gives_a_tree_or_an_error_with_a_place(
    seed: int, facts: Mapping[str, FactSpec], write_predicate: Callable[[Random], str]
) -> None:
    random = Random(seed)
    for _ in range(20):
        whole = write_predicate(random)
        for _ in range(8):
            text = whole
            for _ in range(random.randint(1, 3)):
                text = _slipped(random, text)
            reads(text, facts)


@given(seed=st.integers(0, 2**64))
@settings(_QUICK, max_examples=150)
def test_sqlglot_builds_the_same_tree(seed: int, write_predicate: Callable[[Random], str]) -> None:
    random = Random(seed)
    for _ in range(20):
        text = _plain(write_predicate(random))
        assert _ours(parse(text)) == _theirs(_read(text)), text


def test_sqlglot_agrees_on_precedence_without_brackets() -> None:
    texts = (
        "a OR b AND NOT c = d",
        "NOT a = b OR c",
        "a + b * - c - d <= e * f + 1",
        "a - b - c + d > - 1",
        "- - a > -1",
        "a NOT IN (1, -2, b) AND NOT b IN ('x')",
        "a BETWEEN 1 AND 2 AND b NOT BETWEEN c + 1 AND d",
        "a IS NULL OR b IS NOT NULL AND c",
        "NOT NOT a IS NULL",
        "CASE WHEN a > 1 THEN b ELSE c END = d",
        "(a OR b) = (c AND d)",
        "f_1(a, b + 1, c = d) AND d >= DATE '2024-02-29'",
    )
    for text in texts:
        assert _ours(parse(text)) == _theirs(_read(text)), text


def _slipped(random: Random, text: str) -> str:
    start = random.randint(0, len(text))
    stop = min(len(text), start + random.choice((0, 0, 1, 1, 4, 15)))
    return text[:start] + random.choice(("", random.choice(_WORDS), chr(random.randint(1, 0x2FF)))) + text[stop:]


def _read(text: str) -> exp.Expression:
    # a `%` or an unknown function makes it log; what counts here is the tree
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    return sqlglot.parse_one(text, dialect="postgres")


def _plain(text: str) -> str:
    """With functions that sqlglot has no tree of its own for: it knows some of ours by meaning, not by name."""
    for name in sorted(BUILTINS, key=len, reverse=True):
        for spelling in (name, name.upper()):
            text = text.replace(f"{spelling}(", f"f_{name}_(")
    return text


def _ours(node: tree.Node) -> Any:
    match node:
        case tree.Literal(value=value):
            return "literal", type(value).__name__, value
        case tree.Name(name=name):
            return "name", name
        case tree.Call(function=function, arguments=arguments):
            return "call", function, *map(_ours, arguments)
        case tree.Negate(part=part):
            return "negate", _ours(part)
        case tree.Not(part=part):
            return "not", _ours(part)
        case tree.And(parts=parts) | tree.Or(parts=parts):
            return type(node).__name__.lower(), *map(_ours, parts)
        case tree.Sum(terms=terms, signs=signs):
            return "sum", *zip(signs, map(_ours, terms), strict=True)
        case tree.Product(factors=factors):
            return "product", *map(_ours, factors)
        case tree.Compare(operator=operator, left=left, right=right):
            return operator, _ours(left), _ours(right)
        case tree.In(subject=subject, options=options, negated=negated):
            return _turned(negated, ("in", _ours(subject), *map(_ours, options)))
        case tree.Between(subject=subject, low=low, high=high, negated=negated):
            return _turned(negated, ("between", _ours(subject), _ours(low), _ours(high)))
        case tree.IsNull(subject=subject, negated=negated):
            return _turned(negated, ("is null", _ours(subject)))
        case tree.Case(whens=whens, otherwise=otherwise):
            return "case", *((_ours(a), _ours(b)) for a, b in whens), _ours(otherwise)
    raise AssertionError(node)


def _turned(negated: bool, node: Any) -> Any:
    """Sqlglot reads NOT IN and NOT BETWEEN as NOT over the plain one, so ours is spelled like that too."""
    return ("not", node) if negated else node


_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


def _theirs(node: exp.Expression) -> Any:
    match node:
        case exp.Paren():
            return _theirs(node.this)
        case exp.Literal():
            return ("literal", "str", node.this) if node.is_string else ("literal", "Decimal", Decimal(node.this))
        case exp.Boolean():
            return "literal", "bool", node.this
        case exp.Cast():
            return "literal", "date", date.fromisoformat(node.this.this)
        case exp.Column():
            return "name", node.name
        case exp.Anonymous():
            return "call", node.name.lower(), *map(_theirs, node.expressions)
        case exp.Neg():
            part = _theirs(node.this)  # a minus before a literal is the literal's own
            return ("literal", "Decimal", -part[2]) if part[:2] == ("literal", "Decimal") else ("negate", part)
        case exp.Not():
            return "not", _theirs(node.this)
        case exp.And() | exp.Or() | exp.Mul():
            word = {exp.And: "and", exp.Or: "or", exp.Mul: "product"}[type(node)]
            return word, *map(_theirs, _spine(node, type(node)))
        case exp.Add() | exp.Sub():
            return "sum", *_terms(node)
        case exp.In():
            return "in", _theirs(node.this), *map(_theirs, node.expressions)
        case exp.Between():
            return "between", _theirs(node.this), _theirs(node.args["low"]), _theirs(node.args["high"])
        case exp.Is():
            return _turned(bool(node.args.get("negate")), ("is null", _theirs(node.this)))
        case exp.Case():
            pairs = ((_theirs(each.this), _theirs(each.args["true"])) for each in node.args["ifs"])
            return "case", *pairs, _theirs(node.args["default"])
    return _COMPARISONS[type(node)], _theirs(node.this), _theirs(node.expression)


def _spine(node: exp.Expression, kind: type[exp.Expression]) -> list[exp.Expression]:
    """The operands of one unbracketed chain."""
    if type(node) is not kind:
        return [node]
    return [*_spine(node.this, kind), *_spine(node.expression, kind)]


def _terms(node: exp.Expression) -> list[tuple[str, Any]]:
    if not isinstance(node, exp.Add | exp.Sub):
        return [("+", _theirs(node))]
    return [*_terms(node.this), ("+" if isinstance(node, exp.Add) else "-", _theirs(node.expression))]
