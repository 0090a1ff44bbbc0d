"""Reads cron expressions: when something that is done again and again is due."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from emma_core.errors import CallerError, MissingExtra


def check(expression: str, zone: str) -> None:
    """Both can be read. Raises `CallerError` where one cannot."""
    _zone(zone)
    if len(expression.split()) != 5 or not _croniter().is_valid(expression):
        raise CallerError(
            f"{expression!r:.80} is no cron expression; write minute, hour, day, month and weekday, like '0 6 * * 1-5'"
        )


def last_due(expression: str, zone: str, *, after: datetime, until: datetime) -> datetime | None:
    """The last moment after `after`, and not after `until`, at which it was due, by the zone's clock; None where there
    is none."""
    before = _croniter()(expression, until.astimezone(_zone(zone)), ret_type=datetime)
    if before.match(expression, until.astimezone(_zone(zone)).replace(second=0, microsecond=0)):
        due: datetime = until.astimezone(_zone(zone)).replace(second=0, microsecond=0)
    else:
        due = before.get_prev(datetime)
    return due if due > after else None


def next_due(expression: str, zone: str, *, after: datetime) -> datetime:
    """The first moment after `after` at which it is due."""
    due: datetime = _croniter()(expression, after.astimezone(_zone(zone)), ret_type=datetime).get_next(datetime)
    return due


def _croniter() -> Any:
    try:
        from croniter import croniter  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("A schedule", "durable") from error
    return croniter


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise CallerError(f"There is no time zone {name!r:.80}; write one like 'America/Chicago'") from error
