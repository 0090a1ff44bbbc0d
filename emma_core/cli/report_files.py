"""Writes findings as they come: text, JSON, JSON lines, CSV, Parquet or a page, whole at its place or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from emma_core import canonical
from emma_core.cli import reports
from emma_core.errors import CallerError
from emma_core.nouns import Finding, Report

COLUMNS = (
    "record",
    "key",
    "citation",
    "rule",
    "outcome",
    "severity",
    "message",
    "fields",
    "values",
    "missing",
    "suggestion",
    "would_pass",
    "override",
    "override_id",
    "granted_by",
    "ruleset",
    "edition",
    "rule_hash",
    "as_of",
)
"""The columns of a table of findings."""


class Writer(Protocol):
    """Takes findings as they come, and the report at the end."""

    def add(self, findings: Sequence[Finding]) -> None:
        """They are written, or kept until the end."""

    def end(self, report: Report) -> None:
        """Everything is written; a report that is partial says so."""


@contextmanager
def writer(format: str, out: Path | None) -> Iterator[Writer]:
    """The writer of that format to a file, or to stdout. A file is there once all of it is written, and not before."""
    if out is None:
        if format == "parquet":
            raise CallerError("--format parquet: it is no text; name a file with --out")
        sys.stdout.flush()
        yield _WRITERS[format](_Stdout())
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield _WRITERS[format](file)
        part.replace(out)
    except OSError as error:
        raise CallerError(f"--out: {str(out)!r} cannot be written: {error.strerror}; name another place") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


class _Stdout:
    """Bytes to where stdout is now; while the check goes on, what packs print is led elsewhere."""

    def __init__(self) -> None:
        self._stream = sys.stdout

    def write(self, data: bytes) -> None:
        """They stand there as text."""
        self._stream.write(data.decode())


def partial_row(report: Report) -> dict[str, Any]:
    """The last line of findings whose check was stopped."""
    said = f"PARTIAL: stopped after {report.records:,} records; the rest, and the file as a whole, is unchecked"
    return {"outcome": "partial", "message": said}


class _JsonLines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, findings: Sequence[Finding]) -> None:
        # canonical, so that a line's bytes are a leaf of the report's Merkle tree
        self._file.write("".join(canonical.text(each.plain()) + "\n" for each in findings).encode())

    def end(self, report: Report) -> None:
        if report.partial:
            self._file.write(f"{canonical.text(partial_row(report))}\n".encode())


class _Json:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._findings: list[Finding] = []

    def add(self, findings: Sequence[Finding]) -> None:
        self._findings += findings

    def end(self, report: Report) -> None:
        whole = report.model_copy(update={"findings": tuple(self._findings)})
        self._file.write((json.dumps(whole.plain(), ensure_ascii=False, indent=2) + "\n").encode())


class _Csv:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._write([COLUMNS])

    def add(self, findings: Sequence[Finding]) -> None:
        self._write([[_cell(value) for value in row(each).values()] for each in findings])

    def end(self, report: Report) -> None:
        if report.partial:
            last = partial_row(report)
            self._write([[last.get(name, "") for name in COLUMNS]])

    def _write(self, rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())


class _Parquet:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._rows: list[dict[str, Any]] = []

    def add(self, findings: Sequence[Finding]) -> None:
        self._rows += [row(each) for each in findings]

    def end(self, report: Report) -> None:
        from emma_core.backends.readers import write_parquet

        if report.partial:
            self._rows.append({**dict.fromkeys(COLUMNS), **partial_row(report)})
        write_parquet(self._rows, COLUMNS, self._file)


class _Text:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._findings: list[Finding] = []
        self._whole: list[Finding] = []

    def add(self, findings: Sequence[Finding]) -> None:
        # what holds for the whole file comes last, and is few; it is kept for itself, so that many rows do not hide it
        for each in findings:
            held = self._whole if each.record is None else self._findings
            if len(held) < reports.SHOWN:
                held.append(each)

    def end(self, report: Report) -> None:
        from rich.console import Console

        from emma_core.cli import show

        told = [*self._findings, *self._whole]
        if isinstance(self._file, _Stdout):
            reports.whole(show.screen(), report, told)
            return
        text = io.StringIO()
        plain = Console(file=text, width=120, highlight=False, markup=False, emoji=False)
        reports.whole(plain, report, told)
        self._file.write(text.getvalue().encode())


class _Html:
    def __init__(self, file: Any) -> None:
        from emma_core.cli.report_html import Page

        self._file = file
        self._page = Page()

    def add(self, findings: Sequence[Finding]) -> None:
        self._page.add(findings)

    def end(self, report: Report) -> None:
        self._file.write(self._page.html(report).encode())


_WRITERS: dict[str, Callable[[Any], Writer]] = {
    "text": _Text,
    "json": _Json,
    "jsonl": _JsonLines,
    "csv": _Csv,
    "parquet": _Parquet,
    "html": _Html,
}


def row(finding: Finding) -> dict[str, Any]:
    """A finding as one row of a table, what it is made of as text."""
    plain = finding.plain()
    return {
        "record": finding.record,
        "key": finding.key,
        "citation": finding.source.citation,
        "rule": finding.rule,
        "outcome": finding.outcome,
        "severity": finding.severity,
        "message": finding.message,
        "fields": " ".join(finding.fields) if finding.fields else None,
        "values": canonical.text(plain["values"]) if finding.values else None,
        "missing": " ".join(finding.missing) if finding.missing else None,
        "suggestion": finding.suggestion.text if finding.suggestion else None,
        "would_pass": finding.would_pass,
        "override": finding.override.state if finding.override else None,
        "override_id": finding.override.id if finding.override else None,
        "granted_by": finding.override.granted_by if finding.override else None,
        "ruleset": finding.ruleset,
        "edition": finding.edition,
        "rule_hash": finding.rule_hash,
        "as_of": finding.as_of.isoformat(),
    }


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
