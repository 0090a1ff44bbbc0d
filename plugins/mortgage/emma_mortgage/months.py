"""Reads spans of months in words: the loan's term ('30-year') and the reserves ('two months of reserves')."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from emma_core import Extracted, Value
from emma_mortgage.readings import Reading, attached, settled
from emma_mortgage.wishes import wished_or_general

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = rf"([0-9]{{1,3}}(?:\.[0-9]{{1,2}})?|{'|'.join(_WORDS)})"
_PERIOD = re.compile(
    rf"(?<![\w.,$%/–-]){_COUNT}[\s-]?(months?|mos?|years?|yrs?)\b(?![\s-]+(?:old|ago|later|earlier|experience)\b)['’]?",
    re.IGNORECASE,
)
_TERM = re.compile(r"\b(?:(?:loan|mortgage|repayment)[\s_]term(?:[\s_]months)?|terms?|amortization)\b", re.IGNORECASE)
_LOAN = re.compile(r"\b(?:loans?|mortgages?|terms?|fixed|amortization|repayment)\b", re.IGNORECASE)
_TERM_IN_MONTHS = re.compile(
    r"\b(loan[\s_]term[\s_]months|term[\s_]in[\s_]months)(?:\s*[=:]\s*|\s+(?:is|of)\s+)([0-9]{1,3})(?![\w.,]?[0-9])\b",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:(?:repaid|paid(?: back| off)?|payable|amortized|spread|financed)(?:\s+over|\s+in)"
    r"|(?:loan|mortgage)(?:\s+of\s+\$?[0-9][0-9,.]*(?:k|\s+dollars)?)?\s+over)\s+(?:a\s+|the\s+next\s+)?"
    rf"{_COUNT}[\s-]?(months?|mos?|years?|yrs?)\b",
    re.IGNORECASE,
)
_NOT_THE_TERM = re.compile(
    r"\b(?:reserves?|treasury|bonds?|history|employ\w*|jobs?|work\w*|experience|self|seasoning|seasoned|late|delinquen\w*"
    r"|lock\w*|old|bank|statements?|draw|interest[\s-]only|balloon|remaining|left|adjustable|arm|since|average|payments?|prepa\w+"
    r"|penalty|income|ago|rate\s+lock|period|student|car|auto|introductory|teaser|bridge|on\s+time)\b",
    re.IGNORECASE,
)
_RESERVES = re.compile(r"\b(?:(?:cash |liquid |piti |pitia )?reserves?(?:[\s_]months)?)\b", re.IGNORECASE)
_NOT_RESERVES = re.compile(
    r"\b(?:term|loan|mortgage|fixed|history|employ\w*|late|old|lock|statements?|required?|requires?|needs?|needed|asks?"
    r"|minimum|policy|wants?|must|should|missing|short|lacks?|lacking|owes?|used?|uses|using|spent|spend\w*|gone|deplet\w*|exhaust\w*"
    r"|drain\w*|lost|loses?|withdr\w+|liquidat\w+|burn\w*|requirements?|rules?|limits?|goal|target\w*|extra|additional"
    r"|more|fewer|less|ran out|would|could|might|empty|refunded|history)\b",
    re.IGNORECASE,
)
_RESERVES_EQUAL = re.compile(
    r"\b(reserves[\s_]months)(?:\s*[=:]\s*|\s+(?:is|of)\s+)([0-9]{1,3}(?:\.[0-9]{1,2})?)(?![\w.,]?[0-9])\b"
    # A label and a small number: months go without saying, where no other unit follows.
    r"|\b(reserves)\s*[=:]\s*([0-9]{1,2}(?:\.[0-9]{1,2})?)(?=\s*(?:[;,)\n]|\.(?![0-9])|$))(?!,[0-9])",
    re.IGNORECASE,
)
_NO_RESERVES = re.compile(
    r"\b(?:no|zero|without(?:\s+any)?)\s+(?:(?:cash|liquid|post-closing|piti|pitia)\s+)?reserves\b"
    r"(?!\s+(?:(?:is|are|were|have been)\s+)?(?:requir\w+|need\w*|necessary|rules?|polic\w+|limits?|info\w*|data|listed"
    r"|documented|documentation|shown|given|provided|stated|mentioned|known|verified|yet|on file|question\w*|figures?"
    r"|numbers?|amounts?|months?|used|spent|gone|lost|asked)\b)",
    re.IGNORECASE,
)
_NO_RESERVES_ASKED = re.compile(
    r"\b(?:requir\w+|needs?|needed|asks?(?: for)?|demands?|wants?|allows?|permits?|(?:is|are) there"
    r"|there (?:would|may|might) be)\s+$",
    re.IGNORECASE,
)
# "Reserves in 2 months" is a time to come.
_A_TIME = re.compile(r"\b(?:in|within|after|every|next|last|past|ago)\s+(?:the\s+)?$", re.IGNORECASE)


def read_loan_term(words: str) -> Sequence[Extracted]:
    """The loan's term in months where the words state one."""
    periods = _periods(words)
    behind = attached(words, periods, _TERM, foreign=_NOT_THE_TERM, before=25, after=0)
    before = attached(words, periods, _LOAN, foreign=_NOT_THE_TERM, before=0, after=45)
    named = [
        Reading(Decimal(match[2]), *match.span(2), match.start(), match.end())
        for match in _TERM_IN_MONTHS.finditer(words)
    ]
    over = [
        Reading(_months(match[1], match[2]), match.start(1), match.end(2), match.start(), match.end(), compares=False)
        for match in _OVER.finditer(words)
    ]
    return settled("loan_term_months", words, behind + before + named + over)


def read_reserves(words: str) -> Sequence[Extracted]:
    """How many months of payments the reserves cover, where the words state it."""
    periods = [each for each in _periods(words) if not _A_TIME.search(words[max(0, each[1] - 20) : each[1]])]
    readings = attached(words, periods, _RESERVES, foreign=_NOT_RESERVES, before=30, after=30)
    for match in _RESERVES_EQUAL.finditer(words):
        group = 2 if match[2] else 4
        readings.append(Reading(Decimal(match[group]), *match.span(group), match.start(), match.end()))
    readings += [
        Reading(Decimal(0), *match.span(), *match.span())
        for match in _NO_RESERVES.finditer(words)
        if not _NO_RESERVES_ASKED.search(words[max(0, match.start() - 30) : match.start()])
    ]
    return settled("reserves_months", words, readings, unless=wished_or_general)


def _periods(words: str) -> list[tuple[Value, int, int]]:
    return [(_months(match[1], match[2]), match.start(), match.end(2)) for match in _PERIOD.finditer(words)]


def _months(count: str, unit: str) -> Decimal:
    number = Decimal(_WORDS.index(count.lower())) if count.lower() in _WORDS else Decimal(count)
    return number * 12 if unit.lower().startswith("y") else number
