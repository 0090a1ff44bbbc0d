"""Holds the contract to noticing a Cosmos that does wrong, and a store whose tenant slipped out of one request."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backends.cosmos import test_cosmos
from services.cosmos_fake import CosmosFake

from emma_core import audit
from emma_core.backends.cosmos import CosmosStore
from emma_core.backends.cosmos.account import Refused
from emma_core.backends.cosmos.address import read as read_address
from emma_core.backends.cosmos.scope import Scope
from emma_core.backends.cosmos.trail import Sizes
from emma_core.errors import EmmaError
from emma_core.testing import store_contract as contract
from emma_core.testing.samples import note, sealing

CONTRACT = str(Path(__file__).with_name("test_cosmos.py"))


@pytest.mark.parametrize(
    ("mutation", "noticed_by"),
    [
        ("ignores_partition_key", contract.test_the_same_names_in_two_tenants_are_different_things),
        ("ignores_if_match", contract.test_a_write_over_another_version_conflicts_and_changes_nothing),
        ("batch_not_atomic", contract.test_a_line_whose_documents_conflict_leaves_nothing),
        ("ignores_ttl", test_cosmos.test_what_has_expired_is_not_held_any_more),
    ],
)
async def test_the_contract_fails_on_a_cosmos_that_does_wrong(
    mutation: str, noticed_by: Callable[..., Any], fake: CosmosFake
) -> None:
    for wrong in (False, True):
        setattr(fake.mutations, mutation, wrong)
        store = CosmosStore(read_address(fake.address(f"emma-{wrong}")))
        await store.upgrade()
        await store.open()
        if wrong:
            with pytest.raises((AssertionError, EmmaError, pytest.fail.Exception)):
                await noticed_by(store)
        else:
            await noticed_by(store)
        await store.close()


@pytest.mark.prove
@pytest.mark.parametrize("mutation", ["ignores_partition_key", "ignores_if_match", "batch_not_atomic", "ignores_ttl"])
def test_the_whole_contract_against_a_cosmos_that_does_wrong(mutation: str) -> None:
    environment = {**os.environ, "EMMA_TEST_COSMOS_MUTATION": mutation}
    # up to the first that notices: most of the others would only wait for a store that cannot write
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", CONTRACT]

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)

    print(mutation, [line for line in ended.stdout.splitlines() if line.startswith("FAILED")])
    assert ended.returncode == 1, ended.stdout


async def stay_apart(fake: CosmosFake) -> None:
    """Three tenants, each a prefix of the next, use every kind of request; raises where one meets another."""
    store = CosmosStore(read_address(fake.address("emma")), sizes=Sizes(kept=4, part=8))
    await store.upgrade()
    await store.open()
    handles = [store.for_tenant(tenant) for tenant in ("a", "aa", "aaa")]
    try:
        for handle in handles:
            put = await handle.put(note("x", of=handle.tenant), if_match="")
            put = await handle.put(note("x", of=handle.tenant), if_match=put.etag)
            await handle.put(note("gone", of=handle.tenant))
            await handle.put(note("x", kind=f"kind of {handle.tenant}"))
            for number in range(12):
                await handle.append(
                    sealing(handle.tenant, number, turn="t"), puts=[(note("y", of=handle.tenant), None)]
                )
        await handles[0].delete("note", "gone")
        for number, handle in enumerate(handles):
            there = await handle.get("note", "x")
            assert there is not None
            assert there.body == {"of": handle.tenant}
            found = await handle.query("note")
            assert [document.id for document in found] == (["x", "y"] if number == 0 else ["gone", "x", "y"])
            assert {document.body["of"] for document in found} == {handle.tenant}
            assert await handle.kinds() == [f"kind of {handle.tenant}", "note"]
            assert [line.seq for line in await handle.lines(turn="t")] == list(range(1, 13))
            assert (await audit.verify_trail(handle)).lines == 12
            assert (await handle.census())["lines"] == 12
        await handles[1].purge()
        assert [sum((await handle.census()).values()) for handle in handles] == [28, 0, 29]
    finally:
        await store.close()


async def test_three_tenants_stay_apart_in_every_kind_of_request(fake: CosmosFake) -> None:
    await stay_apart(fake)


# The places of the store where the tenant enters a request, each with a predicate that lacks it. Nothing else names a
# partition key: the last test of this module holds the store to that.
PLACES: dict[str, Callable[..., Any]] = {
    "_key": lambda self, part: ["a", part],
    "_prefix": lambda self: ["a"],
    "_stamped": lambda self, part, item: {**item, "tenant": "a", "part": part},
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_request_that_lacks_its_tenant_is_found_out(
    place: str, fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scope, place, PLACES[place])

    with pytest.raises((AssertionError, EmmaError, Refused)):
        await stay_apart(fake)


async def test_a_scope_of_another_tenant_is_found_out(fake: CosmosFake, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Scope.__init__

    def leaking(self: Scope, account: Any, tenant: str) -> None:
        honest(self, account, "a")

    monkeypatch.setattr(Scope, "__init__", leaking)

    with pytest.raises((AssertionError, EmmaError)):
        await stay_apart(fake)


@pytest.mark.parametrize("checked", [True, False])
async def test_an_answer_that_is_anothers_is_never_handed_on(
    checked: bool, fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CosmosStore(read_address(fake.address("emma")))
    await store.upgrade()
    await store.open()
    fake.mutations.ignores_partition_key = True
    await store.for_tenant("a").put(note("secret"))
    if not checked:  # the comparison taken out, what it keeps from happening is seen
        monkeypatch.setattr(Scope, "_own", lambda self, item: item)
        assert await store.for_tenant("b").get("note", "secret") is not None
    else:
        with pytest.raises(EmmaError, match="answered tenant 'b' with what is not its own"):
            await store.for_tenant("b").get("note", "secret")
        with pytest.raises(EmmaError, match="answered tenant 'b' with what is not its own"):
            await store.for_tenant("b").query("note")
    await store.close()


def test_only_one_module_names_partition_keys() -> None:
    folder = Path(sys.modules[CosmosStore.__module__].__file__ or "").parent
    naming = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"\bproxy\.(?!query_items_change_feed)|partition_key=", path.read_text())
    }

    # the change feed has no key, and its reader hands on names only
    assert naming == {"scope.py"}


async def test_every_request_on_items_carries_a_key_that_starts_with_the_tenant(fake: CosmosFake) -> None:
    await stay_apart(fake)

    keyed = [headers.get("x-ms-documentdb-partitionkey", "") for _, _, headers, _ in fake.requests]
    ranged = [
        (headers.get("x-ms-start-epk"), headers.get("x-ms-documentdb-query-enablecrosspartition"))
        for _, _, headers, _ in fake.requests
        if "x-ms-documentdb-partitionkey" not in headers
    ]
    assert {key[:3] for key in keyed if key} == {'["a'}
    assert ranged
    assert all(start and not crossing for start, crossing in ranged)
