"""Reads the amount to be borrowed in words: 'a $350,000 loan', 'borrow $350k', 'loan amount: 350000'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from emma_core import Extracted, Value
from emma_mortgage.readings import Reading, attached, settled

_TERM = re.compile(
    r"\b(?:(?:home |purchase )?(?:loan|mortgage)(?:[\s_]amount)?|borrow(?:s|ing|ed)?|lend(?:s|ing)?|financ(?:e|es|ing)"
    r"|amount financed|principal)\b",
    re.IGNORECASE,
)
_NUMBER = r"([0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{1,2})?|[0-9]{1,12}(?:\.[0-9]{1,2})?)"
_SCALE = r"(?:\s?(k|m|mm|thousand|million)\b)?"
_MONEY = re.compile(
    rf"(?<![\w.,$-])(?:(?:\$|USD\s?){_NUMBER}{_SCALE}|{_NUMBER}{_SCALE}\s?(?:dollars|USD)\b)(?![\w%])(?![.,][0-9])",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"\b(loan[\s_]amount)(?:\s*[=:]\s*|\s+(?:is|of)\s+)()(?:{_NUMBER}{_SCALE})(?![\w%])(?![.,][0-9])", re.IGNORECASE
)
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mm": 1_000_000, "million": 1_000_000}
_FOREIGN = re.compile(
    r"\b(?:down|payments?|income|debts?|monthly|(?:per|a|each|every)\s+(?:month|year)|/\s?mo|price|purchased|house|home"
    r"|condo|property|value[ds]?|worth|reserves?|salary|fees?|costs?|rate|equity|apprais\w+|credits?|earn\w*|escrow|taxes"
    r"|insurance|limits?|cash|savings|assets|officer|balance|paid|second|other|another|existing|previous|prior|student|car|auto|personal)\b",
    re.IGNORECASE,
)


def read_loan_amount(words: str) -> Sequence[Extracted]:
    """The loan amount in US dollars where the words state one."""
    values: list[tuple[Value, int, int]] = [
        (_dollars(match[1] or match[3], match[2] or match[4]), *match.span()) for match in _MONEY.finditer(words)
    ]
    bare = [
        Reading(_dollars(match[3], match[4]), match.start(3), match.end(), match.start(), match.end())
        for match in _BARE.finditer(words)
    ]
    return settled("loan_amount", words, attached(words, values, _TERM, foreign=_FOREIGN) + bare)


def _dollars(digits: str, scale: str | None) -> Decimal:
    return Decimal(digits.replace(",", "")) * _SCALES.get((scale or "").lower(), 1)
