"""Says what any Registry must do, as tests that each backend runs over its own.

A backend's test module brings a fixture `new_registry`, a function that returns an unopened registry at each call, all
of them on one place that holds the tenant `default` and nothing else when the test began, and takes the tests over:

    from emma_core.testing.registry_contract import *
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from emma_core.errors import CallerError, Conflict, NotFound, StoreError
from emma_core.nouns import Member, Tenant
from emma_core.ports import Registry
from emma_core.testing.registry_row_contract import *  # noqa: F403
from emma_core.testing.registry_samples import AT, DAY, ROWS, claimed, everything, member, rows_of


@pytest.fixture
async def registry(new_registry: Callable[[], Registry]) -> AsyncIterator[Registry]:
    """An open registry, with the tenant `default` and no row."""
    opened = new_registry()
    await opened.open()
    yield opened
    await opened.close()


async def test_a_new_registry_has_the_default_tenant_and_no_other(registry: Registry) -> None:
    (default,) = await registry.tenants()

    assert (default.id, default.title, default.state) == ("default", "Default tenant", "active")
    assert await registry.tenant("default") == default


@pytest.mark.parametrize("id", ["defaul", "*", "", "' OR 1=1 --", "a/b", "a b", "🏠", "a\0", "x" * 300])
async def test_what_no_tenant_is_called_is_nobody(registry: Registry, id: str) -> None:
    assert await registry.tenant(id) is None
    with pytest.raises(NotFound, match="No tenant"):
        await registry.move(id, "suspended", was=["active"], at=AT)
    await registry.drop(id)

    assert [tenant.id for tenant in await registry.tenants()] == ["default"]


async def test_a_tenant_that_was_created_is_there_for_everybody(new_registry: Callable[[], Registry]) -> None:
    first, second = new_registry(), new_registry()
    await first.open()
    await second.open()
    acme = Tenant(
        id="acme",
        title="Acme 'n' Söhne 🏠",
        created_at=AT,
        region="westeurope",
        data_class="restricted",
        plan="team",
        state_since=AT,
    )

    await first.create(acme)

    assert await second.tenant("acme") == acme
    assert [tenant.id for tenant in await second.tenants()] == ["acme", "default"]
    for each in (first, second):
        await each.close()


async def test_a_tenant_is_created_once_however_many_try(registry: Registry) -> None:
    made = [registry.create(Tenant(id="acme", title=f"of {n}", created_at=AT)) for n in range(10)]

    ended = await asyncio.gather(*made, return_exceptions=True)

    assert [type(each).__name__ for each in ended if each is not None] == ["Conflict"] * 9
    with pytest.raises(Conflict, match="'default' exists; choose another id"):
        await registry.create(Tenant(id="default", title="Another", created_at=AT))
    assert [tenant.title for tenant in await registry.tenants()][1] == "Default tenant"


async def test_a_tenant_moves_only_from_a_state_that_was_named(registry: Registry) -> None:
    await registry.create(Tenant(id="acme", title="Acme", created_at=AT))

    suspended = await registry.move("acme", "suspended", was=["active"], at="2026-11-24T00:00:00Z")
    with pytest.raises(Conflict, match="'acme' is suspended; only one that is active can be suspended"):
        await registry.move("acme", "suspended", was=["active"], at=AT)
    resumed = await registry.move("acme", "active", was=["suspended", "offboarded"], at="2026-11-25T00:00:00Z")

    assert (suspended.state, suspended.state_since) == ("suspended", "2026-11-24T00:00:00Z")
    assert (resumed.state, resumed.state_since) == ("active", "2026-11-25T00:00:00Z")
    assert await registry.tenant("acme") == resumed
    assert [tenant.state for tenant in await registry.tenants()] == ["active", "active"]


async def test_of_many_who_move_a_tenant_one_does(registry: Registry) -> None:
    moves = [registry.move("default", "suspended", was=["active"], at=f"2026-11-24T00:00:{n:02}Z") for n in range(10)]

    ended = await asyncio.gather(*moves, return_exceptions=True)

    moved = [each for each in ended if isinstance(each, Tenant)]
    assert [type(each).__name__ for each in ended if not isinstance(each, Tenant)] == ["Conflict"] * 9
    assert [await registry.tenant("default")] == moved


async def test_a_tenant_goes_only_once_nothing_is_held_of_it(registry: Registry) -> None:
    await registry.create(Tenant(id="acme", title="Acme", created_at=AT))
    handle = registry.for_tenant("acme")
    await handle.put(member())

    with pytest.raises(Conflict, match=r"'acme' still holds .*members"):
        await registry.drop("acme")
    assert await registry.tenant("acme") is not None
    await handle.purge()
    await registry.drop("acme")
    await registry.drop("acme")

    assert await registry.tenant("acme") is None
    assert [tenant.id for tenant in await registry.tenants()] == ["default"]


async def test_what_was_written_is_there_after_closing(new_registry: Callable[[], Registry]) -> None:
    registry = new_registry()
    await registry.open()
    await registry.open()
    await registry.for_tenant("default").put(member())
    await registry.close()
    await registry.close()

    await registry.open()

    assert await registry.for_tenant("default").all(Member) == [member()]
    await registry.close()


async def test_a_registry_that_is_not_open_says_so(new_registry: Callable[[], Registry]) -> None:
    registry = new_registry()

    with pytest.raises(StoreError, match="not open"):
        await registry.tenants()
    with pytest.raises(StoreError, match="not open"):
        await registry.for_tenant("default").put(member())


@pytest.mark.parametrize("tenant", ["", "*", "A", "-a", "a b", "a/b", "a\n", "ä", "a" * 64, "a'", "%", "🏠", "a" * 300])
async def test_what_is_no_tenants_id_gets_no_handle(registry: Registry, tenant: str) -> None:
    with pytest.raises(CallerError, match="No tenant can be called"):
        registry.for_tenant(tenant)


async def test_no_verb_of_a_tenant_reaches_another(registry: Registry) -> None:
    """Three tenants whose ids begin alike hold the same keys with other values; each sees and changes its own."""
    handles = [registry.for_tenant(tenant) for tenant in ("a", "aa", "a-a")]
    for handle in handles:
        await registry.create(Tenant(id=handle.tenant, title=handle.tenant, created_at=AT))
        for row in rows_of(handle.tenant):
            await handle.put(row, new=True)
        await handle.count(day=DAY, counters={"turns": len(handle.tenant)}, seen=3)
        assert await handle.claim(claimed()) is None
    before = [await everything(registry, handle) for handle in handles]
    for handle, found in zip(handles, before, strict=True):
        assert [found[f"one {type(row).__name__}"] for row in ROWS] == list(rows_of(handle.tenant))
        assert [each.amount for each in found["usage"]] == [len(handle.tenant)]

    middle = handles[1]
    await middle.put(member(title="mine"))
    assert await middle.count(day=DAY, counters={"turns": 40}, after=3, seen=50)
    await middle.settle(claimed(result={"of": "aa"}))
    await registry.move("aa", "suspended", was=["active"], at=AT)
    assert [await everything(registry, handle) for handle in (handles[0], handles[2])] == [before[0], before[2]]
    changed = await everything(registry, middle)
    assert {name for name in changed if changed[name] != before[1][name]} == {
        *("one Member", "all Member", "usage", "counted", "held", "tenant")
    }

    late = claimed().until + timedelta(days=1)
    assert await middle.forget_keys(late, dry_run=True) == 1
    assert await middle.forget_keys(late) == 1
    for row in ROWS:
        assert await middle.remove(type(row), *row.key)
    assert await middle.claim(claimed("aa", key="other")) is None
    await middle.release("other")
    await middle.purge()
    assert set((await middle.census()).values()) == {0}
    await middle.release("k")
    await registry.drop("aa")
    assert [await everything(registry, handle) for handle in (handles[0], handles[2])] == [before[0], before[2]]
    assert [tenant.id for tenant in await registry.tenants()] == ["a", "a-a", "default"]
