"""Tells what the mortgage pack reads in free text, and above all what it does not."""

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
    ("a year of reserves, that is 12 months of reserves", "12", "12 months"),
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
    (
        "On March 5, 2024 she applied and closing is June 6, 2024.",
        {
            "application_date": (date(2024, 3, 5), "March 5, 2024"),
            "consummation_date": (date(2024, 6, 6), "June 6, 2024"),
        },
    ),
]
NOTHING = [
    "",
    "Can we approve this loan?",
    "Can we approve at 47%?",
    "not 47% DTI",
    "DTI is not 47%",
    "DTI isn't 47%",
    "They do not have a 47% DTI.",
    "47% DTI is not right",
    "DTI above 47%",
    "DTI over 45%",
    "a DTI below the 45% limit",
    "DTI is under 43%",
    "at most 45% DTI",
    "The maximum DTI is 45%.",
    "Our DTI limit is 45%.",
    "the 43% DTI cap",
    "Why is 45% DTI the limit here? The 45% DTI rule puzzles me.",
    "DTI of about 47%",
    "DTI around 47%",
    "DTI ~47%",
    "DTI of 43-47%",
    "DTI between 43% and 47%",
    "DTI is 47% or more",
    "DTI 45%+",
    "What if the DTI were 47%?",
    "If DTI is 47%, who can approve?",
    "Suppose a 47% DTI.",
    "Assuming 47% debt-to-income, what happens?",
    "His DTI is 40% and her DTI is 47%.",
    "DTI went from 44% to 47%",
    "Front-end DTI is 28%",
    "The DTI is fine and the rate is 6.5%",
    "DTI is 0.47%",
    "DTI -47%",
    "DTI 1,047%",
    "DTI 47,5%",
    "DTI is 3 points too high",
    "DTI in 2024 was fine",
    "dti 470",
    "DTI 36/45",
    "DTI is 47, maybe 48",
    "DTI needs to be 45%",
    "Can we bring the DTI to 43%?",
    "Is 45% the DTI limit?",
    "DTI would be 47%",
    "47% probably, DTI unknown",
    "DTI was 52% last year",
    "Previously the DTI was 52%.",
    "The DTI was 52% two years ago.",
    "a 47%/28% DTI",
    "DTI of 47% in 2019",
    "loan-to-value of 80%",
    "20% down on the loan",
    "a $400,000 house and a loan",
    "a loan payment of $2,100",
    "$2,100 mortgage payment",
    "$20,000 down payment on the mortgage",
    "a loan under $350,000",
    "The loan officer earns $90,000.",
    "The loan limit is $766,550.",
    "$300,000 or $350,000 loan",
    "Is the loan conventional or FHA?",
    "FHA or VA loan",
    "not an FHA loan",
    "What are the FHA loan limits?",
    "conventional wisdom about loans",
    "a non-conventional loan",
    "The house is in Arlington, VA.",
    "An Arlington, VA loan",
    "She lives in VA and wants a loan.",
    "She pays off her FHA loan.",
    "an existing conventional loan",
    "an FHA loan and a conventional loan",
    "She has had a mortgage for 5 years.",
    "a 5-year ARM",
    "a 7-year adjustable-rate mortgage",
    "12 months of mortgage payments on time",
    "an existing $90,000 loan",
    "a 30-year-old borrower",
    "a 30 year old with a loan",
    "The 30-year treasury moved.",
    "They worked there for 30 years.",
    "a loan from 30 years ago",
    "a 15-year or 30-year loan",
    "The policy asks for two months of reserves.",
    "at least 6 months of reserves",
    "no reserves",
    "The borrower has reserves.",
    "on 2024-03-05",
    "Applied on February 30, 2024",
    "Applied on 2024-13-01",
    "Applied on 3/5/24",
    "Applied March 5 or March 6, 2024",
    "Applied on March 5, 2024 or March 6, 2024",
    "They have not applied as of 2024-03-05.",
    "closing before June 6, 2024",
    "The Closing Disclosure was mailed on June 3, 2024.",
    "The Closing Disclosure is dated June 3, 2024.",
    "The borrower was born on March 5, 1980 and applied.",
    "If we close on June 6, 2024, is that fine?",
    "The rate lock expires June 6, 2024.",
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


@pytest.mark.parametrize("words", NOTHING)
def test_what_is_denied_supposed_compared_or_unclear_is_not_read(words: str) -> None:
    numbers = {"dti", "loan_amount", "loan_term_months", "reserves_months"}
    dates = {"application_date", "closing_disclosure_received_date", "consummation_date"}
    assert not (numbers | dates | {"loan_type"}) & read(words).keys()


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


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "DTI is not ",
            "47% ",
            "47% DTI ",
            "DTI 47% or ",
            "$350,000 ",
            "$350,000 loan ",
            "FHA ",
            "VA loan ",
            "30-year ",
        ),
        *(
            "(",
            "June 3, 2024 ",
            "Closing Disclosure received ",
            "9",
            "debt to ",
            "if ",
            ", ",
            "\u200b",
            "conventional-",
        ),
    ],
)
def test_thirty_two_thousand_characters_of_one_thing_are_read_to_the_end(piece: str) -> None:
    words = (piece * 32_000)[:32_000]

    for extracted in read(words).values():
        assert words[extracted.start : extracted.end]
