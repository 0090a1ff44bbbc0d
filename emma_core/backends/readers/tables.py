"""Lays batches of raw values out as a table: columns that are facts, typed; rows that are not, named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from emma_core.backends.readers import door
from emma_core.backends.readers.batches import blank_rows
from emma_core.errors import CallerError
from emma_core.nouns import Batches, FactSpec, Problem, Source, Table
from emma_core.nouns.table import RECORD

if TYPE_CHECKING:
    import polars as pl

KEYS = ("id", "key")
"""Columns that name a record for people, the first that is there."""
SIZE = 50_000
"""Records that are read together."""

_READ_ON = date(2026, 11, 23)
_OURS = "Emma, form of records"
UNICODE = Source(kind="policy", citation=_OURS, note="text is UTF-8", read_on=_READ_ON)
CSV = Source(kind="standard", citation="RFC 4180, section 2", note="each line has as many fields", read_on=_READ_ON)
JSON = Source(kind="policy", citation=_OURS, note="a record is one object of facts", read_on=_READ_ON)
_TYPES = Source(kind="policy", citation=_OURS, note="a value is of its fact's type", read_on=_READ_ON)


def facts_among(columns: Sequence[str], facts: Mapping[str, FactSpec], *, where: str) -> tuple[str, ...]:
    """The columns that are facts. Raises `CallerError` where none is, or one stands twice."""
    twice = next((name for place, name in enumerate(columns) if name and name in columns[:place]), None)
    if twice is not None:
        raise CallerError(f"{where}: the column {twice!r} stands twice; give one another name")
    if RECORD in columns and RECORD in facts:
        raise CallerError(f"{where}: the column {RECORD!r} is Emma's own count of records; give yours another name")
    found = tuple(name for name in columns if name in facts)
    if not found:
        near = difflib.get_close_matches(columns[0] if columns else "", list(facts), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the facts are {sorted(facts)[:20]}"
        raise CallerError(f"{where}: none of its columns {list(columns)[:20]} is a fact of these rules{hint}")
    return found


def table_of(
    raw: Callable[[Collection[str] | None], Iterator[pl.DataFrame]],
    facts: Mapping[str, FactSpec],
    columns: Sequence[str],
    *,
    where: str,
    faults: Sequence[Problem] = (),
    filed: bool,
) -> Table:
    """The table of raw batches, each with `record` and the columns asked for; read once now to find the misfits.

    `faults`: the records that are none, blank in the batches. `filed`: every value is a text of a file.
    """
    import polars as pl

    names = facts_among(columns, facts, where=where)
    key = next((name for name in KEYS if name in columns), None)
    carried = (key,) if key is not None and key not in names else ()
    blank = {problem.record for problem in faults if problem.record is not None}
    records, problems = 0, list(faults)
    for batch in _parts(raw(names)):
        records += batch.height
        _, misfits = door.typed(batch, facts, names, filed=filed)
        problems += _problems([each for each in misfits if each.record not in blank])
    unread = frozenset(each.record for each in problems if each.record is not None)

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        chosen = [name for name in names if wanted is None or name in wanted]
        for batch in _parts(raw([*chosen, *carried])):
            made, _ = door.typed(batch, facts, chosen, filed=filed)
            made = made.with_columns([_as_text(batch[name]) for name in carried])
            yield blank_rows(made, unread) if unread else made

    return Table(
        batches=Batches({**door.schema_of(facts, names), **dict.fromkeys(carried, pl.String)}, read),
        records=records,
        problems=tuple(sorted(problems, key=lambda each: each.record or 0)),
        unread=unread,
        key=key,
    )


def _as_text(column: pl.Series) -> pl.Series:
    """What names a record, as text, whatever it came as."""
    import polars as pl

    if column.dtype != pl.Object:
        return column.cast(pl.String, strict=False)
    said = [None if value is None or value != value else str(value) for value in column.to_list()]
    return pl.Series(column.name, said, dtype=pl.String)


def _parts(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The batches, none so large that its values as Python's would fill the memory."""
    return (part for batch in batches for part in batch.iter_slices(SIZE))


def _problems(misfits: Sequence[door.Misfit]) -> Iterator[Problem]:
    """One problem a record, naming every fact that does not fit."""
    by_record: dict[int, list[door.Misfit]] = {}
    for each in misfits:
        by_record.setdefault(each.record, []).append(each)
    for record, found in by_record.items():
        yield Problem(
            record=record,
            rule="global.file.values",
            message="; ".join(each.why for each in found),
            source=_TYPES,
            fields=tuple(each.fact for each in found),
        )
