"""What a reader makes of a file: rows of facts, what holds for the whole file, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emma_core.nouns.authored import Source

if TYPE_CHECKING:
    import polars as pl

RECORD = "record"
"""The column that counts data rows from 1."""


@dataclass(frozen=True)
class Problem:
    """A record that could not be read, and why."""

    record: int | None
    """The data row, counted from 1; 0 for what heads the file, None for the whole of it."""
    rule: str
    """The rule of the pack that says so, or an id of the reader's own, such as `acme.parcel.fields`."""
    message: str
    source: Source
    """Where it stands that a record must be so; the rule's own, where the rule is in use."""
    suggestion: str | None = None
    fields: tuple[str, ...] = ()
    """The facts that could not be read."""


@dataclass(frozen=True)
class Batches:
    """Data rows in their order, some at a time, read anew as often as somebody asks; nobody holds all of them."""

    schema: Mapping[str, Any]
    """The columns by name, each with its Polars type: one for each fact of the model that there is, and `record`."""
    read: Callable[[Collection[str] | None], Iterator[pl.DataFrame]]
    """Frames with these columns or more, or with all; as large as whoever reads the source can hold."""


@dataclass(frozen=True)
class Table:
    """A file as facts: one row a record."""

    batches: Batches
    """Its data rows; one of `unread` holds no values."""
    file_facts: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    """What holds for every row; None where a file of this form would say it and this one does not."""
    headed: bool = False
    """True where the file facts are read from a record of their own, which is record 0."""
    records: int | None = None
    """How many data rows there are, where that is known before they are read."""
    problems: tuple[Problem, ...] = ()
    unread: frozenset[int] = frozenset()
    """The data rows that could not be read: rules on rows leave them out, rules on the file count them."""
    edition: str | None = None
    """The edition of the rules that the file says it was made for, such as its filing year."""
    key: str | None = None
    """The fact that names a record, for people and from one file to the next."""
