"""Holds the Cosmos store to clear errors about its address and its account, and to never showing a key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from services.cosmos_fake import KEY, CosmosFake

from emma_core import audit
from emma_core.backends.cosmos import open_store
from emma_core.errors import CallerError, Conflict, StoreError
from emma_core.ports import Store
from emma_core.testing.samples import note, sealing

CANARY = "Y2FuYXJ5IGluIHRoZSBrZXk="


@pytest.fixture
async def store(fake: CosmosFake) -> AsyncIterator[Store]:
    opened = open_store(fake.address("emma"))
    await opened.upgrade()
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("cosmos://", "names no database"),
        ("cosmos://a.documents.azure.com", "names no database"),
        ("cosmos://a.documents.azure.com/a/b", "names no database"),
        ("cosmos://a.documents.azure.com/'; DROP", "names no database"),
        (f"cosmos://a.documents.azure.com/emma?kee={CANARY}", "an option that is none"),
        (f"cosmos://me:{CANARY}@a.documents.azure.com/emma", "a key stands behind"),
        (f"cosmos://me:{CANARY}@a.documents.azure.com:port/emma", "cannot be read"),
        (f"cosmos://a.documents.azure.com/emma?key={CANARY}!", "no base64"),
        (f"cosmos://a.documents.azure.com/emma?key={CANARY}&tls=off", "only loopback"),
        ("cosmos://a.documents.azure.com:port/emma", "cannot be read"),
        (f"cosmos://a.documents.azure.com/emma?{CANARY}", "an option that is none"),
        ("cosmos://127.0.0.1/emma?tls=maybe", "tls='maybe'"),
        ("cosmos://127.0.0.1/emma?tls=off", "nobody can sign in"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_key(address: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refused:
        open_store(address)

    assert CANARY.rstrip("=") not in str(refused.value)


def test_an_address_keeps_its_key_to_itself() -> None:
    store = open_store(f"cosmos://a.documents.azure.com/emma?key={CANARY}")

    assert "canary" not in repr(vars(store)).lower()
    assert CANARY.rstrip("=") not in repr(vars(store))


async def test_a_database_that_is_not_set_up_says_what_to_run(fake: CosmosFake) -> None:
    store = open_store(fake.address("emma"))

    with pytest.raises(StoreError, match=r"no container 'audit'; run: emma db upgrade"):
        await store.open()

    assert await store.upgrade() == [
        "made the database 'emma'",
        "made the container 'audit'",
        "made the container 'agent-blueprints'",
        "made the container 'conversations'",
        "made the container 'rag-prompts'",
        "made the container 'telemetry'",
    ]
    assert await store.upgrade() == []
    await store.open()
    await store.close()
    with pytest.raises(StoreError, match="nothing to go back to"):
        await store.downgrade("1")


async def test_an_upgrade_mends_what_a_container_indexes_and_keeps(fake: CosmosFake) -> None:
    store = open_store(fake.address("emma"))
    await store.upgrade()
    fake.databases["emma"]["telemetry"].properties.update(defaultTtl=60, indexingPolicy={})

    assert await store.upgrade() == ["changed what the container 'telemetry' indexes, and how long it keeps"]
    assert fake.databases["emma"]["telemetry"].properties["defaultTtl"] == -1


async def test_containers_of_another_key_are_refused(fake: CosmosFake, store: Store) -> None:
    fake.databases["emma"]["audit"].properties["partitionKey"]["paths"] = ["/id"]

    for asked in (open_store(fake.address("emma")).open, store.upgrade):
        with pytest.raises(StoreError, match=r"'audit' is partitioned by \['/id'\]"):
            await asked()


async def test_bodies_cost_nothing_to_index(fake: CosmosFake, store: Store) -> None:
    for container in fake.databases["emma"].values():
        assert container.properties["partitionKey"] == {
            "paths": ["/tenant", "/part"],
            "kind": "MultiHash",
            "version": 2,
        }
        policy = container.properties["indexingPolicy"]
        assert policy["excludedPaths"] == [{"path": "/*"}]
        assert not {"/body/?", "/document/?", "/line/?"} & {path["path"] for path in policy["includedPaths"]}


async def test_an_account_that_two_regions_write_to_keeps_no_trail(fake: CosmosFake, store: Store) -> None:
    fake.regions = 2

    with pytest.raises(StoreError, match="more than one region of its account takes writes"):
        await open_store(fake.address("emma")).open()


@pytest.mark.parametrize("level", ["Eventual", "ConsistentPrefix"])
async def test_an_account_that_may_forget_what_was_written_is_refused(
    fake: CosmosFake, store: Store, level: str
) -> None:
    fake.consistency = level

    with pytest.raises(StoreError, match=f"at the consistency '{level}'"):
        await open_store(fake.address("emma")).open()


async def test_bounded_staleness_is_warned_of(fake: CosmosFake, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    fake.consistency = "BoundedStaleness"
    other = open_store(fake.address("emma"))

    await other.open()
    await other.close()

    assert "BoundedStaleness" in caplog.text


async def test_a_wrong_key_is_refused_and_not_shown(
    fake: CosmosFake, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(StoreError, match="refused the key of its address") as refused:
        await open_store(fake.address("emma", key=CANARY)).open()

    assert CANARY not in f"{refused.value!r} {caplog.text}"
    assert refused.value.__cause__ is None


async def test_the_key_is_in_no_log_of_a_whole_life(
    fake: CosmosFake, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handle = store.for_tenant("a")

    await handle.put(note())
    await handle.append(sealing("a"))
    fake.away = True
    with pytest.raises(StoreError) as failed:
        await handle.get("note", "one")

    assert KEY not in caplog.text + repr(failed.value)


async def test_replicas_that_lag_do_not_hide_what_this_process_wrote(fake: CosmosFake, store: Store) -> None:
    handle = store.for_tenant("a")
    fake.lag = 5

    for number in range(12):
        await handle.append(sealing("a", number), puts=[(note("one", n=number), None)])
        found = await handle.get("note", "one")
        assert found is not None
        assert found.body == {"n": number}
        await handle.put(note("other", n=number))
        assert [document.body["n"] for document in await handle.query("note")] == [number, number]
        assert (await handle.lines(newest_first=True, limit=1))[0].seq == number + 1


async def test_a_moment_of_throttling_is_waited_out(fake: CosmosFake, store: Store) -> None:
    handle = store.for_tenant("a")

    for number in range(3):
        fake.throttled, fake.throttled_inside = 4, 3
        await handle.append(sealing("a", number))
        fake.throttled = 4
        await handle.put(note(n=number))

    assert (await audit.verify_trail(handle)).lines == 3


async def test_a_storm_of_throttling_ends_in_an_error_that_says_so(
    fake: CosmosFake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emma_core.backends.cosmos.trail.PATIENCE", 0.5)
    handle = store.for_tenant("a")
    fake.throttled = 10**6

    asked = [handle.get("note", "one"), handle.put(note()), handle.query("note"), handle.append(sealing("a"))]
    ended = await asyncio.gather(*asked, return_exceptions=True)

    assert all(isinstance(each, StoreError) and "is throttled" in str(each) for each in ended), ended
    fake.throttled = 0
    await handle.append(sealing("a"))
    assert (await audit.verify_trail(handle)).lines == 1


async def test_an_append_whose_answer_was_lost_is_there_once(fake: CosmosFake, store: Store) -> None:
    handle = store.for_tenant("a")

    for number in range(6):
        fake.lost = number % 3 + 1
        sealed = await handle.append(sealing("a", number), puts=[(note(str(number)), "")])
        assert sealed.seq == number + 1

    assert (await audit.verify_trail(handle)).lines == 6
    assert len(await handle.query("note")) == 6


async def test_a_document_whose_answer_was_lost_is_no_conflict_with_itself(fake: CosmosFake, store: Store) -> None:
    handle = store.for_tenant("a")

    fake.lost = 2
    first = await handle.put(note(n=1), if_match="")
    fake.lost = 2
    second = await handle.put(note(n=2), if_match=first.etag)
    fake.lost = 4
    third = await handle.put(note(n=3))

    assert await handle.get("note", "one") == third
    with pytest.raises(Conflict):
        await handle.put(note(n=4), if_match=second.etag)
    fake.lost = 1
    await handle.delete("note", "one")
    assert await handle.get("note", "one") is None


async def test_a_lost_answer_among_others_who_write_is_there_once(fake: CosmosFake, store: Store) -> None:
    other = open_store(fake.address("emma"))
    await other.open()
    handles = [store.for_tenant("a"), other.for_tenant("a")]
    fake.lost = 8

    await asyncio.gather(*(handles[number % 2].append(sealing("a", number)) for number in range(20)))

    lines = await handles[0].lines()
    assert sorted(audit.read(line).outcome["number"] for line in lines) == list(range(20))
    assert (await audit.verify_trail(handles[0])).lines == 20
    await other.close()


async def test_an_append_waits_for_a_database_that_was_away(fake: CosmosFake, store: Store) -> None:
    handle = store.for_tenant("a")
    fake.away = True
    waiting = asyncio.create_task(handle.append(sealing("a")))
    await asyncio.sleep(0.5)
    assert not waiting.done()

    fake.away = False

    assert (await waiting).seq == 1
    assert (await audit.verify_trail(handle)).lines == 1


async def test_what_is_too_large_names_the_limit_and_leaves_nothing(store: Store) -> None:
    handle = store.for_tenant("a")
    words = "w" * 2_000_001

    with pytest.raises(CallerError, match=r"Cosmos holds 2,000,000 in an item.*EMMA_BLOBS"):
        await handle.put(note(words=words))
    with pytest.raises(CallerError, match="2,000,000"):
        await handle.append(sealing("a", words=words))
    with pytest.raises(CallerError, match="2,000,000"):
        await handle.append(sealing("a"), puts=[(note(str(n), words="w" * 300_000), "") for n in range(7)])
    with pytest.raises(CallerError, match="98 documents"):
        await handle.append(sealing("a"), puts=[(note(str(n)), "") for n in range(99)])

    assert await handle.query("note") == []
    assert await handle.head() is None
