"""Holds the check digits of a Universal Loan Identifier to the regulation's own example and the official vectors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from emma_mortgage.uli import uli_check


@pytest.mark.parametrize(
    ("uli", "holds"),
    [
        ("10Bx939c5543TqA1144M999143X38", True),  # 12 CFR part 1003, appendix C, as its example ends
        ("10bX939C5543tQa1144m999143x38", True),
        ("10Bx939c5543TqA1144M999143X83", False),
        ("10Bx939c5543TqA1144M999143X", False),
        ("10Bx939c5543TqA1144M999143X３8", False),
        ("", False),
        ("1" * 46, False),
    ],
)
def test_check_digits_hold_or_do_not(uli: str, holds: bool) -> None:
    assert uli_check(uli) is holds


def test_the_official_vectors_hold() -> None:
    if "EMMA_TEST_DATA" not in os.environ:
        pytest.skip("expected: EMMA_TEST_DATA is not set")
    vectors = json.loads((Path(os.environ["EMMA_TEST_DATA"]) / "hmda" / "uli_check_digit_vectors.json").read_text())

    assert len(vectors) == 4
    assert all(uli_check(vector["uli"]) for vector in vectors)
    assert not any(uli_check(vector["base"] + "00") for vector in vectors)
