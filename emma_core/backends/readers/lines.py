"""Reads lines of fields that a separator parts and nothing quotes: the sound ones as a frame, the others as faults."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from emma_core.backends.readers.batches import blank_rows, frame_of
from emma_core.errors import CallerError
from emma_core.nouns import Feed
from emma_core.nouns.table import RECORD

if TYPE_CHECKING:
    import polars as pl

BLOCK = 1 << 22
"""Bytes that are looked at together."""
LONGEST_LINE = 1 << 26
ROWS = 20_000
"""Rows that are handed over together."""
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Fault:
    """A line that is no row."""

    record: int
    """The data row that it would be, from 1."""
    kind: Literal["fields", "encoding"]
    """Another number of fields, or a byte that is not UTF-8."""
    count: int
    """How many fields it has."""
    byte: int
    """Where in the line the first byte that does not fit stands, from 1; 0 where all do."""
    start: str
    """Its first field."""


@dataclass(frozen=True)
class Lines:
    """The lines of a file."""

    head: str | None
    """The line before the data rows; None where there is none, or it is not UTF-8."""
    frame: pl.LazyFrame
    """One row a line, the columns as text and `record`; the row of a faulty line holds NULL."""
    records: int
    faults: tuple[Fault, ...]
    feed: Feed


def read_lines(path: Path, columns: Sequence[str], *, separator: str, headed: bool) -> Lines:
    """The lines, read once to find the faults; the frame reads them again, lazily, as often as it is collected.

    `headed`: the first line is none of the data rows. Blank lines at the end are no rows. The separator is one ASCII
    character; lines end in LF or CRLF.
    """
    form = _Form(path, tuple(columns), separator.encode(), headed)
    records, faults, sound = form.screen()
    feed = Feed()
    frame = form.scan(feed) if sound else form.mended(records, faults, feed)
    return Lines(form.head(), frame, records, faults, feed)


@dataclass(frozen=True)
class _Form:
    """How the lines of one file are laid out."""

    path: Path
    columns: tuple[str, ...]
    separator: bytes
    headed: bool

    def head(self) -> str | None:
        if not self.headed:
            return None
        with self.path.open("rb") as file:
            line = file.readline(LONGEST_LINE).removeprefix(BOM).rstrip(b"\r\n")
        try:
            return line.decode()
        except UnicodeDecodeError:
            return None

    def screen(self) -> tuple[int, tuple[Fault, ...], bool]:
        """How many data rows there are, those at fault, and whether the file is sound from end to end."""
        width = len(self.columns) - 1
        others = bytes(set(range(256)) - {10, self.separator[0]})
        records, faults, blanks, sound = 0, list[Fault](), list[int](), True
        for block in self._blocks():
            lines = block.count(b"\n")
            even = block.translate(None, others) == (self.separator * width + b"\n") * lines
            if even and _is_utf8(block):
                faults += [self._fault(b"", number) for number in blanks]
                blanks = []
                records += lines
                continue
            for line in block.split(b"\n")[:-1]:
                records += 1
                bare = line.removesuffix(b"\r")
                if not bare:  # one at the end of the file is no row, and only the end can tell
                    blanks.append(records)
                    continue
                faults += [self._fault(b"", number) for number in blanks]
                blanks = []
                if bare.count(self.separator) != width or not _is_utf8(bare):
                    faults.append(self._fault(bare, records))
            sound = sound and not faults and not blanks
        return records - len(blanks), tuple(faults), sound and not faults and not blanks

    def scan(self, feed: Feed) -> pl.LazyFrame:
        """The frame of a file in which every line is a row."""
        import polars as pl

        rows = pl.scan_csv(
            self.path,
            has_header=False,
            separator=self.separator.decode(),
            quote_char=None,
            skip_lines=int(self.headed),
            schema=dict.fromkeys(self.columns, pl.String),
            empty_string_is_null=False,
            row_index_name=RECORD,
            row_index_offset=1,
            glob=False,
        ).with_columns(pl.col(RECORD).cast(pl.Int64))

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            wanted = rows if columns is None else rows.select(columns)
            yield from wanted.collect_batches(chunk_size=ROWS, maintain_order=True, engine="streaming")

        return frame_of(batches, rows.collect_schema(), feed)

    def mended(self, records: int, faults: Sequence[Fault], feed: Feed) -> pl.LazyFrame:
        """The frame of a file whose faulty lines stand as blank rows."""
        import polars as pl

        blank = self.separator * (len(self.columns) - 1)
        bad = {fault.record for fault in faults}
        text = dict.fromkeys(self.columns, pl.String)

        def batches(columns: list[str] | None) -> Iterator[pl.DataFrame]:
            first = 1
            for block in self._blocks():
                lines = [
                    blank if number in bad else line
                    for number, line in enumerate(block.split(b"\n")[:-1], first)
                    if number <= records
                ]
                if not lines:
                    continue
                rows = pl.read_csv(
                    io.BytesIO(b"\n".join(lines) + b"\n"),
                    has_header=False,
                    separator=self.separator.decode(),
                    quote_char=None,
                    schema=text,
                    empty_string_is_null=False,
                )
                here = [number for number in range(first, first + len(lines)) if number in bad]
                counted = rows.with_columns(pl.int_range(first, first + len(lines), dtype=pl.Int64).alias(RECORD))
                yield blank_rows(counted, here) if here else counted
                first += len(lines)

        return frame_of(batches, {**text, RECORD: pl.Int64}, feed)

    def _blocks(self) -> Iterator[bytes]:
        """The data rows, some whole lines at a time, each ended by LF."""
        with self.path.open("rb") as file:
            if file.read(len(BOM)) != BOM:
                file.seek(0)
            if self.headed:
                file.readline(LONGEST_LINE)
            rest = b""
            while read := file.read(BLOCK):
                whole, end, tail = read.rpartition(b"\n")
                if end:
                    yield rest + whole + end
                    rest = tail
                else:
                    rest += read
                if len(rest) > LONGEST_LINE:
                    raise CallerError(f"{self.path.name!r}: a line has over {LONGEST_LINE:,} bytes; it is no text")
            if rest:
                yield rest + b"\n"

    def _fault(self, line: bytes, record: int) -> Fault:
        byte = 0
        try:
            line.decode()
        except UnicodeDecodeError as error:
            byte = error.start + 1
        start = line.partition(self.separator)[0].decode(errors="replace")
        return Fault(
            record=record,
            kind="encoding" if byte else "fields",
            count=line.count(self.separator) + 1,
            byte=byte,
            start=start,
        )


def _is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
