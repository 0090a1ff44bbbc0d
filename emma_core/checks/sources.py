"""Opens what is to be checked: a file by its reader, a frame or records as they are; with the hash of what was read."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emma_core.errors import CallerError, MissingExtra
from emma_core.nouns import FactSpec, Table
from emma_core.ports import Reader

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Source:
    """What is to be checked, looked at once: there, readable, and hashed."""

    name: str
    """The file's name, or what else it is."""
    hash: str
    """The SHA-256 of the file's bytes, or of its records' canonical JSON, one a line."""
    origin: Path | object
    stamp: tuple[int, int] | None = None
    """A file's size and time of change when it was hashed."""

    @property
    def suffix(self) -> str:
        """The suffix of a file's name, in lower case; empty for what is no file."""
        return self.origin.suffix.lower() if isinstance(self.origin, Path) else ""

    def table(
        self, model: str, facts: Mapping[str, FactSpec], readers: Mapping[str, Reader], *, edition: str | None
    ) -> Table:
        """Its table under one facts model. Raises `CallerError` where no reader fits or the reader cannot read it."""
        if not isinstance(self.origin, Path):
            return _rows(self.origin, facts)
        reader = _reader(self.origin, model, readers)
        try:
            return reader.read(self.origin, facts, edition=edition)
        except ImportError as error:
            raise _missing(error) from error

    def check_unchanged(self) -> None:
        """The file is the one that was hashed. Raises `CallerError` where it was written to meanwhile."""
        if isinstance(self.origin, Path) and _stamp(self.origin) != self.stamp:
            raise CallerError(f"{self.name!r} changed while it was checked; check it again, once nobody writes to it")


def open_source(given: object) -> Source:
    """The source of a path, a frame or an iterable of records. Raises `CallerError` where it cannot be read."""
    if not isinstance(given, str | os.PathLike):
        records = list(given) if isinstance(given, Iterator) else given
        return Source(name=f"({type(given).__name__})", hash=_records_hash(records), origin=records)
    path = Path(given)
    if path.is_dir():
        raise CallerError(f"{str(path)!r} is a folder; name one file of it")
    try:
        stamp = _stamp(path)
        if not path.is_file():
            raise CallerError(f"{str(path)!r} is no ordinary file; save what it gives, and check that")
        with path.open("rb") as file:
            _check_form(path, file.read(8))
            file.seek(0)
            return Source(
                name=path.name, hash=hashlib.file_digest(file, "sha256").hexdigest(), origin=path, stamp=stamp
            )
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise CallerError(f"{str(path)!r} cannot be read: {said}; name a file that is there") from error


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _check_form(path: Path, start: bytes) -> None:
    if not start:
        raise CallerError(f"{str(path)!r} is empty; there is nothing to check")
    for mark, name in _PACKED.items():
        if start.startswith(mark):
            raise CallerError(f"{str(path)!r} is packed with {name}; unpack it, and check what comes out")
    if start.startswith(_WIDE):
        raise CallerError(f"{str(path)!r} is UTF-16; save it as UTF-8")
    if start.startswith(_PARQUET) and path.suffix.lower() not in (".parquet", ".pq"):
        raise CallerError(f"{str(path)!r} is a Parquet file under another name; rename it to .parquet")


def _reader(path: Path, model: str, readers: Mapping[str, Reader]) -> Reader:
    """The reader of that suffix; among several, the one of the rules' own facts model."""
    suffix = path.suffix.lower()
    fitting = [each for each in readers.values() if each.model in (None, model)]
    chosen = [each for each in fitting if suffix in each.suffixes]
    # a name without a known suffix is the model's own format, where it has one
    own = [each for each in fitting if each.model == model]
    if found := next(iter(sorted(chosen, key=lambda each: each.model is None)), None) or next(iter(own), None):
        return found
    known = sorted({suffix for each in fitting for suffix in each.suffixes})
    near = difflib.get_close_matches(suffix, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise CallerError(f"{path.name!r}: no reader for {suffix or 'a name without a suffix'!r}{hint}; there are {known}")


def _rows(origin: object, facts: Mapping[str, FactSpec]) -> Table:
    try:
        from emma_core.backends.readers import read_rows

        return read_rows(origin, facts)
    except ImportError as error:
        raise _missing(error) from error


def _records_hash(origin: object) -> str:
    try:
        from emma_core.backends.readers import rows_hash

        return rows_hash(origin)
    except ImportError as error:
        raise _missing(error) from error


def _missing(error: ImportError) -> Exception:
    if (error.name or "").partition(".")[0] == "polars":
        return MissingExtra("Checking files", "files")
    return error
