"""Answers the part of OData's filters that Emma asks in; what it does not know is refused, as the service would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Document = Mapping[str, Any]
Held = Callable[[Document], bool]
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_.]*)|([(),:/]))")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a is not None and a > b,
    "ge": lambda a, b: a is not None and a >= b,
    "lt": lambda a, b: a is not None and a < b,
    "le": lambda a, b: a is not None and a <= b,
}
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


class Refused(Exception):
    """This filter is none that is answered here."""


class _Literal(str):
    """A quoted string, apart from names."""


class Filter:
    """What one `$filter` holds of a document, over fields that are filterable."""

    def __init__(self, text: str, fields: Mapping[str, Mapping[str, Any]], *, blind: frozenset[str]) -> None:
        self._fields = fields
        self._blind = blind
        """Fields whose comparison holds whatever is there: what a mutated service gets wrong."""
        self._tokens = _tokens(text)
        self._at = 0
        self.holds = self._either()
        if self._at != len(self._tokens):
            raise Refused(f"Syntax error near {self._tokens[self._at]!r}")

    def _either(self) -> Held:
        sides = [self._both()]
        while self._took("or"):
            sides.append(self._both())
        return lambda document: any(side(document) for side in sides)

    def _both(self) -> Held:
        sides = [self._one()]
        while self._took("and"):
            sides.append(self._one())
        return lambda document: all(side(document) for side in sides)

    def _one(self) -> Held:
        if self._took("not"):
            inner = self._one()
            return lambda document: not inner(document)
        if self._took("("):
            inner = self._either()
            self._expect(")")
            return inner
        if self._took("search.in"):
            self._expect("(")
            name = self._field(lists=False)
            among = self._among()
            return self._seeing(name, lambda document: document.get(name) in among)
        name = self._field(lists=None)
        if self._took("/"):
            return self._any(name)
        sign = self._next()
        if sign not in _COMPARE:
            raise Refused(f"Syntax error near {sign!r}")
        value, compare = self._literal(name), _COMPARE[sign]
        return self._seeing(name, lambda document: compare(document.get(name), value))

    def _any(self, name: str) -> Held:
        """`name/any()`, `name/any(v: v eq 'x')` or `name/any(v: search.in(v, 'x|y', '|'))`."""
        if not self._fields[name]["type"].startswith("Collection("):
            raise Refused(f"{name!r} is no collection")
        self._expect("any")
        self._expect("(")
        if self._took(")"):
            return self._seeing(name, lambda document: bool(document.get(name)))
        variable = self._next()
        self._expect(":")
        if self._took("search.in"):
            self._expect("(")
            self._expect(variable)
            among = self._among()
            self._expect(")")
            return self._seeing(name, lambda document: bool(among & set(document.get(name) or ())))
        self._expect(variable)
        self._expect("eq")
        value = self._literal(name)
        self._expect(")")
        return self._seeing(name, lambda document: value in (document.get(name) or ()))

    def _among(self) -> set[str]:
        """The values of `search.in`: without a third argument they are parted by commas and spaces."""
        self._expect(",")
        values, parting = self._string(), " ,"
        if self._took(","):
            parting = self._string()
        self._expect(")")
        if not parting:
            raise Refused("search.in: no delimiter")
        return {value for value in re.split(f"[{re.escape(parting)}]", values) if value}

    def _seeing(self, name: str, held: Held) -> Held:
        return (lambda document: True) if name in self._blind else held

    def _field(self, *, lists: bool | None) -> str:
        name = self._next()
        if isinstance(name, _Literal) or name not in self._fields:
            raise Refused(f"Could not find a property named {name!r}")
        if not self._fields[name].get("filterable"):
            raise Refused(f"The field {name!r} is not filterable")
        if lists is False and self._fields[name]["type"] != "Edm.String":
            raise Refused(f"search.in is for strings, and {name!r} is none")
        return str(name)

    def _literal(self, name: str) -> Any:
        token = self._next()
        wants = self._fields[name]["type"].removeprefix("Collection(").removesuffix(")")
        if isinstance(token, _Literal):
            value: Any = str(token)
        elif token in _WORDS:
            return _WORDS[token]
        elif re.fullmatch(r"-?\d+(\.\d+)?", token):
            value = float(token) if "." in token else int(token)
        else:
            raise Refused(f"Syntax error near {token!r}")
        if isinstance(value, str) != (wants == "Edm.String"):
            raise Refused(f"Types do not match: {name!r} is {wants}")
        return value

    def _string(self) -> str:
        token = self._next()
        if not isinstance(token, _Literal):
            raise Refused(f"Syntax error near {token!r}")
        return str(token)

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise Refused("Syntax error at the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, word: str) -> bool:
        here = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if isinstance(here, _Literal) or here != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._took(word):
            raise Refused(f"Expected {word!r}")


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise Refused(f"Syntax error at position {at}")
        string, number, name, sign = found.groups()
        tokens.append(_Literal(string.replace("''", "'")) if string is not None else number or name or sign)
        at = found.end()
    return tokens
