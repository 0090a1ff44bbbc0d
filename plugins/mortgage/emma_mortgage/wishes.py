"""Tells what is stated of this loan from what is wished, claimed, expected or true in general."""

from __future__ import annotations

import re

from emma_mortgage.readings import ANOTHER_FILE, Reading, said_before

_WISH = re.compile(
    r"\b(?:wants?|wanted|wish\w*|hop(?:e\w*|ing)|prefer\w*|desir\w+|(?:would|['’]d) (?:like|love)|i?d like"
    r"|(?:like|love) to|look(?:s|ing)? for|shoot(?:s|ing)? for|aim(?:s|ed|ing)?|seek(?:s|ing)?"
    r"|needs?(?=\s+(?:an?\s+|the\s+)?$))\b",
    re.IGNORECASE,
)
# "I'd like to approve this at 47%" wants the deed, not the number.
_WISH_TO_ACT = re.compile(
    r"\b(?:wants?|wanted|would like|hop(?:e|es|ing)|needs?|['’]?d (?:like|love)|(?:like|love)) to (?:approve|fund|close"
    r"|submit|know|ask|proceed|move|go|lock|price|buy|refinance|purchase|borrow|check|confirm|understand|finance|apply)\b",
    re.IGNORECASE,
)
_GOAL_BEFORE = re.compile(
    r"\b(?:goal|aim|objective|ideal(?:ly)?|wish|needs?|needed|desired?|wanted)\W+(?:(?:is|of|an?|the|to be)\W+){0,2}$",
    re.IGNORECASE,
)
_GENERAL = re.compile(
    r"\b(?:permits?|tolerates?|(?:fha|va|usda|hud|fannie(?: mae)?|freddie(?: mac)?|others|other \w+|lenders|banks"
    r"|investors|agenc(?:y|ies)|guidelines?|polic(?:y|ies)|rules?|regulations?|law|programs?|everyone|they)\s+"
    r"(?:\w+ly\s+|will\s+|can\s+|do(?:es)?\s+|would\s+|may\s+|still\s+|only\s+|even\s+|often\s+){0,2}"
    r"(?:permits?|allows?|accepts?|approves?|takes?|goes|go|requires?|caps?|tolerates?|lets?|sets?|offers?|uses?))\b",
    re.IGNORECASE,
)
# A claim, an expectation and a general remark may all be wrong of this loan.
_UNSURE = re.compile(
    r"\b(?:once|after (?:\w+ing|we|he|she|they|the)|what happens|how (?:do|does|can|could|would|should|might|to)"
    r"|most|many|usual(?:ly)?|typically|generally|normally|on average"
    r"|i (?:think|believe|guess)|claim(?:s|ed|ing)?|alleg\w+|guess\w*|estimat\w+|project(?:s|ed)|expect\w*"
    r"|(?:borrower|client|applicant|customer|buyer|he|she|they)\s+(?:says?|said|told|states?|stated|reports?|reported"
    r"|thinks?|thought|believes?|believed))\b",
    re.IGNORECASE,
)
_GENERAL_AFTER = re.compile(
    r"\s*(?:(?:per|according to|says|said)\s+(?:the\s+)?(?:borrower|client|applicant|customer|buyer|him|her"
    r"|them|he|she)\b"
    r"|(?:is|are|was)\s+(?:permitted|allowed|only\s+for|(?:the|our|his|her|their|my)\s+(?:\w+\s+)?"
    r"(?:goal|target|aim|limit|cap|max(?:imum)?|wish|plan))\b"
    r"|(?:(?:qm|fha|va|usda|fannie|freddie|agency|federal|general|old|new|current|standard|qualified[\s-]mortgage|program"
    r"|hard|soft|our|investor|lender|overlay|policy)\s+){1,2}(?:rules?|limits?|cap|threshold|standard|test|max|maximum"
    r"|overlay|guidelines?|requirement)\b)",
    re.IGNORECASE,
)
_ANOTHER_AFTER = re.compile(
    rf"[\s,(–-]*(?:(?:for|on|in|with|of|by)\s+)?(?:(?:the|an?|my|our|his|her|their)\s+)?(?:{ANOTHER_FILE.pattern})",
    re.IGNORECASE,
)
_OF_BEFORE = re.compile(
    r"\b(?:old|previous|prior|former|earlier|original|initial|preliminary|last|outdated|stated"
    r"|claimed|reported|average|typical|median|projected|estimated|expected|proposed|future)\W+$",
    re.IGNORECASE,
)


def wished_or_general(words: str, reading: Reading) -> bool:
    """Whether the words want the value or tell what somebody takes in general, instead of saying what it is."""
    sentence, clause = said_before(words, reading.phrase_start)
    clause = _WISH_TO_ACT.sub(" ", clause + words[reading.phrase_start : reading.start])
    return bool(
        _WISH.search(clause)
        or _GOAL_BEFORE.search(sentence[-40:])
        or _GENERAL.search(clause)
        or _UNSURE.search(clause)
        or _OF_BEFORE.search(sentence[-40:])
        or _GENERAL_AFTER.match(words, reading.phrase_end)
        or _ANOTHER_AFTER.match(words, reading.phrase_end)
    )
