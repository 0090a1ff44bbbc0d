"""Holds `emma overrides` and `emma tenants` to who may decide what, and to what a decision changes."""

from __future__ import annotations

import shlex

import pytest

AT_47 = ("ask", "loan_officer", "At 47% debt-to-income?", "--facts", '{"reserves_months": 6}', "--conversation", "c-1")
SAM = ("--as", "sam", "--role", "mortgage.senior_underwriter")
REASONS = ("--reason", "Six months of reserves", "--field", "compensating_factors=Savings statement")


@pytest.fixture
def suggested(emma):
    """The id of an override that a turn suggested."""
    assert emma(*AT_47).code == 1
    [override] = emma("overrides", "list", "--format", "json").json
    return override["id"]


def test_a_grant_lifts_the_finding_in_the_next_turn_which_still_says_that_it_failed(emma, suggested):
    granted = emma("overrides", "grant", suggested[:12], *SAM, *REASONS)
    again = emma(*AT_47, "--format", "json")

    assert granted.code == 0
    assert "Six months of reserves" in granted.out
    assert (again.code, again.json["verdict"]) == (0, "clear")
    [finding] = [each for each in again.json["findings"] if each["outcome"] == "failed"]
    assert finding["override"]["state"] == "granted"
    assert finding["override"]["granted_by"] == "sam"
    assert "by sam (mortgage.senior_underwriter)" in emma(*AT_47).out


def test_a_refusal_leaves_the_verdict_as_it_was(emma, suggested):
    refused = emma("overrides", "refuse", suggested, *SAM, "--reason", "Income not shown", "--format", "json")

    assert refused.json["state"] == "refused"
    assert emma(*AT_47).code == 1
    assert emma("overrides", "list", "--state", "suggested", "--format", "jsonl").out == ""
    assert suggested[:12] in emma("overrides", "list", "--state", "refused").out


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (("--as", "sam", *REASONS), "user 'sam' may not decide it; mortgage.senior_underwriter may"),
        (("--as", "sam", "--role", "mortgage.underwriter", *REASONS), "may not decide it"),
        (("--role", "mortgage.senior_underwriter", *REASONS), "another person must grant it"),
        (SAM, "'reason' is required"),
        ((*SAM, "--reason", "x"), "'compensating_factors' is required"),
        ((*SAM, *REASONS, "--field", "reason=y"), "said twice"),
        ((*SAM, *REASONS, "--field", "mood=good"), "no field 'mood'"),
    ],
)
def test_who_may_not_decide_or_gives_no_reason_is_told_so_and_nothing_changes(emma, suggested, who, words):
    said = emma("overrides", "grant", suggested, *who)

    assert said.code == 2
    assert words in said.err
    assert emma("overrides", "list", "--format", "json").json[0]["state"] == "suggested"


def test_what_is_decided_once_is_not_decided_again(emma, suggested):
    emma("overrides", "grant", suggested, *SAM, *REASONS)

    again = emma("overrides", "refuse", suggested, *SAM, "--reason", "Changed my mind")

    assert again.code == 2
    assert "granted by 'sam' already" in again.err


@pytest.mark.parametrize("columns", [40, 80])
def test_the_command_that_grants_can_be_copied_at_any_width(emma, suggested, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = emma(*AT_47).out.splitlines()
    start = next(place for place, line in enumerate(lines) if "emma overrides grant" in line)
    end = next(place for place, line in enumerate(lines[start:], start) if not line.endswith("\\"))

    # as a shell reads it: a line that ends with \\ goes on in the next
    said = shlex.split("\n".join(lines[start : end + 1]).replace("\\\n", ""))

    assert said[:4] == ["emma", "overrides", "grant", suggested[:12]]
    assert said[4:] == ["--as", "NAME", *SAM[2:], "--reason", "…", "--field", "compensating_factors=…"]
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("command", [("overrides", "list"), ("packs", "list"), ("doctor",), ("demo", "--plain")])
def test_a_narrow_screen_breaks_no_word_and_is_not_overrun(emma, suggested, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "40")

    said = emma(*command)

    assert max(map(len, said.out.splitlines())) <= 40
    whole = {"overrides": "mortgage.senior_underwriter", "packs": "healthy", "doctor": "collections"}
    assert whole.get(command[0], "mortgage.senior_underwriter") in said.out


def test_a_tenant_sees_nothing_of_another(emma, suggested):
    created = emma("tenants", "create", "acme", "--title", "Acme Bank", "--format", "json")

    assert created.json["title"] == "Acme Bank"
    assert [each["id"] for each in emma("tenants", "list", "--format", "json").json] == ["acme", "default"]
    assert "Acme Bank" in emma("tenants", "list").out
    assert emma("overrides", "list", "--tenant", "acme", "--format", "json").json == []
    assert emma("overrides", "grant", suggested, *SAM, *REASONS, "--tenant", "acme").code == 2
    assert emma("audit", "show", "--tenant", "acme", "--format", "json").json == []


def test_the_tenant_of_the_environment_is_the_local_callers(emma, monkeypatch):
    emma("tenants", "create", "acme")
    monkeypatch.setenv("EMMA_TENANT", "acme")

    assert emma("ask", "loan_officer", "At 41% DTI?", "--format", "json").json["tenant"] == "acme"
