"""Reads percentages in figures and in words: '47%', '47 percent', 'forty-seven percent'."""

from __future__ import annotations

import re
from decimal import Decimal

from emma_core import Value

_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen")
_TEENS = ("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_COUNTED = {word: count for count, word in enumerate((*_ONES, *_TEENS), 1)} | {
    word: 10 * count for count, word in enumerate(_TENS, 2)
}
_SPELLED = (
    # The end of a longer number or of a range is no percentage of its own.
    r"(?<!hundred )(?<!hundred and )(?<!point )(?<!half )(?<!to )(?<!or )"
    rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_ONES[:9])}))?|(?:{'|'.join((*_TEENS, *reversed(_ONES)))}))"
)
_SIGN = r"(?:%|percent\b|per cent\b|pct\b)"
UNIT = (
    rf"\s?(?:{_SIGN}|points?\b|bps\b|basis\b|days?\b|weeks?\b|months?\b|years?\b|times\b|x\b|/|k\b|loans?\b|files?\b"
    r"|borrowers\b|dollars\b)"
)
PERCENT = re.compile(
    rf"(?:(?<![\w.,$%–-])|(?<=dti))(?:[0-9]{{1,3}}(?:\.[0-9]{{1,4}})?|{_SPELLED})\s?{_SIGN}(?:(?![\w%])|(?=dti\b))",
    re.IGNORECASE,
)


def percentages(words: str) -> list[tuple[Value, int, int]]:
    """Every percentage as a share of one, and where it stands; those below 1% but 0% itself are left out.

    "0.47%" is a slip for 47% or 0.47; which, nobody can tell.
    """
    found: list[tuple[Value, int, int]] = []
    for match in PERCENT.finditer(words):
        value = share(match[0])
        if value == 0 or value >= Decimal("0.01"):
            found.append((value, *match.span()))
    return found


def share(said: str) -> Decimal:
    """A percentage as it was said, as a share of one."""
    digits = re.match(r"[0-9.]+", said)
    if digits:
        return Decimal(digits[0]) / 100
    counts = (_COUNTED.get(word, 0) for word in re.findall(r"[a-z]+", said.lower()))
    return Decimal(sum(counts)) / 100
