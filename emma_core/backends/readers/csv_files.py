"""Reads CSV: a header of facts, then a record a line; quoted where a cell needs it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emma_core.backends.readers.lines import BOM, LOOKED_AT, Fault, read_lines
from emma_core.backends.readers.tables import CSV, SIZE, UNICODE, facts_among, table_of
from emma_core.errors import CallerError
from emma_core.nouns import FactSpec
from emma_core.nouns.table import RECORD, Problem, Table

if TYPE_CHECKING:
    import polars as pl

LARGEST_CELL = 1 << 24


class CsvReader:
    """Comma-separated files, and tab-separated ones where the suffix says so."""

    suffixes = (".csv", ".tsv", ".tab")
    model: str | None = None

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The file's records, each column that is a fact typed as its fact."""
        separator = "," if path.suffix.lower() == ".csv" else "\t"
        columns = _header(path, separator)
        facts_among(columns, facts, where=path.name)
        return (_quoted if _has_quotes(path) else _plain)(path, facts, columns, separator)


def _header(path: Path, separator: str) -> tuple[str, ...]:
    with path.open("rb") as file:
        line = file.readline(LARGEST_CELL).removeprefix(BOM)
    try:
        rows = list(csv.reader([line.decode().rstrip("\r\n")], delimiter=separator, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CallerError(f"{path.name}: its header cannot be read: {error}; save it as CSV in UTF-8") from error
    # a header needs no name for a column that nobody reads
    return tuple(name.strip() or f"\x00{place}" for place, name in enumerate(rows[0] if rows else ()))


def _has_quotes(path: Path) -> bool:
    with path.open("rb") as file:
        return any(b'"' in block for block in iter(lambda: file.read(LOOKED_AT), b""))


def _plain(path: Path, facts: Mapping[str, FactSpec], columns: Sequence[str], separator: str) -> Table:
    """A file without a quote: every line a record."""
    lines = read_lines(path, columns, separator=separator, headed=True)
    faults = [_problem(fault, len(columns)) for fault in lines.faults]

    return table_of(lines.batches.read, facts, columns, where=path.name, faults=faults, filed=True)


def _quoted(path: Path, facts: Mapping[str, FactSpec], columns: Sequence[str], separator: str) -> Table:
    """A file with quotes, in which a cell may hold separators and line ends."""
    faults = [_problem(row, len(columns)) for row in _rows(path, len(columns), separator) if isinstance(row, Fault)]

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        import polars as pl

        rows = enumerate(_rows(path, len(columns), separator), 1)
        while chunk := list(itertools.islice(rows, SIZE)):
            blank = [None] * len(columns)
            cells = [blank if isinstance(row, Fault) else row for _, row in chunk]
            frame = pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")
            yield frame.with_columns(pl.Series(RECORD, [record for record, _ in chunk], dtype=pl.Int64))

    return table_of(read, facts, columns, where=path.name, faults=faults, filed=True)


def _rows(path: Path, width: int, separator: str) -> Iterator[list[str] | Fault]:
    """The cells of each record, or what is wrong with it; a blank line is none."""
    csv.field_size_limit(LARGEST_CELL)
    # bytes that are not UTF-8 come as halves of characters, so that their record alone is refused
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        next(reader)
        record = 0
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                record += 1
                yield Fault(record=record, kind="fields", count=0, byte=0, start=str(error))
                continue
            if not row:
                continue
            record += 1
            if len(row) != width:
                yield Fault(record=record, kind="fields", count=len(row), byte=0, start="")
            elif byte := _odd(separator.join(row)):
                yield Fault(record=record, kind="encoding", count=width, byte=byte, start="")
            else:
                yield row


def _odd(text: str) -> int:
    """Where the first byte that is not UTF-8 stands, from 1; 0 where there is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return len(text[: error.start].encode()) + 1
    return 0


def _problem(fault: Fault, width: int) -> Problem:
    if fault.kind == "encoding":
        return Problem(
            record=fault.record,
            rule="global.file.encoding",
            message=f"The record is not UTF-8: byte {fault.byte} of it.",
            source=UNICODE,
            suggestion="Save the file as UTF-8.",
        )
    said = f"The record cannot be read: {fault.start}."
    if fault.count:
        said = f"The record has {fault.count} fields; the header names {width}."
    return Problem(
        record=fault.record,
        rule="global.file.fields",
        message=said,
        source=CSV,
        suggestion=f"Give the record {width} fields, and quote a cell that holds a separator.",
    )
