"""The hall of a turn: its five steps in order. Read this first.

1 blueprint and facts   2 the rules that apply   3 findings   4 overrides   judged   the agent   5 answered | stopped
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from emma_core import agent, audit, blueprints, facts, judging, memory, overrides, retrieval, rules
from emma_core.blueprints import Prepared
from emma_core.errors import BlueprintError, Conflict, ModelError
from emma_core.nouns import (
    Ask,
    Caller,
    Extracted,
    Fact,
    Finding,
    Moment,
    Override,
    Turn,
    TurnEvent,
    Value,
)
from emma_core.packs import Packs
from emma_core.ports import Blobs, Cache, Guard, Jobs, Model, Registry, Secrets, TenantStore, Words
from emma_core.settings import Settings
from emma_core.subjects import SubjectStore

_LOG = logging.getLogger("emma")


@dataclass(frozen=True)
class House:
    """All that is opened once and shared by every turn."""

    settings: Settings
    """As they were given: a `{secret:name}` in an address stands there as it was written."""
    packs: Packs
    secrets: Secrets
    blobs: Blobs
    cache: Cache
    store: SubjectStore
    registry: Registry
    index: Words
    jobs: Jobs
    clock: Callable[[], datetime]
    signing_key: str = field(default="", repr=False)
    """What signs checkpoints, its secret read."""
    walks: dict[str, Any] = field(default_factory=dict)
    """By tenant, how far its trail was walked for the last checkpoint, and the tree over it."""
    models: dict[str, Model] = field(default_factory=dict)
    collections: dict[str, str] = field(default_factory=dict)
    """By blueprint hash, the collection its rules' words are searched in."""


@dataclass(frozen=True)
class _Trip:
    """What step one settles and every later step reads."""

    house: House
    caller: Caller
    store: TenantStore
    ask: Ask
    turn: str
    prepared: Prepared
    model: Model
    recalled: memory.Memory
    known: tuple[Fact, ...]
    dates: Mapping[str, date]
    """By rule set, the date that its effective dates are held against."""


async def stream(
    house: House, caller: Caller, ask: Ask, given: Mapping[str, Any], store: TenantStore
) -> AsyncGenerator[TurnEvent, None]:
    """The turn as it happens; its last event is `answered` or `stopped` and carries the whole turn.

    `given`: the ask's facts as the app gave them. `store`: the caller's tenant's, all that the turn reaches. What is
    raised before `judged` left nothing behind; after it, the trail says how the turn ended, whatever happens.
    """
    trip = await _set_out(house, caller, ask, given, store)  # 1: the blueprint, its packs; the facts with their basis
    id = trip.turn
    yield TurnEvent(step="facts", turn=id, facts=trip.known)

    found = await _retrieve(trip)  # 2: the rules that apply, nearest first
    yield TurnEvent(step="retrieved", turn=id, retrieved=found.retrieved, left_out=found.left_out)

    findings = _judge(trip, found.rules, {"text": ask.words})  # 3: each with the values it compared
    yield TurnEvent(step="findings", turn=id, findings=findings)

    record = _record(trip)
    try:
        turn = await _settle(trip, record, found, findings)  # 4: overrides, verdict: on paper before a word is spoken
        yield TurnEvent(
            step="judged",
            turn=id,
            findings=turn.findings,
            verdict=turn.verdict,
            needs=turn.needs,
            overrides=turn.overrides,
            sealed=turn.trail[0],
        )
        spoken = await _speak(trip, turn)  # the agent speaks, knowing the findings; its words are held against rules
        turn = await _end(record, turn, spoken)  # 5: the end, on the trail
    except (asyncio.CancelledError, GeneratorExit):
        await record.stop("abandoned: the caller left before the end")
        raise
    except Exception as error:
        await record.stop(f"error: {type(error).__name__}")
        raise
    yield TurnEvent(step="stopped" if turn.stopped else "answered", turn=id, sealed=turn.trail[-1], whole=turn)


async def _set_out(house: House, caller: Caller, ask: Ask, given: Mapping[str, Any], store: TenantStore) -> _Trip:
    where = (store, house.packs, house.settings.blueprints)
    prepared = await blueprints.load(*where, ask.blueprint, as_of=ask.as_of, sealed=audit.as_sealed)
    model = _model(house, prepared)
    turns = prepared.blueprint.memory.turns
    lines = await store.lines(conversation=ask.conversation, newest_first=True, limit=4 * turns) if turns else []
    recalled = memory.recall(audit.as_sealed(lines, tenant=caller.tenant), turns=turns)
    known = _gather(prepared, ask, given, recalled)
    turn, dates = f"t-{secrets.token_hex(12)}", judging.dates(prepared, known, ask.as_of)
    return _Trip(house, caller, store, ask, turn, prepared, model, recalled, known, dates)


def _model(house: House, prepared: Prepared) -> Model:
    named = prepared.blueprint.model
    address = house.settings.model if named == "default" else named
    if named != "default" and "?" in named:  # an author may choose a model, and not where this house's keys are sent
        raise BlueprintError(f"Blueprint {prepared.blueprint.id!r}: model: only EMMA_MODEL may say more than a name")
    if address not in house.models:
        house.models[address] = house.packs.backend("model", address)
    model = house.models[address]
    if prepared.blueprint.limits.usd is not None and model.usd_per_token is None:
        raise BlueprintError(
            f"Blueprint {prepared.blueprint.id!r}: limits.usd: nobody said what a token of {address!r} costs;"
            " limit tokens instead"
        )
    return model


def _gather(prepared: Prepared, ask: Ask, given: Mapping[str, Any], recalled: memory.Memory) -> tuple[Fact, ...]:
    models = prepared.models
    readings: list[Extracted] = []
    for pack, extractor in prepared.extractors:
        try:
            read = tuple(extractor(ask.words))
            if not all(isinstance(each, Extracted) for each in read):
                raise TypeError(f"it returned {read!r:.80} and not emma_core.Extracted values")
            readings += read
        except (Exception, SystemExit) as error:  # a stranger's reader: what it did not read is missing, and asked for
            _LOG.warning("pack %r: an extractor raised %s: %s", pack, type(error).__name__, error)
    earlier = [facts.remembered(facts.restore(models, kept)) for kept in recalled.facts]
    asserted = facts.extracted(models, ask.words, readings, recalled.asked)
    return facts.settle(*earlier, asserted, facts.given(models, given))


async def _retrieve(trip: _Trip) -> retrieval.Selection:
    index, prepared = trip.house.index, trip.prepared
    if prepared.hash not in trip.house.collections:
        trip.house.collections[prepared.hash] = await retrieval.prepare(prepared.rulesets, index)
    apply, out_of_force = retrieval.applicable(prepared.rulesets, "ask", trip.dates)
    return await retrieval.select(
        apply,
        out_of_force,
        words=trip.ask.words,
        index=index,
        collection=trip.house.collections[prepared.hash],
        top_k=prepared.blueprint.retrieval.top_k,
    )


def _judge(trip: _Trip, chosen: Iterable[rules.CompiledRule], judged: Mapping[str, Value]) -> tuple[Finding, ...]:
    """`judged`: what is held against the rules besides the facts: the words, or a call's name and arguments."""
    return judging.judge(trip.prepared, trip.known, trip.dates, chosen=chosen, judged=judged)


async def _settle(
    trip: _Trip, record: audit.TurnRecord, found: retrieval.Selection, findings: Sequence[Finding]
) -> Turn:
    """The turn as judged and sealed, with its overrides as they stand; tried again where someone decides meanwhile."""
    for _ in range(5):
        marked, standing, new = await _overrides(trip, record.store, findings)
        turn = _judged(trip, found, marked, standing)
        puts = [overrides.document(override) for override in new]
        seconds = trip.prepared.blueprint.limits.seconds
        try:
            sealed = await record.judge(turn, puts, model=trip.model.name, seconds=seconds)
        except Conflict:
            continue
        return turn.model_copy(update={"trail": (sealed,)})
    raise Conflict(f"Conversation {trip.ask.conversation!r}: its overrides keep changing; ask again")


def _record(trip: _Trip) -> audit.TurnRecord:
    return audit.TurnRecord(
        trip.store,
        turn=trip.turn,
        caller=trip.caller.user,
        conversation=trip.ask.conversation,
        subject=trip.ask.subject,
        clock=trip.house.clock,
    )


def _judged(
    trip: _Trip, found: retrieval.Selection, findings: tuple[Finding, ...], standing: tuple[Override, ...]
) -> Turn:
    blueprint = trip.prepared.blueprint
    return Turn(
        id=trip.turn,
        tenant=trip.caller.tenant,
        caller=trip.caller.user,
        blueprint=blueprint.id,
        blueprint_hash=trip.prepared.hash,
        packs=trip.prepared.packs,
        ask=trip.ask,
        facts=trip.known,
        retrieved=found.retrieved,
        left_out=found.left_out,
        findings=findings,
        verdict=rules.verdict(findings, trip.prepared.by_id, on_warning=blueprint.rules.on_warning),
        needs=facts.needs(findings, trip.prepared.by_id),
        overrides=standing,
    )


async def _overrides(
    trip: _Trip, store: TenantStore, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], tuple[Override, ...], list[Override]]:
    """The findings with the state of their overrides, the overrides, and those of them that are new."""
    marked, found, new = [], [], []
    now = trip.house.clock()
    for finding in findings:
        rule = trip.prepared.by_id[finding.rule]
        if finding.outcome != "failed" or rule.rule.override_template is None:
            marked.append(finding)
            continue
        template = trip.house.packs.template(rule.rule.override_template)
        values = judging.read_by(rule, trip.known, trip.dates, {"text": trip.ask.words})
        override = overrides.suggest(
            finding, rule, template, values=values, ask=trip.ask, caller=trip.caller.user, now=now
        )
        if await store.get(overrides.KIND, override.id) is None:
            new.append(override)
        # only a sealed decision lifts anything: the document is a list to work from
        decided = await audit.decision(store, conversation=override.conversation, override=override.id)
        if decided is not None:
            override = overrides.standing(overrides.sealed(decided["override"]), await _now(trip.house, store))
        found.append(override)
        marked.append(overrides.mark(finding, override))
    return tuple(marked), tuple(found), new


async def _now(house: House, store: TenantStore) -> datetime:
    """The time, but never before the last line of the trail: a clock set back revives no grant."""
    head = await store.head()
    return max(house.clock(), datetime.fromisoformat(head.at)) if head else house.clock()


def _guard(trip: _Trip) -> Guard:
    """Holds what is about to happen against the mandatory rules of its moment."""
    firm = tuple(fact for fact in trip.known if fact.basis in ("given", "record"))

    def guard(moment: Moment, judged: Mapping[str, Any]) -> tuple[Finding, ...]:
        apply, _ = retrieval.applicable(trip.prepared.rulesets, moment, trip.dates)
        knowing = replace(trip, known=firm) if moment == "tool_call" else trip  # words never decide what a tool may do
        return _judge(knowing, [rule for rule in apply if rule.rule.mandatory], judged)

    return guard


async def _speak(trip: _Trip, turn: Turn) -> agent.Spoken:
    blueprint = trip.prepared.blueprint
    briefing = agent.brief(
        words=turn.ask.words,
        verdict=turn.verdict,
        findings=turn.findings,
        needs=turn.needs,
        overrides=turn.overrides,
        passages=turn.passages,
        texts={id: (rule.rule.title, rule.rule.text) for id, rule in trip.prepared.by_id.items()},
    )
    prompt = agent.prompt(blueprint, briefing, trip.recalled.messages)
    try:
        async with asyncio.timeout(blueprint.limits.seconds):
            return await agent.speak(trip.model, prompt, blueprint, _guard(trip), _kept(trip))
    except TimeoutError:
        return agent.Spoken(stopped=f"limits.seconds: no answer within {blueprint.limits.seconds} s")
    except ModelError as error:
        return agent.Spoken(stopped=f"model: {error}")


def _kept(trip: _Trip) -> agent.Kept | None:
    """Where the tenant's answers are kept for those who are asked the same; None where they are not to be."""
    chosen = trip.house.settings
    if (seconds := chosen.answer_cache_seconds) <= 0:
        return None
    cache = trip.house.cache.for_tenant(trip.caller.tenant)
    hash = trip.prepared.hash
    return agent.Kept(cache, house=chosen.store, blueprint_hash=hash, model=trip.model, seconds=seconds)


async def _end(record: audit.TurnRecord, turn: Turn, spoken: agent.Spoken) -> Turn:
    if spoken.answer is None:
        reason = spoken.stopped or "the agent said nothing"
        sealed = await record.stop(reason, spoken.findings)
        ended = turn.model_copy(update={"stopped": reason})
    else:
        sealed = await record.answer(spoken.answer)
        ended = turn.model_copy(update={"answer": spoken.answer})
    return ended.model_copy(update={"trail": (*turn.trail, sealed) if sealed else turn.trail})
