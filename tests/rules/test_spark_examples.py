"""Hold the examples of rules on Spark to what they say, many rules at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from emma_core.backends.closure_engine import ClosureEngine
from emma_core.rules import ROWS, CompiledRule, Function, read_example

if TYPE_CHECKING:
    from emma_core.backends.spark_engine import SparkEngine

_ODD = Function("odd_one", ("text",), "bool", {"va": True, "fha": False}.__getitem__, ((("va",), True),), "One.")


@pytest.fixture(scope="module")
def engine() -> Iterator[SparkEngine]:
    from emma_core.backends.spark_engine import SparkEngine
    from emma_core.backends.spark_session import session

    made = session()
    yield SparkEngine(made)
    made.stop()


@pytest.fixture(scope="module")
def asked(make_rule: Callable[..., CompiledRule]) -> list[tuple[CompiledRule, list[dict[str, Any]]]]:
    """Rules on records and on files, in turn, each with records that it says everything of."""
    of_file: dict[str, Any] = {"applies_to": ("file",)}
    alike = {"rows": [{"zip": "1", "dti": 1}, {"zip": "1", "dti": 1}]}
    limit = make_rule(
        "dti <= 0.45", when="verified", passes={"dti": 0.4, "verified": True}, fails={"dti": 0.5, "verified": True}
    )
    filed = make_rule("zip = '1' OR '5' IN (remarks, zip)", passes={"zip": "1"}, fails={"zip": "2", "remarks": ""})
    odd = make_rule("odd_one(zip)", passes={"zip": "va"}, fails={"zip": "fha"}, functions=(_ODD,))
    needs = make_rule("in_table(zip, 'census')", passes={"zip": "1"}, fails={"zip": "2"})
    many = make_rule(
        "count(*) FILTER (WHERE dti > 0.4) * 2 <= count(*) AND sum(dti) < 9",
        passes={"rows": [{"dti": 0.1}]},
        fails=alike,
        **of_file,
    )
    odds = make_rule(
        "count(*) FILTER (WHERE odd_one(zip)) <= 1",
        passes={"rows": []},
        fails={"rows": [{"zip": "va"}, {"zip": "va"}]},
        functions=(_ODD,),
        **of_file,
    )
    differ = make_rule(None, unique=("zip",), when="dti > 0", passes={"rows": []}, fails=alike, **of_file)
    odd_differ = make_rule(
        None, unique=("dti",), when="odd_one(zip)", passes={"rows": []}, fails={"rows": [{"zip": "va", "dti": 1}] * 2},
        functions=(_ODD,), **of_file,
    )  # fmt: skip
    filed = replace(filed, ruleset=filed.ruleset.model_copy(update={"missing": "failed"}))
    return [
        (
            limit,
            [{"dti": 0.45, "verified": True}, {"dti": 0.46, "verified": True}, {"verified": False}, {"dti": 1}, {}],
        ),
        (many, [{"rows": []}, alike, {"rows": [{"dti": 0.4}, {}]}, {"rows": [{"zip": "1"}]}]),
        (filed, [{"zip": "1"}, {"zip": "2"}, {"zip": "2", "remarks": ""}, {"zip": "5"}, {"remarks": "it's 5"}, {}]),
        (odd, [{"zip": "va"}, {"zip": "fha"}, {"zip": "?"}, {}]),
        (odds, [{"rows": []}, {"rows": [{"zip": "va"}] * 2}, {"rows": [{"zip": "?"}]}, {"rows": [{}]}]),
        (differ, [{"rows": []}, alike, {"rows": [{"zip": "1"}]}, {"rows": [{"zip": "1", "dti": 0}] * 2}]),
        (odd_differ, [{"rows": [{"zip": "va", "dti": 1}] * 2}, {"rows": [{"zip": "?"}]}, {"rows": [{"zip": "va"}]}]),
        (needs, [{"zip": "1"}]),
    ]


def test_spark_says_of_examples_what_the_closures_say(
    engine: SparkEngine, asked: list[tuple[CompiledRule, list[dict[str, Any]]]], facts: Any
) -> None:
    read = [
        (rule, [read_example(example, facts, of_file=rule.of_file) for example in examples]) for rule, examples in asked
    ]
    expected = list(ClosureEngine().examples(read))

    assert list(engine.examples(read)) == expected
    assert {one for outcomes in expected for one in outcomes} == {"passed", "failed", "undetermined", "broken", None}


def test_where_spark_finds_another_outcome_than_the_closures_the_example_says_so(
    engine: SparkEngine, make_rule: Callable[..., CompiledRule]
) -> None:
    wrong = Function(
        "odd_one", ("text",), "bool", lambda text: text == "va", ((("va",), True),), "One.", spark="{0} <> 'va'"
    )
    rule = make_rule("odd_one(zip)", passes={"zip": "va"}, fails={"zip": "fha"}, functions=(wrong,))
    of_file = make_rule(
        "count(*) FILTER (WHERE odd_one(zip)) = 1", passes={"rows": [{"zip": "va"}]}, fails={"rows": []},
        functions=(wrong,), applies_to=("file",),
    )  # fmt: skip
    asked = [
        (rule, [{"zip": "va"}, {"zip": "fha"}]),
        (of_file, [{ROWS: ({"zip": "va", "dti": Decimal(1)},)}, {ROWS: ({"zip": "fha"},)}]),
    ]

    assert list(engine.examples(asked)) == [["broken", "passed"], ["failed", "passed"]]
