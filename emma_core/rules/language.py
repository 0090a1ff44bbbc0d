"""Read a predicate's text into a tree."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal as Word
from typing import NoReturn, cast

from emma_core.rules import refusals
from emma_core.rules.mistakes import LanguageError
from emma_core.rules.tokens import AGGREGATES, Token, cut
from emma_core.rules.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Case,
    Comparator,
    Compare,
    In,
    IsNull,
    Literal,
    Name,
    Negate,
    Node,
    Not,
    Or,
    Place,
    Product,
    Sum,
    Total,
)
from emma_core.rules.values import day

MAX_LEVELS = 40
MAX_LEAVES = 500
MAX_OPTIONS = 1_000

_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_VALUE = ("a fact", "a literal", "a function", "'('")
_IS = "IS is followed by NULL or NOT NULL"


def parse(text: str) -> Node:
    """The tree of a predicate, without types. Raises `LanguageError`, and nothing else, where it does not read."""
    return _Reader(cut(text)).whole()


class _Reader:
    """A place in the tokens; each method reads one part and moves past it."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._levels = 0
        self._leaves = 0

    def whole(self) -> Node:
        node = self._or()
        if self._now.kind != "end":
            self._refuse(("an operator", "the end of the text"))
        return node

    def _or(self) -> Node:
        start = self._now
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return Or(tuple(parts), place=self._since(start)) if len(parts) > 1 else parts[0]

    def _and(self) -> Node:
        start = self._now
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return And(tuple(parts), place=self._since(start)) if len(parts) > 1 else parts[0]

    def _not(self) -> Node:
        if not (token := self._take("not")):
            return self._comparison()
        self._deeper(token)
        part = self._not()
        self._levels -= 1
        return Not(part, place=self._since(token))

    def _comparison(self) -> Node:
        start = self._now
        left = self._sum()
        node = self._compared(start, left)
        if node is not left and (self._is(*_COMPARATORS) or self._is("in", "between", "is", "not")):
            raise LanguageError("comparisons do not chain; write a < b AND b < c", self._now.place, expected=("AND",))
        return node

    def _compared(self, start: Token, left: Node) -> Node:
        if self._is(*_COMPARATORS):
            operator = self._next()
            if self._is("null"):
                instead = "IS NULL" if operator.word == "=" else "IS NOT NULL"
                raise LanguageError(f"nothing compares with NULL; write {instead}", self._now.place, expected=_VALUE)
            right = self._sum()
            return Compare(cast(Comparator, operator.word), left, right, place=self._since(start))
        if self._take("is"):
            return self._null(start, left)
        negated = self._take("not") is not None
        if self._take("in"):
            return self._in(start, left, negated)
        if self._take("between"):
            return self._between(start, left, negated)
        if negated:
            self._refuse(("IN", "BETWEEN"))
        return left

    def _null(self, start: Token, left: Node) -> Node:
        negated = self._take("not") is not None
        if not self._take("null"):
            word = self._now.place.text.upper()
            if word in ("TRUE", "FALSE", "UNKNOWN"):
                instead = {"TRUE": "x AND x IS NOT NULL", "FALSE": "NOT x AND x IS NOT NULL"}.get(word, "x IS NULL")
                raise LanguageError(f"IS {word} is refused; write {instead}", self._now.place, expected=("NULL",))
            if word == "DISTINCT":
                what = "IS DISTINCT FROM is refused; write a <> b, and a IS NULL where that counts"
                raise LanguageError(what, self._now.place, expected=("NULL",))
            raise LanguageError(_IS, self._now.place, expected=("NULL", "NOT NULL"))
        return IsNull(left, negated, place=self._since(start))

    def _in(self, start: Token, left: Node, negated: bool) -> Node:
        opening = self._expect("(", "a list in (…)")
        options: list[Node] = []
        while not options or self._take(","):
            if len(options) == MAX_OPTIONS:
                what = f"a list has at most {MAX_OPTIONS} values; write in_table(x, 'table')"
                raise LanguageError(what, self._now.place)
            options.append(self._option())
        self._expect(")", "',' or ')'")
        return In(left, tuple(options), negated, self._since(opening), place=self._since(start))

    def _option(self) -> Node:
        if self._is("null"):
            raise LanguageError(
                "NULL in a list is refused; write x IS NULL OR x IN (…)", self._now.place, expected=("a literal",)
            )
        if minus := self._take("-"):
            if self._now.kind != "number":
                self._refuse(("a number",))
            return self._negated(minus, self._literal(self._next()))
        if self._now.kind not in ("number", "text", "name") and not self._is("true", "false"):
            self._refuse(("a literal", "a fact"))
        token = self._next()
        if token.kind != "name":
            return self._literal(token)
        if self._is("("):
            what = "a list holds literals and facts; write OR for what must be worked out"
            raise LanguageError(what, token.place, expected=("a literal", "a fact"))
        return self._name(token)

    def _between(self, start: Token, left: Node, negated: bool) -> Node:
        low = self._sum()
        if not self._take("and"):
            self._refuse(("AND",))
        high = self._sum()
        return Between(left, low, high, negated, place=self._since(start))

    def _sum(self) -> Node:
        start = self._now
        terms, signs = [self._product()], ["+"]
        while self._is("+", "-"):
            signs.append(self._next().word)
            terms.append(self._product())
        if len(terms) == 1:
            return terms[0]
        return Sum(tuple(terms), cast(tuple[Word["+", "-"], ...], tuple(signs)), place=self._since(start))

    def _product(self) -> Node:
        start = self._now
        factors = [self._unary()]
        while self._take("*"):
            factors.append(self._unary())
        return Product(tuple(factors), place=self._since(start)) if len(factors) > 1 else factors[0]

    def _unary(self) -> Node:
        if not (minus := self._take("-")):
            return self._primary()
        self._deeper(minus)
        part = self._unary()
        self._levels -= 1
        return self._negated(minus, part)

    def _negated(self, minus: Token, part: Node) -> Node:
        if isinstance(part, Literal) and isinstance(part.value, Decimal):
            return Literal(part.value.copy_negate() if part.value else part.value, place=self._since(minus))
        return Negate(part, place=self._since(minus))

    def _primary(self) -> Node:
        if bracket := self._take("("):
            return self._bracketed(bracket)
        if case := self._take("case"):
            return self._case(case)
        if self._now.kind not in ("number", "text", "name") and not self._is("true", "false"):
            self._refuse(_VALUE)
        token = self._next()
        self._leaf(token)
        if token.kind != "name":
            return self._literal(token)
        return self._call(token) if self._is("(") else self._name(token)

    def _bracketed(self, opening: Token) -> Node:
        self._deeper(opening)
        node = self._or()
        self._expect(")", "')'")
        self._levels -= 1
        return node

    def _case(self, token: Token) -> Node:
        self._deeper(token)
        whens = []
        if not self._is("when"):
            raise LanguageError("write CASE WHEN x = … THEN …", self._now.place, expected=("WHEN",))
        while self._take("when"):
            condition = self._or()
            self._expect("then", "THEN")
            whens.append((condition, self._or()))
        if self._is("end"):
            raise LanguageError("CASE needs an ELSE; write ELSE … END", self._now.place, expected=("ELSE",))
        self._expect("else", "WHEN or ELSE")
        otherwise = self._or()
        self._expect("end", "END")
        self._levels -= 1
        return Case(tuple(whens), otherwise, place=self._since(token))

    def _call(self, token: Token) -> Node:
        if token.word.lower() in AGGREGATES:
            return self._aggregate(token)
        if instead := refusals.of_call(token.word):
            raise LanguageError(instead, token.place, expected=("a function of this language",))
        self._deeper(token)
        self._expect("(", "'('")
        arguments: list[Node] = []
        if not self._is(")"):
            arguments.append(self._or())
        while self._take(","):
            arguments.append(self._or())
        self._expect(")", "',' or ')'")
        self._levels -= 1
        return Call(token.word.lower(), tuple(arguments), place=self._since(token))

    def _aggregate(self, token: Token) -> Node:
        self._deeper(token)
        self._expect("(", "'('")
        function = cast(Total, token.word.lower())
        subject, distinct = None, False
        if self._is("*"):
            if function != "count":
                what = f"{function.upper()} adds up nothing; only count takes *, so write {function}(x)"
                raise LanguageError(what, self._now.place, expected=("a fact",))
            self._next()
        else:
            distinct = self._distinct(function)
            subject = self._or()
        self._expect(")", "')'")
        where = self._filter()
        self._levels -= 1
        return Aggregate(function, subject, distinct, where, place=self._since(token))

    def _distinct(self, function: str) -> bool:
        """Whether DISTINCT stands here, and not a fact of that name."""
        token, after = self._now, self._tokens[min(self._index + 1, len(self._tokens) - 1)]
        opens = after.kind in ("name", "number", "text") or after.word in ("(", "-", "case", "true", "false")
        if token.kind != "name" or token.word.lower() != "distinct" or not (opens or token.word != "distinct"):
            return False
        if function != "count":
            raise LanguageError(f"DISTINCT stands only in count(DISTINCT x); write {function}(x)", token.place)
        self._next()
        return True

    def _filter(self) -> Node | None:
        if self._now.kind != "name" or self._now.word.lower() != "filter":
            return None
        self._next()
        self._expect("(", "'('")
        if self._now.kind != "name" or self._now.word.lower() != "where":
            raise LanguageError("write FILTER (WHERE …)", self._now.place, expected=("WHERE",))
        self._next()
        where = self._or()
        self._expect(")", "')'")
        return where

    def _literal(self, token: Token) -> Node:
        if token.kind == "number":
            return Literal(Decimal(token.word), place=token.place)
        if token.kind == "text":
            return Literal(token.word, place=token.place)
        return Literal(token.word == "true", place=token.place)

    def _name(self, token: Token) -> Node:
        if token.word.lower() == "date" and self._now.kind == "text":
            return self._date(token, self._next())
        if instead := refusals.of_name(token.word, before_literal=self._now.kind in ("text", "number")):
            raise LanguageError(instead, token.place, expected=_VALUE)
        if token.word != token.word.lower():
            what = f"{token.word[:40]!r} is no fact; facts are written in small letters: {token.word[:40].lower()!r}"
            raise LanguageError(what, token.place, expected=("a fact",))
        return Name(token.word, place=token.place)

    def _date(self, token: Token, text: Token) -> Node:
        value = day(text.word)
        if isinstance(value, date):
            return Literal(value, place=self._since(token))
        raise LanguageError(f"{value}; write DATE '2024-02-29'", text.place, expected=("a day",))

    def _leaf(self, token: Token) -> None:
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            what = f"a predicate has at most {MAX_LEAVES} facts, literals and calls; write two rules"
            raise LanguageError(what, token.place)

    def _deeper(self, token: Token) -> None:
        self._levels += 1
        if self._levels > MAX_LEVELS:
            raise LanguageError(f"nested deeper than {MAX_LEVELS} levels; write two rules", token.place)

    @property
    def _now(self) -> Token:
        return self._tokens[self._index]

    def _next(self) -> Token:
        token = self._now
        self._index += token.kind != "end"
        return token

    def _is(self, *words: str) -> bool:
        return self._now.kind in ("keyword", "operator") and self._now.word in words

    def _take(self, word: str) -> Token | None:
        return self._next() if self._is(word) else None

    def _expect(self, word: str, shown: str) -> Token:
        return self._take(word) or self._refuse((shown,))

    def _refuse(self, expected: tuple[str, ...]) -> NoReturn:
        token = self._now
        if token.kind == "name" and (instead := refusals.of_word(token.word)):
            raise LanguageError(instead, token.place, expected=expected)
        if token.kind == "keyword" and token.word == "null":
            raise LanguageError("NULL stands only in IS NULL and IS NOT NULL", token.place, expected=expected)
        if token.kind == "keyword" and token.word == "not" and expected is _VALUE:
            raise LanguageError("NOT needs brackets here; write (NOT …)", token.place, expected=expected)
        raise LanguageError(f"expected {' or '.join(expected)}, found {token.shown}", token.place, expected=expected)

    def _since(self, start: Token) -> Place:
        """From a token to the last one that was read, brackets and all."""
        return Place(start.place.source, start.place.start, self._tokens[self._index - 1].place.end)
