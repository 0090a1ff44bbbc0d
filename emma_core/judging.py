"""Step three without a turn: holds facts against the rules that apply, for a turn as it happens or one judged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from emma_core import facts, rules
from emma_core.blueprints import Prepared
from emma_core.nouns import Fact, Finding, Value


def dates(prepared: Prepared, known: Iterable[Fact], as_of: date) -> dict[str, date]:
    """By rule set, the date its effective dates are held against; what words assert never moves it."""
    firm = {fact.name: fact.value for fact in known if fact.basis in ("given", "record")}
    found = {}
    for each in prepared.rulesets:
        named = firm.get(f"{each.ruleset.facts}.{each.ruleset.as_of}")
        found[each.ruleset.ruleset] = named if isinstance(named, date) else as_of
    return found


def judge(
    prepared: Prepared,
    known: Iterable[Fact],
    days: Mapping[str, date],
    *,
    chosen: Iterable[rules.CompiledRule],
    judged: Mapping[str, Value],
) -> tuple[Finding, ...]:
    """What the chosen rules say of what is known, in their order; of one whose `when` is FALSE nothing.

    `days`: as `dates` says. `judged`: what is held against the rules besides the facts: the words, or a call's name
    and arguments.
    """
    findings = []
    held = tuple(known)
    of = {model: facts.of_model(held, model) for model in prepared.models}
    for rule in chosen:
        values, basis = of[rule.ruleset.facts]
        day = days[rule.ruleset.ruleset]
        finding = rules.judge(rule, {**values, "as_of": day, **judged}, basis=basis, as_of=day)
        if finding is not None:
            findings.append(_without_text(finding))
    return tuple(findings)


def read_by(
    rule: rules.CompiledRule, known: Iterable[Fact], days: Mapping[str, date], judged: Mapping[str, Value]
) -> dict[str, Value]:
    """All that the rule can read: its model's facts, the date it is read at, and what is judged."""
    values, _ = facts.of_model(known, rule.ruleset.facts)
    return {**values, "as_of": days[rule.ruleset.ruleset], **judged}


def _without_text(finding: Finding) -> Finding:
    """The finding without the whole of what was judged: the turn holds it already, and the spans say where."""
    if "text" not in (finding.values or {}):
        return finding
    values = {name: value for name, value in (finding.values or {}).items() if name != "text"}
    return finding.model_copy(update={"values": values or None})
