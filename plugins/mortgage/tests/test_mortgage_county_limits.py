"""Holds the county limits to the agency's own lists, and the rule on loans sold to them."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from emma_mortgage.county_limits import county_limit
from emma_mortgage.lar import ROW, SHEET

from emma_core import Emma, Settings

DATA = pytest.mark.skipif("EMMA_TEST_DATA" not in os.environ, reason="expected: EMMA_TEST_DATA is not set")
SOLD = {"purchaser_type": "1", "lien": "1", "total_units": "1", "county": "06037", "filing_year": "2024"}


@DATA
@pytest.mark.parametrize("year", range(2018, 2026))
def test_every_limit_of_every_list_is_the_one_that_is_listed_and_no_county_has_another(year: int) -> None:
    path = Path(os.environ["EMMA_TEST_DATA"]) / f"hmda/loan_limits/FullCountyLoanLimitList{year}.txt"
    listed = [line.split("|") for line in path.read_text(encoding="utf-8-sig").splitlines()[1:]]

    for state, county, _, _, _, *limits in listed:
        for units, limit in enumerate(limits, 1):
            assert county_limit(state + county, Decimal(year), Decimal(units)) == int(limit)
    counties = {state + county for state, county, *_ in listed}
    others = [f"{number:05}" for number in range(100_000) if f"{number:05}" not in counties]
    assert all(county_limit(each, Decimal(year), Decimal(1)) is None for each in others)


@pytest.mark.parametrize(
    ("amount", "more", "outcome"),
    [
        ("1149825", {}, None),
        ("1149826", {}, "failed"),
        ("1149826", {"filing_year": "2025"}, None),
        ("1149826", {"total_units": "2"}, None),
        ("1149826", {"purchaser_type": "71"}, None),
        ("1149826", {"lien": "2"}, None),
        ("1149826", {"county": "NA"}, None),
        ("1149826", {"county": "06999"}, "undetermined"),
        ("1149826", {"filing_year": "2026"}, "undetermined"),
    ],
)
async def test_a_loan_sold_to_an_enterprise_is_held_against_its_countys_limit(
    tmp_path: Path, amount: str, more: dict[str, str], outcome: str | None
) -> None:
    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/emma.db")) as emma:
        row = {**SOLD, "loan_amount": amount, **more}
        report = await emma.tenant("default").check([row], rules="mortgage/conforming")

    assert [each.outcome for each in report.findings] == ([outcome] if outcome else [])
    assert report.verdict == "clear"


@pytest.mark.parametrize("rules", ["mortgage/conforming", "mortgage/conforming@2018-2025"])
async def test_the_year_is_that_of_the_register(tmp_path: Path, rules: str) -> None:
    row = {"record_id": "2", "loan_amount": "1149826", **SOLD}
    sheet = {"record_id": "1", "calendar_year": "2024"}
    lines = ["|".join(said.get(name, "x") for name in names) for said, names in ((sheet, SHEET), (row, ROW))]
    (tmp_path / "lar.txt").write_text("\n".join(lines) + "\n")

    async with Emma.open(Settings(store=f"sqlite:///{tmp_path}/emma.db")) as emma:
        report = await emma.tenant("default").check(tmp_path / "lar.txt", rules=rules)

    assert [(each.record, each.values["filing_year"]) for each in report.findings] == [(1, "2024")]
