"""Reads lines of fields that a separator parts and nothing quotes: the sound ones as a frame, the others as faults."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emma_core.backends.readers.batches import blank_rows
from emma_core.errors import CallerError
from emma_core.nouns import Batches
from emma_core.nouns.table import RECORD

if TYPE_CHECKING:
    import polars as pl

LOOKED_AT = 1 << 16
"""Bytes that are looked at together, so few that they stay near the processor."""
BLOCK = 1 << 24
"""Bytes that are read into a frame together: what is held of a file at a time."""
LONGEST_LINE = 1 << 26
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
    batches: Batches
    """One row a line, the columns as text and `record`; the row of a faulty line holds NULL."""
    records: int
    faults: tuple[Fault, ...]


def read_lines(path: Path, columns: Sequence[str], *, separator: str, headed: bool) -> Lines:
    """The lines, read once to find the faults; the batches read them again, as often as they are asked for.

    `headed`: the first line is none of the data rows. Blank lines at the end are no rows. The separator is one ASCII
    character; lines end in LF or CRLF.
    """
    form = _Form(path, tuple(columns), separator.encode(), headed)
    records, faults = form.screen()

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        return form.frames(wanted, records, faults)

    return Lines(form.head(), Batches(form.schema(), read), records, faults)


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

    def schema(self) -> dict[str, Any]:
        import polars as pl

        return {RECORD: pl.Int64, **dict.fromkeys(self.columns, pl.String)}

    def screen(self) -> tuple[int, tuple[Fault, ...]]:
        """How many data rows there are, and those at fault."""
        width = len(self.columns) - 1
        others = bytes(set(range(256)) - {10, self.separator[0]})
        records, faults, blanks = 0, list[Fault](), list[int]()
        for block in self._blocks(LOOKED_AT):
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
        return records - len(blanks), tuple(faults)

    def frames(self, wanted: Collection[str] | None, records: int, faults: Sequence[Fault]) -> Iterator[pl.DataFrame]:
        """The rows, a block of the file at a time; faulty lines stand as blank rows."""
        import polars as pl

        places = [place for place, name in enumerate(self.columns) if wanted is None or name in wanted]
        first = 1
        for block in self._blocks(BLOCK):
            there = block.count(b"\n")
            lines = min(there, records + 1 - first)
            if not lines:
                return
            bad = self._within(faults, first, first + lines)
            if bad or lines < there:
                block = self._mended(block, lines, bad, first)
            counted = pl.int_range(first, first + lines, dtype=pl.Int64, eager=True).alias(RECORD).to_frame()
            if places:
                counted = counted.hstack(self._frame(block, lines, places))
            del block  # it is all in the frame, and whoever takes that may take long
            yield blank_rows(counted, bad) if bad else counted
            first += lines

    def _frame(self, block: bytes, lines: int, places: Sequence[int]) -> pl.DataFrame:
        """The fields at these places, as text. Raises `CallerError` where the lines are not those that were seen."""
        import polars as pl

        try:
            frame = pl.read_csv(
                block,
                has_header=False,
                columns=places,
                separator=self.separator.decode(),
                quote_char=None,
                schema=dict.fromkeys(self.columns, pl.String),
                empty_string_is_null=False,
            )
        except pl.exceptions.PolarsError:
            frame = pl.DataFrame()
        if frame.height != lines:
            raise CallerError(f"{self.path.name!r} was written to while it was read; check it once nobody does")
        return frame

    def _within(self, faults: Sequence[Fault], first: int, end: int) -> list[int]:
        """The faulty rows from the first up to the end."""
        start, stop = (bisect_left(faults, number, key=lambda fault: fault.record) for number in (first, end))
        return [fault.record for fault in faults[start:stop]]

    def _mended(self, block: bytes, lines: int, bad: Sequence[int], first: int) -> bytes:
        """So many lines of the block, with none that is no row: those stand as blank ones."""
        rows = block.split(b"\n")[:lines]
        for number in bad:
            rows[number - first] = self.separator * (len(self.columns) - 1)
        return b"\n".join(rows) + b"\n"

    def _blocks(self, size: int) -> Iterator[bytes]:
        """The data rows, some whole lines at a time, each ended by LF."""
        with self.path.open("rb") as file:
            if file.read(len(BOM)) != BOM:
                file.seek(0)
            if self.headed:
                file.readline(LONGEST_LINE)
            start = file.tell()
            while True:
                # where the line ends is looked for first: a block is large, and would be copied to be made longer
                file.seek(start + size - 1)
                rest = len(file.readline(LONGEST_LINE))
                if rest == LONGEST_LINE:
                    raise CallerError(f"{self.path.name!r}: a line has over {LONGEST_LINE:,} bytes; it is no text")
                file.seek(start)
                block = file.read(size - 1 + rest)
                start += len(block)
                if not block:
                    return
                yield block if block.endswith(b"\n") else block + b"\n"
                del block

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
