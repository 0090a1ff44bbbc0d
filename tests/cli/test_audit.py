"""Holds `emma audit` to telling the trail, proving it, and copying it whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@pytest.fixture
def asked(emma):
    """A trail of two turns, and the first turn's id."""
    first = emma("ask", "loan_officer", "At 47% debt-to-income?", "--conversation", "c-1", "--format", "json").json
    emma("ask", "loan_officer", "At 41% debt-to-income?", "--conversation", "c-2")
    return first["id"]


def test_the_trail_is_told_turn_by_turn(emma, asked):
    said = emma("audit", "show")

    assert said.code == 0
    assert said.out.index("c-1  needs_override") < said.out.index("c-2  clear")
    assert "failed       mortgage.lender_policy.dti_max (override suggested)" in said.out
    assert "47%" not in said.out, "the words lie beside the trail, and were not asked for"


def test_one_turn_or_one_conversation_may_be_told_alone(emma, asked):
    turn = emma("audit", "show", "--turn", asked, "--format", "json").json
    conversation = emma("audit", "show", "--conversation", "c-2", "--format", "json").json
    newest = emma("audit", "show", "--limit", "1", "--format", "jsonl")

    assert [event["seq"] for event in turn] == [1, 2]
    assert [event["seq"] for event in conversation] == [3, 4]
    assert json.loads(newest.out)["seq"] == 4


def test_events_in_json_fit_their_published_schema(emma, asked):
    schema = json.loads((SCHEMAS / "audit_event.json").read_text())

    for event in emma("audit", "show", "--format", "json").json:
        jsonschema.validate(event, schema)


def test_what_lies_beside_the_trail_is_shown_where_it_is_asked_for(emma, asked):
    assert "At 47% debt-to-income?" in emma("audit", "show", "--values").out
    lines = emma("audit", "show", "--values", "--format", "json").json
    assert "At 47% debt-to-income?" in lines[0]["payload"]["body"]


def grant(emma):
    [override] = emma("overrides", "list", "--format", "json").json
    reasons = ("--reason", "Reserves [bold]for\u202e a year", "--field", "compensating_factors=savings")
    emma("overrides", "grant", override["id"], "--as", "sam", "--role", "mortgage.senior_underwriter", *reasons)


def test_one_turn_is_told_whole_with_its_values_and_who_decided_and_why(emma, asked):
    grant(emma)
    emma("ask", "loan_officer", "And now?", "--conversation", "c-1")

    said = emma("audit", "show", asked)
    told = " ".join(said.out.split())

    assert said.code == 0
    assert told.index("● ") < told.index("judged #1") < told.index("answered #2") < told.index("decided #5")
    assert "“At 47% debt-to-income?” by local" in told
    assert "✗ failed Debt-to-income within the lender's" in told
    assert "dti = 0.47 (from the words)" in told and "would pass: dti <= 0.45" in told
    assert "decided #5" in told and "by sam" in told
    assert "Reason Reserves [bold]for\\u202e a year" in told and "savings" in told
    assert "judged #6" not in told, "another turn of the conversation"
    assert max(map(len, said.out.splitlines())) <= 80
    later = " ".join(emma("audit", "show", "--conversation", "c-1", "--turn", turn_of(emma, 6)).out.split())
    assert later.index("decided #5") < later.index("judged #6"), "the grant that held"
    assert "✗ lifted" in later and "granted by sam" in later


def turn_of(emma, seq):
    return next(each["turn"] for each in emma("audit", "show", "--format", "json").json if each["seq"] == seq)


def test_values_of_a_turn_are_left_out_where_that_is_asked_for_or_they_are_gone(emma, asked, store):
    grant(emma)
    bare = emma("audit", "show", asked, "--no-values")
    with sqlite3.connect(store) as connection:
        connection.execute("DELETE FROM payloads")
    connection.close()
    gone = emma("audit", "show", asked)

    assert bare.out == gone.out
    assert "47%" not in bare.out and "Reserves" not in bare.out
    assert "failed       mortgage.lender_policy.dti_max (override suggested)" in bare.out
    assert "decided  #5" in bare.out and "as mortgage.senior_underwriter" in " ".join(bare.out.split())


def test_a_turn_that_was_changed_or_is_not_there_is_not_told(emma, asked, store):
    unknown = emma("audit", "show", "t-nope")
    elsewhere = emma("audit", "show", asked, "--conversation", "c-2")
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 1")
    connection.close()
    changed = emma("audit", "show", asked)

    assert [each.code for each in (unknown, elsewhere, changed)] == [2, 2, 2]
    assert unknown.out == elsewhere.out == changed.out == ""
    assert "No turn 't-nope' is on this trail" in unknown.err
    assert "in conversation 'c-2'" in elsewhere.err
    assert "Line 1 of the trail" in changed.err and "emma audit verify" in changed.err


def test_a_turn_that_was_stopped_is_told_with_the_reason_and_fits_a_narrow_screen(emma, monkeypatch):
    monkeypatch.setenv("EMMA_MODEL", "openai:none?base_url=http://127.0.0.1:9&api_key=none")
    emma("ask", "loan_officer", "At 41% debt-to-income?", "--conversation", "c-1")
    monkeypatch.setenv("COLUMNS", "40")

    said = emma("audit", "show", turn_of(emma, 1))

    assert "stopped  #2" in said.out and "model" in said.out
    assert max(map(len, said.out.splitlines())) <= 40


def test_a_decision_is_told_with_who_made_it(emma, asked):
    [override] = emma("overrides", "list", "--format", "json").json
    reasons = ("--reason", "x", "--field", "compensating_factors=y")
    emma("overrides", "grant", override["id"], "--as", "sam", "--role", "mortgage.senior_underwriter", *reasons)

    said = emma("audit", "show", "--limit", "1")

    assert "sam" in said.out
    assert "granted mortgage.lender_policy.dti_max as mortgage.senior_underwriter" in said.out


def test_a_whole_trail_verifies_with_its_lines_and_its_head(emma, asked):
    said = emma("audit", "verify")
    plain = emma("audit", "verify", "--format", "json").json

    assert said.code == 0
    assert said.out.startswith("ok: 4 lines of tenant default")
    assert plain["head"]["hash"] in said.out


def test_an_empty_trail_verifies(opened):
    assert opened("audit", "verify").code == 0
    assert "empty" in opened("audit", "show").out


def test_a_turn_that_is_not_on_a_full_trail_is_no_empty_trail(emma, asked):
    said = emma("audit", "show", "--turn", "nope", "--format", "json")

    assert (said.code, said.out) == (2, "")
    assert "No turn 'nope'" in said.err


def test_a_changed_line_is_named_by_its_number(emma, asked, store):
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 3")
    connection.close()

    said = emma("audit", "verify")

    assert said.code == 1
    assert said.out.startswith("broken at #3: ")
    assert emma("audit", "verify", "--format", "json").json["bad_seq"] == 3


def test_an_export_verifies_without_its_store_and_a_change_to_it_is_named(emma, asked, tmp_path, monkeypatch):
    assert emma("audit", "export", "trail.jsonl").code == 0
    monkeypatch.setenv("EMMA_STORE", "sqlite:////proc/nowhere/emma.db")
    whole = emma("audit", "verify", "--export", "trail.jsonl")
    text = (tmp_path / "trail.jsonl").read_text()
    (tmp_path / "changed.jsonl").write_text(text.replace("47%", "41%", 1))
    changed = emma("audit", "verify", "--export", "changed.jsonl")

    assert whole.code == 0
    assert changed.code == 1
    assert changed.out.startswith("broken at #1: ")


def test_an_export_to_stdout_is_the_same_as_to_a_file(emma, asked, tmp_path):
    emma("audit", "export", "trail.jsonl")

    assert emma("audit", "export", "-").out == (tmp_path / "trail.jsonl").read_text()


def test_an_export_writes_over_no_file_and_leaves_no_half(emma, asked, tmp_path):
    (tmp_path / "trail.jsonl").write_text("mine")

    said = emma("audit", "export", "trail.jsonl")
    unknown = emma("audit", "export", "other.jsonl", "--tenant", "acme")

    assert said.code == unknown.code == 2
    assert (tmp_path / "trail.jsonl").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("*.jsonl*")) == ["trail.jsonl"]


def test_json_says_by_its_number_what_a_terminal_would_obey(emma):
    said = emma("ask", "loan_officer", "Is 41% DTI fine? \u009b2J\u202e\u061c", "--format", "json")

    assert not {"\u009b", "\u202e", "\u061c"} & set(said.out)
    assert "\u009b2J\u202e\u061c" in said.json["ask"]["words"]


def test_the_command_to_go_on_cannot_be_another_command(emma):
    said = emma("ask", "loan_officer", "Is 41% DTI fine?", "--conversation", "x; rm -rf ~")

    assert "--conversation 'x; rm -rf ~'" in " ".join(said.out.split())
