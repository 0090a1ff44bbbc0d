"""Hold facts against one rule and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from emma_core.nouns import Basis, FactSpec, Finding, Outcome, Span, Suggestion, Value
from emma_core.rules import explain, occurrences, patterns, tree
from emma_core.rules.builtins import lower
from emma_core.rules.explain import Seen
from emma_core.rules.messages import fill
from emma_core.rules.rulesets import CompiledRule, outcome_of

_ASSERTED = ("extracted", "remembered")
_CLASSES: Mapping[str, type] = {"text": str, "number": Decimal, "date": date, "bool": bool, "list": tuple}


@dataclass(frozen=True)
class LeafReport:
    """One leaf of a rule under facts, for people."""

    key: str
    """`when` or `require`."""
    text: str
    outcome: bool | None
    """TRUE, FALSE, or None for NULL."""
    values: Mapping[str, Value | None]
    """The facts in it; None where nobody has said."""
    decides: bool
    """Whether it is among those that decided the outcome."""
    line: int
    column: int


def in_force(rule: CompiledRule, as_of: date) -> bool:
    """Whether the rule's effective dates, both inclusive, hold the day."""
    effective = rule.rule.effective
    return (effective.from_ is None or effective.from_ <= as_of) and (effective.to is None or as_of <= effective.to)


def judge(rule: CompiledRule, facts: Mapping[str, Any], *, basis: Mapping[str, Basis], as_of: date) -> Finding | None:
    """What the rule says of typed facts by bare name; None where its `when` is FALSE."""
    try:
        _check_types(rule.specs, facts)
        outcome = outcome_of(rule, facts)
        return None if outcome is None else _finding(rule, outcome, facts, basis, as_of)
    except Exception as error:  # fail closed: what cannot be run is said, never passed
        return _bare(rule, "broken", f"{rule.rule.title}: could not be run: {error}", as_of)


def explain_tree(rule: CompiledRule, facts: Mapping[str, Any]) -> tuple[LeafReport, ...]:
    """Every leaf of the rule under typed facts, in the order of the text, and which of them decide."""
    _, seen = explain.deciding(rule.whole, facts)
    decided = {id(each.leaf) for each in seen}
    required = {id(each.leaf) for each in explain.leaves(rule.required, facts)}
    return tuple(
        LeafReport(
            key="require" if id(each.leaf) in required else "when",
            text=each.leaf.node.text,
            outcome=each.outcome,
            values={name: facts.get(name) for name in each.leaf.names},
            decides=id(each.leaf) in decided,
            line=each.leaf.node.place.line,
            column=each.leaf.node.place.column,
        )
        for each in explain.leaves(rule.whole, facts)
    )


def _finding(
    rule: CompiledRule, outcome: Outcome, facts: Mapping[str, Any], basis: Mapping[str, Basis], as_of: date
) -> Finding:
    if rule.absent:
        needs = f"{rule.rule.title}: needs the table {rule.absent[0]!r}, which is not installed"
        return _bare(rule, outcome, needs, as_of)
    _, seen = explain.deciding(rule.whole, facts)
    fields = tuple(dict.fromkeys(name for each in seen for name in each.leaf.names))
    said = {name: facts[name] for name in fields if facts.get(name) is not None}
    bases = {name: basis[name] for name in said if name in basis}
    missing = tuple(name for name in fields if facts.get(name) is None)
    failed = outcome == "failed"
    return _bare(
        rule,
        outcome,
        _message(rule, outcome, facts, missing, asserted=any(each in _ASSERTED for each in bases.values())),
        as_of,
        values=said or None,
        fields=fields or None,
        basis=bases or None,
        missing=(missing or None) if outcome == "undetermined" else None,
        spans=_spans(seen, facts) if failed else None,
        suggestion=Suggestion(text=rule.rule.suggestion) if failed and rule.rule.suggestion else None,
        would_pass=explain.would_pass(rule.required, facts) if failed else None,
    )


def _bare(rule: CompiledRule, outcome: Outcome, message: str, as_of: date, **known: Any) -> Finding:
    return Finding(
        rule=rule.rule.id,
        ruleset=rule.ruleset.ruleset,
        edition=rule.ruleset.edition,
        rule_hash=rule.hash,
        outcome=outcome,
        severity=rule.rule.severity,
        message=message,
        as_of=as_of,
        source=rule.rule.source,
        **known,
    )


def _message(
    rule: CompiledRule, outcome: Outcome, facts: Mapping[str, Any], missing: tuple[str, ...], *, asserted: bool
) -> str:
    title = rule.rule.title
    if outcome == "failed":
        return fill(rule.rule.message, facts)
    if outcome == "passed":
        return f"{title}: holds, as asserted" if asserted else f"{title}: holds"
    if missing:
        return f"{title}: needs {', '.join(rule.specs[name].title for name in missing)}"
    titles = ", ".join(spec.title for spec in rule.specs.values())
    return f"{title}: needs {titles} in a form that can be read"


def _spans(seen: tuple[Seen, ...], facts: Mapping[str, Any]) -> tuple[Span, ...] | None:
    """Where a text that may not match does."""
    spans = []
    for leaf, outcome in seen:
        call = leaf.node
        if not isinstance(call, tree.Call) or call.function not in ("matches", "contains") or not outcome:
            continue
        subject, sought = call.arguments
        lowered = isinstance(subject, tree.Call) and subject.function == "lower"
        name = subject.arguments[0] if isinstance(subject, tree.Call) and lowered else subject
        if not isinstance(name, tree.Name) or not isinstance(sought, tree.Literal):
            continue
        text = lower(facts[name.name]) if lowered else facts[name.name]
        found = (
            occurrences.of_pattern(patterns.read(str(sought.value)), text)
            if call.function == "matches"
            else occurrences.of_word(str(sought.value), text)
        )
        spans += [Span(field=name.name, start=start, end=end, kind="matched") for start, end in found]
    return tuple(spans) or None


def _check_types(specs: Mapping[str, FactSpec], facts: Mapping[str, Any]) -> None:
    for name, spec in specs.items():
        value = facts.get(name)
        if value is not None and (not isinstance(value, _CLASSES[spec.type]) or isinstance(value, datetime)):
            raise TypeError(f"fact {name!r} came as a {type(value).__name__}, not as a {spec.type}")
