"""Finds the remarks that words quote, so that they are read whole and nothing is read out of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST = 4000
_OPENING = re.compile(
    r"\b(?:public[\s_])?remarks(?:\s+(?:is|are|say|read))?\s{0,9}[=:]?\s{0,9}(?P<quote>[\"“])", re.IGNORECASE
)
_COVER = "·"


def quoted_remarks(words: str) -> Iterator[tuple[int, int, bool]]:
    """Where each quotation of remarks starts and ends, and whether it is closed; an open one runs to the end."""
    place = 0
    while opening := _OPENING.search(words, place):
        start = opening.end()
        end = _closing(words, start, '"' if opening["quote"] == '"' else "”")
        yield start, len(words) if end is None else end, end is not None
        if end is None:
            return
        place = end + 1


def without_remarks(words: str) -> str:
    """The words with every quotation of remarks covered, each character where it was."""
    pieces, place = [], 0
    for start, end, _ in quoted_remarks(words):
        pieces += [words[place:start], _COVER * (end - start)]
        place = end
    return "".join([*pieces, words[place:]])


def _closing(words: str, start: int, quote: str) -> int | None:
    """The quote that closes: no inch mark behind a digit (unless none other does), and before another one opens."""
    behind_digit = None
    for match in re.compile('["“”]').finditer(words, start):
        at = match.start()
        if at > start and words[at - 1].isdigit() and match[0] == quote:
            behind_digit = at
        elif match[0] == "“" or (quote == '"' and _opens(words, at)):
            break
        elif match[0] == quote:
            return at
    return behind_digit


def _opens(words: str, at: int) -> bool:
    return words[at - 1 : at] in (" ", "\n", "\t", "(") and words[at + 1 : at + 2].isalnum()
