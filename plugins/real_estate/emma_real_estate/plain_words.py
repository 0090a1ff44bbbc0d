"""Keeps of what was read in words only what they state: not denied, not supposed, not compared with, not one of two."""

from __future__ import annotations

import re
from collections.abc import Sequence

from emma_core import Extracted, Value

_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z\"'“(])|[;\n]")
_CLAUSE_END = re.compile(r"[,:(—]|\s[–-]\s|\bbut\b|\band\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not|no|never|neither|nor|without|cannot|rather than|instead of|other than)\b|n['’]t\b", re.IGNORECASE
)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|suppos\w+|assum\w+|imagin\w+|hypothetical\w*|were to|would|could|should|might|may|must"
    r"|ha(?:s|ve) to|needs? to|want(?:s|ed)? to|plans? to|example)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"(?:\b(?:above|over|under|below|beyond|exceed\w*|than|at least|at most|up to|maximum|max|minimum|min|limit|about"
    r"|around|approximately|approx|roughly|nearly|almost|circa|ca|close to|near|between|from|by|until"
    r"|before|after|since|pre|maybe|perhaps|probably|possibly|likely)\b\.?|[<>≤≥~≈±])\W*(?:(?:a|an|the|of|is|was)\W+){0,2}$",
    re.IGNORECASE,
)
_OTHER_BEFORE = re.compile(r"(?:\w|%)\s*(?:\b(?:or|to|vs\.?)|[–—/])\s*(?:an?\s+|the\s+)?$", re.IGNORECASE)
_OTHER_AFTER = re.compile(
    r"\s*(?:\+|['’]?s\b|,?\s*(?:maybe|perhaps|possibly|give or take|or|vs\.?)\b|[-–—/]\s?[$0-9]|to\s+[$0-9])",
    re.IGNORECASE,
)


def stated(fact: str, words: str, matches: Sequence[tuple[re.Match[str], Value]]) -> list[Extracted]:
    """The first stated value, where all stated ones agree; nothing where they contradict or there are none.

    Each match carries its value and the group 'value', whose span is what was read.
    """
    plain = [(match, value) for match, value in matches if _is_stated(words, match)]
    if len({value for _, value in plain}) != 1:
        return []
    match, value = plain[0]
    return [Extracted(fact=fact, value=value, start=match.start("value"), end=match.end("value"))]


def _is_stated(words: str, match: re.Match[str]) -> bool:
    sentence = _last_part(_SENTENCE_END, words[max(0, match.start() - 200) : match.start()])
    inside = words[match.start() : match.start("value")]
    before = (sentence + inside)[-60:]
    return not (
        _DENIED.search(_last_part(_CLAUSE_END, sentence) + inside)
        or _SUPPOSED.search(_last_part(_CLAUSE_END, sentence) + inside)
        or re.search(r"\b(?:if|suppos\w+|assum\w+|imagin\w+)\b", sentence, re.IGNORECASE)
        or _COMPARED.search(before)
        or _OTHER_BEFORE.search(before)
        or _OTHER_AFTER.match(words, match.end("value"))
    )


def _last_part(end: re.Pattern[str], text: str) -> str:
    cut = 0
    for match in end.finditer(text):
        cut = match.end()
    return text[cut:]
