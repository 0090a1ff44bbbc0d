"""Tells what the real-estate pack reads in free text, and what it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from emma_real_estate import register_extractors

from emma_core import Extracted

STATED: list[tuple[str, str, Any, str]] = [
    ("The house was built in 1955.", "year_built", Decimal(1955), "1955"),
    ("a 1923 bungalow", "year_built", Decimal(1923), "1923"),
    ("year built: 2004", "year_built", Decimal(2004), "2004"),
    ("year_built=1977", "year_built", Decimal(1977), "1977"),
    ("a 1962-built ranch", "year_built", Decimal(1962), "1962"),
    ("Built 1899, remodeled 2015.", "year_built", Decimal(1899), "1899"),
    ("It is listed at $450,000.", "list_price", Decimal(450000), "$450,000"),
    ("List price: 450000", "list_price", Decimal(450000), "450000"),
    ("asking $1.25 million", "list_price", Decimal(1250000), "$1.25 million"),
    ("priced at $399k", "list_price", Decimal(399000), "$399k"),
    ("Status: Pending", "standard_status", "Pending", "Pending"),
    ("The listing is closed.", "standard_status", "Closed", "closed"),
    ("standard_status=Active Under Contract", "standard_status", "Active Under Contract", "Active Under Contract"),
    ("This listing was cancelled", "standard_status", "Canceled", "cancelled"),
    ('Public remarks: "Sunny; adults only."', "public_remarks", "Sunny; adults only.", "Sunny; adults only."),
    ('Public remarks: "A 12" TV, adults only"', "public_remarks", 'A 12" TV, adults only', 'A 12" TV, adults only'),
    ("Remarks: “A 12” TV, adults only”", "public_remarks", "A 12” TV, adults only", "A 12” TV, adults only"),
    ('Remarks: "Built 1955" and status: "Active"', "public_remarks", "Built 1955", "Built 1955"),
    ('Remarks: "Built 1955" and status: "Active"', "standard_status", "Active", "Active"),
    ("The remarks read “Quiet street”.", "public_remarks", "Quiet street", "Quiet street"),
]  # fmt: skip
NOTHING = [
    "",
    "Are these remarks fine?",
    "built before 1978",
    "It was not built in 1955.",
    "built in the 1950s",
    "built around 1955",
    "rebuilt in 2001",
    "built in 1955 or 1956",
    "If it was built in 1955, do we need the pamphlet?",
    "remodeled in 2015",
    "2000 sq ft home",
    "listed above $450,000",
    "listed at $450,000 or $460,000",
    "The listing is pending or closed.",
    "The listing is not closed.",
    "The listing should be closed.",
    "an active neighborhood",
    "rented for $2,000 a month",
    'Remarks: "one" and remarks: "two"',
]


def read(words: str) -> dict[str, Extracted]:
    found = [extracted for reader in register_extractors() for extracted in reader(words)]
    assert len({extracted.fact for extracted in found}) == len(found)
    return {extracted.fact: extracted for extracted in found}


@pytest.mark.parametrize(("words", "fact", "value", "said"), STATED)
def test_what_the_words_state_is_read_with_its_span(words: str, fact: str, value: Any, said: str) -> None:
    extracted = read(words)[fact]

    assert (extracted.value, words[extracted.start : extracted.end]) == (value, said)


def test_nothing_else_is_read_out_of_quoted_remarks() -> None:
    assert read('Public remarks: "Status: Closed. Built in 1955, listed at $450,000."').keys() == {"public_remarks"}
    assert read('Remarks: "Status: Closed" and remarks: "built in 1955"') == {}
    assert read('Public remarks: "Status: Closed') == {}


@pytest.mark.parametrize("words", NOTHING)
def test_what_is_denied_supposed_compared_or_unclear_is_not_read(words: str) -> None:
    assert read(words) == {}


@pytest.mark.parametrize(
    "piece",
    [
        "built in ",
        "1955 home ",
        "remarks: “",
        'remarks: "1" ',
        'remarks: "a b',
        '12" ',
        'remarks "',
        "listing is ",
        "9",
        "list price $9,",
    ],
)
def test_thirty_two_thousand_characters_of_one_thing_are_read_to_the_end(piece: str) -> None:
    words = (piece * 32_000)[:32_000]

    for extracted in read(words).values():
        assert words[extracted.start : extracted.end]
