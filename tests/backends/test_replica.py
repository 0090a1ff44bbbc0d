"""Holds the registry to reading lists and reports where a streaming copy is, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from services import Addresses, PostgresServer
from services.postgres_copy import PostgresCopy

from emma_core.backends.sql.registry import open_registry
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import Member, RoleAssignment, Tenant
from emma_core.testing.registry_samples import AT, DAY, member, role


@pytest.fixture
def copy(postgres: PostgresServer, emma_database: Addresses) -> Iterator[PostgresCopy]:
    """A copy of the server that the test's database is on."""
    made = PostgresCopy(postgres)
    yield made
    made.forget()


async def test_lists_and_reports_are_read_at_the_copy_and_what_decides_is_not(
    emma_database: Addresses, copy: PostgresCopy
) -> None:
    registry = open_registry(emma_database.app)
    await registry.open(replica=copy.address(emma_database.app))
    handle = registry.for_tenant("default")
    await handle.put(role())
    copy.follow()
    copy.hold()

    await registry.create(Tenant(id="acme", title="Acme", created_at=AT))
    await handle.remove(RoleAssignment, "ann", "clerk")
    await handle.put(member())
    await handle.count(DAY, {"turns": 1}, seen=1)

    assert [tenant.id for tenant in await registry.tenants()] == ["default"]
    assert await handle.usage(DAY, DAY) == []
    assert await handle.all(Member, may_lag=True) == []
    assert await handle.all(RoleAssignment, may_lag=True) == [role()]
    assert await handle.all(RoleAssignment) == []
    assert await handle.one(RoleAssignment, "ann", "clerk") is None
    assert await handle.all(Member) == [member()]
    assert await handle.counted() == 1
    assert await registry.tenant("acme") is not None
    copy.follow()
    assert [tenant.id for tenant in await registry.tenants()] == ["acme", "default"]
    assert [each.amount for each in await handle.usage(DAY, DAY)] == [1]
    assert await handle.all(Member, may_lag=True) == [member()]
    await registry.close()


async def test_a_copy_holds_its_role_to_row_security_and_takes_no_write(
    emma_database: Addresses, copy: PostgresCopy
) -> None:
    copy.follow()
    registry = open_registry(emma_database.app)
    with pytest.raises(StoreError, match="'postgres' is a superuser"):
        await registry.open(replica=copy.address(emma_database.superuser))
    with pytest.raises(StoreError, match="not open"):
        await registry.tenants()

    written = open_registry(copy.address(emma_database.app))
    await written.open()
    with pytest.raises(StoreError, match="is a copy that cannot be written; name the one that can"):
        await written.for_tenant("default").put(member())
    await written.close()


async def test_a_copy_that_is_away_or_is_a_file_is_refused_by_name(emma_database: Addresses, address: str) -> None:
    registry, file = open_registry(emma_database.app), open_registry(address)

    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/emma' is not reached"):
        await registry.open(replica="postgresql://emma_app@127.0.0.1:1/emma")
    for each, replica in ((registry, address), (file, emma_database.app), (file, address)):
        with pytest.raises(OperatorError, match="only a PostgreSQL has copies"):
            await each.open(replica=replica)
