"""Step one: gathers the facts of a turn, each with its basis; what is given outranks what words assert."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from emma_core import rules
from emma_core.errors import CallerError
from emma_core.nouns import Basis, Extracted, Fact, FactSpec, FactType, Finding, Need, Span, Value

Models = Mapping[str, Mapping[str, FactSpec]]
"""The facts models in use, by name."""

_RANK: dict[Basis, int] = {"given": 0, "record": 1, "extracted": 2, "remembered": 3}
_LOG = logging.getLogger("emma")


def given(models: Models, raw: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The facts an app gives, typed. Raises `CallerError` naming the fact that no rule reads, or does not fit."""
    facts: list[Fact] = []
    unread = set(raw)
    for model, specs in models.items():
        bare = {name: name.removeprefix(f"{model}.") for name in raw}
        known = {name: specs[bare[name]] for name in raw if bare[name] in specs}
        read = rules.read_values(known, {name: raw[name] for name in known})
        facts += [Fact(name=_full(model, bare[name]), value=value, basis="given") for name, value in read.items()]
        unread -= known.keys()
    for name in raw:
        if name in unread:
            declared = sorted({bare for specs in models.values() for bare in specs})
            near = difflib.get_close_matches(name.rpartition(".")[2].lower(), declared, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {declared}"
            raise CallerError(f"Fact {name!r}: no rule in use reads it{hint}")
    return tuple(facts)


def extracted(models: Models, words: str, readings: Iterable[Extracted], asked: Sequence[Need]) -> tuple[Fact, ...]:
    """The facts that the words assert: what extractors read, and a bare value for what was asked last.

    A reading that its fact's type or words do not admit is left out and logged: the fact stays missing.
    """
    facts: dict[str, Fact] = {}
    for reading in readings:
        for model, bare in _homes(models, reading.fact):
            spec = models[model][bare]
            try:
                value = rules.read_value(spec.type, reading.value, name=reading.fact, values=spec.values)
            except CallerError as error:
                _LOG.warning("an extractor's reading was left out: %s", error)
                continue
            span = Span(field="text", start=reading.start, end=reading.end, kind="extracted")
            facts[_full(model, bare)] = Fact(name=_full(model, bare), value=value, basis="extracted", span=span)
    answer = _answer(models, words, asked)
    if answer is not None:
        facts.setdefault(answer.name, answer)
    return tuple(facts.values())


def _answer(models: Models, words: str, asked: Sequence[Need]) -> Fact | None:
    """The bare value that the words are, for the first of what was asked that it fits."""
    for need in asked:
        model, _, bare = need.fact.rpartition(".")
        spec = models.get(model, {}).get(bare)
        value = bare_value(spec, words.strip()) if spec else None
        if value is not None:
            start = len(words) - len(words.lstrip())
            span = Span(field="text", start=start, end=start + len(words.strip()), kind="extracted")
            return Fact(name=need.fact, value=value, basis="extracted", span=span)
    return None


def settle(*layers: Iterable[Fact]) -> tuple[Fact, ...]:
    """One fact a name: the best basis wins, within it the newer; layers stand from the oldest to the newest."""
    best: dict[str, Fact] = {}
    for layer in layers:
        for fact in layer:
            held = best.get(fact.name)
            if held is None or _RANK[fact.basis] <= _RANK[held.basis]:
                best[fact.name] = fact
    return tuple(best[name] for name in sorted(best))


def remembered(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts of an earlier turn as they count now: what was given or recorded keeps its basis."""
    return tuple(
        fact if fact.basis in ("given", "record") else fact.model_copy(update={"basis": "remembered", "span": None})
        for fact in facts
    )


def restore(models: Models, kept: Iterable[Mapping[str, Any]]) -> tuple[Fact, ...]:
    """Facts as a trail's payload kept them, typed again; those that no model in use declares any more are left out."""
    facts = []
    for raw in kept:
        model, _, bare = str(raw["name"]).rpartition(".")
        spec = models.get(model, {}).get(bare)
        if spec is None:
            continue
        value = Decimal(raw["value"]) if spec.type == "number" and isinstance(raw["value"], str) else raw["value"]
        typed = rules.read_value(spec.type, value, name=bare, values=spec.values)
        facts.append(Fact(name=raw["name"], value=typed, basis=raw["basis"]))
    return tuple(facts)


def of_model(facts: Iterable[Fact], model: str) -> tuple[dict[str, Value], dict[str, Basis]]:
    """What one facts model knows: values and bases by bare name."""
    values: dict[str, Value] = {}
    bases: dict[str, Basis] = {}
    for fact in facts:
        home, _, bare = fact.name.rpartition(".")
        if home == model:
            values[bare], bases[bare] = fact.value, fact.basis
    return values, bases


def needs(findings: Iterable[Finding], by_id: Mapping[str, rules.CompiledRule]) -> tuple[Need, ...]:
    """What nobody has said, each fact once with the question to ask; those of mandatory rules first."""
    waiting: dict[str, list[str]] = {}
    specs: dict[str, FactSpec] = {}
    for finding in sorted(findings, key=lambda finding: not by_id[finding.rule].rule.mandatory):
        rule = by_id[finding.rule]
        for bare in (finding.missing or ()) if finding.outcome == "undetermined" else ():
            if bare in rule.specs:
                full = _full(rule.ruleset.facts, bare)
                specs[full] = rule.specs[bare]
                waiting.setdefault(full, []).append(finding.rule)
    return tuple(
        Need(
            fact=full,
            type=spec.type,
            title=spec.title,
            question=_question(spec),
            rules=tuple(waiting[full]),
        )
        for full, spec in specs.items()
    )


def _question(spec: FactSpec) -> str:
    quotes = spec.type == "list" or (spec.type == "text" and not spec.values)
    return (spec.question or f"What is the {spec.title}?") + (" (Put it in quotation marks.)" if quotes else "")


_NUMBER = re.compile(r"(\$ ?)?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)? ?(%|percent|[a-z]+)?[.!]?", re.IGNORECASE)
_OPENING = re.compile(
    r"^(?:(?:it['’]?s|it is|actually|sorry|correction|no|i mean|make that|make it)[,:]?\s+)+(?=[\w$“\"])", re.IGNORECASE
)
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_US_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NAMED_DATE = re.compile(
    rf"(?:{_MONTH} ([0-9]{{1,2}})(?:st|nd|rd|th)?,?|([0-9]{{1,2}})(?:st|nd|rd|th)? {_MONTH},?) ([0-9]{{4}})",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]")
_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def bare_value(spec: FactSpec, words: str) -> Value | None:
    """The value that words say when they say nothing else: `41%`, `$3,200`, `no`, `2024-03-05`; None otherwise.

    Free text and lists count only in quotation marks.
    """
    raw = _READERS[spec.type](spec, _OPENING.sub("", words))
    if raw is None:
        return None
    try:
        return rules.read_value(spec.type, raw, name=spec.title, values=spec.values)
    except CallerError:  # the words are no such value: they are an ordinary sentence
        return None


def _number(spec: FactSpec, words: str) -> Decimal | None:
    first, _, rest = words.partition(" ")
    if first.lower().rstrip(".!") in ("none", *_WORDS):  # "none", "three months"
        count = 0 if first.lower().startswith("none") else _WORDS.index(first.lower().rstrip(".!"))
        words = f"{count} {rest}".strip()
    said = _NUMBER.fullmatch(words)
    if said is None:
        return None
    dollars, whole, fraction, unit = said.groups()
    value = Decimal(whole.replace(",", "") + (fraction or ""))
    unit = (unit or "").lower()
    if unit in ("%", "percent"):  # less than 1% is as likely a slip for the ratio itself: 0.41% for 0.41
        return value / 100 if spec.unit == "ratio" and value >= 1 else None
    if unit and unit.rstrip("s") != spec.unit.rstrip("s").lower():
        return None
    if dollars and spec.unit != "USD":
        return None
    if spec.unit == "ratio" and value > 1:  # "41" answers a ratio as 41%; "4" could be anything
        return value / 100 if value >= 10 else None
    return value


def _date(spec: FactSpec, words: str) -> str | None:
    bare = words.rstrip(".!")
    if said := _US_DATE.fullmatch(bare):
        year = said[3] if len(said[3]) == 4 else f"20{said[3]}"
        return f"{year}-{int(said[1]):02}-{int(said[2]):02}"
    if said := _NAMED_DATE.fullmatch(bare):
        month = _MONTHS.index((said[1] or said[4])[:3].lower()) + 1
        return f"{said[5]}-{month:02}-{int(said[2] or said[3]):02}"
    try:
        return date.fromisoformat(bare).isoformat() if len(bare) == 10 else None
    except ValueError:
        return None


def _text(spec: FactSpec, words: str) -> str | None:
    if not spec.values:  # any sentence could be the text: only what stands in quotation marks is
        said = _QUOTED.fullmatch(words)
        return said[1] if said else None
    bare = words.rstrip(".!")
    return next((value for value in spec.values if value.lower() == bare.lower()), None)


_READERS: dict[FactType, Any] = {
    "number": _number,
    "date": _date,
    "bool": lambda spec, words: _YES.get(words.rstrip(".!").lower()),
    "text": _text,
    "list": lambda spec, words: _QUOTED.findall(words) if not _QUOTED.sub("", words).strip(" ,") else None,
}


def _homes(models: Models, name: str) -> list[tuple[str, str]]:
    """Every model in use that a bare name fills, or the one that a full name names."""
    return [(model, bare) for model, bare in _all(models) if name in (bare, _full(model, bare))]


def _all(models: Models) -> list[tuple[str, str]]:
    return [(model, bare) for model, specs in models.items() for bare in specs]


def _full(model: str, bare: str) -> str:
    return f"{model}.{bare}"
