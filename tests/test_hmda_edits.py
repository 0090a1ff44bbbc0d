"""Holds the HMDA edits to the regulator's labelled rows, and the rule sets of all years to loading."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import hmda_edits
from emma_core import packs

DATA = pytest.mark.skipif("EMMA_TEST_DATA" not in os.environ, reason="expected: EMMA_TEST_DATA is not set")


@DATA
async def test_every_target_of_the_labelled_rows_and_sheets_is_found() -> None:
    table, missed = await hmda_edits.compare(Path(os.environ["EMMA_TEST_DATA"]) / "hmda")

    assert missed == []
    assert sum(count["missed"] + count["extra"] for count in table.values()) <= 4


@DATA
async def test_no_syntactical_or_validity_edit_fails_on_clean_rows() -> None:
    assert await hmda_edits.clean_failures(Path(os.environ["EMMA_TEST_DATA"]) / "hmda") == []


@pytest.mark.parametrize(("year", "edits"), [(2018, 274), (2020, 293), (2024, 315), (2025, 319), (2026, 318)])
def test_the_edits_of_a_year_load_with_their_examples(year: int, edits: int) -> None:
    (found,) = packs.find().rulesets(f"mortgage/hmda@{year}")

    assert len({rule.rule.source.citation for rule in found.rules}) == edits
    assert all(rule.rule.examples.pass_ and rule.rule.examples.fail for rule in found.rules)
    for rule in found.rules:
        kind = rule.rule.source.citation[0]
        assert rule.rule.override_template == (None if kind in "SV" else "mortgage.hmda_verified")
