"""Reads dates in words and which day of the loan each is: applied, Closing Disclosure received, consummation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from emma_core import Extracted
from emma_mortgage.readings import SENTENCE_END, Reading, settled

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<{}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    r"(?<![\w/.-])(?:"
    r"(?P<iso>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    rf"|{_MONTH.format('month')}\s+(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>[0-9]{{4}})"
    rf"|(?P<day2>[0-9]{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.format('month2')},?\s+(?P<year2>[0-9]{{4}})"
    r"|(?P<us>[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})"
    r")(?![\w/]|[.-][0-9])",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"\b(?:(?P<disclosure>closing[\s_]disclosure|CD)|(?P<application_date>appl(?:y|ied|ies|ication))"
    r"|(?P<consummation_date>clos(?:e|es|ed|ing)|consummat\w+|settle(?:ment|s|d)?)|(?P<got>receiv\w+|receipt|got|get)"
    r"|(?P<other>born|birth\w*|expir\w+|lock\w*|apprais\w+|sent|mail\w*|issu\w+|dated|estimate|deliver\w*|purchase[ds]?"
    r"|hired|paid|due|review\w*|as of|bought|account\w*))(?=\b|_)",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:\b(?:before|after|by|until|till|since|from|through|between|on or (?:before|after)|no later than|around|about)"
    r"|[<>≤≥~])\s*(?:the\s+)?$",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:,|or|and|to|through|until|vs\.?|-|–|—|/|and/or)\s*(?:on\s+)?", re.IGNORECASE)
FACTS = ("application_date", "closing_disclosure_received_date", "consummation_date")
_REACH = 80


def read_dates(words: str) -> Sequence[Extracted]:
    """The loan's own dates where the words give a day and say what happened on it."""
    readings: dict[str, list[Reading]] = {fact: [] for fact in FACTS}
    for fact, reading in _dated(words):
        readings[fact].append(reading)
    return [found for fact in FACTS for found in settled(fact, words, readings[fact])]


def _dated(words: str) -> Iterator[tuple[str, Reading]]:
    matches = list(_DATE.finditer(words))
    for index, match in enumerate(matches):
        last = matches[index - 1].end() if index else 0
        following = matches[index + 1].start() if index + 1 < len(matches) else len(words)
        # "March 5 or March 6": neither is the day.
        if index and _JOINED.fullmatch(words, last, match.start()):
            continue
        if index + 1 < len(matches) and _JOINED.fullmatch(words, match.end(), following):
            continue
        day = _day(match)
        if day is None or _OPEN_END.search(words[max(0, match.start() - 30) : match.start()]):
            continue
        start, end = max(last, match.start() - _REACH), min(following, match.end() + _REACH)
        before, after = _sentence_before(words[start : match.start()]), _sentence_after(words[match.end() : end])
        fact = _happened(before, last=True) or (None if _EVENT.search(before) else _happened(after, last=False))
        if fact:
            yield fact, Reading(day, match.start(), match.end(), match.start() - len(before), match.end())


def _happened(part: str, *, last: bool) -> str | None:
    """What the words beside a date say happened: the nearest event counts, a Closing Disclosure only if received."""
    clauses = re.split(r"[,:(]|\band\b|\bwith\b|\bwhile\b", part, flags=re.IGNORECASE)
    named = [clause for clause in clauses if _EVENT.search(clause)]
    if not named:
        return None
    kinds = [match.lastgroup for match in _EVENT.finditer(named[-1 if last else 0])]
    if "other" in kinds:
        return None
    if "disclosure" in kinds:
        return "closing_disclosure_received_date" if "got" in kinds else None
    facts = {kind for kind in kinds if kind in FACTS}
    return facts.pop() if len(facts) == 1 else None


def _day(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            day = date.fromisoformat(match["iso"])
        elif match["us"]:
            month, number, year = (int(part) for part in match["us"].split("/"))
            day = date(year, month, number)
        else:
            name = match["month"] or match["month2"]
            day = date(
                int(match["year"] or match["year2"]),
                _MONTHS.index(name[:3].lower()) + 1,
                int(match["day"] or match["day2"]),
            )
    except ValueError:  # 30 February is no day
        return None
    return day if 1800 <= day.year <= 2199 else None


def _sentence_before(part: str) -> str:
    ends = [match.end() for match in SENTENCE_END.finditer(part)]
    return part[ends[-1] :] if ends else part


def _sentence_after(part: str) -> str:
    match = SENTENCE_END.search(part)
    return part[: match.start()] if match else part
