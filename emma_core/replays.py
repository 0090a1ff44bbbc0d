"""The hall of a replay: recorded turns are judged again with what is installed, and nothing is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from emma_core import audit, blueprints, facts, judging, overrides, retrieval, rules
from emma_core.blueprints import Prepared
from emma_core.errors import EmmaError, NotFound
from emma_core.nouns import Blueprint, Caller, Fact, Finding, OverrideState, TrailLine, Value
from emma_core.ports import TenantStore
from emma_core.runtime import House

PAGE = 100
"""Lines held in memory at once; a payload may be large."""


class Replays:
    """What one caller may have judged again at one tenant."""

    def __init__(self, house: House, caller: Caller, admitted: Callable[..., Awaitable[None]]) -> None:
        self._house = house
        self._store: TenantStore = house.store.for_tenant(caller.tenant)
        self._admitted = admitted
        self._found: dict[tuple[str, str, date], _Found] = {}

    async def turn(self, id: str) -> audit.Replayed:
        """That turn, judged again. Raises `NotFound` where this trail has none of that id."""
        await self._admitted()
        line = next((line for line in await self._store.lines(turn=id) if line.kind == "judged"), None)
        if line is None:
            raise NotFound(f"No turn {id!r} is on this trail; `emma audit show` tells those there are")
        return await self._again(line)

    async def all(self, *, since: date | None = None) -> AsyncGenerator[audit.Replayed, None]:
        """Every turn up to the head of this moment, judged again, in order. `since`: from that day on, in UTC."""
        await self._admitted()
        head, last = await self._store.head(), 0
        while head and last < head.seq and (page := await self._store.lines(after=last, limit=PAGE)):
            last = page[-1].seq
            for line in page:
                if line.kind == "judged" and line.seq <= head.seq and (not since or line.at[:10] >= since.isoformat()):
                    yield await self._again(line)

    @property
    def predicates(self) -> Mapping[str, str]:
        """By hash, the condition of every rule that turns were judged by again so far."""
        prepared = (each.prepared for each in self._found.values())
        return {one.hash: audit.predicate(one) for each in prepared for one in each.by_id.values()}

    async def _again(self, line: TrailLine) -> audit.Replayed:
        try:
            audit.as_sealed([line], tenant=self._store.tenant)
            then = audit.judgement(line)
            return audit.compare(then, _judged(then, await self._as_asked(then)))
        except (EmmaError, ValueError) as error:  # one that cannot be judged again keeps no other from it
            return audit.unknown(line, str(error))

    async def _as_asked(self, then: audit.Judgement) -> _Found:
        """The blueprint that was asked, where it is to be found to the hash; else what its address means now."""
        key = (then.ask.blueprint, then.hash, then.ask.as_of)
        if key not in self._found:
            self._found[key] = await self._find(then)
        return self._found[key]

    async def _find(self, then: audit.Judgement) -> _Found:
        packs, day = self._house.packs, then.ask.as_of
        versions = await blueprints.versions(self._store, then.blueprint)
        if of_then := next((each.blueprint for each in versions if each.hash == then.hash), None):
            return _Found(blueprints.prepare(of_then, packs, as_of=day), ())
        prepared = blueprints.prepare(await self._at_its_address(then), packs, as_of=day)
        for each in versions if prepared.hash != then.hash else ():  # its label stood elsewhere
            other = blueprints.prepare(each.blueprint, packs, as_of=day)
            if other.hash == then.hash:
                return _Found(other, ())
        return _Found(prepared, tuple(_doubts(then, prepared)))

    async def _at_its_address(self, then: audit.Judgement) -> Blueprint:
        published = await blueprints.resolve(self._store, then.ask.blueprint, sealed=audit.as_sealed)
        if published is not None:
            return published.blueprint
        return blueprints.find(self._house.packs, self._house.settings.blueprints, then.ask.blueprint)


@dataclass(frozen=True)
class _Found:
    prepared: Prepared
    notes: tuple[str, ...]


def _doubts(then: audit.Judgement, prepared: Prepared) -> Iterator[str]:
    """What is to be said of a blueprint whose hash is another one than that of the turn."""
    if prepared.hash == then.hash:
        return
    if prepared.packs == then.packs:
        yield f"blueprint {then.blueprint!r} changed: hash {then.hash[:12]} then, and {prepared.hash[:12]} now"
    else:
        yield (
            f"blueprint {then.blueprint!r} is read as it stands now: its hash covers its packs too, so it does not tell"
            " whether the blueprint itself changed; publish blueprints, and it does"
        )


def _judged(then: audit.Judgement, found: _Found) -> audit.Again:
    """What comes of the recorded facts under a blueprint: every mandatory rule, and the advisory ones shown then."""
    prepared = found.prepared
    known = facts.restore(prepared.models, then.facts)
    held = {fact.name for fact in known}
    lost = [str(each["name"]) for each in then.facts if each["name"] not in held]
    days = judging.dates(prepared, known, then.ask.as_of)
    apply, left_out = retrieval.applicable(prepared.rulesets, "ask", days)
    chosen = [one for one in apply if one.rule.mandatory or one.rule.id in then.shown]
    findings = tuple(_findings(then, prepared, known, days, chosen))
    seen = {*then.shown, *then.left_out}
    unseen = [one.rule.id for one in apply if not one.rule.mandatory and one.rule.id not in seen]
    return audit.Again(
        hash=prepared.hash,
        packs=prepared.packs,
        findings=findings,
        verdict=rules.verdict(findings, prepared.by_id, on_warning=prepared.blueprint.rules.on_warning),
        rules=prepared.by_id,
        left_out=tuple(left_out),
        notes=(
            *found.notes,
            *(f"fact {name!r} was known then, and no rule in use reads it now" for name in lost),
            *(f"advisory rule {id!r} is new; whether it would have been shown is not told" for id in unseen),
        ),
    )


def _findings(
    then: audit.Judgement,
    prepared: Prepared,
    known: Sequence[Fact],
    days: Mapping[str, date],
    chosen: Sequence[rules.CompiledRule],
) -> Iterator[Finding]:
    text: dict[str, Value] = {"text": then.ask.words}
    for finding in judging.judge(prepared, known, days, chosen=chosen, judged=text):
        rule = prepared.by_id[finding.rule]
        yield _as_it_stood(finding, then, rule, judging.read_by(rule, known, days, text))


def _as_it_stood(
    finding: Finding, then: audit.Judgement, rule: rules.CompiledRule, values: Mapping[str, Value]
) -> Finding:
    """The finding with its override as it stood at the turn, where it is bound to the same rule and values."""
    if finding.outcome != "failed" or rule.rule.override_template is None:
        return finding
    read = {name: values[name] for name in rule.specs if name in values}
    bound = overrides.bind({"conversation": then.ask.conversation, "subject": then.ask.subject}, rule, read)
    was = then.findings.get(finding.rule, {}).get("override")
    state = OverrideState(template=rule.rule.override_template, state="suggested", id=bound)
    if was and was["id"] == bound:
        state = OverrideState.model_validate(was)
    return finding.model_copy(update={"override": state})
