"""Runs whole turns over the protocol fake of Cosmos: the same as over a file, and with a clear end in every trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from services.cosmos_fake import CosmosFake

from emma_core import Emma, Settings, audit
from emma_core.errors import StoreError
from emma_core.nouns import Piece, Prompt
from emma_core.testing import Says, ScriptedModel, ScriptedPack

ASK = "Can we approve this at 47% debt-to-income on a conventional loan?"


class Interrupted(ScriptedModel):
    """A model in the middle of whose reply something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(Says("Not as it stands. [1]"), again=True)
        self._happens = happens

    async def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        self._happens()
        async for piece in super().reply(prompt):
            yield piece


@pytest.fixture
def over(tmp_path: Path, cosmos_address: str) -> Callable[..., Any]:
    """Opens the house over Cosmos, or over a file, with a model where one is given."""

    @asynccontextmanager
    async def open_(model: ScriptedModel | None = None, *, file: bool = False, **more: Any) -> AsyncIterator[Emma]:
        kept = f"sqlite:///{tmp_path}/{'file' if file else 'registry'}.db"
        chosen = Settings(
            store=kept if file else cosmos_address,
            database=kept,
            blobs=f"file:{tmp_path}/blobs",
            model="scripted:" if model else "offline:",
        )
        plugins = {"scripted": ScriptedPack(model)} if model else None
        async with Emma.open(chosen, plugins=plugins, **more) as emma:
            yield emma

    return open_


async def told(emma: Emma) -> list[tuple[Any, ...]]:
    """What the trail says, without what differs from run to run."""
    lines = await (await emma.tenant("default").trail()).lines()
    said = [(line.kind, json.loads(line.line)) for line in lines]
    for _, event in said:
        event["outcome"].pop("override", None)
    return [(kind, event["caller"], event["outcome"]) for kind, event in said]


async def test_a_turn_over_cosmos_finds_and_seals_what_it_does_over_a_file(over: Callable[..., Any]) -> None:
    turns: list[list[Any]] = []
    trails: list[Any] = []
    for file in (True, False):
        async with over(file=file) as emma:
            desk = emma.tenant("default", user="ana")
            turn = await desk.ask("loan_officer", ASK, conversation="c-1")
            again = await desk.ask("loan_officer", "And at 41%?", conversation="c-1")
            turns.append([[finding.plain() for finding in each.findings] for each in (turn, again)])
            turns[-1].append([turn.verdict, turn.needs, again.verdict, again.needs])
            trails.append(await told(emma))
            overrides = await desk.overrides()
            assert [each.state for each in overrides] == ["suggested"] * len(overrides)
            assert (await audit.verify_trail(await desk.trail())).lines == 4

    assert turns[0] == turns[1]
    assert trails[0] == trails[1]


async def test_what_a_turn_costs_is_told(over: Callable[..., Any], cosmos_fake: CosmosFake) -> None:
    async with over() as emma:
        desk = emma.tenant("default")
        await desk.ask("loan_officer", ASK, conversation="c-1")
        before, asked = cosmos_fake.charged, len(cosmos_fake.requests)
        await desk.ask("loan_officer", ASK, conversation="c-1")

    units, requests = cosmos_fake.charged - before, len(cosmos_fake.requests) - asked
    print(f"\na turn: {units:.1f} request units in {requests} requests, as the protocol fake counts them")
    assert 0 < units < 1000
    assert requests <= 24  # telemetry of the turn before may fall among them


async def test_a_turn_asked_in_a_storm_is_refused_and_leaves_nothing(
    over: Callable[..., Any], cosmos_fake: CosmosFake
) -> None:
    async with over() as emma:
        desk = emma.tenant("default")
        cosmos_fake.throttled = 10**6
        with pytest.raises(StoreError, match="is throttled"):
            await desk.ask("loan_officer", ASK)
        cosmos_fake.throttled = 0

        assert await (await desk.trail()).head() is None
        assert (await desk.ask("loan_officer", ASK)).verdict == "needs_override"


async def test_a_turn_outlasts_a_short_storm(over: Callable[..., Any], cosmos_fake: CosmosFake) -> None:
    def storm() -> None:
        cosmos_fake.throttled, cosmos_fake.throttled_inside = 8, 4

    async with over(Interrupted(storm)) as emma:
        desk = emma.tenant("default")

        turn = await desk.ask("loan_officer", ASK)

        assert turn.stopped is None
        assert [line.kind for line in await (await desk.trail()).lines()] == ["judged", "answered"]


async def test_a_turn_whose_database_goes_away_and_returns_ends_once(
    over: Callable[..., Any], cosmos_fake: CosmosFake
) -> None:
    def away() -> None:
        cosmos_fake.away = True
        asyncio.get_running_loop().call_later(1.5, setattr, cosmos_fake, "away", False)

    async with over(Interrupted(away)) as emma:
        desk = emma.tenant("default")

        turn = await desk.ask("loan_officer", ASK)

        assert turn.stopped is None
        assert [line.kind for line in await (await desk.trail()).lines()] == ["judged", "answered"]
        assert (await audit.verify_trail(await desk.trail())).ok


async def test_a_turn_whose_storm_does_not_end_is_ended_by_whoever_opens_next(
    over: Callable[..., Any], cosmos_fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emma_core.backends.cosmos.trail.PATIENCE", 0.3)

    def storm() -> None:
        cosmos_fake.throttled = 10**6

    async with over(Interrupted(storm)) as emma:
        desk = emma.tenant("default")
        with pytest.raises(StoreError, match="is throttled"):
            await desk.ask("loan_officer", ASK)
        cosmos_fake.throttled = 0
        assert [line.kind for line in await (await desk.trail()).lines()] == ["judged"]

    later = datetime.now(UTC) + timedelta(minutes=10)
    async with over(clock=lambda: later) as emma:
        lines = await (await emma.tenant("default").trail()).lines()

    assert [line.kind for line in lines] == ["judged", "stopped"]
    assert json.loads(lines[1].line)["outcome"]["reason"] == "recovered"
