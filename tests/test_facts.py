"""Holds the gathering of facts to its order of precedence."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from emma_core import CallerError, Extracted, Fact, Need, facts
from emma_core.nouns import FactSpec

LOAN = {
    "dti": FactSpec(type="number", title="Debt-to-income", unit="ratio"),
    "amount": FactSpec(type="number", title="Amount", unit="USD"),
    "term": FactSpec(type="number", title="Term", unit="months"),
    "kind": FactSpec(type="text", title="Kind", values=("fixed", "adjustable")),
    "note": FactSpec(type="text", title="Note"),
    "closing": FactSpec(type="date", title="Closing"),
    "waived": FactSpec(type="bool", title="Waived"),
    "tags": FactSpec(type="list", title="Tags"),
}
MODELS = {"a.loan": LOAN, "b.loan": {"dti": LOAN["dti"]}}


def need(fact: str) -> Need:
    return Need(fact=fact, type=LOAN[fact.rpartition(".")[2]].type, title="?", question="?", rules=("a.r",))


def test_a_bare_name_fills_every_model_and_a_full_name_one() -> None:
    bare = facts.given(MODELS, {"dti": 0.4})
    full = facts.given(MODELS, {"b.loan.dti": 0.4})

    assert [fact.name for fact in bare] == ["a.loan.dti", "b.loan.dti"]
    assert [(fact.name, fact.value) for fact in full] == [("b.loan.dti", Decimal("0.4"))]


def test_given_outranks_extracted_outranks_remembered_and_newer_wins_within() -> None:
    def fact(value: str, basis: Any) -> tuple[Fact, ...]:
        return (Fact(name="a.loan.dti", value=Decimal(value), basis=basis),)

    old, new = fact("0.1", "given"), fact("0.2", "given")
    assert facts.settle(old, new) == new
    assert facts.settle(old, fact("0.3", "extracted")) == old
    assert facts.settle(fact("0.3", "remembered"), fact("0.4", "extracted")) == fact("0.4", "extracted")
    assert facts.settle(fact("0.3", "remembered"), fact("0.4", "remembered")) == fact("0.4", "remembered")
    assert facts.settle(fact("0.3", "record"), fact("0.4", "extracted")) == fact("0.3", "record")


@pytest.mark.parametrize(
    ("fact", "words", "value"),
    [
        ("dti", "41%", Decimal("0.41")),
        ("dti", " 41.5 percent. ", Decimal("0.415")),
        ("dti", "0.41", Decimal("0.41")),
        ("dti", "41", Decimal("0.41")),
        ("dti", "It's 41%", Decimal("0.41")),
        ("dti", "1", Decimal(1)),
        ("dti", "Actually 47%", Decimal("0.47")),
        ("dti", "Sorry, I mean 47%.", Decimal("0.47")),
        ("dti", "4", None),
        ("dti", "0.41%", None),
        ("dti", "4%", Decimal("0.04")),
        ("dti", "about 41%", None),
        ("dti", "41 months", None),
        ("dti", "$41", None),
        ("amount", "$350,000", Decimal(350000)),
        ("amount", "350000.50", Decimal("350000.5")),
        ("amount", "41%", None),
        ("amount", "9" * 13, None),
        ("term", "360 months", Decimal(360)),
        ("term", "360", Decimal(360)),
        ("term", "three months", Decimal(3)),
        ("term", "None.", Decimal(0)),
        ("term", "no", None),
        ("term", "30 years", None),
        ("kind", "Fixed.", "fixed"),
        ("kind", "jumbo", None),
        ("note", '"Anything, at all!"', "Anything, at all!"),
        ("note", "“" + "long " * 100 + "”", "long " * 100),
        ("note", "anything at all", None),
        ("note", "Why do you need that?", None),
        ("note", 'He said "yes"', None),
        ("closing", "2024-03-05", date(2024, 3, 5)),
        ("closing", "3/5/2024", date(2024, 3, 5)),
        ("closing", "3/5/24", date(2024, 3, 5)),
        ("closing", "2/30/2024", None),
        ("closing", "tomorrow", None),
        ("waived", "No", False),
        ("waived", "yes!", True),
        ("waived", "maybe", None),
        ("closing", "March 5, 2024", date(2024, 3, 5)),
        ("closing", "5 Mar 2024.", date(2024, 3, 5)),
        ("closing", "Sept. 1st, 2024", date(2024, 9, 1)),
        ("closing", "February 30, 2024", None),
        ("tags", '"a", "b"', ("a", "b")),
        ("tags", "a, b", None),
    ],
)
def test_a_bare_value_answers_what_was_asked_last_or_nothing(fact: str, words: str, value: Any) -> None:
    read = facts.extracted(MODELS, words, [], [need(f"a.loan.{fact}")])

    assert [each.value for each in read] == ([] if value is None else [value])
    for each in read:
        assert each.basis == "extracted" and each.span is not None
        assert words[each.span.start : each.span.end] == words.strip()


def test_a_bare_value_answers_the_first_need_that_it_fits() -> None:
    read = facts.extracted(MODELS, "41%", [], [need("a.loan.closing"), need("a.loan.dti")])

    assert [each.name for each in read] == ["a.loan.dti"]


def test_nothing_is_read_from_a_bare_value_that_nobody_asked_for() -> None:
    assert facts.extracted(MODELS, "41%", [], []) == ()


def test_a_reading_that_does_not_fit_its_fact_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    readings = [
        Extracted(fact="kind", value="jumbo", start=0, end=5),
        Extracted(fact="dti", value=True, start=0, end=5),
        Extracted(fact="unknown", value="x", start=0, end=5),
    ]

    assert facts.extracted(MODELS, "jumbo", readings, []) == ()
    assert "'kind'" in caplog.text and "'dti'" in caplog.text


def test_what_was_given_keeps_its_basis_and_what_was_said_is_remembered() -> None:
    kept = facts.given(MODELS, {"closing": "2024-03-05", "dti": 0.4})
    said = (Fact(name="a.loan.kind", value="fixed", basis="extracted"),)

    restored = facts.restore(MODELS, [fact.plain() for fact in (*kept, *said)])
    assert facts.remembered(restored)[:-1] == kept
    assert facts.remembered(restored)[-1].basis == "remembered"


@pytest.mark.parametrize("name", ["dtii", "a.loan.dtii", "c.loan.dti"])
def test_a_fact_that_no_rule_reads_is_refused_by_name(name: str) -> None:
    with pytest.raises(CallerError, match=f"Fact '{name}'.*did you mean 'dti'"):
        facts.given(MODELS, {name: 0.4})
