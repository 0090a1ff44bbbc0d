"""Holds the global rules on free text to what they must and must not point at."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from emma_core import content, rules
from emma_core.nouns import Finding
from emma_core.rules import CompiledRule

SSN = "global.common.ssn_in_text"
INVISIBLE = "global.compliance.invisible_characters"
FOLDER = Path(__file__).parent.parent / "rag_content" / "global"


@pytest.fixture(scope="module")
def by_id() -> Mapping[str, CompiledRule]:
    shipped = content.load(FOLDER)
    compiled = [
        rules.compile_ruleset(ruleset, shipped.facts[ruleset.facts], rules.BUILTINS, file=file)
        for file, ruleset in shipped.rulesets
    ]
    return {rule.rule.id: rule for each in compiled for rule in each.rules}


@pytest.fixture(scope="module")
def pii() -> Path:
    if not os.environ.get("EMMA_TEST_DATA"):
        pytest.skip("expected: EMMA_TEST_DATA is not set")
    return Path(os.environ["EMMA_TEST_DATA"]) / "pii"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def found(rule: CompiledRule, text: str) -> Finding:
    finding = rules.judge(rule, {"text": text}, basis={"text": "given"}, as_of=date(2026, 11, 23))
    assert finding is not None
    return finding


def pointed_at(rule: CompiledRule, text: str) -> list[str]:
    return [text[span.start : span.end] for span in found(rule, text).spans or ()]


def test_both_rules_only_point_and_block_nobody(by_id: Mapping[str, CompiledRule]) -> None:
    assert {id: (rule.rule.severity, rule.rule.mandatory) for id, rule in by_id.items()} == {
        SSN: ("warning", True),
        INVISIBLE: ("warning", True),
    }


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("His SSN is 123-45-6789.", ["123-45-6789"]),
        ("123-45-6789, 001 01 0001 and 899.99.9999", ["123-45-6789", "001 01 0001", "899.99.9999"]),
        ("(123-45-6789)", ["123-45-6789"]),
        ("123-45-6789\n234-56-7890", ["123-45-6789", "234-56-7890"]),
        ("SSN: 899451001!", ["SSN: 899451001"]),
        ("000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", []),
        ("1123-45-6789 and 123-45-67890 and 2024-123-45-6789-1", []),
        ("123-45 6789", []),
        ("899451001", []),
        ("555-123-4567", []),
    ],
)
def test_a_social_security_number_is_pointed_at_to_the_letter(
    by_id: Mapping[str, CompiledRule], text: str, numbers: list[str]
) -> None:
    assert pointed_at(by_id[SSN], text) == numbers


def test_labelled_social_security_numbers_are_found_and_nothing_else(
    by_id: Mapping[str, CompiledRule], pii: Path
) -> None:
    wrong = []
    for sentence in lines(pii / "synth_pii_dev.jsonl"):
        labelled = [(span["start"], span["end"]) for span in sentence["spans"] if span["type"] == "US_SSN"]
        came = [(span.start, span.end) for span in found(by_id[SSN], sentence["text"]).spans or ()]
        if came != labelled:
            wrong.append((sentence["text"], came))

    assert wrong == []


def test_look_alikes_of_other_kinds_are_not_taken_for_social_security_numbers(
    by_id: Mapping[str, CompiledRule], pii: Path
) -> None:
    cases = lines(pii / "presidio_recognizer_cases_dev.jsonl")
    ours = [case for case in cases if case["entities"] == ["US_SSN"]]

    fired = [case["text"] for case in cases if case not in ours and found(by_id[SSN], case["text"]).outcome == "failed"]
    missed = [
        case["text"]
        for case in ours
        if (found(by_id[SSN], case["text"]).outcome == "failed") != bool(case["expected_len"])
    ]

    assert fired == ["110-81-4127A"]  # an old Medicare number: its holder's Social Security number and a letter
    assert missed == ["078051121"]  # nine digits in one run, with no word that says what they are


@pytest.mark.parametrize(
    "text",
    [
        "zero\u200bwidth",
        "zero\u200cwidth",
        "join\u200der",
        "\u202eover",
        "\u2066isolate\u2069",
        "left\u200emark",
        "\ufeffstart",
        "soft\u00adhyphen",
        "tag\U000e0061",
        "selector\U000e0100",
        "word\u2060joiner",
    ],
)
def test_a_character_that_nobody_sees_is_pointed_at(by_id: Mapping[str, CompiledRule], text: str) -> None:
    finding = found(by_id[INVISIBLE], text)

    assert finding.outcome == "failed" and finding.spans


@pytest.mark.parametrize(
    "text", ["", "tab\tline\r\n", "naïve — “quotes” …", "👨\u200d👩\u200d👧 ❤\ufe0f", "日本語 עברית", "a\u00a0b"]
)
def test_characters_that_somebody_sees_are_let_be(by_id: Mapping[str, CompiledRule], text: str) -> None:
    assert found(by_id[INVISIBLE], text).outcome == "passed"


@pytest.mark.parametrize("piece", ["123-45-", "1", "123 45 6789 ", "SSN ", "\u200d", "a"])
def test_thirty_two_thousand_characters_are_judged_with_their_spans(
    by_id: Mapping[str, CompiledRule], piece: str
) -> None:
    text = (piece * 32_000)[:32_000]

    assert {found(rule, text).outcome for rule in by_id.values()} <= {"passed", "failed"}
