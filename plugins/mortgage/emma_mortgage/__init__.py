"""Brings mortgage lending to Emma: rules, override templates, and readers of facts in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from emma_core import Extracted, Function, content_of, hookimpl
from emma_mortgage import business_days, county_limits, uli
from emma_mortgage.amortization import read_negative_amortization
from emma_mortgage.dates import read_dates
from emma_mortgage.dti import read_dti
from emma_mortgage.lar import LarReader
from emma_mortgage.loan_amounts import read_loan_amount
from emma_mortgage.loan_types import read_loan_type
from emma_mortgage.months import read_loan_term, read_reserves

register_content = content_of(__file__, checkout="../../../rag_content/industry/mortgage")


@hookimpl
def register_functions() -> Sequence[Function]:
    """The functions that the rules on waiting periods, identifiers and county limits call."""
    return [business_days.FUNCTION, county_limits.FUNCTION, uli.FUNCTION]


@hookimpl
def register_extractors() -> Sequence[Callable[[str], Sequence[Extracted]]]:
    """Readers of a loan's numbers, type and dates."""
    return [
        read_dti,
        read_loan_amount,
        read_loan_type,
        read_loan_term,
        read_negative_amortization,
        read_reserves,
        read_dates,
    ]


@hookimpl
def register_readers() -> Mapping[str, LarReader]:
    """The loan/application register."""
    return {"lar": LarReader()}


@hookimpl
def register_roles() -> Mapping[str, str]:
    """The people who decide on exceptions, and those who ask for them."""
    return {
        "mortgage.loan_officer": "Loan officer",
        "mortgage.underwriter": "Underwriter",
        "mortgage.senior_underwriter": "Senior underwriter",
        "mortgage.hmda_officer": "HMDA officer",
    }
