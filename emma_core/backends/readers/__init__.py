"""The readers that the core brings: CSV, JSON lines, Parquet, data frames and iterables of records."""

from emma_core.backends.readers.batches import dated_by
from emma_core.backends.readers.csv_files import CsvReader
from emma_core.backends.readers.frames import ParquetReader, read_rows, rows_hash, write_parquet
from emma_core.backends.readers.json_lines import JsonLinesReader

__all__ = ["CsvReader", "JsonLinesReader", "ParquetReader", "dated_by", "read_rows", "rows_hash", "write_parquet"]
