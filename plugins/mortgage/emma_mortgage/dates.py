"""Reads dates in words and which day of the loan each is: applied, Closing Disclosure received, consummation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from emma_core import Extracted
from emma_mortgage.readings import ANOTHER_FILE, SENTENCE_END, Reading, settled

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
    r"|(?P<us>[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2}))"
    r")(?![\w/]|[.-][0-9])",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"\b(?:(?P<disclosure>closing[\s_]disclosure|CD)"
    r"|(?P<other>born|birth\w*|expir\w+|lock\w*|apprais\w+|sent|mail\w*|issu\w+|dated|estimate|deliver\w*|purchase[ds]?"
    r"|hired|paid|due|review\w*|as of|bought"
    r"|sign\w*\s+(?:(?:the|an?|his|her|their)\s+)?(?:CD|closing disclosure|contract"
    r"|agreement|lease|letter|offer|waiver|statement|authori[sz]ation)|spoke|met|called)"
    r"|(?P<application_date>appl(?:y|ied|ies|ication))"
    r"|(?P<consummation_date>clos(?:e|es|ed|ing)|consummat\w+|settle(?:ment|s|d)?"
    r"|sign(?:s|ing)?|signed\s+(?:the\s+)?(?:note|loan|mortgage|closing))"
    r"|(?P<got>receiv\w+|receipt|got|get))(?=\b|_)",
    re.IGNORECASE,
)
# "The office is closed on 2024-12-25", "she closed her account": other things close too.
_CLOSES_TOO = re.compile(
    r"\b(?:accounts?|cards?|offices?|branch|stores?|banks?|schools?|markets?|business|positions?|lines?|cases?|tickets?|shops?"
    r"|(?:previous|prior|old|former|other|another|last)\s+(?:house|home|loan|mortgage|property|condo|refinance)"
    r"|we are closed|we['’]re closed|courts?|registry|recorder)\b",
    re.IGNORECASE,
)
_OPEN_END = re.compile(
    r"(?:\b(?:before|after|by|until|till|since|from|through|between|on or (?:before|after)|no later than|around|about)"
    r"|[<>≤≥~])\s*(?:the\s+)?$",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:,|or|and|to|through|until|vs\.?|-|–|—|/|and/or)\s*(?:on\s+)?", re.IGNORECASE)
# "Closing was June 5 but now June 4": the second takes the first one's place.
_INSTEAD = re.compile(
    r"[\s,]*(?:(?:but|and)\s+)?(?:it\s+)?(?:is\s+|was\s+|has been\s+|['’]s\s+)?"
    r"(?:now|today|(?:moved|changed|rescheduled|postponed|pushed|set|delayed)(?:\s+(?:to|for|until))?)[\s:,]*"
    r"(?:(?:is|on|it['’]s)\s+)?",
    re.IGNORECASE,
)
# A day that no calendar can place: its year is not said, or only the weekday is.
_VAGUE_DAY = re.compile(
    rf"(?<![\w/.-])(?:{_MONTH.format('vague')}\s+(?:the\s+)?[0-9]{{1,2}}(?:st|nd|rd|th)?"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH.format('vague2')}|[0-9]{{1,2}}/[0-9]{{1,2}}|the\s+[0-9]{{1,2}}(?:st|nd|rd|th)|today|tonight|tomorrow"
    r"|(?:next|this)\s+(?:week|month)|(?:mon|tues|wednes|thurs|fri|satur|sun)day)(?![\w/])",
    re.IGNORECASE,
)
CLOSING_SPOKEN_OF = "closing_day_spoken_of"
FACTS = ("application_date", "closing_disclosure_received_date", "consummation_date")
_CORRECTS = re.compile(r"\b(?:sorry|correction|actually|i mean(?:t)?|make that|rather|oops|typo|now)\b", re.IGNORECASE)
_SIGNED = re.compile(r"\bsign", re.IGNORECASE)
_REACH = 80


def read_dates(words: str) -> Sequence[Extracted]:
    """The loan's own dates where the words give a day and say what happened on it.

    Where they speak of a closing day that cannot be read, that alone is read, so that somebody is asked for it.
    """
    matches = list(_DATE.finditer(words))
    readings: dict[str, list[Reading]] = {fact: [] for fact in FACTS}
    for fact, reading in _dated(words, matches):
        readings[fact].append(reading)
    found = [each for fact in FACTS for each in settled(fact, words, readings[fact])]
    if any(each.fact == "consummation_date" for each in found):
        return found
    return [*found, *_closing_spoken_of(words, matches)]


def _dated(words: str, matches: Sequence[re.Match[str]]) -> Iterator[tuple[str, Reading]]:
    # Who writes 13/06 puts the day first, everywhere.
    day_first = any(match["us"] and int(match["us"].partition("/")[0]) > 12 for match in matches)
    superseded: str | None = None
    told: list[tuple[str | None, Reading | None, bool]] = []
    for index, match in enumerate(matches):
        last, following = _neighbours(words, matches, index)
        instead = bool(index and _INSTEAD.fullmatch(words, last, match.start()))
        fact, front = _event_of(words, match.span(), last, following)
        if instead:
            fact = superseded
            if told:
                told[-1] = (None, None, False)
        superseded = fact
        day = None if (day_first and match["us"]) or _is_a_bound(words, matches, index) else _day(match)
        reading = Reading(day, match.start(), match.end(), match.start() - front, match.end()) if day else None
        told.append((fact, reading, _alone(words, match.span(), last, following, instead=instead)))
    for fact, reading, _ in _undisputed(words, matches, told):
        if fact and reading:
            yield fact, reading


def _undisputed(
    words: str, matches: Sequence[re.Match[str]], told: Sequence[tuple[str | None, Reading | None, bool]]
) -> Iterator[tuple[str | None, Reading | None, bool]]:
    """What was told of dates, but of none whose sentence goes on to a date of which nothing is told."""
    for index, each in enumerate(told):
        follows = index + 1 < len(told) and told[index + 1][2]
        gap = words[matches[index].end() : matches[index + 1].start()] if follows else ""
        if not follows or len(gap) > _REACH or (SENTENCE_END.search(gap) and not _CORRECTS.search(gap)):
            yield each


def _neighbours(words: str, matches: Sequence[re.Match[str]], index: int) -> tuple[int, int]:
    last = matches[index - 1].end() if index else 0
    return last, matches[index + 1].start() if index + 1 < len(matches) else len(words)


def _is_a_bound(words: str, matches: Sequence[re.Match[str]], index: int) -> bool:
    """'March 5 or March 6', 'before March 5': neither is the day."""
    match = matches[index]
    last, following = _neighbours(words, matches, index)
    return bool(
        (index and _JOINED.fullmatch(words, last, match.start()))
        or (index + 1 < len(matches) and _JOINED.fullmatch(words, match.end(), following))
        or _OPEN_END.search(words[max(0, match.start() - 30) : match.start()])
    )


def _event_of(words: str, day: tuple[int, int], last: int, following: int) -> tuple[str | None, int]:
    """What happened on a day, and how many characters before it say so."""
    before, after = _beside(words, day, last, following)
    fact = _happened(before, last=True) or (None if _EVENT.search(before) else _happened(after, last=False))
    return fact, len(before)


def _alone(words: str, day: tuple[int, int], last: int, following: int, *, instead: bool) -> bool:
    """Whether nothing at all is told of a date but that another one was given before."""
    before, after = _beside(words, day, last, following)
    return not instead and not _EVENT.search(before) and not _EVENT.search(after)


def _beside(words: str, day: tuple[int, int], last: int, following: int) -> tuple[str, str]:
    before = words[max(last, day[0] - _REACH) : day[0]]
    return _sentence_before(before), _sentence_after(words[day[1] : min(following, day[1] + _REACH)])


def _happened(part: str, *, last: bool) -> str | None:
    """What the words beside a date say happened: the nearest event counts, a Closing Disclosure only if received."""
    clauses = re.split(r"[,:(]|\band\b|\bwith\b|\bwhile\b|\bbut\b", part, flags=re.IGNORECASE)
    named = [clause for clause in clauses if _EVENT.search(clause)]
    if not named:
        return None
    clause = named[-1 if last else 0]
    kinds = [match.lastgroup or "" for match in _EVENT.finditer(clause)]
    nearest = kinds[-1 if last else 0]
    if nearest in ("got", "disclosure"):
        papers = {kind for kind in kinds if kind in ("disclosure", "application_date")}
        if "got" not in kinds or "other" in kinds or len(papers) != 1:
            return None
        return "closing_disclosure_received_date" if papers == {"disclosure"} else "application_date"
    if nearest == "consummation_date" and (
        _CLOSES_TOO.search(clause) or (_SIGNED.search(clause) and {"disclosure", "application_date"} & set(kinds))
    ):
        return None
    return nearest if nearest in FACTS else None


def _closing_spoken_of(words: str, matches: Sequence[re.Match[str]]) -> list[Extracted]:
    days = sorted({match.span() for match in (*matches, *_VAGUE_DAY.finditer(words))})
    last = 0
    for index, (start, end) in enumerate(days):
        following = days[index + 1][0] if index + 1 < len(days) else len(words)
        fact, front = _event_of(words, (start, end), last, max(end, following))
        last = end
        if fact == "consummation_date" and not ANOTHER_FILE.search(words[start - front : start]):
            return [Extracted(fact=CLOSING_SPOKEN_OF, value=True, start=start, end=end)]
    return []


def _day(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            day = date.fromisoformat(match["iso"])
        elif match["us"]:
            month, number, year = (int(part) for part in match["us"].split("/"))
            # Two figures are a year of this century; which one 70 to 99 stand for, nobody can tell.
            if year < 100:
                year = year + 2000 if year < 70 else 0
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
