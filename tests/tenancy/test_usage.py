"""Counts usage from the trail: each line once, whoever counts, and each tenant's for itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime

import pytest

from emma_core import CallerError, Emma, StoreError, metering
from emma_core.nouns import TurnEvent

from .furnishing import QUESTION, Clock, furnish

Open = Callable[..., AbstractAsyncContextManager[Emma]]


def told(usage: list[object]) -> dict[tuple[str, str], int]:
    return {(each.day.isoformat(), each.counter): each.amount for each in usage}  # type: ignore[attr-defined]


async def test_usage_is_what_the_trail_says_day_by_day_and_tenant_by_tenant(house: Open, clock: Clock) -> None:
    clock.now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    async with house() as emma:
        await furnish(emma, "a")
        await emma.tenancy.create("aa")
        clock.on(minutes=2)
        await emma.tenant("a").ask("loan_officer", QUESTION)
        used = told(await emma.tenancy.usage("a", since=date(2026, 1, 1), until=date(2026, 2, 28)))
        other = await emma.tenancy.usage("aa", since=date(2026, 1, 1), until=date(2026, 2, 28))

    assert used["2026-01-31", "turns"] == used["2026-02-01", "turns"] == 1
    assert used["2026-01-31", "checks"] == 1 and used["2026-01-31", "records"] == 2
    assert used["2026-01-31", "decisions"] == 1 and used["2026-01-31", "publications"] == 2
    assert other == []


async def test_a_line_is_counted_once_by_however_many_who_count(house: Open) -> None:
    async with house() as emma:
        desk = emma.tenant("default")
        store, registry = emma._house.store.for_tenant("default"), emma._house.registry.for_tenant("default")
        for _ in range(4):
            counting = [asyncio.create_task(metering.count(store, registry)) for _ in range(4)]
            await desk.ask("loan_officer", QUESTION)
            await asyncio.gather(*counting)
        await metering.count(store, registry)
        used = await registry.usage(date(2020, 1, 1), date(2199, 1, 1))

    assert sum(each.amount for each in used if each.counter == "turns") == 4
    assert sum(each.amount for each in used if each.counter == "answers") == 4


async def test_usage_is_counted_when_the_house_closes(house: Open) -> None:
    async with house() as emma:
        await emma.tenant("default").ask("loan_officer", QUESTION)
    async with house() as emma:
        used = await emma._house.registry.for_tenant("default").usage(date(2020, 1, 1), date(2199, 1, 1))

    assert {each.counter for each in used if each.amount} == {"turns", "answers"}


async def test_a_turns_telemetry_says_how_long_each_step_took_and_no_word_of_it(house: Open) -> None:
    async with house() as emma:
        turn = await emma.tenant("default").ask("loan_officer", QUESTION, subject="somebody")
        await emma._errands.finish()
        kept = await emma._house.store.for_tenant("default").get(metering.KIND, turn.id)

    assert kept is not None and kept.expires_at is not None
    assert set(kept.body["seconds"]) == {"facts", "retrieved", "findings", "judged", "answered"}  # type: ignore[arg-type]
    assert kept.body["verdict"] == turn.verdict and kept.body["store_units"] == 0
    assert "47%" not in str(kept.body) and kept.subject == "" and "somebody" not in str(kept.body)


async def test_telemetry_that_is_lost_fails_no_turn_and_is_logged(
    house: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as emma:
        desk = emma.tenant("default")

        async def away(*_: object, **__: object) -> None:
            raise StoreError("the telemetry is away")

        monkeypatch.setattr(type(desk._store), "put", away)
        with caplog.at_level(logging.WARNING, "emma"):
            turn = await desk.ask("loan_officer", QUESTION)
            await emma._errands.finish()

    assert turn.answer is not None
    assert f"telemetry of turn {turn.id!r} was lost: the telemetry is away" in caplog.text


def test_the_time_of_whoever_listens_is_no_part_of_a_step() -> None:
    now = iter([0.0, 1.0, 50.0, 52.0])
    watch = metering.Stopwatch(lambda: next(now))

    watch.lap(TurnEvent(step="facts", turn="t"))
    watch.go_on()
    watch.lap(TurnEvent(step="retrieved", turn="t"))

    assert watch._seconds == {"facts": 1.0, "retrieved": 2.0}


async def test_a_span_that_ends_before_it_begins_is_refused(house: Open) -> None:
    async with house() as emma:
        with pytest.raises(CallerError, match="turn them round"):
            await emma.tenancy.usage("default", since=date(2026, 2, 1), until=date(2026, 1, 1))
