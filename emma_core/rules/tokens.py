"""Cut a predicate's text into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from emma_core.rules import refusals
from emma_core.rules.mistakes import LanguageError
from emma_core.rules.tree import Place

MAX_CHARACTERS = 8_000
KEYWORDS = frozenset(
    ("or", "and", "not", "in", "between", "is", "null", "true", "false", "case", "when", "then", "else", "end")
)
AGGREGATES = frozenset(("count", "sum", "min", "max"))
"""Names that a bracket after them makes an aggregate."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<operator><>|!=|<=|>=|[=<>()+\-*,])"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_AFTER_NUMBER = re.compile(r"[A-Za-z0-9_.]+")
_JOINED = ("--", "==", "=>", "=<", "<=>")


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, text or operator; a keyword's `word` is in small letters."""

    kind: Literal["keyword", "name", "number", "text", "operator", "end"]
    word: str
    place: Place

    @property
    def shown(self) -> str:
        """How a message names it."""
        return "the end of the text" if self.kind == "end" else repr(self.place.text[:40])


def cut(text: str) -> list[Token]:
    """The tokens of a text, the last one of kind `end`. Raises `LanguageError` at the first that there is none for."""
    if len(text) > MAX_CHARACTERS:
        what = f"the predicate has {len(text)} characters; the most is {MAX_CHARACTERS}; write two rules"
        raise LanguageError(what, Place(text, MAX_CHARACTERS, len(text)))
    if stray := _SURROGATE.search(text):
        code = f"U+{ord(stray.group()):04X}"
        raise LanguageError(f"half of a character ({code}); write the whole one", _at(text, stray.start()))
    tokens, start = [], 0
    while start < len(text):
        found = _TOKEN.match(text, start)
        if found is None or any(text.startswith(symbol, start) for symbol in _JOINED):
            raise _unreadable(text, start)
        start = found.end()
        if found.lastgroup != "space":
            tokens.append(_token(text, found))
    tokens.append(Token("end", "", Place(text, len(text), len(text))))
    return tokens


def _token(text: str, found: re.Match[str]) -> Token:
    """The token that was found, unless what follows spoils it."""
    place = Place(text, found.start(), found.end())
    word = found.group()
    if found.lastgroup == "name":
        if text.startswith(".", found.end()):
            what = "names with dots are refused; write the fact's bare name"
            raise LanguageError(what, place, expected=("a bare name",))
        return Token("keyword", word.lower(), place) if word.lower() in KEYWORDS else Token("name", word, place)
    if found.lastgroup == "number":
        return Token("number", _number(text, found), place)
    if found.lastgroup == "text":
        return Token("text", word[1:-1].replace("''", "'"), place)
    if word == "!=":
        raise LanguageError("'!=' is refused; write <>", place, expected=("'<>'",))
    return Token("operator", word, place)


def _number(text: str, found: re.Match[str]) -> str:
    """The number as written, where it is one that the language has."""
    word = found.group()
    if rest := _AFTER_NUMBER.match(text, found.end()):
        what = f"{(word + rest.group())[:40]!r} is no number; write digits, and at most one point between them"
        raise LanguageError(what, Place(text, found.start(), rest.end()), expected=("a number",))
    whole, _, part = word.partition(".")
    if len(whole) > 12 or len(part) > 6:
        what = "a number has at most 12 digits before the point and 6 after it"
        raise LanguageError(what, Place(text, found.start(), found.end()), expected=("a shorter number",))
    return word


def _unreadable(text: str, start: int) -> LanguageError:
    """What is wrong at a place where no token begins."""
    place = _at(text, start)
    if instead := refusals.of_symbol(text[start : start + 3]):
        return LanguageError(instead, place)
    char = text[start]
    if char == "'":
        return LanguageError("this text has no end; close it with '", place, expected=("'",))
    if char.isalpha():
        return LanguageError(f"{char!r} is refused in a name; write a-z, 0-9 and _", place, expected=("a name",))
    return LanguageError(f"a character that is not read: U+{ord(char):04X}; write plain spaces and operators", place)


def _at(text: str, start: int) -> Place:
    return Place(text, start, start + 1)
