"""Reads the debt-to-income ratio in words: '47% debt-to-income', 'DTI of 47 percent', '0.47 DTI'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from emma_core import Extracted, Value
from emma_mortgage.readings import Reading, attached, settled

_TERM = re.compile(
    r"\b(?:debt[\s-]+to[\s-]+income|debt/income|dti|back[\s-]end)\b(?:[\s-]+ratio\b)?(?:\s*\(dti\))?", re.IGNORECASE
)
_PERCENT = re.compile(
    r"(?<![\w.,$%–-])([0-9]{1,3}(?:\.[0-9]{1,4})?)\s?(?:%|percent\b|per cent\b|pct\b)(?![\w%])", re.IGNORECASE
)
_UNIT = r"\s?(?:%|percent\b|per cent\b|pct\b|points?\b|bps\b|basis\b|months?\b|years?\b|times\b|x\b|/|k\b)"
_BARE = rf"(0?\.[0-9]{{1,6}}|[0-9]{{2}}(?:\.[0-9]{{1,4}})?)(?![\w%])(?![.,:/-][0-9])(?!{_UNIT})"
_BARE_AFTER = re.compile(rf"({_TERM.pattern})(?:\s*[=:]\s*|\s+(?:is|of|at)\s+|\s+){_BARE}", re.IGNORECASE)
_BARE_BEFORE = re.compile(
    rf"(?<![\w.,$%–-])(0?\.[0-9]{{1,6}}|[1-9][0-9](?:\.[0-9]{{1,4}})?)\s+({_TERM.pattern})", re.IGNORECASE
)
_FOREIGN = re.compile(
    r"\b(?:rates?|ltv|cltv|loan[\s-]to[\s-]value|down|apr|apy|interest|utili[sz]ation|equity|front[\s-]end|housing"
    r"|tax\w*|margin|discount|fees?|points?|income is|reserves?|score|coverage|limits?|cap|maximum|max|ceiling"
    r"|threshold|rules?|tests?|standard|guidelines?|needs?|needed|must|should|ha(?:s|ve) to|requir\w+|targets?|goal"
    r"|allowed|would|could|might|may"
    # "Bring it to 43%" is a wish, "comes to 43%" is a value.
    r"|(?<!comes )(?<!came )(?<!amounts )(?<!equal )(?<!out )(?<!up )(?<!due )to)\b",
    re.IGNORECASE,
)


def read_dti(words: str) -> Sequence[Extracted]:
    """The debt-to-income ratio where the words state one, as a ratio (47% is 0.47)."""
    return settled("dti", words, [*_percentages(words), *_bare_numbers(words)])


def _percentages(words: str) -> list[Reading]:
    values: list[tuple[Value, int, int]] = [
        (Decimal(match[1]) / 100, *match.span())
        for match in _PERCENT.finditer(words)
        if Decimal(match[1]) >= 1  # "0.47%" is a slip for 47% or 0.47; which, nobody can tell
    ]
    return attached(words, values, _TERM, foreign=_FOREIGN)


def _bare_numbers(words: str) -> list[Reading]:
    found = [
        Reading(_ratio(match[2]), *match.span(2), match.start(), match.end()) for match in _BARE_AFTER.finditer(words)
    ]
    return found + [
        Reading(_ratio(match[1]), *match.span(1), match.start(), match.end()) for match in _BARE_BEFORE.finditer(words)
    ]


def _ratio(digits: str) -> Decimal:
    """A number below 1 is the ratio itself, one of two digits before the point is in percent."""
    number = Decimal(digits)
    return number if number < 1 else number / 100
