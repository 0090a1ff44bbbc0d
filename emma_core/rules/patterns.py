"""Read the small patterns of `matches`, and match whole texts in linear time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_CHARACTERS = 500
MAX_REPEAT = 100
MAX_LEVELS = 40
_SPECIAL = frozenset(".[](){}|?*+^$\\-&~/#")


class PatternError(ValueError):
    """A pattern that is refused, and why."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of ranges of code points, or, negated, one outside them; outside of none is any."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts, one after the other; no part is the empty text."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part so many times; None is without end."""

    part: Pattern
    low: int
    high: int | None


Pattern = Chars | Sequence | Choice | Repeat
ANY = Chars((), negated=True)
ANYTHING = Repeat(ANY, 0, None)


@lru_cache(maxsize=1024)
def read(text: str) -> Pattern:
    """The pattern that a text spells. Raises `PatternError` with the character where it does not."""
    if len(text) > MAX_CHARACTERS:
        raise PatternError(f"the pattern has {len(text)} characters; the most is {MAX_CHARACTERS}; write two rules")
    reader = _Reader(text)
    pattern = reader.choice()
    if reader.now:
        reader.refuse("this ) closes nothing; write \\) for the character")
    return pattern


def spell(pattern: Pattern) -> str:
    """The pattern in the spelling that every engine reads alike."""
    match pattern:
        case Chars(ranges=(), negated=True):
            return "."
        case Chars(ranges=ranges, negated=negated):
            if not negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
                return _escaped(ranges[0][0])
            inside = "".join(_escaped(a) if a == b else f"{_escaped(a)}-{_escaped(b)}" for a, b in ranges)
            return f"[{'^' if negated else ''}{inside}]"
        case Sequence(parts=parts):
            return "".join(f"(?:{spell(part)})" if isinstance(part, Choice) else spell(part) for part in parts)
        case Choice(parts=parts):
            return "|".join(spell(part) for part in parts)
        case Repeat(part=part, low=low, high=high):
            inner = spell(part) if isinstance(part, Chars) else f"(?:{spell(part)})"
            return inner + _quantifier(low, high)


def whole(text: str) -> str:
    """The pattern as engines are given it: a match of the whole text, in which `.` is any character."""
    return rf"(?s)\A(?:{spell(read(text))})\z"


@lru_cache(maxsize=1024)
def matcher(text: str) -> Callable[[str], bool]:
    """Whether a whole text matches the pattern. Raises `PatternError` where it does not read."""
    spelled = whole(text)
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=spelled, regex_engine="rust-regex"))
    except SchemaError as error:
        raise PatternError(f"the pattern is refused by the regex engine; it was read as {spelled!r}") from error
    return validator.isinstance_python


def _quantifier(low: int, high: int | None) -> str:
    known = {(0, 1): "?", (0, None): "*", (1, None): "+"}
    if (low, high) in known:
        return known[low, high]
    return f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"


def _escaped(code: int) -> str:
    return f"\\{chr(code)}" if chr(code) in _SPECIAL else chr(code)


class _Reader:
    """A place in a pattern's text; each method reads one part and moves past it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._index = 0
        self._levels = 0

    @property
    def now(self) -> str:
        return self._text[self._index : self._index + 1]

    def refuse(self, why: str) -> NoReturn:
        raise PatternError(f"pattern, character {self._index + 1}: {why}")

    def choice(self) -> Pattern:
        parts = [self._sequence()]
        while self.now == "|":
            self._index += 1
            parts.append(self._sequence())
        return Choice(tuple(parts)) if len(parts) > 1 else parts[0]

    def _sequence(self) -> Pattern:
        parts: list[Pattern] = []
        while self.now and self.now not in "|)":
            parts.append(self._repeated())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self) -> Pattern:
        at, grouped = self._index, self.now == "("
        part = self._single()
        bounds = self._bounds()
        if bounds is None:
            return part
        if grouped and bounds != (0, 1) and _repeats(part):
            self._index = at
            self.refuse("a group that holds a quantifier takes none but ?; repeat what is inside it")
        if self.now and self.now in "?*+{":
            self.refuse("a quantifier follows a quantifier; write one")
        return Repeat(part, *bounds)

    def _single(self) -> Pattern:
        char = self.now
        if char == "(":
            return self._group()
        if char == "[":
            return self._set()
        if char in "?*+{":
            self.refuse(f"{char!r} has nothing to repeat; write \\{char} for the character")
        if char in "]}":
            self.refuse(f"{char!r} closes nothing; write \\{char} for the character")
        if char in "^$":
            self.refuse(f"{char!r} is refused, because a match is always of the whole text")
        if char == ".":
            self._index += 1
            return ANY
        code = self._character()
        return Chars(((code, code),))

    def _group(self) -> Pattern:
        if self._text.startswith("(?", self._index):
            self.refuse("flags, named groups and look-around are refused; write a plain group (…)")
        self._levels += 1
        if self._levels > MAX_LEVELS:
            self.refuse(f"groups nest deeper than {MAX_LEVELS} levels")
        self._index += 1
        inner = self.choice()
        if self.now != ")":
            self.refuse("a group has no end; close it with )")
        self._index += 1
        self._levels -= 1
        return inner

    def _bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
        if self.now in simple:
            self._index += 1
            return simple[self._text[self._index - 1]]
        if self.now != "{":
            return None
        end = self._text.find("}", self._index)
        low, comma, high = self._text[self._index + 1 : max(end, 0)].partition(",")
        if not (_digits(low) and (_digits(high) or not high)):
            self.refuse("write {3}, {3,} or {3,5} with numbers up to 100")
        bounds = int(low), (int(high) if high else None if comma else int(low))
        if max(bounds[0], bounds[1] or 0) > MAX_REPEAT or (bounds[1] is not None and bounds[1] < bounds[0]):
            self.refuse(f"a repeat counts up, and to {MAX_REPEAT} at most")
        self._index = end + 1
        return bounds

    def _set(self) -> Pattern:
        self._index += 1
        negated = self.now == "^"
        self._index += negated
        ranges: list[tuple[int, int]] = []
        while self.now != "]":
            ranges.append(self._range())
        if not ranges:
            self.refuse("an empty set; write the characters between [ and ]")
        self._index += 1
        return Chars(tuple(ranges), negated)

    def _range(self) -> tuple[int, int]:
        low = self._member()
        if self.now != "-" or self._text[self._index + 1 : self._index + 2] in ("]", ""):
            return low, low
        self._index += 1
        high = self._member()
        if high < low:
            self.refuse("a range runs backwards; write the lower character first")
        return low, high

    def _member(self) -> int:
        if not self.now:
            self.refuse("a set has no end; close it with ]")
        if self.now in "[&~":
            self.refuse(f"{self.now!r} inside a set is written \\{self.now}")
        return self._character()

    def _character(self) -> int:
        char = self.now
        if char == "\\":
            self._index += 1
            char = self.now
            if not char or char not in _SPECIAL:
                self.refuse(f"'\\{char}' is refused; write the characters out, such as [0-9] or [A-Za-z]")
        self._index += 1
        return ord(char)


def _digits(text: str) -> bool:
    return 0 < len(text) <= 3 and text.isascii() and text.isdigit()


def _repeats(pattern: Pattern) -> bool:
    """Whether a quantifier stands anywhere in it."""
    match pattern:
        case Repeat():
            return True
        case Sequence(parts=parts) | Choice(parts=parts):
            return any(_repeats(part) for part in parts)
    return False
