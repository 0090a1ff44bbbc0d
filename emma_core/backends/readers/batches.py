"""Makes a lazy frame of batches that Python reads, and reads a frame in batches, without leaving one half read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emma_core.nouns import Feed
from emma_core.nouns.table import RECORD

if TYPE_CHECKING:
    import polars as pl

Batches = Callable[["list[str] | None"], "Iterator[pl.DataFrame]"]
"""Reads a source from its start: batches with these columns or more, or with all."""


def frame_of(batches: Batches, schema: Mapping[str, Any], feed: Feed) -> pl.LazyFrame:
    """The frame of these batches, each of that schema; it reads them anew whenever it is collected."""
    from polars.io.plugins import register_io_source

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for batch in batches(columns):
            if feed.cut:
                return
            if left is not None:
                batch = batch.head(left)
                left -= batch.height
            if columns is not None:
                batch = batch.select(columns)
            yield batch if predicate is None else batch.filter(predicate)
            if left == 0:
                return

    return register_io_source(read, schema=dict(schema))


def batches_of(frame: pl.LazyFrame, feed: Feed, size: int) -> Generator[pl.DataFrame, None, None]:
    """The frame's rows in their order, some together."""
    batches = iter(frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming"))
    try:
        yield from batches
    finally:
        # threads of a query that nobody reads to its end would call Python even while the process ends
        feed.cut = True
        for _ in batches:
            continue
        feed.cut = False


def blank_rows(frame: pl.DataFrame, records: Iterable[int]) -> pl.DataFrame:
    """The frame with no values in these records."""
    import polars as pl

    bad = pl.Series(list(records), dtype=pl.Int64)
    keep = ~pl.col(RECORD).is_in(bad.implode())
    return frame.with_columns(pl.when(keep).then(pl.all().exclude(RECORD)))
