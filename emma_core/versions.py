"""The hall of publishing: a blueprint is held to its own tests, published, labelled and moved back, on the trail."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from emma_core import audit, blueprints, runtime
from emma_core.errors import BlueprintError, EmmaError
from emma_core.nouns import Ask, Blueprint, BlueprintTest, Caller, Label, Published
from emma_core.ports import Seal, TenantStore
from emma_core.runtime import House


class Versions:
    """What one caller may publish at one tenant, and see of what is published there."""

    def __init__(self, house: House, caller: Caller, admitted: Callable[..., Awaitable[None]]) -> None:
        self._house = house
        self._caller = caller
        self._store: TenantStore = house.store.for_tenant(caller.tenant)
        self._admitted = admitted

    async def publish(self, blueprint: Blueprint, *, label: str | None = None) -> Published:
        """The blueprint as a version that never changes; the one there is already where nothing differs.

        `label`: stands at that version afterwards. Raises `BlueprintError` or `PackError` where it may not run, or one
        of its own tests does not hold; then nothing was written.
        """
        await self._admitted(writing=True)
        if label is not None:
            blueprints.read_label(label)
        today = self._today()
        prepared = blueprints.prepare(blueprint, self._house.packs, as_of=today)
        for number, flaws in enumerate(await self.rehearse(blueprint), start=1):
            if flaws:
                raise BlueprintError(f"Blueprint {blueprint.id!r}: tests: {number}: {'; '.join(flaws)}")
        published = await blueprints.publish(
            self._store, prepared, as_of=today, by=self._caller.user, now=self._house.clock(), sealing=self._sealing
        )
        if label is not None:
            await self.label(published.address, label)
        return published

    async def rehearse(self, blueprint: Blueprint) -> list[list[str]]:
        """By test of the blueprint's own, what it expects and did not get; asked offline, in a store gone afterwards.

        Raises `BlueprintError`, `PackError` or `NotFound` where the blueprint may not run at all.
        """
        if not blueprint.tests:
            return []
        house = self._house
        with tempfile.TemporaryDirectory(prefix="emma-tests-", ignore_cleanup_errors=True) as folder:
            store = house.packs.backend("store", f"sqlite:///{Path(folder).as_posix()}/tests.db")
            alone = house.settings.model_copy(update={"answer_cache_seconds": 0})
            stage = replace(house, settings=alone, store=store, models={})
            await store.open()
            try:
                return await _rehearsed(stage, blueprint.model_copy(update={"model": "offline:"}))
            finally:
                await store.close()

    async def label(self, address: str, label: str) -> Label:
        """The label at that version; an earlier one can be gone back to.

        Raises `CallerError` for what is no label, `NotFound` where there is no such version.
        """
        await self._admitted(writing=True)
        return await blueprints.label(
            self._store,
            address,
            label,
            by=self._caller.user,
            now=self._house.clock(),
            sealing=self._sealing,
            sealed=audit.as_sealed,
        )

    async def rollback(self, address: str) -> Label:
        """The label where it stood before; an id alone means its label `stable`.

        Raises `NotFound` where there is no such label, `CallerError` where it never stood anywhere else.
        """
        await self._admitted(writing=True)
        return await blueprints.rollback(
            self._store,
            address,
            by=self._caller.user,
            now=self._house.clock(),
            sealing=self._sealing,
            sealed=audit.as_sealed,
        )

    async def find(self, address: str) -> Published | None:
        """The version that would be asked at that address; None for an id alone without the label `stable`.

        Raises `NotFound` where there is no such version.
        """
        await self._admitted()
        return await blueprints.resolve(self._store, address, sealed=audit.as_sealed)

    async def all(self, id: str | None = None) -> list[Published]:
        """Every version of a blueprint, or of all, by id and number."""
        await self._admitted()
        return await blueprints.versions(self._store, id)

    async def labels(self, id: str | None = None) -> list[Label]:
        """Every label of a blueprint, or of all."""
        await self._admitted()
        return await blueprints.labels(self._store, id)

    def _today(self) -> date:
        return self._house.clock().astimezone().date()

    def _sealing(self, outcome: Mapping[str, Any], payload: Mapping[str, Any], subject: str) -> Seal:
        return audit.sealing(
            tenant=self._caller.tenant,
            kind="published",
            caller=self._caller.user,
            outcome=outcome,
            payload=payload,
            subject=subject,
            now=self._house.clock(),
            salt=secrets.token_bytes(32),
        )


async def _rehearsed(stage: House, blueprint: Blueprint) -> list[list[str]]:
    actor = Versions(stage, Caller(tenant="default", user="tests"), _nobody_asks)
    today = actor._today()
    prepared = blueprints.prepare(blueprint, stage.packs, as_of=today)
    published = await blueprints.publish(
        actor._store, prepared, as_of=today, by="tests", now=stage.clock(), sealing=actor._sealing
    )
    return [
        await _flaws(actor, published.address, test, number) for number, test in enumerate(blueprint.tests, start=1)
    ]


async def _flaws(actor: Versions, address: str, test: BlueprintTest, number: int) -> list[str]:
    name = f"test-{number}"
    try:
        ask = Ask(
            blueprint=address,
            words=test.ask,
            facts=test.facts,
            conversation=name,
            subject=name,
            as_of=test.as_of or actor._today(),
        )
        async for event in runtime.stream(actor._house, actor._caller, ask, test.facts, actor._store):
            if event.whole is not None:
                return blueprints.unmet(test, event.whole)
    except (EmmaError, ValueError) as error:
        return [str(error)]
    return ["the turn came to no end"]


async def _nobody_asks(*, writing: bool = False) -> None:
    """The stage lets everybody in."""
