"""Reads the type of a loan in words: conventional, FHA, VA or USDA, where the words speak of a loan."""

from __future__ import annotations

import re
from collections.abc import Sequence

from emma_core import Extracted
from emma_mortgage.readings import Reading, settled

_LOAN = r"(?:loans?|mortgages?|financing|refinanc\w+|refi)\b"
_BETWEEN = (
    r"(?:[\s-]+(?:insured|backed|guaranteed|conforming|home|purchase|fixed|rate|adjustable|arm|streamline|rural"
    r"|development|jumbo|[0-9]{1,2}[\s-]years?)){0,5}[\s-]+"
)
# 'va' in small letters counts only behind a little word, because 'richmond va' is a place.
_TYPE = r"([Cc]onventional|CONVENTIONAL|FHA|VA|USDA)"
_SMALL = (
    r"[Ff]ha|[Uu]sda|(?:(?<=^)|(?<=\ba )|(?<=\bon )|(?<=\bis )|(?<=\bthe )|(?<=\bthis )|(?<=\bfor )|(?<=\bwith ))va"
)
_TYPE_FIRST = re.compile(rf"(?<![\w/-]){_TYPE[:-1]}|{_SMALL}){_BETWEEN}(?i:{_LOAN})")
_LOAN_FIRST = re.compile(
    r"(?i:\bloan[\s_]type(?:\s*[=:]\s*|\s+(?:is\s+)?)|\b(?:loan|mortgage)\s+(?:is|was|will be)\s+(?:an?\s+)?)"
    r"(?i:(conventional|FHA|VA|USDA))(?![\w/-])"
)
_IS_LOAN = re.compile(rf"(?i:\bis\s+(?:the|this|that|it)(?:\s+(?:loan|mortgage))?\s+(?:an?\s+)?){_TYPE}(?![\w/-])")
_THIS_IS = re.compile(rf"(?i:\b(?:this|it)(?:\s+is|['’]s)\s+(?:an?\s+)?){_TYPE}(?=\s*[.,;?!]|\s*$)")
# A rule, a limit or an office of a program says nothing about this loan.
_GENERAL = re.compile(
    r"\s*(?:limits?|guidelines?|rules?|requirements?|programs?|handbook|policy|standards?|officer)\b", re.IGNORECASE
)
_ANOTHER_LOAN = re.compile(
    r"\b(?:existing|previous|prior|former|old|another|other|pa(?:id|ys?|ying) off (?:her|his|their|the|an?))"
    r"\s+(?:an?\s+)?$",
    re.IGNORECASE,
)
_PLACE = re.compile(r"[A-Z][a-z]+,?\s$")
_ALTERNATIVE = re.compile(r"(?:\b(?:or|vs\.?|versus|than|and|to|from)|/)\s*(?:an?\s+|the\s+)?$", re.IGNORECASE)
_OTHER_TYPE_AFTER = re.compile(
    r"\s*(?:or|vs\.?|versus|and|/|,)\s*(?:an?\s+)?(?:conventional|FHA|VA|USDA)\b", re.IGNORECASE
)


def read_loan_type(words: str) -> Sequence[Extracted]:
    """The loan type where the words name one, and only one, as that of the loan."""
    matches = [match for form in (_TYPE_FIRST, _LOAN_FIRST, _IS_LOAN, _THIS_IS) for match in form.finditer(words)]
    if any(_among_alternatives(words, match) for match in matches):
        return []
    readings = (
        Reading(match[1].lower(), *match.span(1), match.start(), match.end())
        for match in sorted(matches, key=lambda match: match.start(1))
        if not _GENERAL.match(words, match.end())
        and not _ANOTHER_LOAN.search(words[max(0, match.start() - 30) : match.start()])
        and not _in_a_place(words, match)
    )
    return settled("loan_type", words, readings)


def _among_alternatives(words: str, match: re.Match[str]) -> bool:
    """'FHA or VA loan' names two types, of which one stands too far from the loan to be read."""
    before = words[max(0, match.start(1) - 30) : match.start(1)]
    other = re.search(r"(?i:\b(?:conventional|FHA|VA|USDA))\W+(?:\w+\W+){0,2}$", before)
    return bool(_OTHER_TYPE_AFTER.match(words, match.end(1))) or bool(other and _ALTERNATIVE.search(before))


def _in_a_place(words: str, match: re.Match[str]) -> bool:
    """'Arlington, VA loan' names a state."""
    return (
        match[1].upper() == "VA"
        and bool(_PLACE.search(words[max(0, match.start(1) - 30) : match.start(1)]))
        and not (
            re.search(
                r"\b(?:A|An|The|This|Is|Can|Our|Your|Any|For|On|With|No|Not)\s$",
                words[max(0, match.start(1) - 8) : match.start(1)],
            )
        )
    )
