"""Find the records of a table that are alike, and hold next to nothing of those that are not."""

from __future__ import annotations

import hashlib

import polars as pl

from emma_core.rules.table.expressions import Emitter
from emma_core.rules.tree import Unique

NONE = pl.DataFrame(schema={"records": pl.List(pl.Int64)})
"""No records are alike."""
_SIZE = 2_000
"""Keys that are written out together: those of a wide row are long."""
_BYTES = 16
"""So many of BLAKE2b that nobody finds two texts with the same."""


class Alike:
    """What `unique` asks of all records. They are read twice: first a hash of eight bytes is kept of each, then, of
    those whose hash is not theirs alone, the number and a digest that no two different keys share."""

    def __init__(self, index: int, emitter: Emitter, node: Unique) -> None:
        self.node = node
        self._names = [str(place) for place in range(len(node.subjects))]
        self._subjects = [
            emitter.expression(part).alias(name) for name, part in zip(self._names, node.subjects, strict=True)
        ]
        applies = pl.lit(True) if node.where is None else emitter.expression(node.where)
        self._told = pl.all_horizontal(applies, *(each.is_not_null() for each in self._subjects)).fill_null(False)
        self._unsaid = applies.fill_null(True) & ~self._told
        self._hashes: list[pl.Series] = []
        self._digests: list[pl.DataFrame] = []
        self._twice = pl.Series(dtype=pl.UInt64)
        self.unsaid = False
        """Whether a record did not say what is asked of it."""

    def add(self, batch: pl.DataFrame) -> None:
        """The first reading: some records."""
        seen = batch.lazy().with_columns(told=self._told, unsaid=self._unsaid).select("told", "unsaid").collect()
        self._hashes.append(self._hash(batch).filter(seen["told"]))
        self.unsaid = self.unsaid or bool(seen["unsaid"].any())

    def suspects(self) -> bool:
        """Whether the first reading leaves records that may be alike; its hashes are let go."""
        hashes = pl.concat(self._hashes).sort() if self._hashes else self._twice
        self._hashes = []
        self._twice = hashes.filter(hashes == hashes.shift(1)).unique().sort()
        return len(self._twice) > 0

    def add_again(self, batch: pl.DataFrame, record: str) -> None:
        """The second reading: the same records."""
        key = pl.struct(self._subjects).struct.json_encode().alias("key")
        for rows in batch.filter(among(self._hash(batch), self._twice)).filter(self._told).iter_slices(_SIZE):
            said = rows.select(pl.col(record).cast(pl.Int64).alias("record"), key)
            digests = pl.Series("digest", [_digest(text) for text in said["key"]], dtype=pl.Int128)
            self._digests.append(said.select("record").with_columns(digests))

    def _hash(self, batch: pl.DataFrame) -> pl.Series:
        # added first: a frame of nothing but literals would have one row
        return batch.with_columns(self._subjects).select(self._names).hash_rows()

    def groups(self) -> pl.DataFrame:
        """The records that are alike: a list in each row of the column `records`, by the first of them."""
        if not self._digests:
            return NONE
        alike = pl.concat(self._digests).group_by("digest").agg(pl.col("record").sort().alias("records"))
        found = alike.filter(pl.col("records").list.len() > 1).select("records")
        return found.sort(pl.col("records").list.first())


def among(values: pl.Series, known: pl.Series) -> pl.Series:
    """Whether each value is one of those known, which stand in order; null of a null."""
    if not len(known):
        return pl.Series([False]).new_from_index(0, len(values))
    places = known.search_sorted(values).clip(upper_bound=len(known) - 1)
    return known.gather(places) == values


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_BYTES).digest(), signed=True)
