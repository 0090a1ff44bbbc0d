"""Twenty of the HMDA edits as an analyst would write them in Polars and in DuckDB, over the columns of a register."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lar_rows import FIELDS

if TYPE_CHECKING:
    import polars as pl

_NUMBER = "-?[0-9]{1,12}([.][0-9]+)?"
_INTEGER = "-?[0-9]{1,12}"
_ETHNICITIES = ["1", "11", "12", "13", "14", "2", "3", "4"]
_NONE = ["NA", "Exempt"]

EDITS = {
    "V608-1": "length(uli) BETWEEN 1 AND 22 OR regexp_full_match(uli, '[A-Za-z0-9]{23,45}')",
    "V611": "loan_type IN ('1', '2', '3', '4')",
    "V617": "coalesce([loan_amount] >= 0, FALSE)",
    "V618": "action_taken IN ('1', '2', '3', '4', '5', '6', '7', '8')",
    "V619-1": "<action_date> IS NOT NULL",
    "V619-2": "left(action_date, 4) = '2024'",
    "V619-3": "app_date = 'NA' OR coalesce(<action_date> >= <app_date>, FALSE)",
    "V621": "city <> ''",
    "V622": "street_address IN ('NA', 'Exempt')"
    " OR (city NOT IN ('', 'NA') AND state NOT IN ('', 'NA') AND zip_code NOT IN ('', 'NA'))",
    "V625-1": "tract = 'NA' OR regexp_full_match(tract, '[0-9]{11}')",
    "V628-1": "app_eth_1 IN ('1', '11', '12', '13', '14', '2', '3', '4') OR (app_eth_1 = '' AND app_eth_free <> '')",
    "V651-1": "regexp_full_match(app_age, '-?[0-9]{1,12}') AND TRY_CAST(app_age AS BIGINT) > 0",
    "V654-1": "income = 'NA' OR regexp_full_match(income, '-?[0-9]{1,12}')",
    "V657-1": "rate_spread IN ('NA', 'Exempt') OR [rate_spread] IS NOT NULL",
    "V673-1": "points_fees IN ('NA', 'Exempt') OR coalesce([points_fees] >= 0, FALSE)",
    "V674-1": "origination_fee IN ('NA', 'Exempt') OR coalesce([origination_fee] >= 0, FALSE)",
    "V681-1": "cltv IN ('NA', 'Exempt') OR coalesce([cltv] > 0, FALSE)",
    "V688-1": "property_value IN ('NA', 'Exempt') OR coalesce([property_value] > 0, FALSE)",
    "V691": "regexp_full_match(total_units, '-?[0-9]{1,12}') AND TRY_CAST(total_units AS BIGINT) > 0",
    "Q601": "coalesce(<app_date> + INTERVAL 2 YEAR >= <action_date>, TRUE)",
}
"""What must hold, in DuckDB; `[x]` reads a number and `<x>` a day, or NULL."""


def by_duckdb(*, whole: bool) -> Callable[[Path], Counter[str]]:
    """Counts the rows that fail each edit. `whole`: those come with all their fields, else with their ULI."""
    import duckdb

    held = {name: _read(text) for name, text in EDITS.items()}
    columns = ", ".join(f'({text}) AS "{name}"' for name, text in held.items())
    names = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS)
    form = f"delim='|', header=false, skip=1, quote='', escape='', columns={{{names}}}, nullstr='\x01'"
    stands = " AND ".join(f'"{name}"' for name in EDITS)

    def failing(file: Path) -> Counter[str]:
        asked = f"SELECT {'*' if whole else 'uli'}, {columns} FROM read_csv('{file}', {form})"
        rows = duckdb.sql(f"SELECT * FROM ({asked}) WHERE NOT ({stands})").fetchall()
        said = (zip(EDITS, row[-len(EDITS) :], strict=True) for row in rows)
        return Counter(name for row in said for name, holds in row if not holds)

    return failing


def by_polars(*, whole: bool) -> Callable[[Path], Counter[str]]:
    """Counts the rows that fail each edit. `whole`: those come with all their fields, else with their number."""
    import polars as pl

    held = _in_polars()
    schema = dict.fromkeys(FIELDS, pl.String)

    def failing(file: Path) -> Counter[str]:
        rows = pl.scan_csv(
            file,
            separator="|",
            has_header=False,
            skip_lines=1,
            quote_char=None,
            schema=schema,
            empty_string_is_null=False,
            row_index_name="record",
            row_index_offset=1,
        )
        asked = rows.with_columns(**held) if whole else rows.select("record", **held)
        found = asked.filter(~pl.all_horizontal(list(held))).collect(engine="streaming")
        counts = {name: int((~found[name]).sum()) for name in held}
        return Counter({name: count for name, count in counts.items() if count})

    return failing


def _in_polars() -> dict[str, pl.Expr]:
    import polars as pl

    def number(name: str) -> pl.Expr:
        told = pl.col(name).str.contains(f"^{_NUMBER}$")
        return pl.when(told).then(pl.col(name).cast(pl.Float64, strict=False))

    def day(name: str) -> pl.Expr:
        return pl.col(name).str.to_date("%Y%m%d", strict=False)

    def no_number(name: str) -> pl.Expr:
        return pl.col(name).is_in(_NONE)

    def integer(name: str) -> pl.Expr:
        return pl.col(name).str.contains(f"^{_INTEGER}$")

    said = {name: ~pl.col(name).is_in(["", "NA"]) for name in ("city", "state", "zip_code")}
    uli, actioned, applied = pl.col("uli"), day("action_date"), day("app_date")
    free = (pl.col("app_eth_1") == "") & (pl.col("app_eth_free") != "")
    return {
        "V608-1": uli.str.len_chars().is_between(1, 22) | uli.str.contains("^[A-Za-z0-9]{23,45}$"),
        "V611": pl.col("loan_type").is_in(["1", "2", "3", "4"]),
        "V617": (number("loan_amount") >= 0).fill_null(False),
        "V618": pl.col("action_taken").is_in(list("12345678")),
        "V619-1": actioned.is_not_null(),
        "V619-2": pl.col("action_date").str.slice(0, 4) == "2024",
        "V619-3": (pl.col("app_date") == "NA") | (actioned >= applied).fill_null(False),
        "V621": pl.col("city") != "",
        "V622": pl.col("street_address").is_in(_NONE) | (said["city"] & said["state"] & said["zip_code"]),
        "V625-1": (pl.col("tract") == "NA") | pl.col("tract").str.contains("^[0-9]{11}$"),
        "V628-1": pl.col("app_eth_1").is_in(_ETHNICITIES) | free,
        "V651-1": integer("app_age") & (number("app_age") > 0).fill_null(False),
        "V654-1": (pl.col("income") == "NA") | integer("income"),
        "V657-1": no_number("rate_spread") | number("rate_spread").is_not_null(),
        "V673-1": no_number("points_fees") | (number("points_fees") >= 0).fill_null(False),
        "V674-1": no_number("origination_fee") | (number("origination_fee") >= 0).fill_null(False),
        "V681-1": no_number("cltv") | (number("cltv") > 0).fill_null(False),
        "V688-1": no_number("property_value") | (number("property_value") > 0).fill_null(False),
        "V691": integer("total_units") & (number("total_units") > 0).fill_null(False),
        "Q601": (applied.dt.offset_by("2y") >= actioned).fill_null(True),
    }


def _read(text: str) -> str:
    number = rf"CASE WHEN regexp_full_match(\1, '{_NUMBER}') THEN TRY_CAST(\1 AS DOUBLE) END"
    return re.sub("<(\\w+)>", r"try_strptime(\1, '%Y%m%d')", re.sub(r"\[([a-z_]+)\]", number, text))
