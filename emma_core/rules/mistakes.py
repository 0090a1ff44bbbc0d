"""Say where a predicate goes wrong, with its line and a caret under the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from emma_core.errors import RuleError
from emma_core.rules.tree import Place

_BEFORE, _AFTER = 60, 50


class LanguageError(RuleError):
    """A predicate does not read or does not fit its facts; it says at which line and column, and what was expected."""

    def __init__(self, what: str, place: Place, *, expected: tuple[str, ...] = (), where: str = "") -> None:
        self.what = what
        self.place = place
        self.expected = expected
        self.where = where
        self.line = place.line
        self.column = place.column
        super().__init__(f"{where}line {self.line} col {self.column}: {what}\n{_drawing(place)}")

    def within(self, where: str) -> LanguageError:
        """The same mistake with the file, rule and key it stands in."""
        return LanguageError(self.what, self.place, expected=self.expected, where=where)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'dti'?` where a known name is near, else nothing."""
    close = difflib.get_close_matches(name[:80].lower(), sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _drawing(place: Place) -> str:
    """The line of the text around the place, and a caret under it."""
    begin = place.source.rfind("\n", 0, place.start) + 1
    stop = place.source.find("\n", begin)
    stop = len(place.source) if stop < 0 else stop
    left, right = max(begin, place.start - _BEFORE), min(stop, place.start + _AFTER)
    lead, tail = ("…" if left > begin else ""), ("…" if right < stop else "")
    # what a terminal would act on is drawn as one plain character, so the caret stays in its column
    shown = "".join(char if char.isprintable() else " " for char in place.source[left:right])
    return f"  {lead}{shown}{tail}\n  {' ' * (len(lead) + place.start - left)}^"
