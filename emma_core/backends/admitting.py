"""Tells whether a filter lets a chunk through: once when an index is asked, and again of what it answered."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from emma_core.nouns import Chunk, Filter

ALWAYS = date.min.toordinal()
FOREVER = date.max.toordinal()


def days(chunk: Chunk) -> tuple[int, int]:
    """The first and the last day on which it is in force, as numbers that can be compared."""
    start, end = chunk.effective_from, chunk.effective_to
    return start.toordinal() if start else ALWAYS, end.toordinal() if end else FOREVER


def admits(filter: Filter, *, labels: Iterable[str], kind: str, first: int, last: int) -> bool:
    """Whether the filter lets through what is kept with these labels, of this kind and between these days."""
    if filter.labels.isdisjoint(labels):
        return False
    if filter.kinds and kind not in filter.kinds:
        return False
    return filter.as_of is None or first <= filter.as_of.toordinal() <= last
