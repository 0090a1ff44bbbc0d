"""Counts what a check finds, lists as much of it as its limit lets it, and brings it to a verdict and a root."""

from __future__ import annotations

from collections.abc import Iterable

from emma_core import audit, canonical
from emma_core.checks.lifting import Lifting
from emma_core.nouns import CheckEvent, Finding, Outcome, RuleCount, VerdictWord
from emma_core.rules import CompiledRule

_DECIDED = {"granted": "lifted", "refused": "refused"}
TOGETHER = 1_000
"""How many findings are told with one event, more or less."""


def leaf(finding: Finding) -> bytes:
    """What a finding is in the Merkle tree of a report: its canonical JSON."""
    return canonical.text(finding.plain()).encode()


class Tally:
    """What was found so far."""

    def __init__(self, rules: Iterable[CompiledRule], *, limit: int | None, lifting: Lifting) -> None:
        self.lifting = lifting
        self.tree = audit.MerkleTree()
        self.records = 0
        self.of: int | None = None
        self.found = 0
        self.partial = False
        self._limit = limit
        self._by_id = {rule.rule.id: rule for rule in rules}
        self._places = {id: place for place, id in enumerate(self._by_id)}
        self._counts: dict[str, dict[str, int]] = {}
        self._strangers: dict[str, tuple[Finding, str]] = {}
        self._waiting: list[Finding] = []

    @property
    def full(self) -> bool:
        """True where no more findings are listed."""
        return self._limit is not None and self.tree.size >= self._limit

    @property
    def waits(self) -> bool:
        """True where there is enough to tell."""
        return len(self._waiting) >= TOGETHER

    def add(self, finding: Finding, title: str = "") -> None:
        """The finding is counted, and listed where there is room. `title`: of what is no rule's."""
        if finding.rule not in self._by_id:
            self._strangers.setdefault(finding.rule, (finding, title))
        self.count(
            finding.rule,
            finding.outcome,
            state=finding.override.state if finding.override else None,
        )
        if not self.full:
            self.tree.add(leaf(finding))
            self._waiting.append(finding)

    def count(self, rule: str, outcome: Outcome, *, state: str | None = None) -> None:
        """One more of that outcome. `state`: of its override, where it has one."""
        held = self._counts.setdefault(rule, {})
        for key in (outcome, _DECIDED.get(state or "")):
            if key:
                held[key] = held.get(key, 0) + 1
        self.found += 1

    def event(self) -> CheckEvent:
        """What was found since the event before."""
        told, self._waiting = tuple(self._waiting), []
        return CheckEvent(records=self.records, of=self.of, findings=told)

    def counts(self) -> tuple[RuleCount, ...]:
        """How often each rule did not pass, in the order of the rules; what is no rule's comes first."""
        ids = sorted(self._counts, key=lambda id: (self._places.get(id, -1), id))
        return tuple(self._count(id) for id in ids)

    def verdict(self) -> VerdictWord:
        """What the findings of mandatory rules come to, those beyond the limit among them."""
        weighing = [each for each in self.counts() if each.mandatory]
        failed = [each for each in weighing if each.weighs and each.severity == "error"]
        if any(each.broken for each in weighing):
            return "broken"
        if failed:
            return "needs_override" if all(each.liftable for each in failed) else "blocked"
        # what was not looked at is not known to hold
        return "needs_facts" if self.partial or any(each.undetermined for each in weighing) else "clear"

    def _count(self, id: str) -> RuleCount:
        counted = self._counts[id]
        if id in self._by_id:
            rule = self._by_id[id].rule
            return RuleCount(
                rule=id,
                title=rule.title,
                citation=rule.source.citation,
                severity=rule.severity,
                mandatory=rule.mandatory,
                liftable=rule.override_template is not None,
                **counted,
            )
        finding, title = self._strangers[id]
        return RuleCount(
            rule=id,
            title=title,
            citation=finding.source.citation,
            severity=finding.severity,
            mandatory=True,
            liftable=False,
            **counted,
        )
