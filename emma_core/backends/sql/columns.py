"""What a column may hold, said once for SQLite's STRICT tables and for PostgreSQL; migrations stand on it too."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, Date, DateTime, Double, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from emma_core import canonical


class IsoText(TypeDecorator[Any]):
    """A day or a moment as ISO text that sorts by time; moments in UTC, to the microsecond."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The text that is stored."""
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        return value.isoformat() if isinstance(value, date) else value


class Json(TypeDecorator[Any]):
    """A JSON value as its canonical text: the same bytes on every database; NULL is no value."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text, compared by code points."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The text that is stored."""
        return None if value is None else canonical.text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value that was stored."""
        return None if value is None else json.loads(value)


# order by code points everywhere: PostgreSQL's other collations depend on the machine
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
REAL_NUMBER: Any = Double().with_variant(REAL(), "sqlite")
FLAG = Boolean().with_variant(Integer(), "sqlite")
DAY = Date().with_variant(IsoText(), "sqlite")
MOMENT = DateTime(timezone=True).with_variant(IsoText(), "sqlite")
JSON = Json()
