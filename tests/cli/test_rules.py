"""Holds `emma rules` and `emma blueprints` to what authors and examiners read there."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@pytest.mark.parametrize(
    "pattern", ["mortgage.qualified_mortgage", "mortgage/qualified_mortgage", "*.qualified_mortgage.*"]
)
def test_rules_are_listed_by_part_of_an_id_or_a_pattern(emma, pattern):
    found = emma("rules", "list", pattern, "--format", "json").json

    assert {rule["id"].rpartition(".")[0] for rule in found} == {"mortgage.qualified_mortgage"}


def test_a_day_lists_the_rules_that_were_in_force(emma):
    def ids(*arguments):
        return {rule["id"] for rule in emma("rules", "list", *arguments, "--format", "json").json}

    rule = "mortgage.qualified_mortgage.dti_43"
    assert rule in ids()
    assert rule in ids("--as-of", "2022-09-30")
    assert rule not in ids("--as-of", "2022-10-01")
    assert rule not in ids("--as-of", "2014-01-09")


def test_every_rule_listed_fits_the_published_schema(emma):
    schema = json.loads((SCHEMAS / "rule.json").read_text())

    for line in emma("rules", "list", "--format", "jsonl").out.splitlines():
        jsonschema.validate(json.loads(line), schema)


def test_a_rule_is_shown_whole(emma):
    said = emma("rules", "show", "mortgage.lender_policy.dti_max")

    for words in ("dti <= 0.45", "12 CFR 1026.43(c)(2)(vii)", "fail: dti = 0.47", "mortgage.dti_exception"):
        assert words in said.out
    said = emma("rules", "show", "mortgage.lender_policy.dti_max", "--format", "json")
    assert said.json["require"].endswith("dti <= 0.45")


def test_every_example_of_every_installed_rule_holds(emma):
    said = emma("rules", "test")

    assert said.code == 0
    assert "0 rules do not hold" in said.out
    assert "on engines closures, polars, spark;" in said.out


def test_rules_are_tried_on_the_engines_that_are_named(emma):
    one = ("rules", "test", "mortgage.lender_policy.*")

    tried = emma(*one, "--engine", "closures", "--format", "json")
    unknown = emma(*one, "--engine", "abacus")

    assert tried.json and all(each["wrong"] == [] for each in tried.json)
    assert "2 rules on engine polars; 0 rules" in emma(*one, "--engine", "polars").out
    assert unknown.code == 2
    assert "No engine answers to 'abacus'; there are ['closures', 'polars', 'spark']" in unknown.err


def test_an_explanation_names_the_leaves_that_decide(emma):
    facts = ("--facts", '{"dti": 0.47, "reserves_months": 1}')

    said = emma("rules", "explain", "mortgage.lender_policy.reserves_min", *facts)
    plain = emma("rules", "explain", "mortgage.lender_policy.reserves_min", *facts, "--format", "json").json

    assert said.code == 0
    assert "reserves_months >= 2" in said.out
    assert "failed" in said.out
    jsonschema.validate(plain["finding"], json.loads((SCHEMAS / "finding.json").read_text()))
    assert plain["finding"]["would_pass"] == "reserves_months >= 2"
    assert plain["in_force"] is True
    deciding = [(part["text"], part["outcome"], part["values"]) for part in plain["parts"] if part["decides"]]
    assert ("reserves_months >= 2", False, {"reserves_months": 1}) in deciding


def test_an_explanation_of_a_register_edit_shows_every_part_with_its_values_and_what_would_mend_it(emma):
    said = emma("rules", "explain", "mortgage.hmda.v634", "--facts", '{"co_app_eth_1": "5", "co_app_eth_basis": "3"}')

    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "→ FALSE require: both or neither of" in lines
    assert "→ TRUE co_app_eth_1 = '5' co_app_eth_1 = 5" in lines
    assert "→ FALSE co_app_eth_basis = '4' co_app_eth_basis = 3" in lines
    assert any(line.startswith("Else File 5 and 4") for line in lines)


def test_an_explanation_of_a_rule_on_files_takes_its_records_and_shows_what_they_come_to(emma):
    rows = [{"action_taken": "1"}, *[{"action_taken": "3"}] * 5]

    said = emma("rules", "explain", "mortgage.hmda.q638", "--facts", json.dumps({"rows": rows}))

    assert "failed" in said.out
    assert "action_taken = '1') = 1" in " ".join(said.out.split())
    assert emma("rules", "explain", "mortgage.hmda.q638", "--facts", '{"rows": [{"acton_taken": "1"}]}').code == 2


def test_an_explanation_says_where_a_guard_keeps_a_rule_silent_and_where_its_day_is_over(emma):
    rule = ("rules", "explain", "mortgage.qualified_mortgage.dti_43", "--facts", '{"loan_type": "fha", "dti": 0.5}')

    said = emma(*rule, "--as-of", "2023-01-01")

    assert "its 'when' is FALSE" in said.out
    assert "Not in force" in said.out
    plain = emma(*rule, "--format", "json").json
    assert plain["finding"] is None
    assert {part["key"] for part in plain["parts"]} == {"when", "require"}


def test_blueprints_are_listed_with_whether_they_can_run_and_shown_with_what_they_use(emma):
    listed, shown = emma("blueprints", "list"), emma("blueprints", "show", "loan_officer")

    assert "loan_officer" in listed.out
    assert "mortgage/lender_policy" in shown.out
    plain = emma("blueprints", "show", "loan_officer", "--format", "json").json
    jsonschema.validate(plain, json.loads((SCHEMAS / "blueprint.json").read_text()))


def test_a_blueprint_of_your_own_whose_pack_is_missing_says_so(emma, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.yaml").write_text(
        "id: mine\ntitle: Mine\npacks: {acme: '>=1'}\ninstructions: Help.\nrules: {use: [acme/rules]}\n"
    )
    monkeypatch.setenv("EMMA_BLUEPRINTS", str(tmp_path / "mine"))

    assert "No pack 'acme' is" in " ".join(emma("blueprints", "list").out.split())
    assert emma("ask", "mine", "hi").code == 2
