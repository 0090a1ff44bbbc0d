"""The door for columns: every value read as its fact's type says, once for each distinct value; the rest named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from emma_core import rules
from emma_core.backends.readers.batches import blank_rows
from emma_core.errors import CallerError
from emma_core.nouns import FactSpec, FactType
from emma_core.nouns.table import RECORD
from emma_core.rules.values import number

if TYPE_CHECKING:
    import polars as pl

WANTED: dict[FactType, str] = {
    "text": "a text",
    "number": "a number such as 0.47",
    "date": "a day such as 2024-02-29",
    "bool": "true or false",
    "list": "words with ; between them",
}


@dataclass(frozen=True)
class Misfit:
    """A value that is none of its fact."""

    record: int
    fact: str
    why: str


def schema_of(facts: Mapping[str, FactSpec], columns: Iterable[str]) -> dict[str, Any]:
    """The types of these columns in a table."""
    import polars as pl

    types: dict[FactType, Any] = {
        "text": pl.String,
        "number": pl.Decimal(18, 6),
        "date": pl.Date,
        "bool": pl.Boolean,
        "list": pl.List(pl.String),
    }
    return {RECORD: pl.Int64, **{name: types[facts[name].type] for name in columns}}


def all_text(facts: Mapping[str, FactSpec], columns: Iterable[str]) -> bool:
    """True where any text at all is a value of every one of these facts."""
    return all(facts[name].type == "text" and not facts[name].values for name in columns)


def typed(
    batch: pl.DataFrame, facts: Mapping[str, FactSpec], columns: Iterable[str], *, filed: bool
) -> tuple[pl.DataFrame, list[Misfit]]:
    """The batch with each column of its fact's type, rows with a misfit blank; and the misfits in order.

    `filed`: the values are texts of a file, in which a blank cell of anything but free text says nothing.
    """
    import polars as pl

    wanted = schema_of(facts, columns)
    records = batch[RECORD].to_list()
    misfits: list[Misfit] = []
    made: dict[str, Any] = {}
    for name in columns:
        spec = facts[name]
        if batch.schema[name] == pl.String and all_text(facts, (name,)):
            made[name] = batch[name]
            continue
        read: dict[Any, Any] = {}
        values = []
        for record, raw in zip(records, batch[name].to_list(), strict=True):
            key = tuple(raw) if isinstance(raw, list) else (type(raw), raw)
            if key not in read:
                read[key] = _read(name, spec, raw, filed=filed)
            value = read[key]
            if isinstance(value, CallerError):
                misfits.append(Misfit(record, name, str(value)))
                value = None
            values.append(list(value) if isinstance(value, tuple) else value)
        made[name] = pl.Series(name, values, dtype=wanted[name])
    frame = pl.DataFrame({RECORD: batch[RECORD], **made}, schema=wanted)
    misfits.sort(key=lambda each: each.record)
    return _blanked(frame, misfits), misfits


def _blanked(frame: pl.DataFrame, misfits: list[Misfit]) -> pl.DataFrame:
    return blank_rows(frame, {each.record for each in misfits}) if misfits else frame


def _read(name: str, spec: FactSpec, raw: Any, *, filed: bool) -> Any:
    """The typed value, None where nobody said, or the error that says why it is neither."""
    if raw is None or raw != raw:  # NaN is how data frames say that nothing was said
        return None
    if filed and raw == "" and (spec.type != "text" or (spec.values and "" not in spec.values)):
        return None
    try:
        return rules.read_value(spec.type, _plain(spec.type, raw, filed=filed), name=name, values=spec.values)
    except CallerError as error:
        if filed and spec.type != "text" and isinstance(raw, str):
            return CallerError(f"Fact {name!r}: {raw[:60]!r} is no {spec.type}; write {WANTED[spec.type]}")
        return error


def _plain(kind: FactType, raw: Any, *, filed: bool) -> Any:
    """What a cell holds, as the door of facts takes it."""
    if filed and isinstance(raw, str):
        return _of_text(kind, raw)
    if kind == "date" and isinstance(raw, datetime) and raw.time() == time():
        return raw.date()
    if kind == "number" and not isinstance(raw, bool | int | float | Decimal) and hasattr(raw, "item"):
        return raw.item()
    return raw


def _of_text(kind: FactType, text: str) -> Any:
    if kind == "number":
        return number(text)
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "list":
        if text.startswith("["):
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text.split(";")
    return text
