"""Holds the registry to knowing the tenants of its file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from emma_core.backends.sqlite_registry import open_registry
from emma_core.errors import Conflict
from emma_core.nouns import Tenant
from emma_core.ports import Registry


@pytest.fixture
async def registry(address: str) -> AsyncIterator[Registry]:
    opened = open_registry(address)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_new_registry_has_the_default_tenant_and_no_other(registry: Registry) -> None:
    (default,) = await registry.tenants()

    assert (default.id, default.title) == ("default", "Default tenant")
    assert await registry.tenant("default") == default
    assert await registry.tenant("defaul") is None
    assert await registry.tenant("' OR 1=1 --") is None


async def test_a_tenant_that_was_created_is_there_for_everybody(registry: Registry, address: str) -> None:
    acme = Tenant(id="acme", title="Acme 'n' Söhne 🏠", created_at="2026-11-23T00:00:00Z")

    await registry.create(acme)

    another = open_registry(address)
    await another.open()
    assert await another.tenant("acme") == acme
    assert [tenant.id for tenant in await another.tenants()] == ["acme", "default"]
    await another.close()


async def test_a_tenant_is_created_once(registry: Registry) -> None:
    again = Tenant(id="default", title="Another", created_at="2026-11-23T00:00:00Z")

    with pytest.raises(Conflict, match="'default' exists; choose another id"):
        await registry.create(again)

    assert [tenant.title for tenant in await registry.tenants()] == ["Default tenant"]
