"""Opens the house and hands out desks: one caller's place at one tenant, the doors' one way in."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from emma_core import audit, blueprints, checks, metering, opening, overrides, packs, rules, runtime, settings, tenancy
from emma_core.errands import Errands
from emma_core.errors import CallerError, EmmaError, NotFound, OperatorError, TrailError
from emma_core.jobs import JobHall
from emma_core.nouns import (
    Ask,
    Blueprint,
    Caller,
    CheckEvent,
    Decision,
    Docket,
    Document,
    Finding,
    Override,
    Report,
    Tenant,
    Turn,
    TurnEvent,
    plain_value,
)
from emma_core.ports import TenantStore
from emma_core.proofs import Proofs
from emma_core.replays import Replays
from emma_core.runtime import House
from emma_core.subject_life import SubjectLife
from emma_core.tenant_life import TenantLife
from emma_core.versions import Versions

LONGEST_ASK = 32_000
"""Code points that an ask's words may have."""
MOST_FACTS = 500
_LOG = logging.getLogger("emma")


class Emma:
    """The opened house: hands out desks, each bound to one tenant and one caller."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._errands = Errands()
        self.tenancy = TenantLife(house)
        """The life of tenants: for whoever runs this installation."""
        self.subjects = SubjectLife(house)
        """The rights of persons whose data is held: for whoever runs this installation."""
        self.jobs = JobHall(house)
        """What is done behind a command's back: for whoever runs this installation."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        given: settings.Settings | None = None,
        *,
        plugins: Mapping[str, object] | None = None,
        recover: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> AsyncIterator[Emma]:
        """The house, opened by its settings and closed at the end of the `async with`.

        `plugins`: packs by name beside the installed ones. `clock`: an aware time in UTC. `recover`: turns that a crash
        left without an end are ended as stopped; without it opening writes nothing. Raises `OperatorError` where
        something of it cannot be opened.
        """
        chosen = given or settings.load()
        async with opening.opened(chosen, packs.find(plugins), clock=clock) as house:
            if recover:
                await _recover(house)
            emma = cls(house)
            try:
                yield emma
            finally:
                await emma._errands.finish()
                await emma.tenancy.meter(sorted(emma._errands.tenants))

    @property
    def packs(self) -> packs.Packs:
        """The installed packs, read-only."""
        return self._house.packs

    def for_caller(self, caller: Caller) -> Desk:
        """The desk of a caller whose claims were verified at the door."""
        return Desk(self._house, caller, self._errands)

    def tenant(self, id: str, *, user: str = "local", roles: Sequence[str] = ()) -> Desk:
        """The desk of trusted code on that tenant."""
        try:
            return Desk(self._house, Caller(tenant=id, user=user, roles=tuple(roles)), self._errands)
        except ValueError as error:
            raise CallerError(f"No caller {user!r} on tenant {id!r}: {_first(error)}") from error

    async def tenants(self) -> list[Tenant]:
        """All tenants of this installation, by id."""
        return await self._house.registry.tenants()

    async def create_tenant(self, id: str, title: str = "") -> Tenant:
        """The new tenant. Raises `CallerError` where the id does not fit, `Conflict` where it is taken."""
        return await self.tenancy.create(id, title)


class Desk:
    """One caller's place at one tenant: all that may be asked, read and decided there."""

    def __init__(self, house: House, caller: Caller, errands: Errands) -> None:
        self._house = house
        self._errands = errands
        self.caller = caller
        self._store: TenantStore = house.store.for_tenant(caller.tenant)
        self.versions = Versions(house, caller, self._known)
        """What is published here, and may be."""
        self.proofs = Proofs(house, caller, self._known)
        """What of its trail is signed, and may be proved."""
        self.replays = Replays(house, caller, self._known)
        """What was judged here, judged again."""

    async def blueprint(self, address: str) -> Blueprint:
        """The blueprint that is asked at that address here, ready to run. Raises as `stream()` does."""
        await self._known()
        prepared = await blueprints.load(
            self._store,
            self._house.packs,
            self._house.settings.blueprints,
            address,
            as_of=self._house.clock().astimezone().date(),
            sealed=audit.as_sealed,
        )
        return prepared.blueprint

    async def ask(self, blueprint: str, words: str, **more: Any) -> Turn:
        """The whole turn: `stream()` drained, with the same arguments."""
        async for event in self.stream(blueprint, words, **more):
            if event.whole is not None:
                return event.whole
        raise OperatorError("The turn ended without a last event")  # stream() always yields one, or raises

    async def stream(
        self,
        blueprint: str,
        words: str,
        *,
        facts: Mapping[str, Any] | None = None,
        conversation: str | None = None,
        subject: str | None = None,
        as_of: date | None = None,
    ) -> AsyncGenerator[TurnEvent, None]:
        """The turn as it happens; its last event is `answered` or `stopped` and carries the whole turn.

        Raises `CallerError` where the ask does not fit, `NotFound` for an unknown blueprint or tenant, and
        `BlueprintError` or `PackError` where the blueprint may not run. Then nothing was written.
        """
        ask = await self._admit(blueprint, words, facts or {}, conversation, subject, as_of)  # step 0
        store = self._house.store.for_tenant(self.caller.tenant)  # the turn's own, so that it tells what it spent
        watch = metering.Stopwatch()
        async with aclosing(runtime.stream(self._house, self.caller, ask, facts or {}, store)) as events:
            async for event in events:
                watch.lap(event)
                if event.whole is not None:
                    days, now = self._house.settings.retain_telemetry_days, self._house.clock()
                    kept = watch.telemetry(event.whole, spent=store.spent, now=now, keep_days=days)
                    self._errands.run(self._store.put(kept), f"telemetry of turn {event.turn!r}")
                    if self.proofs.due(event.whole.trail):
                        self._errands.run(self.proofs.checkpoint(), f"a checkpoint of tenant {self.caller.tenant!r}")
                yield event
                watch.go_on()

    async def check(self, source: object, **more: Any) -> Report:
        """The whole report with its findings: `checking()` drained, with the same arguments."""
        findings: list[Finding] = []
        async for event in self.checking(source, **more):
            findings += event.findings
            if event.report is not None:
                return event.report.model_copy(update={"findings": tuple(findings)})
        raise OperatorError("The check ended without a report")  # checking() always yields one, or raises

    async def checking(
        self,
        source: object,
        *,
        rules: str | Sequence[str],
        engine: str = "polars",
        tables: Mapping[str, Path] | None = None,
        as_of: date | None = None,
        limit: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[CheckEvent, None]:
        """The check as it happens; its last event carries the report, sealed, without the findings told before.

        `source`: a path, a Polars or pandas frame, or an iterable of mappings. `limit`: how many findings are listed;
        all are counted. `stop`: once it says True the check ends and its report is partial. Raises `CallerError`,
        `NotFound` or `PackError` where the source or the rules cannot be read. Then nothing was written.
        """
        await self._known(writing=True)
        if limit is not None and limit < 0:
            raise CallerError(f"limit: {limit} is below 0; list none with 0")
        order = checks.Order(
            source=source,
            rules=(rules,) if isinstance(rules, str) else tuple(rules),
            as_of=as_of or self._house.clock().astimezone().date(),
            engine=engine,
            tables=tables or {},
            limit=limit,
        )
        async with aclosing(self._checks(order, stop)) as events:
            async for event in events:
                yield event

    def _checks(self, order: checks.Order, stop: Callable[[], bool]) -> AsyncGenerator[CheckEvent, None]:
        house = self._house
        return checks.stream(house.packs, self._store, self.caller, order, clock=house.clock, stop=stop)

    async def overrides(self) -> list[Override]:
        """Every override of this tenant as it stands now, in the order of their ids."""
        await self._known()
        return [overrides.standing(overrides.read(kept), self._house.clock()) for kept in await self._all_overrides()]

    async def decide(
        self, override: str, decision: Literal["granted", "refused"], *, reasons: Mapping[str, str]
    ) -> Override:
        """The override as this caller decided it, on the trail. `override`: its id, or how it starts.

        Raises `Forbidden`, `Conflict` or `CallerError`; then nothing was written.
        """
        await self._known(writing=True)
        kept = overrides.pick(await self._all_overrides(), override)
        now = self._house.clock()
        standing, askers = await self._sealed_override(kept)
        decided = overrides.decide(standing, decision, caller=self.caller, askers=askers, reasons=reasons, now=now)
        outcome = {"override": decided.id, "decision": decision, "rule": decided.rule, "rule_hash": decided.rule_hash}
        seal = audit.sealing(
            tenant=self.caller.tenant,
            kind="decided",
            caller=self.caller.user,
            outcome={**outcome, "template": decided.template, "role": decided.decided_as},
            payload={"override": decided.plain()},
            subject=decided.subject,
            conversation=decided.conversation,
            now=now,
            salt=secrets.token_bytes(32),
        )
        await self._store.append(seal, puts=[(overrides.document(decided), kept.etag)])
        return decided

    async def dockets(self) -> list[Docket]:
        """What checks of files suggested to lift, rule by rule, and how much of it was decided; the newest first."""
        await self._known()
        return await checks.deciding.waiting(self._store, self._house.clock())

    async def decide_found(
        self,
        decision: Literal["granted", "refused"],
        *,
        reasons: Mapping[str, str],
        report: str | None = None,
        rules: str | Sequence[str] = (),
        override: str | None = None,
    ) -> Decision:
        """Findings of a check as this caller decided them, in one act on one sealed line.

        `report`: a check's id, or how it starts; `rules`: patterns of rule ids or of their last parts, all that waits
        under them is decided; `override`: the id of one finding's, or how it starts. Raises `NotFound`, `Forbidden`,
        `Conflict` or `CallerError`; then nothing was written.
        """
        await self._known(writing=True)
        named = (rules,) if isinstance(rules, str) else tuple(rules)
        order = checks.deciding.Order(decision, reasons, report=report, rules=named, override=override)
        return await checks.deciding.decide(self._store, self.caller, order, self._house.clock())

    async def trail(self) -> TenantStore:
        """The tenant's store, for reading its trail. Raises `NotFound` for an unknown tenant."""
        await self._known()
        return self._store

    async def _sealed_override(self, kept: Document) -> tuple[Override, set[str]]:
        """The override as the trail says it, and who has asked for it; its document only says where to look."""
        named = {"conversation": kept.group, "override": kept.id}
        suggested, askers = await audit.suggestion(self._store, **named)
        if suggested is None:
            raise TrailError(f"Override {kept.id[:12]!r} was suggested by no turn of the trail; run: emma audit verify")
        decided = await audit.decision(self._store, **named)
        return overrides.sealed(decided["override"] if decided else suggested), askers

    async def _known(self, *, writing: bool = False) -> None:
        """The tenant is there, and in a state in which that may be done."""
        tenant = await self._house.registry.tenant(self.caller.tenant)
        if tenant is None:
            raise NotFound(f"No tenant {self.caller.tenant!r}; `emma tenants list` shows those there are")
        tenancy.admit(tenant, writing=writing)
        if writing:
            self._errands.tenants.add(tenant.id)

    async def _all_overrides(self) -> list[Document]:
        found: list[Document] = []
        while page := await self._store.query(overrides.KIND, after=found[-1].id if found else "", limit=500):
            found += page
        return found

    async def _admit(
        self,
        blueprint: str,
        words: str,
        given: Mapping[str, Any],
        conversation: str | None,
        subject: str | None,
        as_of: date | None,
    ) -> Ask:
        """Step 0: may this caller ask, and is it something that can be asked?"""
        if not words.strip():
            raise CallerError("The ask is empty; write a question")
        if len(words) > LONGEST_ASK:
            raise CallerError(f"The ask has {len(words):,} characters; {LONGEST_ASK:,} is the most: shorten it")
        if not words.isprintable() and (bad := next((c for c in words if "\ud800" <= c <= "\udfff"), "")):
            raise CallerError(f"The ask is not Unicode: character {words.index(bad) + 1} is half of a pair; use UTF-8")
        if odd := next((name for name, value in given.items() if isinstance(value, float) and not isfinite(value)), ""):
            raise CallerError(f"Fact {odd!r}: {given[odd]} is no number; give a finite one")
        if len(given) > MOST_FACTS:
            raise CallerError(f"The ask gives {len(given)} facts; {MOST_FACTS} is the most")
        await self._known(writing=True)
        opened = conversation or f"c-{secrets.token_hex(6)}"
        plain: dict[str, Any] = {name: plain_value(value) for name, value in given.items()}
        day = as_of or self._house.clock().astimezone().date()
        rules.read_value("date", day, name="as_of")
        try:
            return Ask(
                blueprint=blueprint, words=words, facts=plain, conversation=opened, subject=subject or opened, as_of=day
            )
        except ValueError as error:
            raise CallerError(f"The ask does not fit: {_first(error)}") from error


async def _recover(house: House) -> None:
    """Turns without an end are ended, tenant by tenant: damage to one keeps no other from opening."""
    for tenant in await house.registry.tenants():
        try:
            await audit.recover(house.store.for_tenant(tenant.id), house.clock)
        except (EmmaError, ValueError, KeyError) as error:
            _LOG.error("tenant %r: turns without an end were left as they are: %s", tenant.id, error)


def _first(error: ValueError) -> str:
    """The first thing that a noun says does not fit."""
    return str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
