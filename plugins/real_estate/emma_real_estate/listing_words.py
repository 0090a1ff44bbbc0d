"""Reads a listing's facts in words: the year a home was built, its list price, its status, and quoted remarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from emma_core import Extracted
from emma_real_estate.plain_words import stated
from emma_real_estate.quotations import MOST, quoted_remarks, without_remarks

_YEAR = r"(?P<value>1[89][0-9]{2}|20[0-9]{2})(?![\w%])(?!\s?sq)(?![.,/-][0-9])"
_YEAR_BUILT = (
    re.compile(
        r"\b(?:year[\s_]built\s{0,9}(?:[=:]|\bis\b|\bwas\b|\bof\b)?\s{0,9}|(?:built|constructed)\s+(?:back\s+)?(?:in\s+)?(?:the\s+year\s+)?"
        rf"|construction\s+(?:in|date:?)\s+){_YEAR}",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![\w$.,#/-])(?P<value>1[89][0-9]{2}|20[0-9]{2})(?:[\s-]built\b|\s+(?:home|house|bungalow|cottage|colonial"
        r"|craftsman|ranch|cape|condo|duplex|townhouse|townhome|farmhouse|victorian|tudor)\b)",
        re.IGNORECASE,
    ),
)
_LIST_PRICE = re.compile(
    r"\b(?:list[\s_]price|asking(?:\s+price)?|(?:is\s+|was\s+|we\s+)?list(?:ed|ing)?(?:\s+it)?(?:\s+price)?\s+(?:at|for)"
    r"|priced\s+at)\s{0,9}(?:[=:]|\bis\b|\bof\b|\bat\b)?\s{0,9}"
    r"(?P<value>\$?\s?(?P<number>[0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,2})?|[0-9]{1,12}(?:\.[0-9]{1,2})?)"
    r"(?:\s?(?P<scale>k|m|thousand|million)\b)?)(?![\w%])(?![.,][0-9])(?!\s*(?:per|a)\s+(?:month|sq|square))",
    re.IGNORECASE,
)
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_STATUSES = {
    status.lower(): status
    for status in (
        "Active Under Contract",
        "Active",
        "Canceled",
        "Closed",
        "Coming Soon",
        "Expired",
        "Hold",
        "Incomplete",
        "Pending",
        "Withdrawn",
    )
}
_STATUS = re.compile(
    r"\b(?:(?:standard[\s_])?status\s{0,9}(?:[=:]|\bis\b|\bof\b)?\s{0,9}[\"'“]?"
    r"|(?:the|this|my|our|her|his)\s+listing\s+(?:is|was|has\s+been)\s+(?:now\s+|already\s+|still\s+|currently\s+)?)"
    rf"(?P<value>{'|'.join(_STATUSES)}|cancelled)\b",
    re.IGNORECASE,
)


def read_year_built(words: str) -> Sequence[Extracted]:
    """The year the home was built, where the words state one."""
    words = without_remarks(words)
    matches = [(match, Decimal(match["value"])) for form in _YEAR_BUILT for match in form.finditer(words)]
    return stated("year_built", words, matches)


def read_list_price(words: str) -> Sequence[Extracted]:
    """The list price in US dollars, where the words state one."""
    words = without_remarks(words)
    return stated("list_price", words, [(match, _dollars(match)) for match in _LIST_PRICE.finditer(words)])


def read_status(words: str) -> Sequence[Extracted]:
    """The listing's status in the standard's words, where the words state one."""
    words = without_remarks(words)
    return stated("standard_status", words, [(match, _status(match["value"])) for match in _STATUS.finditer(words)])


def read_remarks(words: str) -> Sequence[Extracted]:
    """The public remarks, where the words quote them once."""
    quoted = list(quoted_remarks(words))
    if len(quoted) != 1:
        return []
    start, end, closed = quoted[0]
    if not closed or not 0 < end - start <= MOST:
        return []
    return [Extracted(fact="public_remarks", value=words[start:end], start=start, end=end)]


def _dollars(match: re.Match[str]) -> Decimal:
    return Decimal(match["number"].replace(",", "")) * _SCALES.get((match["scale"] or "").lower(), 1)


def _status(said: str) -> str:
    return _STATUSES[said.lower().replace("cancelled", "canceled")]
