"""Brings an exported tenant into an installation, and compares what is there afterwards with what was brought."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

from emma_core.errors import Conflict, StoreError
from emma_core.nouns import BlobRef, Document, Erasure, Registered, Setting, UsageCount
from emma_core.ports import TenantStore
from emma_core.tenancy import files
from emma_core.tenancy.exporting import every
from emma_core.tenancy.files import Manifest
from emma_core.tenancy.holdings import BLOBS, EVER, NOUNS, Holdings, Trails, Watch, census, empty

MARK = "import.under_way"
"""The setting that a tenant has while an import is not done: the hash of the manifest that it comes from."""
_AT_ONCE = 16
_LINES = 100
_SOON = 60.0
"""Seconds before its end from which a document is not looked for any more."""
T = TypeVar("T")


async def arrive(holdings: Holdings, folder: Path, *, at: datetime, by: str, trails: Trails, watch: Watch) -> Manifest:
    """The tenant of an export is here as it was there, compared piece by piece; the export's manifest.

    An export that is not whole is refused before anything is written. Until all is here and compared the tenant is
    suspended, and after an interruption the same import begins anew. Raises `CallerError` for an export that is not
    whole, `Conflict` where the tenant has data of its own, `StoreError` where what arrived is not what was brought.
    """
    manifest = files.check(folder, trails)
    id = manifest.tenant.id
    await _make_room(holdings, manifest, at, by)
    await _documents(holdings.store.for_tenant(id), folder, manifest, watch)
    await _lines(holdings.store.for_tenant(id), folder, manifest, trails, watch)
    await _registry(holdings, folder, manifest)
    await _blobs(holdings, folder, manifest, at, watch)
    await _compare(holdings, folder, manifest, trails)
    await holdings.registry.for_tenant(id).remove(Setting, MARK)
    if manifest.tenant.state == "active":
        await holdings.registry.move(id, "active", was=("suspended",), at=at.isoformat())
    return manifest


async def _make_room(holdings: Holdings, manifest: Manifest, at: datetime, by: str) -> None:
    """The tenant is here, suspended, marked and empty."""
    id, registry = manifest.tenant.id, holdings.registry
    own = registry.for_tenant(id)
    there = await registry.tenant(id)
    mark = await own.one(Setting, MARK) if there else None
    if mark is not None and mark.value != manifest.hash:
        raise Conflict(f"Tenant {id!r}: an import of another export is not done; import that one again, or offboard it")
    if mark is None and not empty(await census(holdings, id)):
        raise Conflict(f"Tenant {id!r} has data here already; an export goes into a tenant that is empty, or not there")
    if there is None:
        suspended = {"state": "suspended", "state_since": at.isoformat()}
        await registry.create(manifest.tenant.model_copy(update=suspended))
    elif there.state == "active":
        await registry.move(id, "suspended", was=("active",), at=at.isoformat())
    elif there.state == "offboarded":
        raise Conflict(f"Tenant {id!r} is offboarded here; import into another installation, or when it is gone")
    if mark is not None:
        await holdings.store.for_tenant(id).purge()
        await holdings.blobs.for_tenant(id).purge()
        await own.purge()
    await own.put(Setting(name=MARK, value=manifest.hash, set_by=by, set_at=at))


async def _documents(store: TenantStore, folder: Path, manifest: Manifest, watch: Watch) -> None:
    total, done = sum(manifest.counts["documents"].values()), 0
    for some in _chunks(files.documents(folder), _AT_ONCE):
        await _together(store.put(each) for each in some if not _over(each, 0))
        done += len(some)
        watch("documents", done, total)


async def _lines(store: TenantStore, folder: Path, manifest: Manifest, trails: Trails, watch: Watch) -> None:
    total, done = manifest.counts["trail"]["lines"], 0
    for some in _chunks(files.lines(folder, trails), _LINES):
        await store.import_lines(some)
        done += len(some)
        watch("lines", done, total)


async def _registry(holdings: Holdings, folder: Path, manifest: Manifest) -> None:
    registry = holdings.registry.for_tenant(manifest.tenant.id)
    for is_usage, some in groupby(files.rows(folder), key=lambda row: isinstance(row, UsageCount)):
        if not is_usage:
            for row in some:
                await registry.put(row)  # type: ignore[arg-type]
            continue
        for day, counted in groupby(some, key=lambda each: each.day):  # type: ignore[union-attr]
            await registry.count(day, {each.counter: each.amount for each in counted})  # type: ignore[union-attr]
    if manifest.counted:
        await registry.count(manifest.exported_at.date(), {}, seen=manifest.counted)


async def _blobs(holdings: Holdings, folder: Path, manifest: Manifest, at: datetime, watch: Watch) -> None:
    blobs = holdings.blobs.for_tenant(manifest.tenant.id)
    total = sum(manifest.counts["blobs"].values())
    for done, ref in enumerate(files.blobs(folder), start=1):
        left = (ref.keep_until - at).total_seconds() if ref.keep_until else 0
        data = files.content(folder, ref).read_bytes()
        await blobs.put(data, kind=ref.kind, name=ref.name, days=math.ceil(left / 86_400) if left > 0 else None)
        watch("content", done, total)


async def _compare(holdings: Holdings, folder: Path, manifest: Manifest, trails: Trails) -> None:
    """All that was brought is here, and nothing else. Raises `StoreError` naming the first thing that differs."""
    id = manifest.tenant.id
    store, registry = holdings.store.for_tenant(id), holdings.registry.for_tenant(id)
    brought = (each for each in files.documents(folder) if not _over(each, _SOON))
    async for here in _all(store):
        there = next(brought, None)
        if there is None or files.document(here) != files.document(there):
            raise _differs(id, f"document {here.id!r} of kind {here.kind!r}")
    if (missing := next(brought, None)) is not None:
        raise _differs(id, f"document {missing.id!r} of kind {missing.kind!r}")
    verified = await trails.verify_store(store)
    if not verified.ok or verified.head != manifest.head:
        raise _differs(id, f"the trail ({verified.reason or 'its head'})")
    rows: list[Registered | UsageCount] = [row for noun in NOUNS.values() for row in await registry.all(noun)]
    missing_rows, others = _apart(files.rows(folder), [*rows, *await registry.usage(*EVER)])
    if missing_rows or others or await registry.counted() != manifest.counted:
        raise _differs(id, "the registry's rows")
    held = {_content(ref) for kind in BLOBS async for ref in _content_of(holdings, id, kind)}
    if held != {_content(ref) for ref in files.blobs(folder)}:
        raise _differs(id, "the content by hash")


async def _all(store: TenantStore) -> AsyncIterator[Document]:
    for kind in await store.kinds():
        async for kept in every(store, kind):
            if not _over(kept, _SOON):
                yield kept


async def _content_of(holdings: Holdings, tenant: str, kind: str) -> AsyncIterator[BlobRef]:
    blobs, after = holdings.blobs.for_tenant(tenant), ""
    while page := await blobs.list(kind, after=after):  # type: ignore[arg-type]
        for ref in page:
            yield ref
        after = page[-1].sha256


def _over(document: Document, soon: float) -> bool:
    """Its time is over, or will be so soon."""
    return document.expires_at is not None and document.expires_at <= time.time() + soon


def _apart(
    brought: Iterable[Registered | UsageCount], here: Iterable[Registered | UsageCount]
) -> tuple[set[str], set[str]]:
    """What is missing here, and what is here besides; a tenant of this name that is gone left its erasure ledger."""
    there = {files.row(row, name=type(row).__name__) for row in brought}
    found = {files.row(row, name=type(row).__name__): row for row in here}
    besides = {
        text
        for text, row in found.items()
        if text not in there and not isinstance(row, Erasure) and not (isinstance(row, Setting) and row.name == MARK)
    }
    return there - found.keys(), besides


def _content(ref: BlobRef) -> tuple[str, str, int]:
    return ref.kind, ref.sha256, ref.size


def _differs(tenant: str, what: str) -> StoreError:
    return StoreError(
        f"Tenant {tenant!r}: {what} did not arrive as it was brought; the tenant stays suspended: import it again"
    )


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while some := list(islice(items, size)):
        yield some


async def _together(work: Iterable[Awaitable[object]]) -> None:
    await asyncio.gather(*work)
