"""Reads the debt-to-income ratio in words: '47% debt-to-income', 'DTI of 47 percent', '0.47 DTI'."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal

from emma_core import Extracted, Value
from emma_mortgage.percentages import PERCENT, UNIT, percentages, share
from emma_mortgage.readings import SENTENCE_END, WINDOW, Reading, attached, settled
from emma_mortgage.wishes import wished_or_general

_TERM = re.compile(
    r"(?:\b(?:debt[\s-]+to[\s-]+income|debt/income|back[\s-]end)\b|\bdti(?:\b|(?=[0-9]))|\bd\.\s?t\.\s?i\b\.?)"
    r"(?:[\s-]+ratio\b)?(?:\s*\(dti\))?",
    re.IGNORECASE,
)
_BARE = rf"(0?\.[0-9]{{1,6}}|[0-9]{{2}}(?:\.[0-9]{{1,4}})?)(?![\w%])(?![.,:/-][0-9])(?!{UNIT})"
_BARE_AFTER = re.compile(
    rf"({_TERM.pattern})(?:\s*(?:[=:→]|[-=]>)\s*|\s+(?:is|of|at|is now|is at)\s+|\s+){_BARE}", re.IGNORECASE
)
# Any two digits may stand before a DTI ("page 41 DTI section"): something has to lead up to them.
_BARE_BEFORE = re.compile(
    r"(?:(?<![\w.,$%–-])(?=0?\.)|(?:^|(?<=[,;:.?!(\n])|\b(?:at|of|has|have|having|with|is|approve|an?)|@)"
    r"[^\S\n]*(?<![\w.–-]))"
    rf"(0?\.[0-9]{{1,6}}|[1-9][0-9](?:\.[0-9]{{1,4}})?)\s+({_TERM.pattern})",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"[^\w.;]*(?:(?:is|was|are|yet|still|to be)\s+){0,3}(?:unknown|unclear|tb[da]|n/?a|pending|missing|question|section"
    r"|page|form"
    r"|field|item|worksheet|case)\b",
    re.IGNORECASE,
)
_MATTERS = (
    r"rates?|ltv|cltv|loan[\s-]to[\s-]value|down|apr|apy|interest|utili[sz]ation|equity|front[\s-]end|housing"
    r"|tax\w*|margin|discount|fees?|points?|income is|reserves?|score|coverage|limits?|cap|maximum|max|ceiling"
    r"|threshold|rules?|tests?|standard|guidelines?|polic(?:y|ies)|overlay|targets?|goal|pmi|piti|coupon|ownership|raise"
)
_CHANGES = (
    r"increas\w*|decreas\w*|chang\w*|jump\w*|rise[ns]?|rising|rose|drop\w*|fell|falls?|reduc\w+|improve\w*|overage"
    r"|tolerance|variance|buffer|cushion|bump|swing|delta|difference|exceptions?|adjustment|shock|went|goes"
)
_FOREIGN = re.compile(
    rf"\b(?:{_MATTERS}|{_CHANGES}|needs?|needed|must|should|ha(?:s|ve) to|requir\w+|allowed|would|could|might|may"
    # "Bring it to 43%" is a wish, "comes to 43%" is a value.
    r"|(?<!comes )(?<!came )(?<!amounts )(?<!equal )(?<!out )(?<!up )(?<!due )to)\b",
    re.IGNORECASE,
)
_COMES_TO = re.compile(
    r"\b(?:comes?|came|amounts?|adds?|works?|worked|calculate[sd]?|equal)\s+(?:up\s+|out\s+|in\s+|right\s+)?(?:to|at|as)\b",
    re.IGNORECASE,
)
_COUNTED_IN = re.compile(
    r"\b(?:with|including|counting)\s+(?:(?!(?:is|at|of|was|were|had)\b)[a-z'’-]+\s+){1,6}(?=(?:is|at|of)\b)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"->|=>|[^\W_]+(?:['’][a-z]+)?|[^\w\s]", re.IGNORECASE)
# What may stand between the term and its value; any other word may speak of another matter.
_LINKS = frozenset(
    re.findall(
        r"\S+",
        """
    is are of at a an the this that my our his her their its your for on as now currently today presently still just
    exactly actually being him them it ratio total overall monthly gross calculated computed verified final qualifying
    current new back end dti borrower borrower's borrower’s borrowers applicant applicant's applicant’s client client's
    client’s buyer customer couple household loan file deal case application scenario sits stands lands runs equals
    reads shows s → -> => - – — ( ) : = " “ ' ’
""",
    )
)
_BEYOND = re.compile(
    r"\s*(?:points?\s+)?(?:over|higher|better|above|under|below|lower|worse|more|less|beyond|past|short|too|off|away|up"
    r"|from|behind|ahead|of the way|down)\b",
    re.IGNORECASE,
)
_MOVED_BEFORE = re.compile(r"\b(?:up|higher|lower|another|extra|additional)\s+(?:by\s+)?$", re.IGNORECASE)
_NAMES_A_VALUE = re.compile(r"\b(?:of|at)\s+$", re.IGNORECASE)
_OWN_TERM_AFTER = re.compile(rf"\W{{0,3}}(?:\w+\s+){{0,2}}?(?:{_MATTERS})\b", re.IGNORECASE)
_OWN_TERM_BEFORE = re.compile(
    rf"(?:\b(?:{_MATTERS})\b(?:\W+(?:ratio|is|are|of|at|the|to|a|up)\b){{0,3}}"
    r"|\b(?:not|n['’]t|above|over|under|below|than|exceeds?))\W*$",
    re.IGNORECASE,
)
_WAS_NOW = re.compile(
    rf"(?:{_TERM.pattern})[^.;!?\n%]{{0,40}}?\bwas\s+(?:at\s+)?[0-9]{{1,3}}(?:\.[0-9]{{1,4}})?\s?(?:%|percent)"
    r"\s{0,3},?\s{0,3}(?:and\s+|but\s+)?(?:it\s+)?(?:is\s+|['’]s\s+|stands\s+at\s+)?(?:now|today|currently)\W{1,3}(?:it\s+)?"
    rf"(?:(?:is|['’]s|at|stands\s+at)\s+)?(?P<now>{PERCENT.pattern})",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:sorry|correction|actually|i\s+mean|i\s+meant|make\s+that|scratch\s+that|oops|typo"
    r"|rather|now|today|currently|should be"
    rf"|updated|revised|corrected|recalculated)\b\W+"
    rf"(?:(?:it|is|it['’]s|that|that['’]s|the|dti|at|should|be|to|we|have|get|computed|of|more"
    rf"|like|say)\W+){{0,5}}?(?:{_BARE}|{PERCENT.pattern})",
    re.IGNORECASE,
)
_DEBTS = re.compile(
    r"(?<!student )(?<!card )(?<!car )(?<!auto )(?<!housing )(?<!other )(?<!consumer )(?<!personal )"
    r"\bdebts?(?:\s+payments?)?\s+"
    rf"(?:are|is|take(?:s|\s+up)?|eats?(?:\s+up)?|makes?\s+up|equals?|comes?\s+to|amounts?\s+to)\s+(?P<said>{PERCENT.pattern})"
    r"\s+of\s+(?:(?:his|her|their|the|our|my|its|borrower['’]s|gross|monthly|total|pre-?tax)\s+){0,3}income\b",
    re.IGNORECASE,
)


def read_dti(words: str) -> Sequence[Extracted]:
    """The debt-to-income ratio where the words state one, as a ratio (47% is 0.47)."""
    values = percentages(words)
    beside = attached(words, values, _TERM, foreign=_FOREIGN, joins=_joins)
    readings = [
        *(reading for reading in beside if not _is_a_change(words, reading)),
        *_bare_numbers(words),
        *_in_whole_sentences(words),
    ]
    own = {reading.start for reading in attached(words, values, _TERM, foreign=_FOREIGN)}
    rivals = [(start, end, value) for value, start, end in values if start not in own]

    def is_no_statement(words: str, reading: Reading) -> bool:
        return bool(
            wished_or_general(words, reading)
            or _OPEN.match(words, reading.phrase_end)
            or _superseded(words, reading, rivals)
        )

    return settled("dti", words, readings, unless=is_no_statement)


def _is_a_change(words: str, reading: Reading) -> bool:
    """Whether the value is how far a ratio lies from another one: '3% over the limit', 'up 3% DTI'."""
    if reading.phrase_end > reading.end:
        return bool(_MOVED_BEFORE.search(words[max(0, reading.start - 20) : reading.start]))
    if not _BEYOND.match(words, reading.end):
        return False
    named = _NAMES_A_VALUE.search(words[reading.phrase_start : reading.start])
    return not (named and isinstance(reading.value, Decimal) and reading.value >= Decimal("0.2"))


def _joins(gap: str) -> bool:
    plain = _COMES_TO.sub(" is ", _COUNTED_IN.sub(" ", gap))
    return all(token.lower() in _LINKS for token in _TOKEN.findall(plain))


def _superseded(words: str, reading: Reading, rivals: Sequence[tuple[int, int, Value]]) -> bool:
    """Whether the sentence holds another percentage that says of no other matter, or the next words put it right."""
    if _CORRECTED.search(words, reading.phrase_end, reading.phrase_end + 80):
        return True
    before = [
        match.end() for match in SENTENCE_END.finditer(words, max(0, reading.phrase_start - WINDOW), reading.start)
    ]
    first = before[-1] if before else max(0, reading.phrase_start - WINDOW)
    after = SENTENCE_END.search(words, reading.phrase_end, reading.phrase_end + WINDOW)
    last = after.start() if after else reading.phrase_end + WINDOW
    for start, end, value in rivals[bisect_left(rivals, (first, 0)) :]:
        if start >= last:
            return False
        if reading.phrase_start <= start < reading.phrase_end or value == reading.value:
            continue
        behind = words[end : end + 40]
        if not (_OWN_TERM_AFTER.match(behind) or _OWN_TERM_BEFORE.search(words[max(0, start - 40) : start])):
            return True
    return False


def _bare_numbers(words: str) -> list[Reading]:
    found = [
        Reading(_ratio(match[2]), *match.span(2), match.start(), match.end())
        for match in _BARE_AFTER.finditer(words)
        if not _BEYOND.match(words, match.end())
    ]
    return found + [
        Reading(_ratio(match[1]), *match.span(1), match.start(1), match.end()) for match in _BARE_BEFORE.finditer(words)
    ]


def _in_whole_sentences(words: str) -> list[Reading]:
    """'DTI was 41% and is now 47%', 'their debts are 47% of their income'."""
    return [
        Reading(share(match[group]), *match.span(group), match.start(), match.end())
        for form, group in ((_WAS_NOW, "now"), (_DEBTS, "said"))
        for match in form.finditer(words)
    ]


def _ratio(digits: str) -> Decimal:
    """A number below 1 is the ratio itself, one of two digits before the point is in percent."""
    number = Decimal(digits)
    return number if number < 1 else number / 100
