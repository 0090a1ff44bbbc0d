"""Says what any Blobs must do, as tests that each backend runs over its own.

A backend's test module brings three fixtures and takes the tests over:

    from emma_core.testing.blobs_contract import *

`new_blobs`: a function that returns unopened blobs at each call, all of them on one place that was empty when the test
began; they go by `clock`, a list of one aware time in UTC that a test may change, and keep nothing by themselves but
checkpoints, for some days. `flip`: an async function of tenant, kind and hash that changes one byte where it lies.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from emma_core.errors import CallerError, Conflict, StoreError
from emma_core.nouns import BlobRef
from emma_core.ports import Blobs
from emma_core.testing.samples import NO_TENANTS, PREFIX_TENANTS, STRANGE

KINDS: tuple[Any, ...] = ("attachment", "export", "artifact", "checkpoint", "overflow")


@pytest.fixture
async def blobs(new_blobs: Callable[[], Blobs]) -> AsyncIterator[Blobs]:
    """Open blobs, empty but for what they make themselves."""
    opened = new_blobs()
    await opened.open()
    yield opened
    await opened.close()


def sha256(data: bytes) -> str:
    """The hash that names the content."""
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("data", [b"", b"words", bytes(range(256)) * 100], ids=len)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_put_is_read_back_by_its_hash(blobs: Blobs, data: bytes, kind: Any) -> None:
    handle = blobs.for_tenant("a")

    put = await handle.put(data, kind=kind, name="a file.pdf", days=0)

    assert put == BlobRef(kind=kind, sha256=sha256(data), size=len(data), name="a file.pdf")
    assert await handle.get(kind, put.sha256) == data
    assert await handle.list(kind) == [put]
    assert await handle.get(kind, sha256(b"other")) is None


async def test_a_piece_of_twenty_megabytes_is_read_back_whole(blobs: Blobs) -> None:
    handle, data = blobs.for_tenant("a"), bytes(range(251)) * (20 * 1024 * 1024 // 251)

    put = await handle.put(data, kind="attachment")

    assert await handle.get("attachment", put.sha256) == data


async def test_what_was_put_is_there_after_closing_and_for_others(new_blobs: Callable[[], Blobs]) -> None:
    one, other = new_blobs(), new_blobs()
    await one.open()
    put = await one.for_tenant("a").put(b"words", kind="export")
    await one.close()
    await one.close()

    await other.open()

    assert await other.for_tenant("a").list("export") == [put]
    assert await other.for_tenant("a").get("export", put.sha256) == b"words"
    await other.close()


@pytest.mark.parametrize("name", ["", *STRANGE, "k" * 500], ids=ascii)
async def test_any_text_may_be_a_name(blobs: Blobs, name: str) -> None:
    name = name[:500]
    handle = blobs.for_tenant("a")

    put = await handle.put(b"words", kind="attachment", name=name)

    assert put.name == name
    assert [each.name for each in await handle.list("attachment")] == [name]


async def test_the_same_content_is_one_piece_however_often_it_is_put(blobs: Blobs) -> None:
    handle = blobs.for_tenant("a")

    first = await handle.put(b"words", kind="attachment", name="first.pdf")
    again = [await handle.put(b"words", kind="attachment", name="second.pdf") for _ in range(3)]

    assert again == [first] * 3
    assert await handle.list("attachment") == [first]
    assert (await handle.census())["attachment"] == 1


async def test_the_same_content_put_by_many_at_once_is_one_piece(new_blobs: Callable[[], Blobs]) -> None:
    many = [new_blobs(), new_blobs()]
    for each in many:
        await each.open()
    handles = [each.for_tenant("a") for each in many] * 8

    put = await asyncio.gather(*(handle.put(b"words", kind="attachment", days=n) for n, handle in enumerate(handles)))

    [held] = await handles[0].list("attachment")
    assert held.keep_until is not None and held.keep_until == max(each.keep_until or held.keep_until for each in put)
    assert await handles[1].get("attachment", held.sha256) == b"words"
    for each in many:
        await each.close()


async def test_many_pieces_put_at_once_are_all_there(blobs: Blobs) -> None:
    handle = blobs.for_tenant("a")

    put = await asyncio.gather(*(handle.put(f"piece {n}".encode(), kind="overflow") for n in range(60)))

    assert await handle.list("overflow") == sorted(put, key=lambda each: each.sha256)
    assert [await handle.get("overflow", each.sha256) for each in put] == [f"piece {n}".encode() for n in range(60)]


async def test_a_kind_has_its_own_pieces(blobs: Blobs) -> None:
    handle = blobs.for_tenant("a")
    put = await handle.put(b"words", kind="attachment")

    assert await handle.get("export", put.sha256) is None
    assert await handle.list("export") == []
    assert await handle.delete("export", put.sha256) is False
    assert await handle.get("attachment", put.sha256) == b"words"


async def test_the_same_content_in_two_tenants_is_two_pieces(blobs: Blobs) -> None:
    handles = [blobs.for_tenant(tenant) for tenant in PREFIX_TENANTS]
    put = [await handle.put(b"words", kind="export", name=handle.tenant) for handle in handles]
    only = await handles[0].put(b"only of the first", kind="export")

    assert await handles[0].delete("export", put[0].sha256)

    assert await handles[0].list("export") == [only]
    for handle, ref in list(zip(handles, put, strict=True))[1:]:
        assert await handle.list("export") == [ref]
        assert await handle.get("export", only.sha256) is None
        assert await handle.delete("export", only.sha256) is False
        assert await handle.get("export", ref.sha256) == b"words"


async def test_a_list_comes_in_pages_by_hash_whoever_writes_meanwhile(blobs: Blobs) -> None:
    handle = blobs.for_tenant("a")
    before = {(await handle.put(f"before {n}".encode(), kind="artifact")).sha256 for n in range(40)}
    gone = sorted(before)[10:15]
    writing = asyncio.gather(*(handle.put(f"meanwhile {n}".encode(), kind="artifact") for n in range(40)))

    seen: list[str] = []
    while page := await handle.list("artifact", after=seen[-1] if seen else "", limit=7):
        assert len(page) <= 7
        seen += [each.sha256 for each in page]
        if len(seen) == 7:
            for each in gone:
                await handle.delete("artifact", each)
    await writing

    assert seen == sorted(set(seen))
    assert before - set(gone) <= set(seen)
    assert await handle.list("artifact", limit=0) == []


async def test_content_that_was_changed_where_it_lies_is_an_error_and_put_again_is_whole(
    blobs: Blobs, flip: Callable[[str, str, str], Awaitable[None]]
) -> None:
    handle = blobs.for_tenant("a")
    put = await handle.put(b"words" * 1000, kind="overflow", name="n", days=3)

    await flip("a", "overflow", put.sha256)

    with pytest.raises(StoreError, match="damaged: it is not what its hash says"):
        await handle.get("overflow", put.sha256)
    assert await handle.put(b"words" * 1000, kind="overflow") == put
    assert await handle.get("overflow", put.sha256) == b"words" * 1000


async def test_what_is_to_be_kept_is_deleted_by_nobody_before_its_time(blobs: Blobs, clock: list[datetime]) -> None:
    handle = blobs.for_tenant("a")
    put = await handle.put(b"words", kind="export", days=7)
    assert put.keep_until is not None
    assert timedelta(0) <= put.keep_until - (clock[0] + timedelta(days=7)) <= timedelta(seconds=1)

    with pytest.raises(Conflict, match="is kept until"):
        await handle.delete("export", put.sha256)

    assert await handle.get("export", put.sha256) == b"words"
    clock[0] += timedelta(days=8)
    assert await handle.delete("export", put.sha256) is True
    assert await handle.delete("export", put.sha256) is False
    assert await handle.list("export") == []


async def test_what_was_promised_is_prolonged_and_never_shortened(blobs: Blobs, clock: list[datetime]) -> None:
    handle = blobs.for_tenant("a")
    short = await handle.put(b"words", kind="export", name="n", days=1)
    long = await handle.put(b"words", kind="export", days=30)

    again = await handle.put(b"words", kind="export", days=0)

    assert short.keep_until is not None and long.keep_until is not None and short.keep_until < long.keep_until
    assert again == long == short.model_copy(update={"keep_until": long.keep_until})
    clock[0] += timedelta(days=29)
    with pytest.raises(Conflict):
        await handle.delete("export", again.sha256)


async def test_a_checkpoint_is_kept_by_itself_and_the_rest_is_not(blobs: Blobs) -> None:
    handle = blobs.for_tenant("a")

    put = [await handle.put(b"words", kind=kind) for kind in KINDS]

    assert [each.kind for each in put if each.keep_until] == ["checkpoint"]
    with pytest.raises(Conflict):
        await handle.delete("checkpoint", put[0].sha256)


async def test_a_purge_leaves_nothing_of_a_tenant_and_all_of_the_others(blobs: Blobs) -> None:
    for tenant in PREFIX_TENANTS:
        for kind in KINDS:
            for n in range(3):
                await blobs.for_tenant(tenant).put(f"{n}".encode(), kind=kind, days=0)

    for gone in (["aa"], ["aa", "a"]):
        await blobs.for_tenant(gone[-1]).purge()
        await blobs.for_tenant(gone[-1]).purge()
        for tenant in PREFIX_TENANTS:
            held = 0 if tenant in gone else 3
            assert await blobs.for_tenant(tenant).census() == dict.fromkeys(KINDS, held)

    await blobs.for_tenant("a").put(b"anew", kind="export")
    assert (await blobs.for_tenant("a").census())["export"] == 1


async def test_a_purge_of_what_is_to_be_kept_removes_nothing(blobs: Blobs, clock: list[datetime]) -> None:
    handle = blobs.for_tenant("a")
    await handle.put(b"free", kind="attachment")
    await handle.put(b"kept", kind="overflow", days=5)

    with pytest.raises(Conflict, match="of kind 'overflow' is kept until"):
        await handle.purge()

    assert {kind: n for kind, n in (await handle.census()).items() if n} == {"attachment": 1, "overflow": 1}
    clock[0] += timedelta(days=6)
    await handle.purge()
    assert not any((await handle.census()).values())


@pytest.mark.parametrize("kind", ["", "..", "../b", "attachment/..", "Attachment", "attachment\0", "a" * 300])
async def test_what_is_no_kind_is_refused_by_every_verb(blobs: Blobs, kind: Any) -> None:
    handle, named = blobs.for_tenant("a"), sha256(b"words")

    for asked in (
        lambda: handle.put(b"words", kind=kind),
        lambda: handle.get(kind, named),
        lambda: handle.list(kind),
        lambda: handle.delete(kind, named),
    ):
        with pytest.raises(CallerError, match="No blob is of kind"):
            await asked()

    assert not any((await handle.census()).values())


@pytest.mark.parametrize(
    "name", ["", "..", "../" * 20 + "etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "/", "0" * 63 + "\n", "%2e"]
)
async def test_what_is_no_hash_is_refused_by_every_verb(blobs: Blobs, name: str) -> None:
    handle = blobs.for_tenant("a")

    for asked in (lambda: handle.get("export", name), lambda: handle.delete("export", name)):
        with pytest.raises(CallerError, match="is no SHA-256"):
            await asked()


@pytest.mark.parametrize("given", [{"days": -1}, {"days": 40_000}, {"name": "\ud800"}, {"name": "n" * 501}], ids=ascii)
async def test_what_cannot_be_kept_is_refused_and_leaves_nothing(blobs: Blobs, given: Any) -> None:
    handle = blobs.for_tenant("a")

    with pytest.raises(CallerError):
        await handle.put(b"words", kind="export", **given)

    assert await handle.list("export") == []


@pytest.mark.parametrize("tenant", NO_TENANTS)
async def test_what_is_no_tenants_id_gets_no_handle(blobs: Blobs, tenant: str) -> None:
    with pytest.raises(CallerError, match="No tenant can be called"):
        blobs.for_tenant(tenant)


async def test_blobs_say_how_they_stand_and_are_upgraded_twice(new_blobs: Callable[[], Blobs]) -> None:
    blobs = new_blobs()
    await blobs.upgrade()

    assert await blobs.upgrade() == []

    await blobs.open()
    assert await blobs.state()
    assert await blobs.upgrade() == []
    await blobs.close()
