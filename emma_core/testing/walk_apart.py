"""Walks once through every verb of a store where a neighbour has everything under the same names."""

from __future__ import annotations

from typing import Any

import pytest

from emma_core import audit
from emma_core.errors import Conflict
from emma_core.nouns import Document, Payload
from emma_core.ports import Store, TenantStore
from emma_core.testing.samples import note, sealing


async def walk_apart(store: Store) -> None:
    """Nothing that one tenant asked or did told of its neighbour, or changed anything there.

    Quick, and the same at each run: whoever removes what keeps tenants apart in one statement is to be found out by it.
    """
    one, other = store.for_tenant("walker"), store.for_tenant("walker-too")
    for handle in (one, other):
        await handle.purge()
    there = await _furnish(other)
    before = await _all_of(other)

    await _finds_nothing(one, there)
    assert await _all_of(other) == before, "what one tenant may not do changed its neighbour"
    await _does_everything(one)
    assert await _all_of(other) == before, "what one tenant did changed its neighbour"
    await one.purge()
    assert await _all_of(other) == before, "one tenant's purge changed its neighbour"


async def _furnish(other: TenantStore) -> Document:
    """The document of the neighbour that all is about; it has another kind, and two lines, besides."""
    await other.put(note(kind="theirs"))
    for number in range(2):
        await other.append(
            sealing(other.tenant, number, turn="t", conversation="c"), puts=[(note(f"line {number}"), "")]
        )
    return await other.put(note(group="g", of="other"), if_match="")


async def _all_of(handle: TenantStore) -> list[Any]:
    """All that a tenant has, by every verb that reads."""
    documents = [await handle.query(kind) for kind in await handle.kinds()]
    found = [await handle.get("note", "one"), await handle.query("note", group="g")]
    lines = [await handle.lines(), await handle.lines(turn="t"), await handle.lines(conversation="c")]
    return [documents, found, lines, await handle.head(), dict(await handle.census())]


async def _finds_nothing(one: TenantStore, there: Document) -> None:
    """The tenant has nothing, and no conflict says otherwise."""
    assert await _all_of(one) == [[], [None, []], [[], [], []], None, dict.fromkeys(await one.census(), 0)]
    for etag in (there.etag, "no such etag"):
        with pytest.raises(Conflict, match="does not exist"):
            await one.put(note(of="one"), if_match=etag)
        with pytest.raises(Conflict, match="does not exist"):
            await one.delete("note", "one", if_match=etag)
        with pytest.raises(Conflict, match="does not exist"):
            await one.append(sealing(one.tenant), puts=[(note(of="one"), etag)])
    with pytest.raises(Conflict, match="not there any more"):
        await one.append(sealing(one.tenant), deletes=[("note", "one")])
    with pytest.raises(Conflict):
        await one.append(sealing(one.tenant), needs=[("note", "one")])
    await one.replace_payloads({1: Payload(subject="nobody", salt="0" * 64, body="{}"), 2: None})
    await one.delete("note", "one", if_match="")
    await one.delete("note", "one")


async def _does_everything(one: TenantStore) -> None:
    """The tenant does whatever a tenant can, under the names that its neighbour uses, and finds what it did."""
    put = await one.put(note(group="g", of="one"), if_match="")
    put = await one.put(note(group="g", of="one again"), if_match=put.etag)
    with pytest.raises(Conflict, match="exists"):
        await one.put(note(), if_match="")
    assert (await one.append(sealing(one.tenant, turn="t", conversation="c"), puts=[(note("line 0"), "")])).seq == 1
    await one.append(sealing(one.tenant), puts=[(note(of="last"), put.etag)], deletes=[("note", "line 0")])
    assert [(found.id, found.body) for found in await one.query("note")] == [("one", {"of": "last"})]
    assert await one.kinds() == ["note"]
    held = await one.census()
    assert (held["documents"], held["lines"]) == (1, 2)
    lines = await one.lines()
    assert [line.seq for line in lines] == [1, 2]
    assert [line.seq for line in await one.lines(turn="t")] == [line.seq for line in await one.lines(conversation="c")]
    assert (await audit.verify_trail(one)).ok
    await one.replace_payloads({1: None})
    assert [line.payload is None for line in await one.lines()] == [True, False]
    await one.replace_payloads({1: lines[0].payload})
    assert await one.lines() == lines

    await one.purge()
    assert (await one.import_lines(lines)).seq == 2
    assert await one.lines() == lines
    found = await one.put(note())
    await one.delete("note", "one", if_match=found.etag)
    await one.put(note())
    await one.delete("note", "one")
    assert await one.query("note") == []
