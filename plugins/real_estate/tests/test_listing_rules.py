"""Holds the listing rules to the law and standard they say they carry."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from emma_real_estate import register_content, register_roles

from emma_core import content, rules
from emma_core.nouns import Finding
from emma_core.rules import CompiledRule

FAMILIES = "real_estate.fair_housing.familial_status"
CLOSED = "real_estate.listing.closed_is_complete"
LEAD = "real_estate.listing.lead_paint_disclosure"


@pytest.fixture(scope="module")
def shipped() -> content.Content:
    return content.load(register_content())


@pytest.fixture(scope="module")
def by_id(shipped: content.Content) -> Mapping[str, CompiledRule]:
    compiled = [
        rules.compile_ruleset(
            ruleset,
            shipped.facts[ruleset.facts],
            rules.BUILTINS,
            file=file,
            templates=[template.id for template in shipped.templates],
        )
        for file, ruleset in shipped.rulesets
    ]
    assert [warning for each in compiled for warning in each.warnings] == []
    return {rule.rule.id: rule for each in compiled for rule in each.rules}


@pytest.fixture(scope="module")
def fair_housing() -> Path:
    if not os.environ.get("EMMA_TEST_DATA"):
        pytest.skip("expected: EMMA_TEST_DATA is not set")
    return Path(os.environ["EMMA_TEST_DATA"]) / "fair_housing"


def found(rule: CompiledRule, **facts: Any) -> Finding | None:
    return rules.judge(rule, facts, basis=dict.fromkeys(facts, "given"), as_of=date(2026, 11, 23))


def outcome(rule: CompiledRule, **facts: Any) -> str | None:
    finding = found(rule, **facts)
    return finding.outcome if finding else None


def test_there_are_three_rules_and_each_names_its_source(by_id: Mapping[str, CompiledRule]) -> None:
    assert by_id.keys() == {FAMILIES, CLOSED, LEAD}
    assert all(rule.rule.source.citation and rule.rule.suggestion for rule in by_id.values())


def test_the_exemption_is_granted_by_a_role_that_the_pack_registers(shipped: content.Content) -> None:
    assert [template.id for template in shipped.templates] == ["real_estate.housing_for_older_persons"]
    assert set(shipped.templates[0].granted_by) <= register_roles().keys()


@pytest.mark.parametrize(
    "remarks",
    [
        "Adults only",
        "Adult building close to shops",
        "NO KIDS.",
        "Children are not permitted",
        "Couples preferred",
        "Perfect for active adults",
        "A mature community",
        "Child-free living",
        "Age-restricted community",
        "62 and over",
        "no  kids",
        "no\nkids",
        "No-kids",
        "No - kids",
        "adults\nonly",
        "adults  only",
        "adults\u2011only",
        "No\tchildren",
        "no\u00a0children",
        "kids \r\n not\u2009allowed",
        "Ideal for  active\nadults",
        "55+  community",
        "age  restricted",
    ],
)
def test_a_preference_against_families_is_found(by_id: Mapping[str, CompiledRule], remarks: str) -> None:
    assert outcome(by_id[FAMILIES], public_remarks=remarks) == "failed"


@pytest.mark.parametrize(
    "remarks",
    [
        "Family room, fenced yard, children's playground",
        "No children's menu at the clubhouse",
        "Mature oaks on 55 acres",
        "Adults and children welcome",
        "Near the adult education center",
        "Built in 1962, older wiring replaced",
        "One child seat in the garage",
        "No kidding: a view of the lake",
        "Senior warden's lodge",
        "Smoking? No. Children welcome",
        "Pets: no, children: yes",
        "No — children are welcome",
    ],
)
def test_words_about_the_home_are_let_be(by_id: Mapping[str, CompiledRule], remarks: str) -> None:
    assert outcome(by_id[FAMILIES], public_remarks=remarks) == "passed"


def test_the_words_that_broke_the_rule_are_pointed_at(by_id: Mapping[str, CompiledRule]) -> None:
    remarks = "Two baths. ADULTS ONLY, no kids."

    finding = found(by_id[FAMILIES], public_remarks=remarks)

    assert finding is not None and finding.spans is not None
    assert [remarks[span.start : span.end] for span in finding.spans] == ["ADULTS ONLY", "no kids"]


def test_phrases_that_hud_lets_be_are_let_be(by_id: Mapping[str, CompiledRule], fair_housing: Path) -> None:
    memo = json.loads((fair_housing / "hud_1995_memo_phrases.json").read_text())

    flagged = [
        each["phrase"]
        for each in memo["not_a_violation"]
        if outcome(by_id[FAMILIES], public_remarks=each["phrase"]) != "passed"
    ]

    assert len(memo["not_a_violation"]) > 15 and flagged == []


def test_clear_cases_about_families_come_out_as_labelled(by_id: Mapping[str, CompiledRule], fair_housing: Path) -> None:
    cases = json.loads((fair_housing / "fairprop_test_cases.json").read_text())
    about_families = [case for case in cases if case["category"] in ("familial_status", "neutral", "accessibility")]

    wrong = [
        case["text"]
        for case in about_families
        if (outcome(by_id[FAMILIES], public_remarks=case["text"]) == "failed") != (case["expected"] == "NON_COMPLIANT")
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"standard_status": "Active"}, None),
        ({"standard_status": "Closed"}, "failed"),
        ({"standard_status": "Closed", "close_date": date(2026, 3, 31), "close_price": Decimal(1)}, "passed"),
    ],
)
def test_only_a_closed_listing_needs_its_date_and_price(
    by_id: Mapping[str, CompiledRule], facts: dict[str, Any], expected: str | None
) -> None:
    assert outcome(by_id[CLOSED], **facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"year_built": Decimal(1978)}, None),
        ({"year_built": Decimal(1977)}, "undetermined"),
        ({"year_built": Decimal(1977), "bedrooms_total": Decimal(0)}, None),
        ({"year_built": Decimal(1977), "lead_based_paint_disclosure": False}, "failed"),
        ({"year_built": Decimal(1977), "lead_based_paint_disclosure": True}, "passed"),
    ],
)
def test_a_home_built_before_1978_needs_the_lead_disclosure(
    by_id: Mapping[str, CompiledRule], facts: dict[str, Any], expected: str | None
) -> None:
    assert outcome(by_id[LEAD], **facts) == expected


def test_the_names_are_the_standards_own_in_small_letters(shipped: content.Content) -> None:
    if not os.environ.get("EMMA_TEST_DATA"):
        pytest.skip("expected: EMMA_TEST_DATA is not set")
    reso = Path(os.environ["EMMA_TEST_DATA"]) / "reso"
    fields = {field["field"] for field in json.loads((reso / "fields_dd2.0.json").read_text())}
    statuses = {value["standard"] for value in json.loads((reso / "lookups_dd2.0.json").read_text())["StandardStatus"]}
    facts = shipped.facts["real_estate.listing"]

    names = {"".join(part.capitalize() for part in name.split("_")) for name in facts}

    assert names - fields == {"LeadBasedPaintDisclosure"}  # the standard's disclosures have local words
    assert set(facts["standard_status"].values) == statuses
