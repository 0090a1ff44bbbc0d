"""Reads JSON lines: one object a line, its keys the names of facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from emma_core.backends.readers.frames import columns_of, rows_table
from emma_core.backends.readers.lines import BOM, LONGEST_LINE
from emma_core.backends.readers.tables import JSON, UNICODE
from emma_core.nouns import FactSpec
from emma_core.nouns.table import Problem, Table


class JsonLinesReader:
    """Files of one JSON object a line; blank lines are no records."""

    suffixes = (".jsonl", ".ndjson")
    model: str | None = None

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The file's records, each key that is a fact typed as its fact."""
        columns = columns_of(row for row in _rows(path) if isinstance(row, dict))
        return rows_table(lambda: _rows(path), facts, columns, where=path.name)


def _rows(path: Path) -> Iterator[dict[str, Any] | Problem]:
    record = 0
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(LONGEST_LINE), b""):
            bare = line.removeprefix(BOM).strip()
            if bare:
                record += 1
                yield _row(bare, record)


def _row(line: bytes, record: int) -> dict[str, Any] | Problem:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        said = f"The record is not UTF-8: byte {error.start + 1} of it."
        return Problem(record, "global.file.encoding", said, UNICODE, "Save the file as UTF-8.")
    try:
        row = json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        why = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        return Problem(record, "global.file.fields", f"The record is not JSON: {why}.", JSON, "Mend the line.")
    if not isinstance(row, dict):
        said = f"The record is a {type(row).__name__} and no object."
        return Problem(record, "global.file.fields", said, JSON, "Write one object a line.")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return seen


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
