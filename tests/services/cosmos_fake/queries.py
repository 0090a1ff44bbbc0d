"""Answers the part of Cosmos's SQL that Emma asks in; what it does not know is refused, as a real account would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.cosmos_fake import ranked

Item = dict[str, Any]
_TOKEN = re.compile(r"\s*(?:(\d+)|(@?[A-Za-z_][A-Za-z0-9_]*)|('(?:[^'\\]|\\.)*')|(<=|>=|!=|<>|[=<>(),.*]))")
_UNDEFINED = object()
"""What a path comes to that an item does not have; Cosmos keeps it apart from null."""
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Said = Callable[[Item], Any]
_RESERVED = re.compile(
    "and|array|as|asc|between|by|case|cast|convert|cross|desc|distinct|else|end|escape|exists|false|for|from|group"
    "|having|in|inner|insert|into|is|join|left|like|limit|not|null|offset|on|or|order|outer|over|rank|right|select|set"
    "|then|top|true|udf|undefined|update|value|when|where|with",
    re.IGNORECASE,
)


class Refused(Exception):
    """This query is not one that is answered here."""


class Query:
    """`SELECT [TOP n] * | c.x, … | VALUE c.x | VALUE COUNT(1) FROM c [WHERE …] [ORDER BY c.x [DESC]]`.

    Beside paths there may be `VectorDistance(c.x, @v) AS name`; the order may be by that, or `RANK` one of
    `FullTextScore(c.x, @w, …)`, or `RRF` of both.
    """

    def __init__(self, text: str, parameters: Iterable[Mapping[str, Any]]) -> None:
        self._values = {each["name"]: each["value"] for each in parameters}
        self._tokens = _tokens(text)
        self._at = 0
        self.top: int | None = None
        self.fields: list[str] | None = None
        self.value = self.counts = False
        self.where: Said = lambda item: True
        self.order: Said | None = None
        self.descending = False
        self.distances: dict[str, tuple[str, Any]] = {}
        """By the name it is shown under, the path and the vector of a distance."""
        self.nearest: tuple[str, Any] | None = None
        self.ranks: list[tuple[str, str, Any]] = []
        """The components of the rank: `words` or `vector`, the path, and what it is compared with."""
        self._read()

    def chosen(self, items: Iterable[Item]) -> list[Item]:
        """The items that hold, in order."""
        found = [item for item in items if self.where(item) is True]
        if self.order is not None:
            order = self.order
            # an item without the path is not in an ordered answer
            found = [item for item in found if order(item) is not _UNDEFINED]
            found.sort(key=order, reverse=self.descending)
        if self.nearest is not None:
            scores = ranked.cosines(found, *self.nearest)
            found = sorted((item for item in found if item["_rid"] in scores), key=lambda item: -scores[item["_rid"]])
        return found

    def shown(self, found: list[Item]) -> list[Any]:
        """What the SELECT makes of them."""
        if self.counts:
            return [len(found)]
        if self.fields is None:
            return list(found)
        if self.value:
            return [item[self.fields[0]] for item in found if self.fields[0] in item]
        shown = [{name: item[name] for name in self.fields if name in item} for item in found]
        for name, (path, vector) in self.distances.items():
            scores = ranked.cosines(found, path, vector)
            for item, each in zip(found, shown, strict=True):
                if item["_rid"] in scores:
                    each[name] = scores[item["_rid"]]
        return shown

    def _read(self) -> None:
        self._expect("SELECT")
        if self._took("TOP"):
            self.top = int(self._operand()({}))
        self._selected()
        self._expect("FROM")
        self._expect("c")
        if self._took("WHERE"):
            self.where = self._either()
        if self._took("ORDER"):
            self._expect("BY")
            if self._took("RANK"):
                self._ranked()
            elif self._took("VectorDistance"):
                self.nearest = self._compares()
            else:
                self.order = self._path()
                self.descending = self._took("DESC")
                self._took("ASC")
        if self._at != len(self._tokens):
            raise Refused(f"Syntax error near {self._tokens[self._at]!r}")

    def _selected(self) -> None:
        if self._took("*"):
            return
        self.value = self._took("VALUE")
        if self.value and self._took("COUNT"):
            for token in ("(", "1", ")"):
                self._expect(token)
            self.counts = True
            return
        self.fields = []
        self._field()
        while self._took(","):
            self._field()
        if self.value and len(self.fields) != 1:
            raise Refused("VALUE takes one expression")

    def _field(self) -> None:
        assert self.fields is not None
        if self._took("VectorDistance"):
            compared = self._compares()
            self._expect("AS")
            self.distances[self._next()] = compared
        else:
            self.fields.append(self._name())

    def _compares(self) -> tuple[str, Any]:
        """`(c.x, @v)`: the path, and what it is compared with."""
        self._expect("(")
        path = self._name()
        self._expect(",")
        values = [self._operand()({})]
        while self._took(","):
            values.append(self._operand()({}))
        self._expect(")")
        return path, values[0] if isinstance(values[0], list) else values

    def _ranked(self) -> None:
        many = self._took("RRF")
        if many:
            self._expect("(")
        while not self.ranks or (many and self._took(",")):
            kind = "words" if self._took("FullTextScore") else "vector"
            if kind == "vector":
                self._expect("VectorDistance")
            self.ranks.append((kind, *self._compares()))
        if many:
            self._expect(")")
        if not self.top:
            raise Refused("A rank without TOP is not answered here")

    def _either(self) -> Said:
        sides = [self._both()]
        while self._took("OR"):
            sides.append(self._both())
        return sides[0] if len(sides) == 1 else lambda item: any(side(item) is True for side in sides)

    def _both(self) -> Said:
        sides = [self._one()]
        while self._took("AND"):
            sides.append(self._one())
        return sides[0] if len(sides) == 1 else lambda item: all(side(item) is True for side in sides)

    def _one(self) -> Said:
        if self._took("NOT"):
            inner = self._one()
            return lambda item: inner(item) is False
        if self._took("("):
            inner = self._either()
            self._expect(")")
            return inner
        if self._took("IS_DEFINED"):
            self._expect("(")
            path = self._path()
            self._expect(")")
            return lambda item: path(item) is not _UNDEFINED
        if self._took("FullTextContainsAny"):
            name, terms = self._compares()
            return lambda item: ranked.holds_any(item.get(name), terms)
        if self._took("ARRAY_CONTAINS"):
            self._expect("(")
            several = self._operand()
            self._expect(",")
            one = self._operand()
            self._expect(")")
            return lambda item: isinstance(several(item), list) and one(item) in several(item)
        return self._compared()

    def _compared(self) -> Said:
        left, sign = self._operand(), self._next()
        if sign not in _COMPARE:
            raise Refused(f"Syntax error near {sign!r}")
        right, compare = self._operand(), _COMPARE[sign]

        def held(item: Item) -> Any:
            a, b = left(item), right(item)
            alike = type(a) is type(b) or all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
            if _UNDEFINED in (a, b) or not alike:
                return _UNDEFINED
            return compare(a, b)

        return held

    def _operand(self) -> Said:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if token == "c":
            return self._path()
        self._at += 1
        if token.startswith("@"):
            if token not in self._values:
                raise Refused(f"The parameter {token} has no value")
            value: Any = self._values[token]
        elif token.startswith("'"):
            value = token[1:-1]
        elif token.isdigit():
            value = int(token)
        else:
            raise Refused(f"Syntax error near {token!r}")
        return lambda item: value

    def _path(self) -> Said:
        name = self._name()
        return lambda item: item.get(name, _UNDEFINED)

    def _name(self) -> str:
        self._expect("c")
        self._expect(".")
        name = self._next()
        if _RESERVED.fullmatch(name) or not name.isidentifier():
            raise Refused(f"Syntax error near {name!r}")
        return name

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ""

    def _took(self, token: str) -> bool:
        there = self._at < len(self._tokens) and self._tokens[self._at].upper() == token.upper()
        self._at += there
        return there

    def _expect(self, token: str) -> None:
        if not self._took(token):
            near = self._tokens[self._at] if self._at < len(self._tokens) else "the end"
            raise Refused(f"Syntax error near {near!r}: expected {token!r}")


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Refused(f"Syntax error near {text[at : at + 20]!r}")
        tokens.append(match.group().strip())
        at = match.end()
    return tokens
