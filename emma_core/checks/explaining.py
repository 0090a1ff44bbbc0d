"""Explains what an engine found not to hold: the row's own values, judged again by the closures of a turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from emma_core import canonical, rules
from emma_core.checks.benches import Bench
from emma_core.checks.lifting import Lifting, values_of
from emma_core.checks.tally import Tally
from emma_core.nouns import Finding, Outcome, Problem, Suggestion
from emma_core.nouns.table import RECORD
from emma_core.ports import Engine, Group
from emma_core.rules import CompiledRule
from emma_core.rules.tree import totals

_UNREAD = "Records that can be read"


def head(bench: Bench, lifting: Lifting) -> Iterator[Finding]:
    """What does not pass of that which the file says once: record 0 where it stands in a record of its own. Where
    that record could not be read, rules on it are left out, as they are for any other."""
    unread = any(problem.record == 0 for problem in bench.problems)
    for rule in (each for each in bench.head if not unread or each.specs.keys() <= bench.shared.keys()):
        finding = _judge(rule, bench.shared, rows=())
        if finding is not None and finding.outcome != "passed":
            finding = finding.model_copy(update={"record": 0 if bench.table.headed else None})
            yield lifting.mark(finding, rule, values_of(rule, bench.shared), bench)


def weigh(rule: CompiledRule, facts: Mapping[str, Any], bench: Bench, tally: Tally) -> None:
    """One row under one rule that an engine did not find TRUE: explained where it can be listed, counted in any
    case, unless the rule is not in force on the row's day."""
    day: date = facts["as_of"]
    if not rules.in_force(rule, day):
        return
    named = facts.get(bench.table.key or "")
    record, key = facts[RECORD], None if named is None else str(named)
    if tally.full:
        outcome, state = _outcome(rule, facts), None
        if outcome == "failed" and rule.rule.override_template is not None:
            values = values_of(rule, facts)
            state = tally.lifting.state(rule, values, (record, key), bench, lambda: _told(rule, facts)).state
        tally.count(rule.rule.id, outcome, state=state)
        return
    finding = _told(rule, facts).model_copy(update={"record": record, "key": key})
    tally.add(tally.lifting.mark(finding, rule, values_of(rule, facts), bench))


def whole(bench: Bench, engine: Engine, lifting: Lifting) -> Iterator[tuple[Finding, str]]:
    """What does not pass of the whole, with a title where it is no rule's: unread parts, absent tables and facts,
    totals, rows that are alike."""
    for problem in bench.problems:
        if problem.record is None:
            yield _of_problem(problem, bench), _UNREAD
    for rule, lacks in bench.without:
        finding = _judge(rule, {"as_of": bench.shared["as_of"]})
        if finding is not None and lacks:
            titles = ", ".join(rule.specs[name].title for name in lacks)
            said = f"{rule.rule.title}: needs {titles}, which the file does not say"
            finding = _bare(rule, "undetermined", said, bench.shared["as_of"]).model_copy(update={"missing": lacks})
        if finding is not None:
            yield finding, ""
    for rule, came in zip(bench.whole, engine.totals(bench.table, bench.whole, bench.shared), strict=True):
        if isinstance(came, Exception):
            said = f"{rule.rule.title}: could not be run: {came}"
            yield _bare(rule, "broken", said, bench.shared["as_of"]), ""
            continue
        finding = _judge(rule, bench.shared, rows=came)
        if finding is None or finding.outcome == "passed":
            continue
        if rule.rule.unique is None or finding.outcome != "failed":
            yield lifting.mark(finding, rule, values_of(rule, bench.shared) | _totals(rule, came), bench), ""
            continue
        for group in engine.alike(bench.table, rule, bench.shared):
            finding = _alike(rule, group, bench.shared)
            values = {**(finding.values or {}), "count(*)": group.count}
            yield lifting.mark(finding, rule, values, bench), ""


class Troubles:
    """The records that could not be read, told when their turn comes."""

    def __init__(self, bench: Bench) -> None:
        counted = [each for each in bench.problems if each.record is not None]
        self._left = sorted(counted, key=lambda each: -(each.record or 0))
        self._bench = bench

    def tell(self, until: int, tally: Tally) -> None:
        """Those up to this record are told."""
        while self._left and (self._left[-1].record or 0) <= until:
            tally.add(_of_problem(self._left.pop(), self._bench), _UNREAD)


def _judge(
    rule: CompiledRule, facts: Mapping[str, Any], rows: rules.Rows | rules.Totals | None = None
) -> Finding | None:
    basis = dict.fromkeys(rule.specs, "record")
    return rules.judge(rule, facts, basis=basis, as_of=facts["as_of"], rows=rows)  # type: ignore[arg-type]


def _totals(rule: CompiledRule, came: rules.Totals) -> dict[str, Any]:
    """What the rule's own totals came to, by their words; an engine may bring those of others too."""
    asked = [node for part in (rule.when, rule.require) if part is not None for node in totals(part)]
    return {node.text: came[node] for node in asked if came.get(node) is not None}


def _told(rule: CompiledRule, facts: Mapping[str, Any]) -> Finding:
    finding = _judge(rule, facts)
    return _disagreed(rule, facts["as_of"]) if finding is None or finding.outcome == "passed" else finding


def _outcome(rule: CompiledRule, facts: Mapping[str, Any]) -> Outcome:
    """What is counted of a row that an engine did not find TRUE: the same as would be told."""
    came = rules.outcome(rule, facts)
    return "broken" if came is None or came == "passed" else came


def _disagreed(rule: CompiledRule, day: date) -> Finding:
    """Fail closed: what two engines tell differently passes under neither."""
    said = f"{rule.rule.title}: could not be run: the engine and the closures do not agree; report this"
    return _bare(rule, "broken", said, day)


def _alike(rule: CompiledRule, group: Group, shared: Mapping[str, Any]) -> Finding:
    """The finding of rows that are alike; it names them."""
    finding = _judge(rule, shared, rows=(group.first, group.first)) or _disagreed(rule, shared["as_of"])
    named = ", ".join(map(str, group.records))
    more = f" and {group.count - len(group.records):,} more" if group.count > len(group.records) else ""
    return finding.model_copy(update={"message": f"{finding.message} Records {named}{more}."})


def _of_problem(problem: Problem, bench: Bench) -> Finding:
    everyone = (*bench.rows, *bench.head, *bench.whole, *(rule for rule, _ in bench.without))
    known = next((rule for rule in everyone if rule.rule.id == problem.rule), None)
    day: date = bench.shared["as_of"]
    suggestion = Suggestion(text=problem.suggestion) if problem.suggestion else None
    more: dict[str, Any] = {"record": problem.record, "fields": problem.fields or None, "suggestion": suggestion}
    if known is not None:
        return _bare(known, "failed", problem.message, day).model_copy(update=more)
    pack, _, name = problem.rule.rpartition(".")[0].partition(".")
    return Finding(
        rule=problem.rule,
        ruleset=f"{pack}/{name}",
        edition="1",
        rule_hash=canonical.sha256({"reader": problem.rule, "source": problem.source.plain()}),
        outcome="failed",
        severity="error",
        message=problem.message,
        as_of=day,
        source=problem.source,
        **more,
    )


def _bare(rule: CompiledRule, outcome: Outcome, message: str, day: date) -> Finding:
    return Finding(
        rule=rule.rule.id,
        ruleset=rule.ruleset.ruleset,
        edition=rule.ruleset.edition,
        rule_hash=rule.hash,
        outcome=outcome,
        severity=rule.rule.severity,
        message=message,
        as_of=day,
        source=rule.rule.source,
    )
