"""Read numbers in texts as whole millionths, which are exact and quick to compare, add and multiply."""

from __future__ import annotations

import re

MILLION = 10**6
PLACES = 6

_NUMBER = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]+))?")
_FIRST = frozenset("-0123456789")
_TOO_LARGE = 10**18


def millionths(text: str) -> int | None:
    """The number that a text holds times a million, half away from zero, else None."""
    if text[:1] not in _FIRST:
        return None
    if len(text) <= 12 and text.isascii() and text.isdigit():
        return int(text) * MILLION
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.groups()
    digits = (part or "")[:7].ljust(7, "0")
    value = int(whole) * MILLION + (int(digits) + 5) // 10
    if value >= _TOO_LARGE:
        return None
    return -value if sign else value
