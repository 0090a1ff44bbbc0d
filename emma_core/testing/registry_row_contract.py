"""Says what a registry's rows must do; part of `emma_core.testing.registry_contract`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import JsonValue

from emma_core.errors import CallerError, Conflict
from emma_core.nouns import Erasure, Member, ModelDeployment, Registered, RoleAssignment, Setting, UsageCount
from emma_core.ports import Registry
from emma_core.testing.registry_samples import DAY, MOMENT, ROWS, claimed, member, role


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
async def test_a_row_of_every_noun_is_read_back_as_it_was_put(registry: Registry, row: Registered) -> None:
    handle = registry.for_tenant("default")

    await handle.put(row, new=True)

    assert await handle.one(type(row), *row.key) == row
    assert await handle.all(type(row)) == [row]
    with pytest.raises(Conflict, match="exists; choose another, or write over it"):
        await handle.put(row, new=True)
    await handle.put(row)
    assert await handle.all(type(row)) == [row]
    assert await handle.remove(type(row), *row.key)
    assert not await handle.remove(type(row), *row.key)
    assert await handle.one(type(row), *row.key) is None


async def test_a_row_that_is_put_again_holds_what_was_said_last(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    await handle.put(role(until=MOMENT, reason="for a day"))

    await handle.put(role(reason="for good"))

    assert await handle.one(RoleAssignment, "ann", "clerk") == role(reason="for good")


async def test_rows_come_in_the_order_of_their_keys(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    users = ["b", "B", "a", "é", "e\u0301", "ä", "Z", "_", "a b", "a'b", "🏠", "a%", "\uffff"]
    for user in users:
        await handle.put(member(user))
    for version in (10, 9, 2):
        await handle.put(ModelDeployment(name="m", version=version, address="offline:", added_at=MOMENT))

    assert [each.user for each in await handle.all(Member)] == sorted(users)
    assert [each.version for each in await handle.all(ModelDeployment)] == [2, 9, 10]
    assert [each.user for each in await handle.all(Member, may_lag=True)] == sorted(users)


@pytest.mark.parametrize(
    "user", ["it's", 'a "b"', "'; DROP TABLE members; --", "two\nlines", "🇩🇪", "%s %(x)s :y ?", "k" * 200]
)
async def test_any_text_may_be_a_key(registry: Registry, user: str) -> None:
    handle = registry.for_tenant("default")

    await handle.put(member(user, title=user))

    assert await handle.one(Member, user) == member(user, title=user)
    assert await handle.one(Member, user + " ") is None
    assert await handle.remove(Member, user)


@pytest.mark.parametrize("user", ["nul\0inside", "half \ud800"])
async def test_a_text_that_cannot_be_kept_is_refused_and_leaves_nothing(registry: Registry, user: str) -> None:
    handle = registry.for_tenant("default")

    for refused in (handle.put(Member.model_construct(user=user, title="", since=MOMENT)), handle.one(Member, user)):
        with pytest.raises(CallerError):
            await refused

    assert await handle.all(Member) == []


async def test_a_key_of_other_parts_is_refused(registry: Registry) -> None:
    handle = registry.for_tenant("default")

    with pytest.raises(CallerError, match="named by user and role"):
        await handle.one(RoleAssignment, "ann")
    with pytest.raises(CallerError, match="named by user"):
        await handle.remove(Member, "ann", "clerk")
    assert await handle.one(ModelDeployment, "chat", "newest") is None


@pytest.mark.parametrize("value", [None, True, 0, 2**60, 0.1, "", "🏠", [], [[1]], {"a": {"b": None}}], ids=repr)
async def test_a_setting_holds_any_json(registry: Registry, value: JsonValue) -> None:
    handle = registry.for_tenant("default")
    setting = Setting(name="a.b", value=value, set_by="ann", set_at=MOMENT)

    await handle.put(setting)

    read = await handle.one(Setting, "a.b")
    assert read == setting
    assert read is not None
    assert type(read.value) is type(value)


async def test_a_moment_is_the_same_moment_in_any_zone(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    there = timezone(timedelta(hours=-11, minutes=-30))

    await handle.put(role(until=MOMENT.astimezone(there)))

    read = await handle.one(RoleAssignment, "ann", "clerk")
    assert read == role(until=MOMENT)
    assert read is not None
    assert read.plain() == role(until=MOMENT).plain()


async def test_a_permission_whose_time_is_over_is_listed_with_its_end(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    over = role(until=datetime(2001, 1, 1, tzinfo=UTC))

    await handle.put(over)

    assert await handle.all(RoleAssignment) == [over]


async def test_usage_grows_by_day_and_counter(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    later = DAY + timedelta(days=1)

    assert await handle.count(DAY, {"turns": 1, "input_tokens": 700})
    assert await handle.count(DAY, {"turns": 1})
    assert await handle.count(later, {"turns": 5, "nothing": 0})

    assert await handle.usage(DAY, later) == [
        UsageCount(day=DAY, counter="input_tokens", amount=700),
        UsageCount(day=DAY, counter="turns", amount=2),
        UsageCount(day=later, counter="nothing", amount=0),
        UsageCount(day=later, counter="turns", amount=5),
    ]
    assert [each.amount for each in await handle.usage(later, later)] == [0, 5]
    assert await handle.usage(later, DAY) == []
    assert await handle.counted() == 0


async def test_a_line_is_counted_once_however_often_it_is_seen(new_registry: Callable[[], Registry]) -> None:
    registries = [new_registry(), new_registry()]
    for each in registries:
        await each.open()
    counts = [registries[n % 2].for_tenant("default").count(DAY, {"turns": 1, "checks": 2}, seen=7) for n in range(20)]

    ended = await asyncio.gather(*counts)

    handle = registries[0].for_tenant("default")
    assert sorted(ended) == [False] * 19 + [True]
    assert [each.amount for each in await handle.usage(DAY, DAY)] == [2, 1]
    assert await handle.counted() == 7
    assert not await handle.count(DAY, {"turns": 1}, seen=6)
    assert await handle.count(DAY, {"turns": 1}, seen=8)
    assert (await handle.counted(), [each.amount for each in await handle.usage(DAY, DAY)]) == (8, [2, 2])
    for each in registries:
        await each.close()


async def test_of_those_who_count_on_from_the_same_line_one_goes_on(new_registry: Callable[[], Registry]) -> None:
    registries = [new_registry(), new_registry()]
    for each in registries:
        await each.open()
    handle = registries[0].for_tenant("default")

    for after, seen in ((0, 5), (5, 9)):  # each has read on as far as it could: some further than others
        counts = [
            registries[n % 2].for_tenant("default").count(DAY, {"turns": 1}, after=after, seen=seen + n)
            for n in range(8)
        ]
        assert sorted(await asyncio.gather(*counts)) == [False] * 7 + [True]
        assert await handle.count(DAY, {"turns": 0}, seen=seen + 8)
        after_all = await handle.counted()
        assert not await handle.count(DAY, {"turns": 1}, after=after, seen=seen + 20)
        assert await handle.counted() == after_all
        await handle.purge()
        await handle.count(DAY, {"turns": 1}, after=0, seen=5)
    assert not await registries[0].for_tenant("default").count(DAY, {"turns": 1}, after=4, seen=9)
    for each in registries:
        await each.close()


async def test_what_many_count_at_once_is_their_sum(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    names = ["a", "b", "c"]

    await asyncio.gather(*(handle.count(DAY, dict.fromkeys(names[n % 3 :] + names[: n % 3], 1)) for n in range(30)))

    assert [each.amount for each in await handle.usage(DAY, DAY)] == [30, 30, 30]


@pytest.mark.parametrize("counters", [{"": 1}, {"turns": 2**70}, {"turns": 1, "nul\0": 1}, {"t" * 201: 1}], ids=repr)
async def test_what_cannot_be_counted_is_refused_and_counts_nothing(
    registry: Registry, counters: dict[str, int]
) -> None:
    handle = registry.for_tenant("default")

    with pytest.raises(CallerError):
        await handle.count(DAY, counters, seen=1)

    assert (await handle.usage(DAY, DAY), await handle.counted()) == ([], 0)


async def test_of_twenty_who_claim_a_key_one_goes_on(new_registry: Callable[[], Registry]) -> None:
    registries = [new_registry(), new_registry()]
    for each in registries:
        await each.open()
    wanted = [claimed(str(n)) for n in range(20)]

    ended = await asyncio.gather(*(registries[n % 2].for_tenant("default").claim(wanted[n]) for n in range(20)))

    (won,) = [n for n in range(20) if ended[n] is None]
    assert [each for each in ended if each is not None] == [wanted[won]] * 19
    for each in registries:
        await each.close()


async def test_a_key_tells_its_result_until_its_time_is_over(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    over = datetime(2001, 1, 1, tzinfo=UTC)
    assert await handle.claim(claimed("one")) is None
    done = claimed("one", result={"turn": "t-1"})

    await handle.settle(done)

    assert await handle.claim(claimed("one")) == done
    assert await handle.claim(claimed("two")) == done
    await handle.release("k")
    assert await handle.claim(claimed("two")) == done
    assert await handle.claim(claimed("old", key="old", until=over)) is None
    assert await handle.claim(claimed("new", key="old")) is None
    with pytest.raises(Conflict, match="not claimed by this request any more"):
        await handle.settle(claimed("old", key="old", result=1))
    assert await handle.claim(claimed("third", key="old")) == claimed("new", key="old")


async def test_keys_that_could_long_be_used_again_are_forgotten_and_no_others(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    old, young = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
    await handle.claim(claimed(key="old", until=old))
    await handle.claim(claimed(key="young", until=young))

    assert await handle.forget_keys(datetime(2026, 1, 1, tzinfo=UTC), dry_run=True) == 1
    assert (await handle.census())["idempotency_keys"] == 2
    assert await handle.forget_keys(datetime(2026, 1, 1, tzinfo=UTC)) == 1
    assert await handle.forget_keys(datetime(2026, 1, 1, tzinfo=UTC)) == 0
    assert await handle.claim(claimed(key="young")) is not None


async def test_a_key_that_came_to_nothing_may_be_claimed_again(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    assert await handle.claim(claimed("one")) is None
    assert await handle.claim(claimed("two")) == claimed("one")

    await handle.release("k")

    assert await handle.claim(claimed("two")) is None
    with pytest.raises(Conflict):
        await handle.settle(claimed("one", result=1))


async def test_a_purge_leaves_the_erasure_ledger_and_nothing_else(registry: Registry) -> None:
    handle = registry.for_tenant("default")
    zero = dict(await handle.census())
    for row in ROWS:
        await handle.put(row)
    await handle.count(DAY, {"turns": 1}, seen=1)
    await handle.claim(claimed())
    held = await handle.census()

    await handle.purge()
    await handle.purge()

    assert set(zero.values()) == {0}
    assert set(held.values()) == {1}
    assert set(held) == set(zero)
    assert await handle.census() == zero
    assert len(await handle.all(Erasure)) == 1
    assert await handle.usage(date.min, date.max) == []
