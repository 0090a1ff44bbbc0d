"""Holds the HMDA edits to the regulator's labelled rows, and the rule sets of all years to loading."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from emma_mortgage import uli

from benchmarks import hmda_edits
from emma_core import packs
from emma_core.rules.table import differs

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


def test_check_digits_are_told_in_polars_as_they_are_record_by_record() -> None:
    random = Random(7)
    letters, others = "ABXYZabxyz0123456789", "-é .\n１"
    texts = ["".join(random.choices(letters, k=random.randrange(48))) for _ in range(2_000)]
    texts += ["".join(random.choices(letters + others, k=random.randrange(48))) for _ in range(1_000)]
    texts += [f"{text[:43]}{98 - _number(text[:43] + '00') % 97:02}" for text in texts[:2_000]]

    assert differs(uli.FUNCTION, [(text,) for text in (*texts, "", "0" * 45, "1" * 91)]) is None
    assert sum(map(uli.uli_check, texts)) > 1_900


def _number(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text))
