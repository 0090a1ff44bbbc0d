"""Holds the mortgage rules to the law and policy they say they carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from emma_mortgage import business_days, register_content, register_functions, register_roles

from emma_core import content, rules
from emma_core.rules import CompiledRule

DTI_MAX = "mortgage.lender_policy.dti_max"
DTI_43 = "mortgage.qualified_mortgage.dti_43"
RESERVES = "mortgage.lender_policy.reserves_min"
THREE_DAYS = "mortgage.disclosures.closing_disclosure_3_days"
TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def shipped() -> content.Content:
    return content.load(register_content())


@pytest.fixture(scope="module")
def by_id(shipped: content.Content) -> Mapping[str, CompiledRule]:
    functions = {**rules.BUILTINS, **{function.name: function for function in register_functions()}}
    compiled = [
        rules.compile_ruleset(
            ruleset,
            shipped.facts[ruleset.facts],
            functions,
            file=file,
            templates=[template.id for template in shipped.templates],
        )
        for file, ruleset in shipped.rulesets
    ]
    assert [warning for each in compiled for warning in each.warnings] == []
    return {rule.rule.id: rule for each in compiled for rule in each.rules}


def outcome(rule: CompiledRule, **facts: Any) -> str | None:
    finding = rules.judge(rule, facts, basis=dict.fromkeys(facts, "given"), as_of=TODAY)
    return finding.outcome if finding else None


def test_there_are_six_rules_and_each_names_its_source_and_what_would_mend_it(
    by_id: Mapping[str, CompiledRule],
) -> None:
    assert len(by_id) == 6
    for rule in by_id.values():
        assert rule.rule.source.read_on and rule.rule.source.citation
        assert rule.rule.suggestion and rule.rule.effective.from_


def test_an_exception_is_granted_by_a_role_that_the_pack_registers(shipped: content.Content) -> None:
    assert [template.id for template in shipped.templates] == ["mortgage.dti_exception", "mortgage.hmda_verified"]
    for template in shipped.templates:
        assert set(template.granted_by) <= register_roles().keys()
        assert template.four_eyes == (template.id == "mortgage.dti_exception")  # to verify is to look again oneself


@pytest.mark.parametrize(
    ("dti", "reserves", "expected"),
    [
        ("0.41", None, {DTI_MAX: "passed", RESERVES: None}),
        ("0.43", None, {DTI_MAX: "passed", RESERVES: None}),
        ("0.44", None, {DTI_MAX: "passed", RESERVES: "undetermined"}),
        ("0.44", "2", {DTI_MAX: "passed", RESERVES: "passed"}),
        ("0.47", None, {DTI_MAX: "failed", RESERVES: "undetermined"}),
        ("0.47", "1", {DTI_MAX: "failed", RESERVES: "failed"}),
        (None, None, {DTI_MAX: "undetermined", RESERVES: None}),
    ],
)
def test_the_lender_asks_for_reserves_only_above_43_percent(
    by_id: Mapping[str, CompiledRule], dti: str | None, reserves: str | None, expected: dict[str, str | None]
) -> None:
    said = {"dti": dti, "reserves_months": reserves}
    facts = {name: Decimal(value) for name, value in said.items() if value is not None}

    assert {rule: outcome(by_id[rule], **facts) for rule in expected} == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2014, 1, 9), False),
        (date(2014, 1, 10), True),
        (date(2019, 6, 1), True),
        (date(2022, 9, 30), True),
        (date(2022, 10, 1), False),
    ],
)
def test_the_43_percent_limit_is_in_force_on_its_days_only(
    by_id: Mapping[str, CompiledRule], day: date, expected: bool
) -> None:
    assert rules.in_force(by_id[DTI_43], day) is expected


def test_beyond_43_percent_a_loan_is_no_qualified_mortgage_and_not_a_forbidden_one(
    by_id: Mapping[str, CompiledRule],
) -> None:
    finding = rules.judge(by_id[DTI_43], {"dti": Decimal("0.47")}, basis={"dti": "given"}, as_of=date(2019, 6, 1))

    assert finding is not None and (finding.outcome, finding.severity) == ("failed", "warning")
    assert "no qualified mortgage" in finding.message and "not forbidden" in finding.message


@pytest.mark.parametrize(("dti", "mends"), [("-0.41", "dti >= 0"), ("0.47", "dti <= 0.4")])
def test_a_ratio_that_nobody_can_have_does_not_pass(by_id: Mapping[str, CompiledRule], dti: str, mends: str) -> None:
    for rule in (DTI_MAX, DTI_43):
        finding = rules.judge(by_id[rule], {"dti": Decimal(dti)}, basis={"dti": "given"}, as_of=date(2019, 6, 1))

        assert finding is not None and finding.outcome == "failed"
        assert finding.would_pass is not None and finding.would_pass.startswith(mends)
        assert " AND " not in finding.would_pass


def test_the_general_limit_leaves_the_agencies_loans_alone(by_id: Mapping[str, CompiledRule]) -> None:
    said = {kind: outcome(by_id[DTI_43], dti=Decimal("0.47"), loan_type=kind) for kind in ("conventional", "fha", "va")}

    assert said == {"conventional": "failed", "fha": None, "va": None}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"closing_disclosure_received_date": date(2024, 6, 3)}, None),
        ({"consummation_date": date(2024, 6, 6)}, "undetermined"),
        ({"closing_day_spoken_of": True}, "undetermined"),
        ({"closing_day_spoken_of": False}, None),
        ({"closing_day_spoken_of": True, "waiting_period_waived": True}, None),
        ({"consummation_date": date(2024, 6, 6), "closing_disclosure_received_date": date(2024, 6, 3)}, "passed"),
        ({"consummation_date": date(2024, 6, 5), "closing_disclosure_received_date": date(2024, 6, 3)}, "failed"),
        ({"consummation_date": date(2024, 6, 5), "waiting_period_waived": True}, None),
    ],
)
def test_the_closing_disclosure_is_judged_once_a_closing_day_is_known(
    by_id: Mapping[str, CompiledRule], facts: dict[str, Any], expected: str | None
) -> None:
    assert outcome(by_id[THREE_DAYS], **facts) == expected
    assert by_id[THREE_DAYS].rule.override_template is None


def test_the_business_day_function_is_what_it_says() -> None:
    rules.check_function(business_days.FUNCTION)


@pytest.mark.parametrize(
    ("after", "until", "days"),
    [
        # Mailed on a Thursday, taken as received on the Monday, closed on the Thursday (comment 19(f)(1)(ii)-2).
        (date(2024, 2, 8), date(2024, 2, 12), 3),
        (date(2024, 2, 12), date(2024, 2, 15), 3),
        # Christmas 2027 is a Saturday: that day is out, the Friday before counts.
        (date(2027, 12, 23), date(2027, 12, 27), 2),
        # New Year's Day 2023 is a Sunday: it is out once, and the Monday after counts.
        (date(2022, 12, 31), date(2023, 1, 2), 1),
        # Martin Luther King's birthday: 1985 not yet, 1986 on January 20.
        (date(1985, 1, 20), date(1985, 1, 21), 1),
        (date(1986, 1, 19), date(1986, 1, 20), 0),
        # Juneteenth became law on June 17, 2021.
        (date(2021, 6, 18), date(2021, 6, 19), 0),
        (date(2020, 6, 18), date(2020, 6, 19), 1),
        (date(2026, 11, 25), date(2026, 11, 27), 1),
    ],
)
def test_sundays_and_legal_holidays_on_their_own_dates_do_not_count(after: date, until: date, days: int) -> None:
    assert business_days.specific_business_days_between(after, until) == days


def test_counting_by_year_agrees_with_counting_day_by_day() -> None:
    start = date(2019, 12, 20)
    count = 0
    for ahead in range(1, 1200):
        day = start + timedelta(days=ahead)
        count += day.weekday() != 6 and day not in business_days.legal_holidays(day.year)
        assert business_days.specific_business_days_between(start, day) == count


def test_the_whole_calendar_is_counted_at_once() -> None:
    assert business_days.specific_business_days_between(date(1800, 1, 1), date(2199, 12, 31)) > 120_000


def test_the_content_lies_where_the_pack_says() -> None:
    assert (Path(register_content()) / "validation-rules.json").is_file()
