"""Reads Parquet, Polars and pandas frames, and iterables of records: values that have types of their own."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emma_core import canonical
from emma_core.backends.readers.tables import JSON, SIZE, table_of
from emma_core.errors import CallerError
from emma_core.nouns import FactSpec, plain_value
from emma_core.nouns.table import RECORD, Problem, Table

if TYPE_CHECKING:
    import polars as pl

Rows = Callable[[], Iterator[Mapping[str, Any] | Problem]]


class ParquetReader:
    """Parquet files."""

    suffixes = (".parquet", ".pq")
    model: str | None = None

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The file's records, each column that is a fact typed as its fact."""
        import polars as pl

        frame = pl.scan_parquet(path, glob=False)
        try:
            return _of_frame(frame, facts, where=path.name)
        except pl.exceptions.PolarsError as error:
            raise CallerError(f"{path.name}: it cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def read_rows(source: object, facts: Mapping[str, FactSpec]) -> Table:
    """The table of a Polars or pandas frame, or of an iterable of mappings that can be read again."""
    import polars as pl

    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        return _of_frame(source.lazy(), facts, where="the frame")
    rows = _records(source)
    columns = columns_of(row for row in rows if isinstance(row, Mapping))
    return rows_table(lambda: _checked(rows), facts, columns, where="the records")


def rows_hash(source: object) -> str:
    """The SHA-256 of the canonical JSON of its records, one a line."""
    import polars as pl

    digest = hashlib.sha256()
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        for batch in source.lazy().collect_batches(chunk_size=SIZE):
            _feed(digest, batch.iter_rows(named=True))
    else:
        _feed(digest, _records(source))
    return digest.hexdigest()


def write_parquet(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], file: Any) -> None:
    """The rows stand in the file: `record` a number, every other column text."""
    import polars as pl

    schema = {name: pl.Int64 if name == RECORD else pl.String for name in columns}
    pl.DataFrame([dict(row) for row in rows], schema=schema).write_parquet(file)


def rows_table(rows: Rows, facts: Mapping[str, FactSpec], columns: Sequence[str], *, where: str) -> Table:
    """The table of records as Python reads them; a record that is a problem stays blank."""
    faults = [row for row in rows() if isinstance(row, Problem)]

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        import polars as pl

        names = columns if wanted is None else [name for name in columns if name in wanted]
        numbered = enumerate(rows(), 1)
        while chunk := list(itertools.islice(numbered, SIZE)):
            said = [{} if isinstance(row, Problem) else row for _, row in chunk]
            # a column of Python values as they came: the door reads each by its own type
            cells = [pl.Series(name, [row.get(name) for row in said], dtype=pl.Object) for name in names]
            yield pl.DataFrame([pl.Series(RECORD, [record for record, _ in chunk], dtype=pl.Int64), *cells])

    return table_of(read, facts, columns, where=where, faults=faults, filed=False)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Every key that any record has, in the order in which they come up."""
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return tuple(seen)


def _of_frame(frame: pl.LazyFrame, facts: Mapping[str, FactSpec], *, where: str) -> Table:
    import polars as pl

    schema = frame.collect_schema()
    for name, kind in schema.items():
        if name in facts and facts[name].type == "text" and kind not in (pl.String, pl.Categorical, pl.Null):
            raise CallerError(f"{where}: the column {name!r} is {kind}, and the fact is a text; store it as text")

    def read(wanted: Collection[str] | None) -> Iterator[pl.DataFrame]:
        texts = [pl.col(name).cast(pl.String) for name, kind in schema.items() if kind == pl.Categorical]
        # a frame of no columns would have no rows either
        names = [name for name in schema if wanted is None or name in wanted] or list(schema)[:1]
        first = 1
        for batch in frame.with_columns(texts).select(names).collect_batches(chunk_size=SIZE):
            count = pl.int_range(first, first + batch.height, dtype=pl.Int64, eager=True).alias(RECORD)
            yield batch.with_columns(count)
            first += batch.height

    return table_of(read, facts, schema.names(), where=where, filed=False)


def _records(source: Any) -> list[Mapping[str, Any]]:
    """The records of a pandas frame, or of an iterable of mappings."""
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        names = [str(name) for name in source.columns]
        if twice := next((name for place, name in enumerate(names) if name in names[:place]), None):
            raise CallerError(f"the frame: the column {twice!r} stands twice; give one another name")
        # as Python's values, with None where pandas marks what is missing in ways of its own
        plain = source.astype(object)
        return list(plain.where(source.notna(), None).set_axis(names, axis=1).to_dict("records"))
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        raise CallerError(f"A {type(source).__name__} cannot be checked; give a file, a frame, or records")
    return list(source)


def _checked(rows: Sequence[Any]) -> Iterator[Mapping[str, Any] | Problem]:
    for record, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            yield row
        else:
            said = f"The record is a {type(row).__name__} and no mapping."
            yield Problem(record, "global.file.fields", said, JSON, "Give a mapping of facts for each record.")


def _feed(digest: Any, rows: Iterable[Any]) -> None:
    for row in rows:
        digest.update(canonical.text(_plain(row)).encode("utf-8", "surrogatepass") + b"\n")


def _plain(value: Any) -> Any:
    """What canonical JSON can say of a value."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return repr(value)
    return plain_value(value) if isinstance(value, Decimal) else str(value)
