"""Holds `emma overrides` and `emma tenants` to who may decide what, and to what a decision changes."""

from __future__ import annotations

import csv
import io
import json
import shlex

import polars as pl
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


@pytest.fixture
def checked(emma, tmp_path):
    """The report of a check of three loans, two of which a senior underwriter may lift."""
    (tmp_path / "loans.csv").write_text("id,dti,reserves_months\na,0.40,3\nb,0.47,3\nc,0.48,3\n")
    said = emma("check", "loans.csv", "--rules", "mortgage/lender_policy", "--format", "json", "--as", "ana")
    assert said.code == 1
    return said.json


def test_all_findings_of_a_rule_are_lifted_in_one_act_and_the_next_check_exits_0(emma, checked):
    granted = emma("overrides", "grant", "--report", checked["id"][:12], "--rule", "dti_max", *SAM, *REASONS)
    again = emma("check", "loans.csv", "--rules", "mortgage/lender_policy", "--as", "ana")

    assert (granted.code, again.code) == (0, 0)
    assert "mortgage.lender_policy.dti_max: 2 findings" in granted.out
    assert "granted by sam" in again.out and "all lifted" in again.out
    assert "Verdict       clear" in again.out
    assert "granted mortgage.lender_policy.dti_max" in emma("audit", "show").out
    assert emma("audit", "verify").code == 0


def test_one_finding_of_a_check_is_lifted_by_its_id_and_every_format_says_how_each_stands(emma, checked, tmp_path):
    one = checked["findings"][0]["override"]
    granted = emma("overrides", "grant", one["id"][:12], *SAM, *REASONS, "--format", "json")
    for name in ("out.jsonl", "out.csv", "out.parquet", "out.html", "out.txt"):
        assert emma("check", "loans.csv", "--rules", "mortgage/lender_policy", "--out", name).code == 1

    assert granted.json["rules"] == {"mortgage.lender_policy.dti_max": 1}
    found = [json.loads(line)["override"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(each["state"], each.get("granted_by")) for each in found] == [("granted", "sam"), ("suggested", None)]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    frame = pl.read_parquet(tmp_path / "out.parquet")
    for column in ([row["override"] for row in rows], frame["override"].to_list()):
        assert column == ["granted", "suggested"]
    assert rows[0]["override_id"] == frame["override_id"][0] == one["id"]
    assert "granted by sam" in (tmp_path / "out.txt").read_text()
    assert "granted by sam" in (tmp_path / "out.html").read_text()


def test_the_list_says_rule_by_rule_what_a_check_suggests_and_who_may_decide(emma, checked):
    said = emma("overrides", "list")
    [docket] = emma("overrides", "list", "--format", "json").json

    assert "2 suggested" in said.out and "mortgage.senior_underwriter" in said.out
    assert (docket["report"], docket["count"]) == (checked["id"], 2)
    emma("overrides", "refuse", "--rule", "dti_max", *SAM, "--reason", "Income not shown")
    assert emma("overrides", "list", "--state", "suggested", "--format", "jsonl").out == ""
    assert "2 refused" in emma("overrides", "list", "--state", "refused").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--rule", "dti_max", "--as", "sam", *REASONS), "may not decide it; mortgage.senior_underwriter may"),
        (("--rule", "dti_max", "--as", "ana", *SAM[2:], *REASONS), "another person must grant it"),
        (("--rule", "dti_max", *SAM), "'reason' is required"),
        (("--rule", "q630", *SAM, *REASONS), "there are ['mortgage.lender_policy.dti_max']"),
        (("--report", "k-none", "--rule", "dti_max", *SAM, *REASONS), "No one check is 'k-none'"),
        (("abcdefg", "--rule", "dti_max", *SAM, *REASONS), "name one of them"),
        ((*SAM, *REASONS), "Nothing is named to decide"),
    ],
)
def test_what_may_not_be_decided_of_a_check_is_one_line_and_changes_nothing(emma, checked, arguments, words):
    said = emma("overrides", "grant", *arguments)

    assert said.code == 2
    [line] = said.err.splitlines()
    assert words in line
    assert emma("overrides", "list", "--format", "json").json[0]["granted"] == 0


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
