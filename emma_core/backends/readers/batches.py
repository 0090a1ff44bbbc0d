"""Changes the batches of a table as they come: rows that could not be read hold nothing, and each row has its day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from emma_core.nouns import Batches
from emma_core.nouns.table import RECORD

if TYPE_CHECKING:
    import polars as pl

_DAY = "as_of"


def blank_rows(frame: pl.DataFrame, records: Iterable[int]) -> pl.DataFrame:
    """The frame with no values in these records."""
    import polars as pl

    bad = pl.Series(list(records), dtype=pl.Int64)
    keep = ~pl.col(RECORD).is_in(bad.implode())
    return frame.with_columns(pl.when(keep).then(pl.all().exclude(RECORD)))


def dated_by(batches: Batches, fact: str, day: date) -> Batches:
    """The batches with a column `as_of`: a date fact where the row says it, else that day."""
    import polars as pl

    dated = pl.col(fact).fill_null(pl.lit(day)).alias(_DAY)

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        more = None if wanted is None else {*wanted, fact} - {_DAY}
        return (batch.with_columns(dated) for batch in batches.read(more))

    return Batches({**batches.schema, _DAY: pl.Date}, read)
