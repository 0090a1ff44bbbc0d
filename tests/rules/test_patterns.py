"""What a pattern may say, and where in a text it is found."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_core.rules import occurrences, patterns
from emma_core.rules.patterns import PatternError

_SSN = "(.*[^0-9-])?[0-9]{3}-[0-9]{2}-[0-9]{4}([^0-9-].*)?"


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("a.c", "a\nc", True),
        ("a|bc", "bc", True),
        ("a|bc", "abc", False),
        ("", "", True),
        ("a{2}", "aa", True),
        ("a{2,}", "aaaa", True),
        ("a{2,3}", "aaaa", False),
        ("(ab|c)+d?", "abcab", True),
        ("[^a-c]", "👍", True),
        ("[\\]a]", "]", True),
        ("[a-]", "-", True),
        ("[\\^x]", "^", True),
        ("\\.\\(\\)\\[\\]\\{\\}\\|\\?\\*\\+\\^\\$\\\\\\-", ".()[]{}|?*+^$\\-", True),
        ("é", "e\u0301", False),
        ("[\u200b-\u200f]", "\u200d", True),
        ("(a|b|)c", "c", True),
        ("x(.*y)?", "x", True),
    ],
)
def test_a_match_is_of_the_whole_text(pattern: str, text: str, holds: bool) -> None:
    assert patterns.matcher(pattern)(text) is holds


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("\\d", r"character 2: '\\d' is refused; write the characters out"),
        ("a\\b", "is refused; write the characters out"),
        ("\\1", "is refused"),
        ("a\\", "is refused"),
        ("^a", "character 1: '\\^' is refused, because a match is always of the whole text"),
        ("a$", "character 2"),
        ("(?i)a", "flags, named groups and look-around are refused"),
        ("(?=a)", "look-around"),
        ("(?:a)", "write a plain group"),
        ("(a+)*", "a group that holds a quantifier takes none but \\?"),
        ("(a(b*)c){2}", "character 1: a group that holds a quantifier"),
        ("((a?))+", "a group that holds a quantifier"),
        ("a+?", "a quantifier follows a quantifier"),
        ("a**", "a quantifier follows a quantifier"),
        ("*a", "has nothing to repeat"),
        ("a|*", "has nothing to repeat"),
        ("a{101}", "to 100 at most"),
        ("a{3,2}", "counts up"),
        ("a{,3}", "write \\{3\\}"),
        ("a{x}", "write \\{3\\}"),
        ("a{3", "write \\{3\\}"),
        ("{3}", "has nothing to repeat"),
        ("(a", "a group has no end"),
        ("a)", "closes nothing"),
        ("a]", "closes nothing"),
        ("[a", "a set has no end"),
        ("[]", "an empty set"),
        ("[^]", "an empty set"),
        ("[b-a]", "a range runs backwards"),
        ("[[:alpha:]]", "inside a set is written"),
        ("[a&&b]", "inside a set is written"),
        ("a" * 501, "501 characters; the most is 500"),
        ("(" * 41 + "a" + ")" * 41, "deeper than 40 levels"),
    ],
)
def test_a_pattern_that_engines_read_differently_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternError, match=said):
        patterns.matcher(pattern)


@given(text=st.text(alphabet="ab.[](){}|?*+^$\\-,01é", max_size=20))
@settings(deadline=None, max_examples=1500)
def test_any_text_is_a_pattern_that_three_spellings_agree_on_or_is_refused(text: str) -> None:
    try:
        matches = patterns.matcher(text)
    except PatternError:
        return
    spelled = patterns.spell(patterns.read(text))
    assert patterns.spell(patterns.read(spelled.replace("(?:", "("))) == spelled
    for subject in ("", "a", "ab", "ba", "aab", "-", "é\n", "a.b", "01"):
        assert matches(subject) is (re.fullmatch(f"(?s:{spelled})", subject) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (_SSN, "123-45-6789 and 987-65-4321.", ["123-45-6789", "987-65-4321"]),
        (_SSN, "123-45-6789 123-45-6789", ["123-45-6789", "123-45-6789"]),
        (_SSN, "1123-45-6789 or 123-45-67890", []),
        (".*no (kids|children).*", "No, no kids; no children", ["no kids", "no children"]),
        (".*[\u200b-\u200d].*", "a\u200bb\u200c\u200d", ["\u200b", "\u200c", "\u200d"]),
        (".*[0-9]+.*", "a12b345", ["12", "345"]),
        ("[0-9]+.*", "12 and 34", ["12"]),
        (".*[0-9]+", "12 and 34", ["34"]),
        (".*kids.*|.*kids only.*", "for kids only", ["kids only"]),
        (".*", "abc", ["abc"]),
        (".*a.*b.*", "xaxbxbx", ["axbxb"]),
        (".*x?.*", "axb", ["x"]),
    ],
)
def test_what_a_pattern_looks_for_is_found_without_what_stands_around_it(
    pattern: str, text: str, found: list[str]
) -> None:
    assert [text[start:end] for start, end in occurrences.of_pattern(patterns.read(pattern), text)] == found


@given(seed=st.integers(0, 2**64))
@settings(deadline=None, max_examples=300)
def test_what_is_found_is_what_a_backtracking_engine_finds(seed: int) -> None:
    random = Random(seed)
    pieces = ["a", "b", "[ab]", "[^a]", "c{1,2}", "(a|bc)", "b?", "a+", "."]
    core = "".join(random.choices(pieces, k=random.randint(1, 4)))
    text = "".join(random.choices("abc", k=random.randint(0, 14)))
    found = occurrences.of_pattern(patterns.read(f".*{core}.*"), text)
    expected, start = [], 0
    while start < len(text):
        ends = [end for end in range(start + 1, len(text) + 1) if re.fullmatch(core, text[start:end])]
        expected += [(start, ends[-1])] if ends else []
        start = ends[-1] if ends else start + 1
    assert found == tuple(expected), (core, text)


@pytest.mark.parametrize(
    "pattern",
    [
        ".*(a|a.*z).*",
        ".*(a|a.{0,100}z).*",
        ".*(a|aa)*b.*",
        ".*" + ".{0,99}a" * 40 + "b.*",
        ".*" + "(a|b)?a{0,9}" * 25 + "a.*",
        _SSN,
    ],
)
def test_a_long_text_is_walked_to_its_end(pattern: str) -> None:
    text = "a" * 16_000 + "123-45-" * 2_280
    # a walk without bounds would still be under way when the suite is stopped
    found = occurrences.of_pattern(patterns.read(pattern), text)
    assert all(start < end for start, end in found)


def test_a_walk_that_costs_too_much_takes_the_whole_text() -> None:
    assert occurrences.of_pattern(patterns.read(".*(a|a.*z).*"), "a" * 32_000) == ((0, 32_000),)


def test_words_are_found_without_overlap() -> None:
    assert occurrences.of_word("aa", "aaaa a aa") == ((0, 2), (2, 4), (7, 9))
    assert occurrences.of_word("", "abc") == ()
    assert occurrences.merged([(4, 6), (0, 3), (2, 4)]) == ((0, 4), (4, 6))
