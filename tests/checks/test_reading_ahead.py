"""Shows that the engine of files reads one batch ahead and no more, and stops reading when it is left."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from emma_core.backends.polars_engine import PolarsEngine
from emma_core.nouns import Batches, FactSpec, RuleSet, Table
from emma_core.rules import CompiledRule, compile_ruleset

SPECS = {"dti": FactSpec(type="number", title="Debt-to-income")}
RULE: dict[str, Any] = {
    "id": "acme.policy.dti_max",
    "title": "Within the limit",
    "text": "Words.",
    "applies_to": ("record",),
    "require": "dti <= 0.45",
    "severity": "error",
    "message": "Too high.",
    "source": {"kind": "policy", "citation": "Handbook 1", "read_on": date(2026, 11, 20)},
    "examples": {"pass": ({"dti": 0.4},), "fail": ({"dti": 0.47},)},
}


@pytest.fixture
def rules() -> tuple[CompiledRule, ...]:
    whole = {"ruleset": "acme/policy", "edition": "2026", "facts": "acme.loan", "rules": (RULE,)}
    return compile_ruleset(RuleSet.model_validate(whole), SPECS, {}, file="rules.json").rules


def table(asked: list[int], *, broken: int = 0) -> Table:
    """Five batches of two records that fail; `asked` gets the number of each that was read."""
    schema = {"record": pl.Int64, "dti": pl.Decimal(18, 6)}

    def read(_: Collection[str] | None) -> Iterator[pl.DataFrame]:
        for number in range(1, 6):
            if number == broken:
                raise OSError("the disk is gone")
            asked.append(number)
            yield pl.DataFrame({"record": [2 * number - 1, 2 * number], "dti": ["0.47", "0.48"]}).cast(schema)

    return Table(batches=Batches(schema, read))


def test_one_batch_is_read_ahead_and_no_more(rules):
    asked: list[int] = []
    stretches = PolarsEngine().standing(table(asked), rules, {})

    first = next(stretches)
    rest = list(stretches)

    assert [row["record"] for row, _ in first.standing] == [1, 2]
    assert sum(each.records for each in (first, *rest)) == 10
    assert [row["record"] for each in (first, *rest) for row, _ in each.standing] == list(range(1, 11))
    assert asked == [1, 2, 3, 4, 5]


def test_a_pass_that_is_left_reads_nothing_more_and_leaves_no_thread(rules):
    asked: list[int] = []
    stretches = PolarsEngine().standing(table(asked), rules, {})
    next(stretches)

    stretches.close()

    assert asked in ([1], [1, 2])
    assert not [each for each in threading.enumerate() if each.name.startswith("emma-batches")]


def test_what_the_reader_raises_reaches_whoever_asked_after_what_was_read_before(rules):
    asked: list[int] = []
    came = []

    with pytest.raises(OSError, match="the disk is gone"):
        for each in PolarsEngine().standing(table(asked, broken=3), rules, {}):
            came += [row["record"] for row, _ in each.standing]

    assert came == [1, 2, 3, 4]
