"""Holds the reading of a whole trail from its store, page by page, to what lies there."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emma_core import audit
from emma_core.audit.reading import PAGE
from emma_core.backends.sqlite import open_store
from emma_core.ports import TenantStore
from emma_core.testing.samples import sealing


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[TenantStore]:
    store = open_store(f"sqlite:///{tmp_path / 'emma.db'}")
    await store.open()
    yield store.for_tenant("a")
    await store.close()


@pytest.mark.parametrize("length", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_a_trail_of_any_length_is_verified_and_exported_whole(
    trail: TenantStore, tmp_path: Path, length: int
) -> None:
    await asyncio.gather(*(trail.append(sealing("a", number)) for number in range(length)))
    path = tmp_path / "a.jsonl"
    with path.open("w", encoding="utf-8") as out:
        written = await audit.export_trail(trail, out)

    export = audit.read_export(path)

    assert written == length
    assert audit.verify(export.lines(), tenant=export.tenant, head=export.head) == await audit.verify_trail(trail)
    assert (await audit.verify_trail(trail)).lines == length


async def test_an_export_ends_at_the_head_of_its_moment(trail: TenantStore, tmp_path: Path) -> None:
    await asyncio.gather(*(trail.append(sealing("a", number)) for number in range(2 * PAGE)))
    writing = asyncio.gather(*(trail.append(sealing("a", number)) for number in range(2 * PAGE)))
    out = io.StringIO()

    written = await audit.export_trail(trail, out)
    await writing

    assert 2 * PAGE <= written <= 4 * PAGE
    (tmp_path / "a.jsonl").write_text(out.getvalue())
    export = audit.read_export(tmp_path / "a.jsonl")
    assert audit.verify(export.lines(), tenant="a", head=export.head).lines == written
