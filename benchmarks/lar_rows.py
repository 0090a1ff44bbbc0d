"""Makes up loan/application registers of any length: mostly clean rows, and some with a field that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

LEI = "BANK1LEIFORTEST12345"
SHEET = (
    "1|Bank of Tests|2024|4|Ann Example|555-555-5555|ann@example.com|1 Main Street|Springfield|CA|90012|9|{rows}"
    "|01-2345678|" + LEI
)
_ROW = (
    ("record_id", "2"),
    ("lei", LEI),
    ("uli", ""),
    ("app_date", "20240115"),
    ("loan_type", "1"),
    ("loan_purpose", "1"),
    ("preapproval", "2"),
    ("const_method", "1"),
    ("occ_type", "1"),
    ("loan_amount", "310000"),
    ("action_taken", "1"),
    ("action_date", "20240301"),
    ("street_address", "12 Elm Street"),
    ("city", "Los Angeles"),
    ("state", "CA"),
    ("zip_code", "90012"),
    ("county", "06037"),
    ("tract", "06037207103"),
    *((f"app_eth_{n}", "2" if n == 1 else "") for n in range(1, 6)),
    ("app_eth_free", ""),
    *((f"co_app_eth_{n}", "5" if n == 1 else "") for n in range(1, 6)),
    ("co_app_eth_free", ""),
    ("app_eth_basis", "2"),
    ("co_app_eth_basis", "4"),
    *((f"app_race_{n}", "5" if n == 1 else "") for n in range(1, 6)),
    *((f"app_race_{words}", "") for words in ("native_text", "asian_text", "islander_text")),
    *((f"co_app_race_{n}", "8" if n == 1 else "") for n in range(1, 6)),
    *((f"co_app_race_{words}", "") for words in ("native_text", "asian_text", "islander_text")),
    ("app_race_basis", "2"),
    ("co_app_race_basis", "4"),
    ("app_sex", "1"),
    ("co_app_sex", "5"),
    ("app_sex_basis", "2"),
    ("co_app_sex_basis", "4"),
    ("app_age", "41"),
    ("co_app_age", "9999"),
    ("income", "125"),
    ("purchaser_type", "0"),
    ("rate_spread", "0.428"),
    ("hoepa", "2"),
    ("lien", "1"),
    ("app_credit_score", "720"),
    ("co_app_credit_score", "9999"),
    ("app_score_name", "1"),
    ("app_score_code_8", ""),
    ("co_app_score_name", "10"),
    ("co_app_score_code_8", ""),
    *((f"denial_{n}", "10" if n == 1 else "") for n in range(1, 5)),
    ("denial_code_9", ""),
    ("loan_costs", "3200.50"),
    ("points_fees", "NA"),
    ("origination_fee", "1500"),
    ("discount_points", ""),
    ("lender_credits", ""),
    ("interest_rate", "4.125"),
    ("prepayment_penalty", "NA"),
    ("dti", "36.5"),
    ("cltv", "80.05"),
    ("loan_term", "360"),
    ("intro_rate", "NA"),
    ("balloon", "2"),
    ("int_only_pmts", "2"),
    ("neg_amort", "2"),
    ("non_amort_features", "2"),
    ("property_value", "387500"),
    ("manufactured_type", "3"),
    ("manufactured_interest", "5"),
    ("total_units", "1"),
    ("affordable_units", "NA"),
    ("app_submission", "1"),
    ("initially_payable", "1"),
    ("mlo_id", "123456"),
    *((f"aus_{n}", "1" if n == 1 else "") for n in range(1, 6)),
    ("aus_code_5", ""),
    *((f"aus_result_{n}", "1" if n == 1 else "") for n in range(1, 6)),
    ("aus_code_16", ""),
    ("reverse_mortgage", "2"),
    ("open_end_credit", "2"),
    ("business_purpose", "2"),
)
FIELDS = tuple(name for name, _ in _ROW)
_PLACES = {name: place for place, name in enumerate(FIELDS)}
_WRONG = ("", "NA", "Exempt", "0", "9", "1111", "-1", "1e5", "20240230", "abc")
_COUNTIES = (("06037", "207103", "CA", "90012"), ("06001", "401100", "CA", "94609"), ("06073", "005400", "CA", "92101"))


def write(path: Path, rows: int, *, wrong: float = 0.02, copies: int = 1, seed: int = 7) -> None:
    """A register of so many rows, of which a share has one field that is wrong; each loan filed so many times."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(SHEET.format(rows=rows) + "\n")
        filed = (line + "\n" for line in lines(-(-rows // copies), wrong=wrong, seed=seed) for _ in range(copies))
        file.writelines(islice(filed, rows))


def lines(rows: int, *, wrong: float = 0.02, seed: int = 7) -> Iterator[str]:
    """The rows as they are filed."""
    random = Random(seed)
    blank = [value for _, value in _ROW]
    for number in range(rows):
        row = list(blank)
        for name, value in _varied(number, random).items():
            row[_PLACES[name]] = value
        if random.random() < wrong:
            row[random.randrange(2, len(row))] = random.choice(_WRONG)
        yield "|".join(row)


def _varied(number: int, random: Random) -> dict[str, str]:
    """What differs between clean rows."""
    amount = random.randrange(60, 700)
    county, tract, state, zip_code = random.choice(_COUNTIES)
    day = random.randrange(1, 29)
    return {
        "uli": _uli(f"{LEI}{number:020}"),
        "app_date": f"20240{random.randrange(1, 6)}{day:02}",
        "action_date": f"20240{random.randrange(6, 10)}{day:02}",
        "loan_amount": str(amount * 1000 + 500),
        "property_value": str(amount * 1250),
        "income": str(amount // 3 + random.randrange(5, 60)),
        "street_address": f"{number % 9000 + 1} Elm Street",
        "county": county,
        "tract": county + tract,
        "state": state,
        "zip_code": zip_code,
        "interest_rate": f"{random.uniform(3, 8):.3f}",
        "rate_spread": f"{random.uniform(-1, 1.4):.3f}",
        "dti": f"{random.uniform(18, 45):.2f}",
        "cltv": f"{random.uniform(81, 95):.3f}",
        "loan_costs": f"{random.uniform(2000, 6000):.2f}",
        "app_age": str(random.randrange(24, 75)),
        "app_credit_score": str(random.randrange(660, 830)),
        "mlo_id": str(random.randrange(10_000, 999_999)),
    }


def _uli(start: str) -> str:
    """A ULI with its check digits (12 CFR part 1003, appendix C)."""
    number = int("".join(str(int(character, 36)) for character in start) + "00")
    return f"{start}{98 - number % 97:02}"
