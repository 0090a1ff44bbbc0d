"""Tells what the mortgage pack reads in free text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from emma_mortgage import register_extractors

from emma_core import Extracted

DTI = [
    ("Can we approve this at 47% debt-to-income on a conventional loan?", "0.47", "47%"),
    ("47% debt-to-income", "0.47", "47%"),
    ("DTI of 47 percent", "0.47", "47 percent"),
    ("0.47 DTI", "0.47", "0.47"),
    (".47 DTI", "0.47", ".47"),
    ("debt to income ratio is 47.5%", "0.475", "47.5%"),
    ("dti=47", "0.47", "47"),
    ("dti: 0.41", "0.41", "0.41"),
    ("DTI 47%", "0.47", "47%"),
    ("The DTI is 47.", "0.47", "47"),
    ("Her debt-to-income came in at 38 percent.", "0.38", "38 percent"),
    ("The debt-to-income ratio (DTI) of this borrower is 44%.", "0.44", "44%"),
    ("DTI – 47%", "0.47", "47%"),
    ("80% LTV, 47% DTI, 6.5% rate", "0.47", "47%"),
    ("With 20% down and a DTI of 43%, can we?", "0.43", "43%"),
    ("Why can't we approve at 47% DTI?", "0.47", "47%"),
    ("Can't we approve at 47% DTI?", "0.47", "47%"),
    ("Please check if we can approve 47% DTI.", "0.47", "47%"),
    ("It is not an FHA loan, and DTI is 44%.", "0.44", "44%"),
    ("The limit is 45%. DTI is 47%.", "0.47", "47%"),
    ("Is a DTI of 47% over the 45% limit?", "0.47", "47%"),
    ("DTI is 47%, which is over 45%.", "0.47", "47%"),
    ("A 112% debt-to-income ratio", "1.12", "112%"),
    ("47%\u00a0DTI", "0.47", "47%"),
    ("💰💰 DTI is 47%", "0.47", "47%"),
    ("DTI is 47%. Again: a 47% DTI.", "0.47", "47%"),
    ("What about 47% DTI?", "0.47", "47%"),
    ("Borrower at 47 DTI, 6 mos reserves", "0.47", "47"),
    ("DTI comes to 47%", "0.47", "47%"),
    ("It was denied due to 47% DTI.", "0.47", "47%"),
    ("Is 47% DTI too high?", "0.47", "47%"),
    ("Debt-to-Income (DTI): 47 %", "0.47", "47 %"),
    ("dti was 41% and is now 47%", "0.47", "47%"),
    ("DTI at application was 41%, today 47%", "0.47", "47%"),
    ("DTI of forty-seven percent", "0.47", "forty-seven percent"),
    ("forty seven percent dti", "0.47", "forty seven percent"),
    ("DTI of nineteen percent", "0.19", "nineteen percent"),
    ("47%dti", "0.47", "47%"),
    ("dti47%", "0.47", "47%"),
    ("DTI? 47%", "0.47", "47%"),
    ("DTI -> 47%", "0.47", "47%"),
    ("DTI → 47%", "0.47", "47%"),
    ("D.T.I. of 47%", "0.47", "47%"),
    ("their debts are 47% of their income", "0.47", "47%"),
    ("DTI 0%", "0", "0%"),
    ("no doubt the DTI is 47%", "0.47", "47%"),
    ("With no overtime his DTI is 47%", "0.47", "47%"),
    ("DTI with the new car loan is 47%", "0.47", "47%"),
    ("I'd like to approve this at 47% DTI.", "0.47", "47%"),
    ("He has a 47% DTI and wants a 30-year fixed.", "0.47", "47%"),
    ("DTI is 47%, not 41%.", "0.47", "47%"),
    ("An FHA borrower has a 47% DTI.", "0.47", "47%"),
    ("Is a DTI of 47% over the limit?", "0.47", "47%"),
    ("housing ratio 28%, DTI 47%", "0.47", "47%"),
    ("Her DTI's 47%.", "0.47", "47%"),
    ("DTI is 47% now, LTV 80%", "0.47", "47%"),
    ("44% DTI; reserves: 6", "0.44", "44%"),
]
AMOUNTS = [
    ("a $350,000 conventional loan", "350000", "$350,000"),
    ("She wants to borrow $350k", "350000", "$350k"),
    ("loan amount: 350000", "350000", "350000"),
    ("a mortgage of $1.2 million", "1200000", "$1.2 million"),
    ("a loan of 350,000 dollars on a $400,000 house", "350000", "350,000 dollars"),
    ("a $275,500.50 30-year fixed loan", "275500.50", "$275,500.50"),
    ("USD 410,000 loan", "410000", "USD 410,000"),
]
TYPES = [
    ("on a conventional loan", "conventional", "conventional"),
    ("an FHA loan", "fha", "FHA"),
    ("FHA-insured mortgage", "fha", "FHA"),
    ("a VA loan for a veteran", "va", "VA"),
    ("A VA home loan in Richmond, VA", "va", "VA"),
    ("USDA rural development loan", "usda", "USDA"),
    ("The loan is conventional.", "conventional", "conventional"),
    ("loan type: fha", "fha", "fha"),
    ("a conventional 30-year fixed mortgage", "conventional", "conventional"),
    ("Conventional refinance", "conventional", "Conventional"),
    ("from an FHA loan to a conventional loan", "conventional", "conventional"),
    ("an fha loan", "fha", "fha"),
    ("a va loan", "va", "va"),
]
TERMS = [
    ("a 30-year fixed", "360", "30-year"),
    ("a 30-year conventional loan", "360", "30-year"),
    ("the term is 360 months", "360", "360 months"),
    ("repaid over 40 years", "480", "40 years"),
    ("15 yr mortgage", "180", "15 yr"),
    ("loan_term_months=361", "361", "361"),
    ("a loan of $350,000 over 30 years", "360", "30 years"),
    ("payable in 180 months", "180", "180 months"),
    ("loan term: 20 years", "240", "20 years"),
]
RESERVES = [
    ("6 months of reserves", "6", "6 months"),
    ("two months of reserves", "2", "two months"),
    ("Reserves cover 3 months.", "3", "3 months"),
    ("3 months' reserves", "3", "3 months"),
    ("reserves: 1.5 months", "1.5", "1.5 months"),
    ("three months of reserves", "3", "three months"),
    ("44% DTI; reserves: 6", "6", "6"),
    ("no reserves", "0", "no reserves"),
    ("47% DTI and no reserves", "0", "no reserves"),
    ("zero months of reserves", "0", "zero months"),
    ("a year of reserves, that is 12 months of reserves", "12", "12 months"),
]
GROWING = [
    ("a loan with negative amortization", True, "negative amortization"),
    ("neg am", True, "neg am"),
    ("Can we approve a neg-am loan at 41% DTI?", True, "neg-am"),
    ("negative amortization: yes", True, "yes"),
    ("40-year term, negative amortization", True, "negative amortization"),
    ("no negative amortization", False, "no negative amortization"),
    ("The loan does not have neg am.", False, "does not have neg am"),
    ("Negative amortization: no", False, "no"),
]
DATES = [
    ("She applied on 2024-03-05.", {"application_date": (date(2024, 3, 5), "2024-03-05")}),
    ("Application date: March 5, 2024", {"application_date": (date(2024, 3, 5), "March 5, 2024")}),
    ("The application was received 5 March 2024.", {"application_date": (date(2024, 3, 5), "5 March 2024")}),
    ("Applied 03/05/2024", {"application_date": (date(2024, 3, 5), "03/05/2024")}),
    ("On March 5th, 2024 she applied.", {"application_date": (date(2024, 3, 5), "March 5th, 2024")}),
    ("Closing is Sept. 9, 2024.", {"consummation_date": (date(2024, 9, 9), "Sept. 9, 2024")}),
    (
        "The Closing Disclosure was received on June 3, 2024 and closing is on June 6, 2024.",
        {
            "closing_disclosure_received_date": (date(2024, 6, 3), "June 3, 2024"),
            "consummation_date": (date(2024, 6, 6), "June 6, 2024"),
        },
    ),
    (
        "They received the CD on 2024-06-03; consummation 2024-06-06.",
        {
            "closing_disclosure_received_date": (date(2024, 6, 3), "2024-06-03"),
            "consummation_date": (date(2024, 6, 6), "2024-06-06"),
        },
    ),
    ("Applied on 3/5/24", {"application_date": (date(2024, 3, 5), "3/5/24")}),
    ("CD received 6/3/24", {"closing_disclosure_received_date": (date(2024, 6, 3), "6/3/24")}),
    (
        "The CD was received 3 days before closing on 2024-06-05",
        {"consummation_date": (date(2024, 6, 5), "2024-06-05")},
    ),
    (
        "Closing was 2024-06-05 but now 2024-06-04",
        {"consummation_date": (date(2024, 6, 4), "2024-06-04")},
    ),
    (
        "signing on June 5, 2024, CD received June 3, 2024",
        {
            "closing_disclosure_received_date": (date(2024, 6, 3), "June 3, 2024"),
            "consummation_date": (date(2024, 6, 5), "June 5, 2024"),
        },
    ),
    (
        "On March 5, 2024 she applied and closing is June 6, 2024.",
        {
            "application_date": (date(2024, 3, 5), "March 5, 2024"),
            "consummation_date": (date(2024, 6, 6), "June 6, 2024"),
        },
    ),
]


def read(words: str) -> dict[str, Extracted]:
    found = [extracted for reader in register_extractors() for extracted in reader(words)]
    assert len({extracted.fact for extracted in found}) == len(found)
    return {extracted.fact: extracted for extracted in found}


def only(words: str, fact: str) -> tuple[Any, str]:
    extracted = read(words)[fact]
    return extracted.value, words[extracted.start : extracted.end]


@pytest.mark.parametrize(("words", "value", "said"), DTI)
def test_a_debt_to_income_ratio_is_read_with_its_span(words: str, value: str, said: str) -> None:
    assert only(words, "dti") == (Decimal(value), said)


@pytest.mark.parametrize(("words", "value", "said"), AMOUNTS)
def test_an_amount_to_be_borrowed_is_read_with_its_span(words: str, value: str, said: str) -> None:
    assert only(words, "loan_amount") == (Decimal(value), said)


@pytest.mark.parametrize(("words", "value", "said"), TYPES)
def test_a_loan_type_is_read_with_its_span(words: str, value: str, said: str) -> None:
    assert only(words, "loan_type") == (value, said)


@pytest.mark.parametrize(("words", "value", "said"), TERMS)
def test_a_loan_term_is_read_in_months_with_its_span(words: str, value: str, said: str) -> None:
    assert only(words, "loan_term_months") == (Decimal(value), said)


@pytest.mark.parametrize(("words", "value", "said"), RESERVES)
def test_reserves_are_read_in_months_with_their_span(words: str, value: str, said: str) -> None:
    assert only(words, "reserves_months") == (Decimal(value), said)


@pytest.mark.parametrize(("words", "expected"), DATES)
def test_a_date_is_read_for_what_happened_on_it(words: str, expected: Mapping[str, tuple[date, str]]) -> None:
    found = {fact: only(words, fact) for fact in read(words) if fact.endswith("_date")}
    assert found == expected


@pytest.mark.parametrize(("words", "value", "said"), GROWING)
def test_a_balance_that_may_grow_is_read_with_its_span(words: str, value: bool, said: str) -> None:
    assert only(words, "negative_amortization") == (value, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Closing on June 5. CD received June 3.", "June 5"),
        ("Closing on 6/5, CD received 6/3.", "6/5"),
        ("Can we close on Friday?", "Friday"),
        ("CD received 13/06/2024, closing 10/06/2024", "10/06/2024"),
        ("Closing is 2024-06-05 or 2024-06-06.", "2024-06-05"),
        ("Closing on 6/31/24", "6/31/24"),
    ],
)
def test_a_closing_day_that_cannot_be_read_is_read_as_spoken_of(words: str, said: str) -> None:
    assert only(words, "closing_day_spoken_of") == (True, said)


@pytest.mark.parametrize(
    "words",
    [
        "Closing on June 5, 2024.",
        "The office is closed on Friday.",
        "Closing Disclosure received June 3.",
        "On June 5.",
    ],
)
def test_no_closing_day_is_spoken_of_where_it_is_read_or_another_thing_closes(words: str) -> None:
    assert "closing_day_spoken_of" not in read(words)


def test_several_facts_are_read_from_one_question() -> None:
    found = read(
        "Approve $350,000 at 47% DTI on a 30-year conventional loan with 3 months of reserves, applied 2024-03-05?"
    )

    assert {fact: extracted.value for fact, extracted in found.items()} == {
        "dti": Decimal("0.47"),
        "loan_term_months": Decimal(360),
        "loan_type": "conventional",
        "reserves_months": Decimal(3),
        "application_date": date(2024, 3, 5),
    }
