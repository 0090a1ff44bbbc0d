"""Which changes of a rule its examples notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from emma_core.cli.rules import app
from emma_core.nouns import FactSpec
from emma_core.rules import CompiledRuleSet, mutation

Make = Callable[..., CompiledRuleSet]


def unseen(made: CompiledRuleSet) -> list[str]:
    return [f"{one.key}: {one.change}" for one in mutation(made.rules[0], made.facts).alive]


def examples(passes: list[Any], fails: list[Any]) -> Any:
    return {"passes": {}, "fails": {}, "examples": {"pass": tuple(passes), "fail": tuple(fails)}}


@pytest.mark.parametrize(
    ("require", "passes", "fails", "left"),
    [
        ("dti <= 0.45", [{"dti": 0.45}], [{"dti": 0.46}], []),
        (
            "dti <= 0.45",
            [{"dti": 0.4}],
            [{"dti": 0.5}],
            ["dti <= 0.45: <= became <", "0.45 became 0.44", "0.45 became 0.46"],
        ),
        ("zip IN ('1', '2')", [{"zip": "1"}], [{"zip": ""}], ["zip IN …: '2' left out"]),
        ("zip = '1' OR zip = '2'", [{"zip": "1"}, {"zip": "2"}], [{"zip": ""}], []),
        ("NOT verified", [{"verified": False}], [{"verified": True}], []),
        (
            "applied BETWEEN DATE '2024-01-01' AND closed",
            [{"applied": "2024-01-01", "closed": "2024-01-01"}],
            [{"applied": "2023-12-31", "closed": "2024-01-01"}, {"applied": "2024-01-02", "closed": "2024-01-01"}],
            [],
        ),
        (
            "CASE WHEN jumbo THEN dti > 1 ELSE dti > 2 END",
            [{"jumbo": False, "dti": 3}],
            [{"jumbo": False, "dti": 2}],
            ["WHEN jumbo: left out", "dti > 1: > became >=", "1 became 0", "1 became 2"],
        ),
        ("left(zip, 0) = ''", [{"zip": "1"}], [{"zip": ""}], None),
    ],
)
def test_what_no_example_notices(
    require: str, passes: list[Any], fails: list[Any], left: list[str] | None, make_ruleset: Make
) -> None:
    if left is None:  # a literal that its function does not take is no change
        made = make_ruleset("left(zip, 0) = '' AND zip = '1'", **examples([{"zip": "1"}], [{"zip": "2"}]))
        assert all("-1" not in change for change in unseen(made))
        return
    made = make_ruleset(require, **examples(passes, fails))
    assert unseen(made) == [f"require: {change}" for change in left]


def test_what_each_repeats_is_changed_in_every_repeat_at_once(make_ruleset: Make) -> None:
    facts = {f"aus_{i}": FactSpec(type="text", title=f"System {i}") for i in (1, 2)}
    passes, fails = [{"aus_1": "a", "aus_2": "b"}], [{"aus_1": "", "aus_2": "b"}]
    made = make_ruleset("aus_{i} IN ('a', 'b')", each={"i": (1, 2)}, facts=facts, **examples(passes, fails))
    assert unseen(made) == ["require: aus_2 IN ('a', 'b'): left out"]


def test_a_guard_that_only_saves_from_null_is_no_change_where_null_fails(make_ruleset: Make) -> None:
    said = examples([{"zip": "1"}], [{"zip": "0"}, {"zip": "x"}])
    guarded = "is_number(zip) AND number(zip) >= 1"
    assert unseen(make_ruleset(guarded, **said, ruleset={"missing": "failed"})) == []
    said = examples([{"zip": "0"}, {"zip": "x"}], [{"zip": "1"}])
    turned = f"NOT ({guarded})"
    assert unseen(make_ruleset(turned, **said, ruleset={"missing": "failed"})) == []


def test_a_file_rule_is_changed_in_what_it_adds_up(make_ruleset: Make) -> None:
    made = make_ruleset(
        "count(DISTINCT zip) FILTER (WHERE dti > 0) >= 1",
        applies_to=("file",),
        **examples([{"rows": [{"zip": "1", "dti": 1}]}], [{"rows": []}]),
    )
    assert unseen(made) == [
        "require: dti > 0: left out",
        "require: count(DISTINCT zip) FILTER (WHERE dti > 0): DISTINCT left out",
        "require: dti > 0: > became >=",
        "require: 0 became -1",
    ]
    alike: dict[str, Any] = {"zip": "1", "loan_type": "va"}
    made = make_ruleset(
        None,
        applies_to=("file",),
        unique=("zip", "loan_type"),
        **examples([{"rows": [alike, {"zip": "2", "loan_type": "va"}]}], [{"rows": [alike, alike]}]),
    )
    assert unseen(made) == ["require: loan_type: left out"]


def test_a_rule_whose_table_is_absent_has_no_changes(make_ruleset: Make) -> None:
    made = make_ruleset("in_table(zip, 'census')", passes={"zip": "1"}, fails={"zip": "2"})
    assert mutation(made.rules[0], made.facts).count == 0


def test_the_command_line_names_the_engines_and_what_no_example_notices() -> None:
    came = CliRunner().invoke(app, ["test", "mortgage.lender_policy", "--mutate"], env={"COLUMNS": "200"})
    assert came.exit_code == 0, came.output
    assert "unseen: when: dti > 0.43: left out" in came.output
    assert "on engines closures, polars" in came.output
    assert "changes are noticed by an example" in came.output
    plain = CliRunner().invoke(app, ["test", "mortgage.lender_policy", "--format", "jsonl"])
    assert all("unseen" not in json.loads(line) for line in plain.output.splitlines())
