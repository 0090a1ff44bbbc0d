"""Keeps of what was read in words only what they say plainly, once, of one fact."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emma_core import Extracted, Value

WINDOW = 200
"""How many characters before a reading are looked at; a longer sentence counts as cut off there."""
MOST = 200
"""How many readings of one fact are weighed; where there are more, nothing is read."""

SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z\"'“(])|[;\n]")
_CLAUSE_END = re.compile(r"[,:(—]|\s[–-]\s|\bbut\b|\band\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|without|cannot|rather than|instead of|other than)\b|n['’]t\b", re.IGNORECASE
)
# "No doubt the DTI is 47%", "with no overtime his DTI is 47%": what is denied is another thing.
_DENIED_THING = re.compile(
    r"\bno (?:doubt|question|problem|overtime|bonus(?:es)?|commissions?|other \w+|reserves?|savings|assets|co-?\w+"
    r"|late payments?|dependents|children|pmi|money down|down payment)\b"
    r"|\b(?:with no|without|not (?:counting|including))(?: any)?(?: \w+){1,2}(?= (?:his|her|their|the|our|its|a|an) )",
    re.IGNORECASE,
)
# "Why can't we approve at 47%?" denies nothing.
_RHETORICAL = re.compile(
    r"\b(?:why not|(?:why )?(?:can|could|should|would|do|did|is|are)n?['’]t (?:we|you|i|they|it|this))\b", re.IGNORECASE
)
_HYPOTHESIS = re.compile(
    r"\b(?:if|unless|suppos\w+|assum\w+|imagin\w+|hypothetical\w*|pretend\w*|were to|say we|example|e\.g\.)\b",
    re.IGNORECASE,
)
# "See if we can approve 47%" supposes nothing.
_WHETHER = re.compile(
    r"\b(?:check|see|know|tell me|ask\w*|wonder\w*|determine|find out|decide|say|verify|confirm|sure) if\b",
    re.IGNORECASE,
)
# What is true of another file is not true of this one.
ANOTHER_FILE = re.compile(
    r"\b(?:other|another|last|previous|prior|former|earlier|different|similar|comparable|next)\s+(?:\w+\s+)?"
    r"(?:borrower|client|applicant|customer|file|deal|case|guy|family|couple|buyer|person|one)(?:s|['’]s)?\b"
    r"|\b(?:brother|sister|mother|father|mom|dad|parent|son|daughter|cousin|uncle|aunt|friend|neighbou?r|colleague"
    r"|roommate|boss|wife|husband|spouse|partner|ex|co-?borrower|co-?signer|co-?applicant)(?:['’]?s?['’]?)"
    r"(?:\s+(?:has|had|have|got|is|was|at|with)\b|(?<=['’s])\s+(?!and\b|or\b))",
    re.IGNORECASE,
)
_TERM_OF_YEARS = re.compile(r"\b[0-9]{2}[\s-]year\b", re.IGNORECASE)
_LINK = r"(?:(?:a|an|the|our|your|their|its|his|her|of|is|was|for|on|being|set|at)\W+){0,3}"
# "DTI? 47%" asks itself and answers.
_ASKED = re.compile(r"^\?(?=\s*$)")
_FILLED = r"[\s(:=-]*(?:(?:for|of|is|at|a|an|the|up|all|his|her|their)\s+){0,3}"
_COMPARED = re.compile(
    r"(?:\b(?:above|over|under|below|beyond|past|exceed\w*|than|at least|at most|up to|maximum|max|minimum|min|limit"
    # "What about 47%?" names a value, "about 47%" does not.
    r"|cap|ceiling|threshold|(?<!what )(?<!how )about|around|approximately|approx|roughly|nearly|almost|some"
    r"|close to|near|between|from|by|within|until|before|after|since|target\w*"
    r"|maybe|perhaps|possibly|probably|likely)\b\.?|[<>≤≥~≈±])\W*" + _LINK + r"$",
    re.IGNORECASE,
)
_COMPARED_AFTER = re.compile(
    r"\s*(?:\+|,?\s*(?:maybe|perhaps|possibly|give or take)\b|[-–—/]\s?[$0-9]|(?:to|or|and/or)\s+[$0-9]"
    r"|(?:or|and)\s+(?:more|less|higher|lower|above|below|over|under|up|so|better|fewer)\b"
    r"|(?:max|maximum|min|minimum|limits?|cap|ceiling|rules?|threshold|policy|guidelines?|requirements?|ish)\b)",
    re.IGNORECASE,
)
# The second of two: "a 15-year or 30-year loan", "from 44% to 47%".
_OTHER_BEFORE = re.compile(
    r"(?:[0-9%]|\b(?:percent|years?|months?|k|thousand|million|dollars))\s*(?:\b(?:or|to|vs\.?)|[-–—/])\s*(?:an?\s+)?$",
    re.IGNORECASE,
)
_ARROW = re.compile(r"[-=]>")
_DENIED_AFTER = re.compile(
    r"\s*(?:,\s*)?(?:(?:is|was|are|does|do)(?:n['’]t| not)\b|(?:is|was) (?:wrong|incorrect|false)\b)", re.IGNORECASE
)
_PAST = re.compile(
    r"\b(?:previously|formerly|used to|originally|initially|last (?:year|month|time|week))\b", re.IGNORECASE
)
_PAST_AFTER = re.compile(
    r"\s*(?:as of\s+)?(?:previously|before\b|originally|at first|back then|earlier|last (?:year|month|time|week)"
    r"|in (?:19|20)[0-9]{2}\b|(?:a|one|two|three|[0-9]+) (?:years?|months?|weeks?) ago)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reading:
    """A value as read in the words, and the phrase around it that says which fact it is."""

    value: Value
    start: int
    end: int
    phrase_start: int
    phrase_end: int
    compares: bool = True
    """False where the word in front of the value compares nothing: "repaid over 30 years"."""


def settled(
    fact: str, words: str, readings: Iterable[Reading], *, unless: Callable[[str, Reading], bool] | None = None
) -> list[Extracted]:
    """The first plain reading, where all plain readings agree; nothing where they contradict or there are none.

    `unless` tells of words and a reading that this fact does not admit it.
    """
    listed = list(readings)
    # Nobody states one fact so often: to weigh every reading would only take time.
    if len(listed) > MOST:
        return []
    plain = [
        reading
        for reading in listed
        if said_plainly(words, reading) and not (unless is not None and unless(words, reading))
    ]
    if len({reading.value for reading in plain}) != 1:
        return []
    return [Extracted(fact=fact, value=plain[0].value, start=plain[0].start, end=plain[0].end)]


def said_plainly(words: str, reading: Reading) -> bool:
    """Whether the words state the value: not denied, supposed, compared with or past, and no end of a range."""
    sentence, clause = said_before(words, reading.phrase_start)
    # An arrow compares nothing: "DTI -> 47%".
    inside = _ARROW.sub("  ", words[reading.phrase_start : reading.start])
    clause += inside
    after = (words[reading.end : reading.end + 40], words[reading.phrase_end : reading.phrase_end + 40])
    return not (
        _NEGATION.search(_DENIED_THING.sub(" ", _RHETORICAL.sub(" ", clause)))
        or ANOTHER_FILE.search(sentence + inside)
        or _PAST.search(clause)
        or _HYPOTHESIS.search(_WHETHER.sub(" ", sentence + inside))
        or _COMPARED.search(sentence[-60:])
        or (reading.compares and _COMPARED.search((sentence + inside)[-60:]))
        or _OTHER_BEFORE.search((sentence + inside)[-40:])
        or any(form.match(part) for form in (_COMPARED_AFTER, _DENIED_AFTER, _PAST_AFTER) for part in after)
    )


def said_before(words: str, place: int) -> tuple[str, str]:
    """What the sentence says up to a place, and of that the last clause."""
    sentence = _last_part(SENTENCE_END, words[max(0, place - WINDOW) : place])
    return sentence, _last_part(_CLAUSE_END, sentence)


def attached(
    words: str,
    values: Sequence[tuple[Value, int, int]],
    terms: re.Pattern[str],
    *,
    foreign: re.Pattern[str],
    before: int = 45,
    after: int = 25,
    joins: Callable[[str], bool] | None = None,
) -> list[Reading]:
    """The values that stand beside a term, with nothing between them that speaks of another matter.

    `before` and `after`: how many characters may lie between a term and a value behind it, or in front of it.
    `joins` tells whether what lies there joins the two; where it is not given, all does that is not `foreign`.
    """
    found = []
    spans = [match.span() for match in terms.finditer(words)]
    next_term = 0
    for value, start, end in values:
        while next_term < len(spans) and spans[next_term][1] <= start:
            next_term += 1
        if next_term and _linked(words, spans[next_term - 1], (start, end), before, foreign, joins):
            found.append(Reading(value, start, end, spans[next_term - 1][0], end))
            continue
        follower = next((span for span in spans[next_term : next_term + 2] if span[0] >= end), None)
        if follower and _linked(words, (start, end), follower, after, foreign, joins):
            found.append(Reading(value, start, end, start, follower[1]))
    return found


def _linked(
    words: str,
    left: tuple[int, int],
    right: tuple[int, int],
    most: int,
    foreign: re.Pattern[str],
    joins: Callable[[str], bool] | None,
) -> bool:
    if right[0] - left[1] > most:
        return False
    gap = _ASKED.sub("", _TERM_OF_YEARS.sub(" ", words[left[1] : right[0]]))
    if re.search(r"[0-9,!?]", gap) or SENTENCE_END.search(gap) or (joins is not None and not joins(gap)):
        return False
    front, behind = words[max(0, left[0] - 30) : left[0]], words[right[1] : right[1] + 30]
    return not (
        re.search(rf"(?:{foreign.pattern}){_FILLED}$", front, re.IGNORECASE)
        or foreign.search(gap)
        or re.match(
            r"[\s)-]*(?:(?:is|are|was|were|been|ha(?:s|ve)|got|already|now|all)\s+){0,3}(?:(?:of|in)\s+)?"
            rf"(?:(?:the|a|an|our|your|his|her)\s+)?(?:{foreign.pattern})",
            behind,
            re.IGNORECASE,
        )
    )


def _last_part(end: re.Pattern[str], text: str) -> str:
    cut = 0
    for match in end.finditer(text):
        cut = match.end()
    return text[cut:]
