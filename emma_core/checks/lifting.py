"""Tells of each failed finding how its lifting stands: as people decided it, or as this check suggests it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from emma_core import audit, canonical, overrides
from emma_core.checks.benches import Bench
from emma_core.checks.dockets import Dockets
from emma_core.nouns import Decision, Finding, OverrideState, OverrideTemplate
from emma_core.ports import TenantStore
from emma_core.rules import CompiledRule

_PAGE = 20
"""Decisions that are read together; one may hold a hundred thousand ids."""


@dataclass(frozen=True)
class Act:
    """A decision as it stands now."""

    state: Literal["granted", "refused", "expired"]
    decision: Decision


def conversation(ruleset: str) -> str:
    """Where the trail keeps the decisions on findings of a rule set, `pack/name@edition`."""
    return f"check:{ruleset}"


async def decided(store: TenantStore, rulesets: Iterable[str], now: datetime) -> dict[str, Act]:
    """By override's id, the last sealed act that decided it. Raises `TrailError` where one is not as it was sealed.

    One pass over the acts, however many findings there are; an act whose payload was erased decides nothing.
    """
    head = await store.head()
    # a clock set back revives no grant
    now = max(now, datetime.fromisoformat(head.at)) if head else now
    acts: dict[str, Act] = {}
    for ruleset in rulesets:
        last = 0
        while page := await store.lines(conversation=conversation(ruleset), after=last, limit=_PAGE):
            for line in audit.as_sealed([each for each in page if each.kind == "decided"], tenant=store.tenant):
                body = json.loads(line.payload.body) if line.payload else {}
                if "check" not in audit.read(line).outcome or "decision" not in body:
                    continue  # a chat may bear this name too
                act = _standing(Decision.model_validate_json(canonical.text(body["decision"])), now)
                acts |= dict.fromkeys((id for found in body["findings"].values() for id, _, _ in found), act)
            last = page[-1].seq
    return acts


def _standing(decision: Decision, now: datetime) -> Act:
    over = decision.expires_at is not None and datetime.fromisoformat(decision.expires_at) <= now
    return Act("expired" if over else decision.decision, decision)


class Lifting:
    """What was decided on findings of these rules, and what this check suggests besides."""

    def __init__(
        self, acts: Mapping[str, Act], template: Callable[[str], OverrideTemplate], *, file_hash: str = ""
    ) -> None:
        self.dockets = Dockets(template)
        self._acts = acts
        self._file = file_hash

    def close(self) -> None:
        """Nothing is held."""
        self.dockets.close()

    def mark(self, finding: Finding, rule: CompiledRule, values: Mapping[str, Any], bench: Bench) -> Finding:
        """The finding with the state of its override, where it has one. `values`: all that the rule read."""
        if finding.outcome != "failed" or rule.rule.override_template is None:
            return finding
        state = self.state(rule, values, (finding.record, finding.key), bench, lambda: finding)
        return finding.model_copy(update={"override": state})

    def state(
        self,
        rule: CompiledRule,
        values: Mapping[str, Any],
        place: tuple[int | None, str | None],
        bench: Bench,
        told: Callable[[], Finding],
    ) -> OverrideState:
        """How the lifting of a failure stands; where nobody has decided, it is suggested. `place`: its record and key;
        `told`: asked for its finding where that is the first of the rule."""
        record, key = place
        id = overrides.bind({"check": self._where(record, key, bench)}, rule, values)
        act = self._acts.get(id)
        if act is None or act.state == "expired":
            self.dockets.add(rule, (id, record, None), values, told)  # the key may name a person, and the id holds it
        return OverrideState(
            template=str(rule.rule.override_template),
            state=act.state if act else "suggested",
            id=id,
            granted_by=act.decision.decided_by if act else None,
        )

    def _where(self, record: int | None, key: str | None, bench: Bench) -> dict[str, Any]:
        """What an override is of: the record by its key, the whole by its own; without a key, this very file."""
        if record:
            return {"record": key} if key else {"file": self._file, "row": record}
        return {"whole": list(bench.name)} if bench.name else {"file": self._file}


def values_of(rule: CompiledRule, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the rule reads of these facts."""
    return {name: value for name in rule.specs if (value := facts.get(name)) is not None}
