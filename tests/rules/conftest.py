"""Facts, rules and random predicates that the tests of the rule language share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from random import Random
from typing import Any

import pytest

from emma_core.nouns import FactSpec, RuleSet
from emma_core.rules import CompiledRule, CompiledRuleSet, Function, compile_ruleset

FACTS: Mapping[str, FactSpec] = {
    "dti": FactSpec(type="number", title="Debt-to-income"),
    "debt": FactSpec(type="number", title="Monthly debt"),
    "income": FactSpec(type="number", title="Monthly income"),
    "loan_type": FactSpec(type="text", title="Loan type", values=("conventional", "fha", "va")),
    "zip": FactSpec(type="text", title="ZIP code"),
    "remarks": FactSpec(type="text", title="Remarks"),
    "applied": FactSpec(type="date", title="Application date"),
    "closed": FactSpec(type="date", title="Closing date"),
    "verified": FactSpec(type="bool", title="Income verified"),
    "jumbo": FactSpec(type="bool", title="Jumbo loan"),
    "tags": FactSpec(type="list", title="Tags"),
}

Make = Callable[..., CompiledRuleSet]


@pytest.fixture(scope="session")
def facts() -> Mapping[str, FactSpec]:
    return FACTS


@pytest.fixture(scope="session")
def make_ruleset() -> Make:
    """Compiles a rule set of one rule; every key of the rule and of the set may be given."""

    def made(
        require: str | None,
        *,
        passes: dict[str, Any],
        fails: dict[str, Any],
        facts: Mapping[str, FactSpec] = FACTS,
        functions: tuple[Function, ...] = (),
        ruleset: Mapping[str, Any] = {},
        tables: Mapping[str, Any] = {},
        templates: Any = None,
        **rule: Any,
    ) -> CompiledRuleSet:
        first = {
            "id": "acme.policy.one",
            "title": "One",
            "text": "Words.",
            "applies_to": ("ask",),
            "require": require,
            "severity": "error",
            "message": "It does not hold.",
            "source": {"kind": "policy", "citation": "Handbook 1", "read_on": date(2026, 11, 20)},
            "examples": {"pass": (passes,), "fail": (fails,)},
        }
        whole = {"ruleset": "acme/policy", "edition": "2026", "facts": "acme.loan", "rules": ({**first, **rule},)}
        named = {function.name: function for function in functions}
        noun = RuleSet.model_validate({**whole, **ruleset})
        return compile_ruleset(noun, facts, named, file="rules.json", templates=templates, tables=tables)

    return made


@pytest.fixture(scope="session")
def make_rule(make_ruleset: Make) -> Callable[..., CompiledRule]:
    return lambda *given, **named: make_ruleset(*given, **named).rules[0]


@pytest.fixture(scope="session")
def write_predicate() -> Callable[[Random], str]:
    """Writes a random predicate that fits the facts, in random spelling."""
    return lambda random: _Author(random).predicate(random.randint(0, 4))


class _Author:
    """Someone who writes predicates at random."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def predicate(self, depth: int) -> str:
        if depth == 0 or self._chance(0.15):
            return self._leaf()
        kind = self._random.choice(("and", "or", "not", "iff", "bracket", "case"))
        if kind in ("and", "or"):
            word = self._word(kind)
            return f" {word} ".join(self._side(depth - 1) for _ in range(self._random.randint(2, 3)))
        if kind == "not":
            return f"{self._word('not')} {self._side(depth - 1)}"
        if kind == "iff":
            return f"({self.predicate(depth - 1)}) {self._one('=', '<>')} ({self.predicate(depth - 1)})"
        if kind == "case":
            inner = (self.predicate(depth - 1) for _ in range(3))
            return "CASE WHEN {} THEN {} ELSE {} END".format(*inner)
        return f"( {self.predicate(depth - 1)} )"

    def number(self, depth: int) -> str:
        if depth == 0 or self._chance(0.5):
            atoms = ("dti", "debt", "income", "0.45", "12", "-3", "0", "0.000001", "number(zip)", "year(applied)")
            return self._one(*atoms, "length(remarks)", "size(tags)", "days_between(applied, closed)")
        kind = self._one("+", "-", "*", "neg", "abs", "ratio", "bracket", "case")
        a, b = self.number(depth - 1), self.number(depth - 1)
        match kind:
            case "neg":
                return f"- ({a})"
            case "abs":
                return f"abs({a})"
            case "ratio":
                return f"ratio({self._one('debt', '1')}, {self._one('income', '3', '0')})"
            case "bracket":
                return f"({a})"
            case "case":
                return f"CASE WHEN {self._leaf()} THEN {a} ELSE {b} END"
        return f"{a} {kind} {b}"

    def text(self) -> str:
        atoms = ("zip", "remarks", "'va'", "'12345'", "'it''s'", "''", "lower(remarks)", "left(zip, 2)")
        return self._one(*atoms)

    def day(self) -> str:
        atoms = ("applied", "closed", "DATE '2024-02-29'", "ymd(zip)", "add_years(applied, 1)", "add_days(closed, -3)")
        return self._one(*atoms, "add_months(applied, 13)")

    def _leaf(self) -> str:
        return self._random.choice((self._numbers, self._texts, self._days, self._flags, self._calls, self._nulls))()

    def _numbers(self) -> str:
        subject = self.number(2)
        if self._chance(0.2):
            return f"{subject} {self._maybe_not()}BETWEEN {self.number(1)} AND {self.number(1)}"
        if self._chance(0.2):
            return f"{subject} {self._maybe_not()}IN (1, -2, 0.45, {self._one('dti', '12')})"
        return f"{subject} {self._comparator()} {self.number(2)}"

    def _texts(self) -> str:
        if self._chance(0.2):
            return self._one("loan_type = 'va'", "'fha' <> loan_type", "loan_type IN ('va', 'fha')", "loan_type > zip")
        subject = self._one("zip", "remarks", "lower(remarks)", "'12345'")
        if self._chance(0.3):
            return f"{subject} {self._maybe_not()}IN ('va', '', {self._one('zip', 'remarks')})"
        return f"{subject} {self._comparator()} {self.text()}"

    def _days(self) -> str:
        if self._chance(0.3):
            return f"{self.day()} {self._maybe_not()}BETWEEN {self.day()} AND {self.day()}"
        return f"{self.day()} {self._comparator()} {self.day()}"

    def _flags(self) -> str:
        return self._one("verified", "jumbo", "verified = TRUE", "jumbo <> verified", "TRUE", "False")

    def _calls(self) -> str:
        text = self.text()
        return self._one(
            f"contains({text}, {self.text()})",
            f"starts_with({text}, {self.text()})",
            f"matches({text}, '(.*[^a-z])?[a-z]{{2}}([^a-z].*)?')",
            f"is_number({text})",
            f"is_integer({text})",
            f"is_ymd({text})",
            f"repeats({text}, zip, remarks)",
            "has(tags, 'a')",
            "has_any(tags, 'a', 'b')",
            "HAS_ALL(tags, 'a', 'b')",
        )

    def _nulls(self) -> str:
        subject = self._one("dti", "zip", "closed", "verified", "tags", "number(zip)", "(debt + dti)")
        return f"{subject} IS {self._maybe_not()}NULL"

    def _side(self, depth: int) -> str:
        return self.predicate(depth) if self._chance(0.5) else f"({self.predicate(depth)})"

    def _comparator(self) -> str:
        return self._one("=", "<>", "<", "<=", ">", ">=")

    def _maybe_not(self) -> str:
        return self._word("not") + " " if self._chance(0.4) else ""

    def _word(self, word: str) -> str:
        return self._one(word, word.upper(), word.title())

    def _one(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
