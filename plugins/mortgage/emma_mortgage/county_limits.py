"""Tells the conforming loan limit of a county in a year, as the Federal Housing Finance Agency lists it."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

from emma_core import Function

LIST = Path(__file__).parent / "county_limits.txt"
"""FHFA conforming loan limit values, full county list, 2018 to 2025 (read on 2026-11-27): number, county and year."""

Limits = tuple[Decimal, ...]


def county_limit(county: str, year: Decimal, units: Decimal) -> Decimal | None:
    """The limit in dollars for a first mortgage on a home of so many units, by the county's five-digit FIPS code.

    None where the list of that year is not here, the county is not on it, or the home has not one to four units.
    """
    limits = _of(year).get(county, ())
    place = units - 1
    return limits[int(place)] if place in range(len(limits)) else None


@cache
def _of(year: Decimal) -> dict[str, Limits]:
    """By county, the limits of a year for one to four units."""
    listed, limits = _read()
    said = limits.get(str(year), [])
    counties: set[str] = set()
    for since, changes in listed:
        if Decimal(since) <= year:
            counties |= {change.lstrip("+") for change in changes if change[0] != "-"}
            counties -= {change[1:] for change in changes if change[0] == "-"}
    found: dict[str, Limits] = {}
    for amounts, where in said:
        found |= dict.fromkeys(counties if where == ("*",) else where, amounts)
    return found


@cache
def _read() -> tuple[list[tuple[str, list[str]]], dict[str, list[tuple[Limits, tuple[str, ...]]]]]:
    """The counties that came and went, and by year the limits with who has them; those of all others come first."""
    listed: list[tuple[str, list[str]]] = []
    limits: dict[str, list[tuple[Limits, tuple[str, ...]]]] = {}
    for line in LIST.read_text(encoding="ascii").splitlines():
        year, *said = line.split()
        if said[0] == "counties":
            listed.append((year, said[1:]))
        elif year != "#":
            limits.setdefault(year, []).append((tuple(map(Decimal, said[:4])), tuple(said[4:])))
    return listed, limits


FUNCTION = Function(
    name="county_limit",
    params=("text", "number", "number"),
    returns="number",
    body=county_limit,
    examples=(
        (("01001", 2018, 1), 453100),
        (("01001", 2024, 4), 1474400),
        (("06037", 2024, 1), 1149825),
        (("06037", 2025, 2), 1548975),
        # Connecticut's planning regions are on the list from 2024 on, its counties until then
        (("09110", 2023, 1), None),
        (("09110", 2024, 1), 766550),
        (("09003", 2025, 1), None),
        (("06037", 2024, 5), None),
        (("06037", 2024, 1.5), None),
        (("06037", 2017, 1), None),
        (("NA", 2024, 1), None),
    ),
    doc="The conforming loan limit by county (FIPS code), year and units, as FHFA lists it from 2018 to 2025.",
)
