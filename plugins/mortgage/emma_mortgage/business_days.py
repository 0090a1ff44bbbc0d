"""Counts the business days of Regulation Z's waiting periods: all days but Sundays and federal legal holidays."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from emma_core import Function

MONDAY, THURSDAY, SUNDAY = 0, 3, 6


def specific_business_days_between(after: date, until: date) -> Decimal:
    """The specific business days later than `after`, `until` itself included; 0 where `until` is no later day.

    Source: 12 CFR 1026.2(a)(6), second sentence, with comment 2(a)(6)-2: a holiday is the date that
    5 U.S.C. 6103(a) names, and the day on which offices keep it instead is a business day.
    """
    if until <= after:
        return Decimal(0)
    days = (until - after).days
    weekday_of_first = (after.weekday() + 1) % 7
    sundays = (days + weekday_of_first) // 7
    holidays = sum(
        1
        for year in range(after.year, until.year + 1)
        for day in legal_holidays(year)
        if after < day <= until and day.weekday() != SUNDAY
    )
    return Decimal(days - sundays - holidays)


def legal_holidays(year: int) -> tuple[date, ...]:
    """The legal public holidays of a year on the dates that 5 U.S.C. 6103(a) names.

    The list is that of 1978 (Pub. L. 94-97, Veterans Day back on November 11) with what was added later: Martin
    Luther King's birthday, first kept in 1986 (Pub. L. 98-144), and Juneteenth, law since June 17, 2021 (Pub. L.
    117-17). Years before 1978 are given the same dates.
    """
    return (
        date(year, 1, 1),
        *((_nth(3, MONDAY, year, 1),) if year >= 1986 else ()),
        _nth(3, MONDAY, year, 2),
        _last_monday_of_may(year),
        *((date(year, 6, 19),) if year >= 2021 else ()),
        date(year, 7, 4),
        _nth(1, MONDAY, year, 9),
        _nth(2, MONDAY, year, 10),
        date(year, 11, 11),
        _nth(4, THURSDAY, year, 11),
        date(year, 12, 25),
    )


FUNCTION = Function(
    name="specific_business_days_between",
    params=("date", "date"),
    returns="number",
    body=specific_business_days_between,
    examples=(
        # Received on a Monday, closed on the Thursday; then across a Sunday.
        ((date(2024, 6, 3), date(2024, 6, 6)), Decimal(3)),
        ((date(2024, 6, 6), date(2024, 6, 10)), Decimal(3)),
        # Independence Day 2026 is a Saturday; the Friday on which offices keep it counts.
        ((date(2026, 7, 1), date(2026, 7, 6)), Decimal(3)),
        # Juneteenth counts in 2020 and no longer in 2024.
        ((date(2020, 6, 17), date(2020, 6, 20)), Decimal(3)),
        ((date(2024, 6, 17), date(2024, 6, 20)), Decimal(2)),
        ((date(2024, 6, 6), date(2024, 6, 6)), Decimal(0)),
        ((date(2024, 6, 7), date(2024, 6, 6)), Decimal(0)),
    ),
    doc="The days after the first date, up to and with the second, that are neither Sundays nor federal holidays.",
)


def _nth(n: int, weekday: int, year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())
