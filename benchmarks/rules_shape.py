"""Makes up the record and the rules of the benchmark, each rule in the words of Emma and of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from emma_core.nouns import FactType

FACTS: Mapping[str, FactType] = {
    **{f"amount_{n:02}": "number" for n in range(55)},
    **{f"code_{n:02}": "text" for n in range(42)},
    **{f"day_{n:02}": "date" for n in range(10)},
    **{f"flag_{n:02}": "bool" for n in range(8)},
}
MISSING = ("amount_07", "amount_31", "code_11", "day_03")
_WORDS = ("NA", "Exempt", "1", "2", "3", "31", "conventional", "fha", "va", "usda", "purchase", "refinance")


@dataclass(frozen=True)
class Leaf:
    """A fact held against literals, or (`share`) against a percentage of another fact."""

    operator: Literal["<=", ">=", "=", "in", "between", "is", "share"]
    facts: tuple[str, ...]
    values: tuple[Any, ...] = ()

    def emma(self) -> str:
        """In the rule language."""
        fact, shown = self.facts[0], [_sql(self.facts[0], value) for value in self.values]
        match self.operator:
            case "is":
                return fact
            case "in":
                return f"{fact} IN ({', '.join(shown)})"
            case "between":
                return f"{fact} BETWEEN {shown[0]} AND {shown[1]}"
            case "share":
                return f"{fact} * 100 <= {shown[0]} * {self.facts[1]}"
        return f"{fact} {self.operator} {shown[0]}"

    def infix(self, *, cel: bool) -> str:
        """In the words of CEL or of zen, which are nearly alike."""
        fact, shown = self.facts[0], [_json(value) for value in self.values]
        match self.operator:
            case "is":
                return fact
            case "in":
                return f"{fact} in [{', '.join(shown)}]"
            case "between":
                return f"({fact} >= {shown[0]} {'&&' if cel else 'and'} {fact} <= {shown[1]})"
            case "share":
                return f"{fact} * 100.0 <= {shown[0]} * {self.facts[1]}"
        return f"{fact} {'==' if self.operator == '=' else self.operator} {shown[0]}"

    def logic(self) -> Any:
        """As json-logic."""
        read: Any = {"var": self.facts[0]}
        match self.operator:
            case "is":
                return read
            case "in":
                return {"in": [read, list(self.values)]}
            case "between":
                return {"<=": [self.values[0], read, self.values[1]]}
            case "share":
                return {"<=": [{"*": [read, 100]}, {"*": [self.values[0], {"var": self.facts[1]}]}]}
        return {"===" if self.operator == "=" else self.operator: [read, self.values[0]]}

    def example(self, *, holds: bool) -> dict[str, Any]:
        """Facts under which it holds, or does not."""
        fact, kind = self.facts[0], FACTS[self.facts[0]]
        if self.operator == "share":
            return {fact: 1, self.facts[1]: 10**6 if holds else 0}
        if kind == "bool":
            return {fact: holds}
        if holds:
            return {fact: _day(self.values[0]) if kind == "date" else self.values[0]}
        if kind == "text":
            return {fact: "something else"}
        far = self.operator in ("<=", "between", "in", "=")
        return {fact: ("2199-12-31" if far else "1800-01-01") if kind == "date" else 10**9 if far else -(10**9)}


@dataclass(frozen=True)
class Joined:
    """Several leaves, of which all or one must hold; each reads other facts."""

    word: Literal["and", "or"]
    parts: tuple[Leaf, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """All that it reads."""
        return tuple(fact for part in self.parts for fact in part.facts)

    def emma(self) -> str:
        """In the rule language."""
        return f" {self.word.upper()} ".join(part.emma() for part in self.parts)

    def infix(self, *, cel: bool) -> str:
        """In the words of CEL or of zen."""
        word = {"and": "&&", "or": "||"}[self.word] if cel else self.word
        return f" {word} ".join(part.infix(cel=cel) for part in self.parts)

    def logic(self) -> Any:
        """As json-logic."""
        return {self.word: [part.logic() for part in self.parts]}

    def example(self, *, holds: bool) -> dict[str, Any]:
        """Facts under which it holds, or does not."""
        return {fact: value for part in self.parts for fact, value in part.example(holds=holds).items()}


Predicate = Leaf | Joined


def leaves(predicate: Predicate) -> tuple[Leaf, ...]:
    """Its parts without connectives."""
    return (predicate,) if isinstance(predicate, Leaf) else predicate.parts


def made(rules: int, *, seed: int = 115) -> tuple[dict[str, Any], list[Predicate]]:
    """A record as JSON has it (days as whole numbers, and some facts missing), and rules of which it fails a few."""
    random = Random(seed)
    record = {name: _value(kind, random) for name, kind in FACTS.items()}
    predicates = [_predicate(record, random) for _ in range(rules)]
    return {name: value for name, value in record.items() if name not in MISSING}, predicates


def in_emma(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with days in the way that Emma's door reads them."""
    return {name: _day(value) if FACTS[name] == "date" else value for name, value in record.items()}


def _value(kind: FactType, random: Random) -> Any:
    match kind:
        case "number":
            return random.choice((round(random.random(), 3), round(random.uniform(1, 9e5), 2), random.randint(1, 480)))
        case "text":
            return random.choice(_WORDS)
        case "date":
            return random.randint(2018, 2026) * 10_000 + random.randint(1, 12) * 100 + random.randint(1, 28)
    return random.random() < 0.9


def _predicate(record: Mapping[str, Any], random: Random) -> Predicate:
    count = random.choice((1, 1, 1, 2, 2, 3))
    facts = random.sample(sorted(FACTS), count)
    parts = tuple(_leaf(fact, record, random, others=facts) for fact in facts)
    return parts[0] if count == 1 else Joined(random.choice(("and", "or")), parts)


def _leaf(fact: str, record: Mapping[str, Any], random: Random, *, others: list[str]) -> Leaf:
    value, fails = record[fact], random.random() < 0.04
    match FACTS[fact]:
        case "text":
            words = [word for word in random.sample(_WORDS, random.randint(1, 8)) if word != value]
            words = words or ["other"]
            return Leaf("in", (fact,), tuple(words if fails else [value, *words]))
        case "date":
            return (
                Leaf(random.choice((">=", "<=")), (fact,), (value,)) if not fails else Leaf("=", (fact,), (20170101,))
            )
        case "bool":
            return Leaf("is", (fact,))
    if fails:
        return Leaf("<=", (fact,), (round(value / 2, 6) if value / 2 < value else value - 1,))
    numbers = [name for name, kind in FACTS.items() if kind == "number" and name not in (*others, fact)]
    match random.choice(("<=", ">=", "between", "between", "share")):
        case "share":
            other = random.choice(numbers)
            return Leaf("share", (fact, other), (float(int(value * 100 / record[other]) + 1),))
        case "between":
            return Leaf("between", (fact,), (round(value / 3, 6), round(value * 2, 6)))
        case ">=":
            return Leaf(">=", (fact,), (round(value / 1.5, 6),))
    return Leaf("<=", (fact,), (value,))


def _sql(fact: str, value: Any) -> str:
    match FACTS[fact]:
        case "text":
            return "'" + value.replace("'", "''") + "'"
        case "date":
            return f"DATE '{_day(value)}'"
    return format(value, ".6f").rstrip("0").rstrip(".")


def _json(value: Any) -> str:
    return repr(value) if isinstance(value, str) else repr(float(value))


def _day(value: int) -> str:
    return f"{value // 10_000}-{value // 100 % 100:02}-{value % 100:02}"
