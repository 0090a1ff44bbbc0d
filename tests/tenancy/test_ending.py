"""Ends tenants: offboarded, kept for their time, destroyed everywhere, and proved to be gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from emma_core import Emma, StoreError, audit, canonical
from emma_core.nouns import Document, Erasure, IdempotencyKey
from emma_core.tenancy import Proof

from .furnishing import QUESTION, Clock, furnish

Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def test_an_offboarded_tenant_is_kept_for_its_time_and_then_nothing_is_left(
    house: Open, clock: Clock, tmp_path: Path
) -> None:
    async with house(retain_telemetry_days=60) as emma:
        for id in ("acme", "acme2"):
            await furnish(emma, id)
            await emma._house.jobs.for_tenant(id).start("export", {"folder": f"out of {id}\n"}, by="ana")
        other = await emma.tenancy.show("acme2")
        head = (await emma.tenancy.show("acme")).head
        due = await emma.tenancy.offboard("acme")
        clock.on(days=34)
        early = await emma.tenancy.retain(dry_run=False)
        clock.on(days=1, seconds=1)
        dry = await emma.tenancy.retain(dry_run=True)
        assert {each.id for each in await emma.tenants()} >= {"acme"}, "a dry run destroys nothing"
        done = await emma.tenancy.retain(dry_run=False, by="olga")
        ledger = await emma._house.registry.for_tenant("acme").all(Erasure)
        cached = await emma._house.cache.for_tenant("acme").get("k")
        left = await emma.tenancy.show("acme2")

    assert due.due_at - due.offboarded_at == timedelta(days=35)
    assert (early.due, early.proofs, [each.tenant for each in early.waiting]) == ((), (), ["acme"])
    assert [each.holds for each in dry.due] == [due.holds] and dry.proofs == ()
    [proof] = done.proofs
    assert (proof.tenant, proof.by, proof.head, proof.cached) == ("acme", "olga", head, 1)
    assert proof.before == due.holds and proof.before["store"]["lines"] == 6
    assert not any(count for place in proof.after.values() for count in place.values())
    assert set(proof.after) == {"store", "registry", "blobs", "jobs"} and proof.before["jobs"] == {"jobs": 1}
    assert ledger[0].id == "e-1" and ledger[1].subject_hash == proof.hash
    assert Proof.model_validate_json(canonical.text(proof.plain())) == proof
    assert cached is None
    assert {**left.holds["store"], **left.holds["blobs"]} == {**other.holds["store"], **other.holds["blobs"]}
    assert left.holds["jobs"] == {"jobs": 1}
    leftovers = [
        path for path in (tmp_path / "here").rglob("*") if path.is_file() and b"of acme\n" in path.read_bytes()
    ]
    assert leftovers == []


async def test_nothing_of_the_gone_comes_back_with_a_new_tenant_of_the_same_name(house: Open, clock: Clock) -> None:
    async with house() as emma:
        await furnish(emma, "acme")
        await emma.tenancy.offboard("acme")
        clock.on(days=36)
        await emma.tenancy.retain(dry_run=False)
        await emma.tenancy.create("acme")
        desk = emma.tenant("acme")
        turn = await desk.ask("loan_officer", QUESTION, subject="person of acme")

        assert turn.trail[0].seq == 1
        assert await desk.versions.all() == []
        assert len(await desk.overrides()) == 1
        assert (await emma._house.registry.for_tenant("acme").all(Erasure))[0].id == "e-1"


async def test_content_that_is_to_be_kept_keeps_its_tenant_and_no_other(house: Open, clock: Clock) -> None:
    async with house() as emma:
        for id in ("held", "free"):
            await emma.tenancy.create(id)
            await emma.tenancy.offboard(id)
        await emma._house.blobs.for_tenant("held").put(b"x", kind="checkpoint", days=400)
        clock.on(days=36)
        done = await emma.tenancy.retain(dry_run=False)

        assert [each.tenant for each in done.proofs] == ["free"]
        assert set(done.kept) == {"held"} and done.kept["held"]
        assert (await emma.tenancy.show("held")).tenant.state == "offboarded"


async def test_a_destruction_that_stopped_midway_goes_on_where_it_stopped(
    house: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house() as emma:
        await furnish(emma, "acme")
        await emma.tenancy.offboard("acme")
        clock.on(days=36)

        async def away(*_: object) -> int:
            raise StoreError("the cache is away")

        with monkeypatch.context() as broken:
            broken.setattr(type(emma._house.cache.for_tenant("acme")), "purge", away)
            stopped = await emma.tenancy.retain(dry_run=False)
        assert stopped.kept == {"acme": "the cache is away"} and stopped.proofs == ()
        done = await emma.tenancy.retain(dry_run=False)
        assert [each.tenant for each in done.proofs] == ["acme"]


async def test_old_telemetry_and_spent_keys_go_and_younger_ones_stay(house: Open, clock: Clock) -> None:
    async with house(retain_telemetry_days=60) as emma:
        await emma.tenant("default").ask("loan_officer", QUESTION)
        key = IdempotencyKey(key="k", fingerprint="0" * 64, until=clock.now + timedelta(days=1))
        await emma._house.registry.for_tenant("default").claim(key)
    async with house(retain_telemetry_days=30) as emma:
        clock.on(days=29)
        young = await emma.tenancy.retain(dry_run=True)
        clock.on(days=3)
        dry = await emma.tenancy.retain(dry_run=True)
        done = await emma.tenancy.retain(dry_run=False)
        again = await emma.tenancy.retain(dry_run=False)

    assert (young.telemetry, young.keys) == ({}, {})
    assert (dry.telemetry, dry.keys) == (done.telemetry, done.keys) == ({"default": 1}, {"default": 1})
    assert (again.telemetry, again.keys) == ({}, {})


async def test_a_tenant_that_was_resumed_at_the_last_moment_is_not_destroyed(
    house: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emma_core import tenancy

    async with house() as emma:
        await furnish(emma, "acme")
        await emma.tenancy.offboard("acme")
        clock.on(days=36)
        real = tenancy.due

        async def then_resumed(*given, **more):  # type: ignore[no-untyped-def]
            found = await real(*given, **more)
            await emma.tenancy.resume("acme")
            return found

        monkeypatch.setattr(tenancy, "due", then_resumed)
        done = await emma.tenancy.retain(dry_run=False)

        assert done.proofs == () and "not offboarded any more" in done.kept["acme"]
        assert (await audit.verify_trail(await emma.tenant("acme").trail())).lines == 6


async def test_an_offboarding_of_a_tenant_that_never_wrote_is_proved_too(house: Open) -> None:
    async with house(retain_offboarded_days=0) as emma:
        await emma.tenancy.create("bare")
        await emma.tenancy.offboard("bare")
        [proof] = (await emma.tenancy.retain(dry_run=False)).proofs
        assert proof.head is None and proof.cached == 0


async def test_whatever_is_left_somewhere_is_told_and_the_tenant_stays_known(
    house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(retain_offboarded_days=0) as emma:
        await furnish(emma, "acme")
        await emma.tenancy.offboard("acme")
        store = emma._house.store.for_tenant("acme")

        async def forgets_one(self: object) -> None:
            await store.put(Document(kind="left", id="over", body={}))

        with monkeypatch.context() as broken:
            broken.setattr(type(store), "purge", forgets_one)
            done = await emma.tenancy.retain(dry_run=False)
        assert done.proofs == () and "'documents'" in done.kept["acme"]
        assert "acme" in {each.id for each in await emma.tenants()}
