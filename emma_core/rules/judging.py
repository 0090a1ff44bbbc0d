"""Hold facts against one rule and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from emma_core.nouns import Basis, FactSpec, Finding, Outcome, Span, Suggestion, Value
from emma_core.rules import closures, explain, occurrences, patterns, tree
from emma_core.rules.aggregates import ROWS, Rows, Totals, alike
from emma_core.rules.builtins import lower
from emma_core.rules.explain import Seen
from emma_core.rules.messages import fill
from emma_core.rules.rulesets import CompiledRule, outcome_of

_ASSERTED = ("extracted", "remembered")
CLASSES: Mapping[str, type] = {"text": str, "number": Decimal, "date": date, "bool": bool, "list": tuple}
"""What a fact of each type is in Python."""


def in_force(rule: CompiledRule, as_of: date) -> bool:
    """Whether the rule's effective dates, both inclusive, hold the day."""
    effective = rule.rule.effective
    return (effective.from_ is None or effective.from_ <= as_of) and (effective.to is None or as_of <= effective.to)


def judge(
    rule: CompiledRule,
    facts: Mapping[str, Any],
    *,
    basis: Mapping[str, Basis],
    as_of: date,
    rows: Rows | Totals | None = None,
) -> Finding | None:
    """What the rule says of typed facts by bare name; None where its `when` is FALSE. A file rule is given the file's
    facts and its records, or what an engine has brought them to."""
    try:
        if rows is not None:
            facts = {**facts, ROWS: rows}
        _check_types(rule.specs, facts)
        came = outcome_of(rule, facts)
        return None if came is None else _finding(rule, came, facts, basis, as_of)
    except Exception as error:  # fail closed: what cannot be run is said, never passed
        return _bare(rule, "broken", f"{rule.rule.title}: could not be run: {error}", as_of)


def outcome(rule: CompiledRule, facts: Mapping[str, Any], *, checked: bool = False) -> Outcome | None:
    """The outcome alone of what `judge` says of typed facts. `checked`: that they are typed was seen to already."""
    try:
        if not checked:
            _check_types(rule.specs, facts)
        return outcome_of(rule, facts)
    except Exception:  # fail closed, as `judge` does, which says why
        return "broken"


def fits(value: Any, kind: type) -> bool:
    """Whether a fact's value is NULL or of the Python type that its own type is."""
    return value is None or (isinstance(value, kind) and not isinstance(value, datetime))


def duplicates(rule: CompiledRule, facts: Mapping[str, Any], rows: Rows) -> tuple[tuple[int, ...], ...]:
    """The places of the records that a rule's `unique` finds alike, from 0, group by group; none for another rule."""
    node = rule.require
    if not isinstance(node, tree.Unique):
        return ()
    emit = [closures.emit(part, rule.functions, rule.tables) for part in node.subjects]
    where = None if node.where is None else closures.emit(node.where, rule.functions, rule.tables)
    return tuple(alike(emit, where, {**facts, ROWS: rows}))


def _finding(
    rule: CompiledRule, outcome: Outcome, facts: Mapping[str, Any], basis: Mapping[str, Basis], as_of: date
) -> Finding:
    if rule.absent:
        needs = f"{rule.rule.title}: needs the table {rule.absent[0]!r}, which is not installed"
        return _bare(rule, outcome, needs, as_of)
    _, seen = explain.deciding(rule.whole, facts)
    facts = {**facts, **_shared(rule, facts)}
    outside = tuple(dict.fromkeys(name for each in seen for name in each.leaf.names))
    said = {name: facts[name] for name in outside if facts.get(name) is not None} | _shared(rule, facts)
    bases = {name: basis[name] for name in said if name in basis}
    missing = tuple(name for name in outside if facts.get(name) is None)
    inside = [name for each in seen for total in each.leaf.totals for name in tree.names(total)]
    fields = tuple(dict.fromkeys((*outside, *inside)))
    said |= {text: value for text, value in _totals(seen, facts).items() if value is not None}
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
    if rule.of_file:
        return f"{title}: needs records that say what it adds up"
    titles = ", ".join(spec.title for spec in rule.specs.values())
    return f"{title}: needs {titles} in a form that can be read"


def _totals(seen: tuple[Seen, ...], facts: Mapping[str, Any]) -> dict[str, Value | None]:
    """What the records came to, by the words that ask for it."""
    found = [
        (total, decide)
        for each in seen
        for total, decide in each.leaf.totals.items()
        if isinstance(total, tree.Aggregate)
    ]
    return {total.text: decide(facts) for total, decide in found}


def _shared(rule: CompiledRule, facts: Mapping[str, Any]) -> dict[str, Value]:
    """The values that the first records share which a rule's `unique` finds alike."""
    node, rows = rule.require, facts.get(ROWS, ())
    if not isinstance(node, tree.Unique) or isinstance(rows, Mapping):
        return {}
    groups = duplicates(rule, facts, rows)
    first = rows[groups[0][0]] if groups else {}
    return {name: first[name] for part in node.subjects for name in tree.names(part) if name in first}


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
    rows = facts.get(ROWS, ())
    for row in () if isinstance(rows, Mapping) else rows:
        _check_types(specs, row)
    for name, spec in specs.items():
        value = facts.get(name)
        if not fits(value, CLASSES[spec.type]):
            raise TypeError(f"fact {name!r} came as a {type(value).__name__}, not as a {spec.type}")
