"""Holds `emma ask` to its answers, its exit codes and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from emma_core import Turn
from emma_core.cli.ask import exit_code

AT_47 = "Can we approve this at 47% debt-to-income on a conventional loan?"
SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def failed(turn):
    return {each["rule"]: each for each in turn["findings"] if each["outcome"] == "failed"}


def test_a_limit_that_does_not_hold_is_shown_with_its_value_its_source_and_who_may_lift_it(emma):
    said = emma("ask", "loan_officer", AT_47)

    assert said.code == 1
    assert "dti = 0.47 (from the words)" in said.out
    assert "12 CFR 1026.43(c)(2)(vii)" in said.out
    assert "needs_override" in said.out
    assert "emma overrides grant" in said.out
    assert "--role mortgage.senior_underwriter" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_turn_in_json_fits_its_published_schema(emma):
    said = emma("ask", "loan_officer", AT_47, "--format", "json")

    jsonschema.validate(said.json, json.loads((SCHEMAS / "turn.json").read_text()))
    assert said.code == 1
    assert said.json["verdict"] == "needs_override"
    [finding] = failed(said.json).values()
    assert finding["rule"] == "mortgage.lender_policy.dti_max"
    assert finding["values"] == {"dti": 0.47}
    assert finding["source"]["citation"] == "12 CFR 1026.43(c)(2)(vii)"
    assert said.json["overrides"][0]["granted_by"] == ["mortgage.senior_underwriter"]


def test_the_day_brings_a_former_limit_back_as_a_warning_and_the_verdict_stays(emma):
    said = emma("ask", "loan_officer", AT_47, "--as-of", "2019-06-01", "--format", "json")

    severities = {rule: finding["severity"] for rule, finding in failed(said.json).items()}
    assert severities == {"mortgage.lender_policy.dti_max": "error", "mortgage.qualified_mortgage.dti_43": "warning"}
    assert said.json["verdict"] == "needs_override"
    assert said.code == 1


@pytest.mark.parametrize("as_file", [False, True])
def test_a_given_fact_wins_over_the_words(emma, tmp_path, as_file):
    facts = '{"dti": 0.41}'
    (tmp_path / "facts.json").write_text(facts)

    said = emma("ask", "loan_officer", AT_47, "--facts", "facts.json" if as_file else facts, "--format", "json")

    assert said.code == 0
    assert said.json["verdict"] == "clear"
    dti = next(fact for fact in said.json["facts"] if fact["name"] == "mortgage.loan.dti")
    assert (dti["value"], dti["basis"]) == (0.41, "given")


def test_a_missing_fact_is_asked_for_and_exits_1_unless_that_is_allowed(emma):
    asked = emma("ask", "loan_officer", "Can we approve this loan?")
    allowed = emma("ask", "loan_officer", "Can we approve this loan?", "--allow-undetermined")

    assert "What is the debt-to-income ratio?" in asked.out
    assert "needs_facts" in asked.out
    assert (asked.code, allowed.code) == (1, 0)


def test_a_warning_exits_1_only_where_it_was_asked_to(emma):
    ask = ("ask", "loan_officer", "What about it?", "--as-of", "2019-06-01")
    facts = ("--facts", '{"dti": 0.44, "reserves_months": 6, "loan_type": "conventional"}')

    assert emma(*ask, *facts).code == 0
    assert emma(*ask, *facts, "--fail-on", "warning").code == 1


def test_a_turn_that_was_stopped_exits_1(emma):
    said = emma("ask", "loan_officer", AT_47, "--facts", '{"dti": 0.41}', "--format", "json")
    turn = Turn.model_validate_json(said.out)

    assert exit_code(turn) == 0
    assert exit_code(turn.model_copy(update={"stopped": "limits.seconds"})) == 1


def test_words_may_come_from_stdin(emma):
    said = emma("ask", "loan_officer", "-", "--format", "json", stdin=f"{AT_47}\n".encode())

    assert said.json["ask"]["words"].strip() == AT_47


def test_a_trace_stands_on_stderr_so_that_stdout_is_json_alone(emma):
    said = emma("ask", "loan_officer", AT_47, "--trace", "--format", "json")

    assert said.json["verdict"] == "needs_override"
    assert [step in said.err for step in ("1 facts", "2 rules", "3 findings", "4 judged", "5 answered")] == [True] * 5


def test_a_conversation_and_a_subject_are_what_the_caller_named(emma):
    said = emma("ask", "loan_officer", AT_47, "--conversation", "c-7", "--subject", "p-9", "--format", "json")

    assert (said.json["ask"]["conversation"], said.json["ask"]["subject"]) == ("c-7", "p-9")


def test_control_characters_in_a_question_do_not_reach_the_terminal(emma):
    said = emma("audit", "show", "--conversation", "\x1b[2Jx")
    asked = emma("ask", "loan_officer", AT_47, "--conversation", "c\x1b[2J")

    assert "\x1b" not in said.out + asked.out
