"""Holds the Cosmos store to keeping a long trail whole: moved, found, imported, counted and destroyed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from services.cosmos_fake import CosmosFake
from services.cosmos_fake.containers import effective_key

from emma_core import audit
from emma_core.backends.cosmos import CosmosStore
from emma_core.backends.cosmos.address import read as read_address
from emma_core.backends.cosmos.items import line_item
from emma_core.backends.cosmos.trail import Sizes
from emma_core.errors import CallerError, StoreError, TrailError
from emma_core.nouns import Document, Head, TrailLine
from emma_core.ports import Blobs, TenantStore
from emma_core.testing.samples import note, sealing

SMALL = Sizes(kept=10, part=16)
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def small(cosmos_address: str) -> Callable[[], CosmosStore]:
    """Makes stores that move lines early, so that few lines make a long trail."""
    return lambda: CosmosStore(read_address(cosmos_address), sizes=SMALL)


@pytest.fixture
async def store(small: Callable[[], CosmosStore]) -> AsyncIterator[CosmosStore]:
    opened = small()
    await opened.open()
    yield opened
    await opened.close()


async def lengthen(handle: TenantStore, count: int) -> None:
    start = (await handle.head() or sealing(handle.tenant)(None)).seq if await handle.head() else 0
    for n in range(start, start + count):
        await handle.append(sealing(handle.tenant, n, turn=f"t{n // 2}", conversation=f"c{n % 3}"))


def parts(fake: CosmosFake, address: str, tenant: str) -> dict[str, list[int]]:
    """By part of `audit`, the numbers of the lines that lie there."""
    container = fake.databases[read_address(address).database]["audit"]
    found = container.items(effective_key((tenant,)), effective_key((tenant,)) + "FF")
    lines: dict[str, list[int]] = {}
    for item in found:
        if item["type"] == "line":
            lines.setdefault(item["part"], []).append(item["seq"])
    return {part: sorted(numbers) for part, numbers in sorted(lines.items())}


async def test_a_long_trail_reads_as_one_wherever_its_lines_lie(
    store: CosmosStore, cosmos_fake: CosmosFake, cosmos_address: str
) -> None:
    handle = store.for_tenant("a")
    await lengthen(handle, 45)

    lying = parts(cosmos_fake, cosmos_address, "a")
    assert lying["lines-000001"] == list(range(1, 17))
    assert sum(map(len, lying.values())) == 45
    assert len(lying["state"]) < SMALL.kept

    async def found(**asked: Any) -> list[int]:
        return [line.seq for line in await handle.lines(**asked)]

    numbers = list(range(1, 46))
    assert await found() == numbers
    assert await found(newest_first=True) == numbers[::-1]
    for after in (0, 1, 15, 16, 17, 31, 32, 33, 40, 44, 45):
        for limit in (1, 5, 100):
            assert await found(after=after, limit=limit) == numbers[after : after + limit]
            past = [n for n in numbers[::-1] if not after or n < after]
            assert await found(after=after, limit=limit, newest_first=True) == past[:limit]
    assert await found(turn="t2") == [5, 6]
    assert await found(conversation="c1") == numbers[1::3]
    assert await found(conversation="c1", newest_first=True, limit=4) == numbers[1::3][::-1][:4]
    assert await found(conversation="c1", after=20, limit=3) == [23, 26, 29]
    assert (await audit.verify_trail(handle)).lines == 45
    assert await handle.census() == {"documents": 0, "lines": 45, "payloads": 45, "heads": 1, "strays": 0}


async def test_a_tenant_that_spans_two_physical_partitions_reads_in_order(fake: CosmosFake) -> None:
    fake.bounds = [effective_key(("a", "lines-000001"))]
    store = CosmosStore(read_address(fake.address("emma")), sizes=SMALL)
    await store.upgrade()
    await store.open()
    handle = store.for_tenant("a")
    await lengthen(handle, 45)
    ranges = {fake.databases["emma"]["audit"].range_of(("a", part)) for part in parts(fake, fake.address("emma"), "a")}
    for number in range(40):
        await handle.put(Document(kind="answer", id=f"{number:03}", body={}, group=str(number % 2)))

    assert ranges == {"0", "1"}
    assert [line.seq for line in await handle.lines(conversation="c0")] == list(range(1, 46, 3))
    assert [line.seq for line in await handle.lines(conversation="c0", newest_first=True, limit=7)] == [
        *range(43, 22, -3)
    ]
    assert [each.id for each in await handle.query("answer", after="004", limit=30)] == [
        f"{number:03}" for number in range(5, 35)
    ]
    assert len(await handle.query("answer", group="1")) == 20
    assert await handle.kinds() == ["answer"]
    assert (await handle.census())["lines"] == 45
    await handle.purge()
    assert set((await handle.census()).values()) == {0}
    await store.close()


async def test_lines_are_read_whole_while_they_are_moved(small: Callable[[], CosmosStore]) -> None:
    writer, reader = small(), small()
    await writer.open()
    await reader.open()
    writing = asyncio.create_task(lengthen(writer.for_tenant("a"), 80))
    handle = reader.for_tenant("a")

    while not writing.done():
        numbers = [line.seq for line in await handle.lines()]
        assert numbers == list(range(1, len(numbers) + 1))
        newest = [line.seq for line in await handle.lines(newest_first=True)]
        assert newest == list(range(len(newest), 0, -1))
        of_one = [line.seq for line in await handle.lines(conversation="c0")]
        assert of_one == list(range(1, 3 * len(of_one), 3))
        assert len(of_one) >= len(newest) // 3
    await writing

    assert (await audit.verify_trail(handle)).lines == 80
    await writer.close()
    await reader.close()


async def test_a_move_that_ends_half_way_is_made_good_later(
    store: CosmosStore, small: Callable[[], CosmosStore], cosmos_fake: CosmosFake, cosmos_address: str
) -> None:
    handle = store.for_tenant("a")
    await lengthen(handle, 9)
    container = cosmos_fake.databases[read_address(cosmos_address).database]["audit"]
    whole = container.batch

    def only_the_first(key: tuple[str, ...], operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(each["operationType"] == "Delete" for each in operations):
            return [{"statusCode": 412, "requestCharge": 1.0}, *[{"statusCode": 424}] * (len(operations) - 1)]
        return whole(key, operations)

    container.batch = only_the_first  # type: ignore[method-assign]
    await lengthen(handle, 2)
    container.batch = whole  # type: ignore[method-assign]

    assert parts(cosmos_fake, cosmos_address, "a")["lines-000001"] == list(range(1, 12))
    assert [line.seq for line in await handle.lines()] == list(range(1, 12))
    assert len(await handle.lines(conversation="c0")) == 4
    assert await handle.census() == {"documents": 0, "lines": 11, "payloads": 11, "heads": 1, "strays": 11}
    await lengthen(handle, 1)
    assert parts(cosmos_fake, cosmos_address, "a") == {"lines-000001": list(range(1, 13))}
    assert (await audit.verify_trail(handle)).lines == 12


async def test_a_line_slipped_in_or_changed_reaches_the_verifier(
    store: CosmosStore, cosmos_fake: CosmosFake, cosmos_address: str
) -> None:
    handle = store.for_tenant("a")
    await lengthen(handle, 25)
    container = cosmos_fake.databases[read_address(cosmos_address).database]["audit"]

    def tampered(part: str, seq: int, **changed: Any) -> None:
        item = dict(container.read(("a", part), f"l~{seq:012}"))
        container.write("Upsert", ("a", part), f"l~{seq:012}", {**item, **changed}, None)

    assert (await audit.verify_trail(handle)).ok
    tampered("state", 25, conversation="elsewhere")
    assert (await audit.verify_trail(handle)).bad_seq == 25
    tampered("lines-000001", 3, body=container.read(("a", "lines-000001"), f"l~{4:012}")["body"])
    assert (await audit.verify_trail(handle)).bad_seq == 3
    container.write("Delete", ("a", "lines-000001"), f"l~{2:012}", None, None)
    assert not (await audit.verify_trail(handle)).ok
    last = container.read(("a", "state"), f"l~{25:012}")
    container.write("Upsert", ("a", "state"), "l~x", {**last, "seq": 0, "id": "l~x"}, None)
    assert "under number 0" in ((await audit.verify_trail(handle)).reason or "")


async def test_a_trail_goes_on_with_lines_of_another_store(small: Callable[[], CosmosStore], fake: CosmosFake) -> None:
    source = CosmosStore(read_address(fake.address("source")), sizes=SMALL)
    await source.upgrade()
    await source.open()
    await lengthen(source.for_tenant("a"), 60)
    lines = await source.for_tenant("a").lines()
    target = small()
    await target.open()
    handle = target.for_tenant("a")

    assert (await handle.import_lines(lines[:7])).seq == 7
    head = await handle.import_lines(lines[7:])

    assert head == await source.for_tenant("a").head() == await handle.head()
    assert await handle.lines() == lines
    assert await handle.lines(turn="t9") == lines[18:20]
    assert await handle.census() == await source.for_tenant("a").census()
    with pytest.raises(TrailError, match="comes where 61 is next"):
        await handle.import_lines(lines[-1:])
    await lengthen(handle, 12)
    assert (await audit.verify_trail(handle)).lines == 72
    await source.close()
    await target.close()


async def test_an_import_that_is_broken_off_shows_nothing(store: CosmosStore, fake: CosmosFake) -> None:
    handle = store.for_tenant("a")
    made = [sealing("a", n) for n in range(30)]
    lines: list[TrailLine] = []
    for seal in made:
        last = lines[-1] if lines else None
        lines.append(seal(last and Head(seq=last.seq, hash=last.hash, at=last.at)))
    broken = [*lines[:20], lines[20].model_copy(update={"line": lines[20].line.replace("clear", "cloud")}), *lines[21:]]

    with pytest.raises(TrailError, match="line 21 does not have its hash"):
        await handle.import_lines(broken)

    assert await handle.head() is None
    assert set((await handle.census()).values()) == {0}
    # as if the process had ended before the head was written
    trail = store.for_tenant("a")._trail  # type: ignore[attr-defined]
    await trail._copied([line_item(line) for line in lines[:16]], "lines-000001")
    assert await handle.lines() == []
    assert (await handle.census())["strays"] == 16
    await lengthen(handle, 40)
    assert (await audit.verify_trail(handle)).lines == 40
    assert (await handle.census())["strays"] == 0


async def test_what_is_too_large_for_an_item_lies_among_the_blobs(
    small: Callable[[], CosmosStore], blobs: Blobs
) -> None:
    store = small()
    await store.open(overflow=blobs)
    handle, kept = store.for_tenant("a"), blobs.for_tenant("a")
    words = "wörd " * 500_000

    await handle.put(note(words=words))
    await handle.append(sealing("a", words=words), puts=[(note(str(n), words=words), "") for n in range(3)])
    await lengthen(handle, 15)

    # one text for the four documents, and the line's own
    aside = await kept.list("overflow")
    assert len(aside) == 2
    assert [document.body["words"] == words for document in await handle.query("note")] == [True] * 4
    assert (await audit.verify_trail(handle)).lines == 16
    await store.close()
    await store.open()
    with pytest.raises(StoreError, match="among the blobs, and none are named; set EMMA_BLOBS"):
        await handle.get("note", "one")
    await store.close()
    await kept.purge()
    await store.open(overflow=blobs)
    with pytest.raises(StoreError, match="is not among the blobs; restore it"):
        await handle.lines()
    await store.close()


async def test_bodies_that_were_put_aside_lie_with_their_tenant(small: Callable[[], CosmosStore], blobs: Blobs) -> None:
    store = small()
    await store.open(overflow=blobs)

    for tenant in ("a", "aa"):
        await store.for_tenant(tenant).put(note(words=tenant * 1_100_000))

    for tenant in ("a", "aa"):
        (kept,) = await blobs.for_tenant(tenant).list("overflow")
        assert tenant * 1_100_000 in (await blobs.for_tenant(tenant).get("overflow", kept.sha256) or b"").decode()
    assert await blobs.for_tenant("aaa").list("overflow") == []
    await store.close()


async def test_a_tenant_that_is_destroyed_leaves_nothing_and_its_neighbour_everything(store: CosmosStore) -> None:
    handles = [store.for_tenant(tenant) for tenant in ("a", "aa")]
    for handle in handles:
        await lengthen(handle, 20)
        for kind in ("note", "blueprint", "prompt", "answer", "attachment", "turn_telemetry", "odd/kind"):
            for number in range(3):
                await handle.put(note(str(number), kind=kind))
    kinds = ["answer", "attachment", "blueprint", "note", "odd/kind", "prompt", "turn_telemetry"]
    census = await handles[1].census()

    assert await handles[0].kinds() == kinds
    assert census == {"documents": 21, "lines": 20, "payloads": 20, "heads": 1, "strays": 0}
    await handles[0].purge()
    await handles[0].purge()

    assert set((await handles[0].census()).values()) == {0}
    assert await handles[0].kinds() == []
    assert await handles[0].head() is None
    assert await handles[1].census() == census
    assert await handles[1].kinds() == kinds
    assert (await audit.verify_trail(handles[1])).lines == 20
    await lengthen(handles[0], 3)
    assert (await audit.verify_trail(handles[0])).lines == 3


async def test_a_kind_that_stands_on_a_shelf_is_not_written_with_a_line(store: CosmosStore) -> None:
    handle = store.for_tenant("a")

    with pytest.raises(CallerError, match="stands on the shelf 'agent-blueprints'"):
        await handle.append(sealing("a"), puts=[(note(kind="blueprint"), None)])
    with pytest.raises(CallerError, match="stands on the shelf 'conversations'"):
        await handle.append(sealing("a"), deletes=[("answer", "one")])

    assert await handle.head() is None


async def test_documents_stand_on_the_shelves_of_the_platform(
    store: CosmosStore, cosmos_fake: CosmosFake, cosmos_address: str
) -> None:
    handle = store.for_tenant("a")
    shelves = {"blueprint": "agent-blueprints", "prompt": "rag-prompts", "turn_telemetry": "telemetry"}
    shelves |= {"answer": "conversations", "override": "audit"}
    for kind in shelves:
        await handle.put(note(kind=kind))

    for kind, name in shelves.items():
        container = cosmos_fake.databases[read_address(cosmos_address).database][name]
        found = container.items(effective_key(("a",)), effective_key(("a",)) + "FF")
        assert [item["kind"] for item in found] == [kind]
        assert found[0]["part"] == {"override": "state"}.get(kind, found[0]["part"])


async def test_ids_that_start_alike_for_long_are_paged_in_order(store: CosmosStore) -> None:
    handle = store.for_tenant("a")
    ids = [f"{'x' * 200}{number:02}" for number in range(30)]
    for id in reversed(ids):
        await handle.put(note(id))

    found, after = list[str](), ""
    while page := await handle.query("note", after=after, limit=7):
        found += [document.id for document in page]
        after = found[-1]

    assert found == ids


async def test_twenty_writers_at_once_all_finish(small: Callable[[], CosmosStore]) -> None:
    stores = [small() for _ in range(20)]
    for store in stores:
        await store.open()

    handles = [store.for_tenant("a") for store in stores]
    sealed = await asyncio.gather(*(handle.append(sealing("a", n)) for n, handle in enumerate(handles)))

    assert sorted(each.seq for each in sealed) == list(range(1, 21))
    assert (await audit.verify_trail(handles[0])).lines == 20
    for store in stores:
        await store.close()


async def test_a_watcher_is_told_who_grew(
    store: CosmosStore, cosmos_fake: CosmosFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emma_core.backends.cosmos.feed.LOOK", 0.02)
    await store.for_tenant("before").append(sealing("before"))

    async with asyncio.timeout(30), aclosing(store.watch()) as told:  # type: ignore[type-var]
        assert await anext(told) == "before"
        for tenant in ("a", "b", "a"):
            await store.for_tenant(tenant).put(note())  # which is no line
            await store.for_tenant(tenant).append(sealing(tenant))
            assert await anext(told) == tenant
        cosmos_fake.away = True
        waiting = asyncio.create_task(anext(told))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        cosmos_fake.away = False
        await store.for_tenant("c").append(sealing("c"))
        assert await waiting == "c"
