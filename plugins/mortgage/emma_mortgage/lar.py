"""Reads a loan/application register: a transmittal sheet, then one loan row a line, its fields parted by pipes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from emma_core import CallerError, Fault, Problem, Source, Table, read_lines

SHEET = [
    "record_id",
    "inst_name",
    "calendar_year",
    "calendar_quarter",
    "contact_name",
    "contact_tel",
    "contact_email",
    "contact_street_address",
    "office_city",
    "office_state",
    "office_zip",
    "federal_agency",
    "lar_entries",
    "tax_id",
    "lei",
]
"""The fields of a transmittal sheet in their order; as facts they begin with `ts_`."""

ROW = [
    "record_id",
    "lei",
    "uli",
    "app_date",
    "loan_type",
    "loan_purpose",
    "preapproval",
    "const_method",
    "occ_type",
    "loan_amount",
    "action_taken",
    "action_date",
    "street_address",
    "city",
    "state",
    "zip_code",
    "county",
    "tract",
    "app_eth_1",
    "app_eth_2",
    "app_eth_3",
    "app_eth_4",
    "app_eth_5",
    "app_eth_free",
    "co_app_eth_1",
    "co_app_eth_2",
    "co_app_eth_3",
    "co_app_eth_4",
    "co_app_eth_5",
    "co_app_eth_free",
    "app_eth_basis",
    "co_app_eth_basis",
    "app_race_1",
    "app_race_2",
    "app_race_3",
    "app_race_4",
    "app_race_5",
    "app_race_native_text",
    "app_race_asian_text",
    "app_race_islander_text",
    "co_app_race_1",
    "co_app_race_2",
    "co_app_race_3",
    "co_app_race_4",
    "co_app_race_5",
    "co_app_race_native_text",
    "co_app_race_asian_text",
    "co_app_race_islander_text",
    "app_race_basis",
    "co_app_race_basis",
    "app_sex",
    "co_app_sex",
    "app_sex_basis",
    "co_app_sex_basis",
    "app_age",
    "co_app_age",
    "income",
    "purchaser_type",
    "rate_spread",
    "hoepa",
    "lien",
    "app_credit_score",
    "co_app_credit_score",
    "app_score_name",
    "app_score_code_8",
    "co_app_score_name",
    "co_app_score_code_8",
    "denial_1",
    "denial_2",
    "denial_3",
    "denial_4",
    "denial_code_9",
    "loan_costs",
    "points_fees",
    "origination_fee",
    "discount_points",
    "lender_credits",
    "interest_rate",
    "prepayment_penalty",
    "dti",
    "cltv",
    "loan_term",
    "intro_rate",
    "balloon",
    "int_only_pmts",
    "neg_amort",
    "non_amort_features",
    "property_value",
    "manufactured_type",
    "manufactured_interest",
    "total_units",
    "affordable_units",
    "app_submission",
    "initially_payable",
    "mlo_id",
    "aus_1",
    "aus_2",
    "aus_3",
    "aus_4",
    "aus_5",
    "aus_code_5",
    "aus_result_1",
    "aus_result_2",
    "aus_result_3",
    "aus_result_4",
    "aus_result_5",
    "aus_code_16",
    "reverse_mortgage",
    "open_end_credit",
    "business_purpose",
]
"""The fields of a loan row in their order, as facts."""

_FORM = Source(
    kind="guidance",
    citation="Filing Instructions Guide for HMDA data of 2024, 3.3 and field tables",
    note=f"a transmittal sheet of {len(SHEET)} fields, then loan rows of {len(ROW)}, parted by |",
    read_on=date(2026, 11, 23),
)
_LETTERS = Source(
    kind="guidance",
    citation="CFPB, Online LAR Formatting Tool, user guide",
    note="the tool writes registers in UTF-8; no other encoding is named",
    read_on=date(2026, 11, 23),
)
_FIRST = Source(kind="standard", citation="S300", read_on=date(2026, 11, 23))
_ENOUGH = 1 << 20


class LarReader:
    """The register as it is filed."""

    suffixes = (".txt", ".lar", ".dat", ".psv")
    model: str | None = "mortgage.lar"

    def read(self, path: Path, facts: Mapping[str, object], *, edition: str | None) -> Table:
        """Every field as the text that was filed; the sheet's are file facts. The filing year is the edition's, where
        that is a year, else the sheet's calendar year."""
        first = _first(path)
        headed = len(first) != len(ROW) and not (first[0] == "2" and len(first) != len(SHEET))
        lines = read_lines(path, ROW, separator="|", headed=headed)
        whole = headed and lines.head is not None and len(first) == len(SHEET)
        if not whole and lines.records == len(lines.faults):
            raise CallerError(
                f"{path.name!r} is no loan/application register: no line of it has the {len(ROW)} fields of a loan"
                f" row or the {len(SHEET)} of a transmittal sheet, parted by |"
            )
        sheet = dict(zip(SHEET, first, strict=True)) if whole else {}
        year = sheet.get("calendar_year")
        named = edition if edition and edition.isdigit() else None
        problems = [_of_row(fault) for fault in lines.faults]
        if not whole:
            problems.insert(0, _of_sheet(first, headed=headed, decoded=lines.head is not None))
        return Table(
            batches=lines.batches,
            file_facts={**{f"ts_{name}": sheet.get(name) for name in SHEET}, "filing_year": named or year},
            headed=True,
            records=lines.records,
            problems=tuple(problems),
            unread=frozenset(fault.record for fault in lines.faults),
            edition=year if year and len(year) == 4 and year.isdigit() else None,
            key="uli",
        )


def _first(path: Path) -> list[str]:
    """The fields of the first line; what is not UTF-8 of it stands as a mark."""
    with path.open("rb") as file:
        line = file.readline(_ENOUGH).removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    return line.decode(errors="replace").split("|")


def _of_sheet(first: list[str], *, headed: bool, decoded: bool) -> Problem:
    if not headed:
        return Problem(
            record=0,
            rule="mortgage.hmda.s300_ts",
            message="The file opens with a loan row; its first row is the transmittal sheet, marked 1.",
            source=_FIRST,
            suggestion="Put the transmittal sheet before the loan rows.",
            fields=("ts_record_id",),
        )
    if not decoded:
        return Problem(
            record=0,
            rule="mortgage.lar.encoding",
            message="The transmittal sheet holds a byte that is not UTF-8, so that none of it is read.",
            source=_LETTERS,
            suggestion="Save the file as UTF-8.",
        )
    return Problem(
        record=0,
        rule="mortgage.lar.fields",
        message=f"The transmittal sheet has {_many(len(first))}; it has {len(SHEET)}, so that none of it is read.",
        source=_FORM,
        suggestion=f"Give it {len(SHEET)} fields with one | between each two.",
    )


def _of_row(fault: Fault) -> Problem:
    if fault.kind == "encoding":
        return Problem(
            record=fault.record,
            rule="mortgage.lar.encoding",
            message=f"Byte {fault.byte} of this row is not UTF-8, so that the row is not checked.",
            source=_LETTERS,
            suggestion="Save the file as UTF-8.",
        )
    if fault.start != "2":
        said = f"is marked '{fault.start[:20]}'" if fault.start else "has no mark"
        return Problem(
            record=fault.record,
            rule="mortgage.hmda.s300",
            message=f"This row {said} and has {_many(fault.count)}; a loan row is marked 2 and has {len(ROW)}.",
            source=_FIRST,
            suggestion="Take the row out, or put a whole loan row in its place.",
            fields=("record_id",),
        )
    return Problem(
        record=fault.record,
        rule="mortgage.lar.fields",
        message=f"This row has {_many(fault.count)} in place of {len(ROW)}, so that it is not checked.",
        source=_FORM,
        suggestion=f"Give the row {len(ROW)} fields with one | between each two; no value may hold a |.",
    )


def _many(count: int) -> str:
    return f"{count} field{'' if count == 1 else 's'}"
