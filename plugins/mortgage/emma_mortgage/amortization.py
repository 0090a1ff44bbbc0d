"""Reads whether a loan's balance may grow: 'a neg am loan', 'no negative amortization'."""

from __future__ import annotations

import re
from collections.abc import Sequence

from emma_core import Extracted
from emma_mortgage.readings import SENTENCE_END, Reading, said_before, settled
from emma_mortgage.wishes import wished_or_general

_TERM = r"(?:negative[\s_-]+amorti[sz]ation|neg[\s-]?am(?:ortization)?|negatively[\s-]+amorti[sz](?:ing|es|ed))"
_LABELLED = re.compile(rf"\b{_TERM}\s*(?:[=:]|\bis\b)\s*(?P<said>yes|no|none|true|false)\b(?![\s-]+\w)", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?P<said>(?:no|without(?:\s+any)?|zero|free\s+of|(?:does|do|is|are|has|have)(?:\s+not|n['’]t)(?:\s+(?:have|include"
    r"|allow|permit|involve|feature|an?|any))?|non[\s-]|not(?:\s+an?)?)\s*"
    rf"{_TERM})\b",
    re.IGNORECASE,
)
_ASSERTED = re.compile(
    r"\b(?:with|has|includes?|including|involves?|features?|featuring|results?\s+in|leads?\s+to|causes?|shows?"
    rf"|there\s+(?:is|will\s+be)|(?:is|has|approve|offers?|offering|it['’]s)\s+an?|an?|the|this)\s+(?:\w+\s+)?(?P<said>{_TERM})\b",
    re.IGNORECASE,
)
_LISTED = re.compile(rf"(?:^|(?<=[,;:.(\n]))[^\S\n]*(?P<said>{_TERM})\b(?=\s*(?:[,;.)\n]|$))", re.IGNORECASE)
# A question for it, or a word on what is allowed, says nothing about this loan.
_ASKS = re.compile(
    r"^\W*(?:does|do|did|is\s+(?:there|it|this|that|the|neg\w*)|are\s+there|has|have|what|any|which|how|when|why|who"
    r"|explain|define|describe|tell)\b",
    re.IGNORECASE,
)
_LAW = re.compile(
    r"\b(?:qm|qms|qualified\s+mortgages?|rules?|law|polic(?:y|ies)|regulations?|guidelines?|forbid\w*|prohibit\w*|bans?"
    r"|banned|cannot|can['’]?t|must|should|may|might|could|would|allow\w*|permit\w*|avoid\w*|definition|meaning)\b",
    re.IGNORECASE,
)
_SAYS_MORE = re.compile(
    r"\s*(?:\?|(?:is|are|was|were)\b|rules?\b|limits?\b|polic\w+|cap\b|allowed\b|permitted\b|tests?\b|requir\w+"
    r"|(?:provision|feature|clause)s?\s+(?:is|are)\b|question\w*|unknown|unclear|tbd|means?\b|disclosure)",
    re.IGNORECASE,
)


def read_negative_amortization(words: str) -> Sequence[Extracted]:
    """Whether payments may leave more owed than before, where the words say so of the loan."""
    denied = [match for match in _DENIED.finditer(words) if not _is_general(words, match)]
    taken = {match.end("said") for match in _DENIED.finditer(words)}
    readings = [Reading(False, *match.span("said"), *match.span("said")) for match in denied]
    for match in _LABELLED.finditer(words):
        said = match["said"].lower() in ("yes", "true")
        readings.append(Reading(said, *match.span("said"), match.start(), match.end()))
    for form in (_ASSERTED, _LISTED):
        for match in form.finditer(words):
            if match.end("said") not in taken and not _is_general(words, match):
                readings.append(Reading(True, *match.span("said"), *match.span("said")))
    return settled("negative_amortization", words, readings, unless=wished_or_general)


def _is_general(words: str, match: re.Match[str]) -> bool:
    sentence, _ = said_before(words, match.start("said"))
    end = SENTENCE_END.search(words, match.end(), match.end() + 200)
    behind = words[match.end() : end.start() if end else match.end() + 60]
    return bool(_ASKS.match(sentence) or _LAW.search(sentence) or _SAYS_MORE.match(behind))
