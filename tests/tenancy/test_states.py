"""Holds the states of a tenant to what may be done in each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from emma_core import CallerError, Conflict, Emma, Forbidden, NotFound, audit

from .furnishing import OFFICER, QUESTION

Open = Callable[..., AbstractAsyncContextManager[Emma]]


async def test_a_suspended_tenant_can_be_read_and_nothing_else(house: Open) -> None:
    async with house() as emma:
        await emma.tenancy.create("acme")
        desk = emma.tenant("acme", roles=OFFICER)
        turn = await desk.ask("loan_officer", QUESTION)

        suspended = await emma.tenancy.suspend("acme")
        for refused in (
            lambda: desk.ask("loan_officer", QUESTION),
            lambda: desk.check([{"dti": 0.5}], rules="mortgage/lender_policy"),
            lambda: desk.decide(turn.overrides[0].id, "granted", reasons={}),
            lambda: desk.versions.publish(emma.packs.blueprints()["loan_officer"]),
            lambda: desk.versions.label("loan_officer@1", "stable"),
        ):
            with pytest.raises(Forbidden, match=r"'acme' is suspended since .* emma tenants resume acme"):
                await refused()

        assert suspended.state == "suspended" and suspended.state_since
        assert (await audit.verify_trail(await desk.trail())).lines == 2
        assert len(await desk.overrides()) == 1
        assert await desk.versions.all() == []
        await emma.tenancy.resume("acme")
        assert (await desk.ask("loan_officer", QUESTION)).verdict == "needs_override"


async def test_an_offboarded_tenant_can_be_taken_out_and_taken_back_and_nothing_else(house: Open, tmp_path) -> None:
    async with house() as emma:
        await emma.tenancy.create("acme")
        desk = emma.tenant("acme")
        await emma.tenancy.offboard("acme")

        for refused in (desk.trail, desk.overrides, desk.versions.all, lambda: desk.ask("loan_officer", QUESTION)):
            with pytest.raises(Forbidden, match=r"'acme' is offboarded since .* emma tenants export acme FOLDER"):
                await refused()
        await emma.tenancy.export("acme", tmp_path / "out")
        assert (await emma.tenancy.resume("acme")).state == "active"
        await desk.ask("loan_officer", QUESTION)


async def test_a_state_that_is_there_already_stays_and_one_that_does_not_follow_is_refused(house: Open) -> None:
    async with house() as emma:
        await emma.tenancy.create("acme")
        first = await emma.tenancy.suspend("acme")

        assert await emma.tenancy.suspend("acme") == first
        await emma.tenancy.offboard("acme")
        with pytest.raises(Conflict, match="'acme' is offboarded, and not active"):
            await emma.tenancy.suspend("acme")
        with pytest.raises(CallerError, match="'default' is in every installation"):
            await emma.tenancy.offboard("default")
        for move in (emma.tenancy.suspend, emma.tenancy.resume, emma.tenancy.offboard, emma.tenancy.show):
            with pytest.raises(NotFound, match="No tenant 'nobody'"):
                await move("nobody")


@pytest.mark.parametrize("id", ["a'b", 'a"b', "a/b", "a b", "🏠", "x" * 300, "", "-a", "A", "..", "a\0b"])
async def test_what_can_be_no_tenant_is_refused_by_every_verb(house: Open, id: str, tmp_path) -> None:
    async with house() as emma:
        with pytest.raises(CallerError, match="does not fit"):
            await emma.tenancy.create(id)
        for verb in (emma.tenancy.suspend, emma.tenancy.resume, emma.tenancy.offboard, emma.tenancy.show):
            with pytest.raises(CallerError):
                await verb(id)
        with pytest.raises(CallerError):
            await emma.tenancy.export(id, tmp_path / "out")
        with pytest.raises(CallerError):
            emma.tenant(id)

        assert [each.id for each in await emma.tenants()] == ["default"]
        assert not (tmp_path / "out").exists()
