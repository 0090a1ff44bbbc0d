"""Takes a tenant's data out: a folder that says what it holds, whole or not there at all."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from emma_core.errors import CallerError, Conflict, OperatorError, TrailError
from emma_core.nouns import Document, Tenant
from emma_core.ports import TenantStore
from emma_core.tenancy import files
from emma_core.tenancy.files import Manifest
from emma_core.tenancy.holdings import BLOBS, EVER, NOUNS, Holdings, Trails, Watch

_PAGE = 200
_TRIES = 3


async def export(
    holdings: Holdings, tenant: Tenant, folder: Path, *, at: datetime, trails: Trails, watch: Watch
) -> Manifest:
    """The folder holds all of the tenant's data as of one moment, checked; its manifest.

    Raises `CallerError` where the folder is there already, `TrailError` where the trail does not hold, `Conflict` where
    the tenant is written to all the while.
    """
    if folder.exists() or folder.is_symlink():
        raise CallerError(f"{str(folder)!r} is there already; name a folder that is not")
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OperatorError(f"{str(folder)!r} cannot be made: {error.strerror}; name another place") from error
    try:
        manifest = await _at_one_moment(holdings, tenant, part, at, trails, watch)
        await asyncio.to_thread(files.check, part, trails)
        part.rename(folder)
    except OSError as error:
        raise OperatorError(
            f"{str(folder)!r} cannot be written: {error.strerror}; make room, or name another"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


async def _at_one_moment(
    holdings: Holdings, tenant: Tenant, part: Path, at: datetime, trails: Trails, watch: Watch
) -> Manifest:
    """Written anew where the trail grew meanwhile: what changes a tenant, writes on its trail."""
    store = holdings.store.for_tenant(tenant.id)
    for _ in range(_TRIES):
        before = await store.head()
        counts = {
            "documents": await _documents(store, part, watch),
            "trail": await _trail(store, part, trails, watch),
            "registry": await _registry(holdings, tenant.id, part),
            "blobs": await _blobs(holdings, tenant.id, part, watch),
        }
        counted = await holdings.registry.for_tenant(tenant.id).counted()
        if await store.head() == before:
            manifest = Manifest(
                tenant=tenant,
                exported_at=at,
                head=before,
                counted=counted,
                counts=counts,
                files=tuple(files.listed(part / name) for name in files.LISTED),
            )
            files.write_manifest(part, manifest)
            return manifest
    raise Conflict(f"Tenant {tenant.id!r} is written to all the while; run: emma tenants suspend {tenant.id}")


async def _documents(store: TenantStore, part: Path, watch: Watch) -> dict[str, int]:
    counts: dict[str, int] = {}
    with (part / files.DOCUMENTS).open("w", encoding="utf-8", newline="\n") as out:
        for kind in await store.kinds():
            async for kept in every(store, kind):
                out.write(files.document(kept))
                counts[kind] = counts.get(kind, 0) + 1
                watch("documents", sum(counts.values()), None)
    return counts


async def every(store: TenantStore, kind: str) -> AsyncIterator[Document]:
    """The documents of a kind by id, a page in memory at once."""
    after = ""
    while page := await store.query(kind, after=after, limit=_PAGE):
        for kept in page:
            yield kept
        after = page[-1].id


async def _trail(store: TenantStore, part: Path, trails: Trails, watch: Watch) -> dict[str, int]:
    with (part / files.TRAIL).open("w", encoding="utf-8", newline="\n") as out:
        written = await trails.write(store, out)
    watch("lines", written, written)
    found = trails.read(part / files.TRAIL)
    verified = await asyncio.to_thread(trails.verify, found.lines(), tenant=store.tenant, head=found.head)
    if not verified.ok:
        raise TrailError(
            f"The trail of tenant {store.tenant!r} does not hold: {verified.reason}; see it with: emma audit export"
        )
    return {"lines": verified.lines, "payloads": verified.lines - verified.withheld}


async def _registry(holdings: Holdings, tenant: str, part: Path) -> dict[str, int]:
    registry = holdings.registry.for_tenant(tenant)
    counts: dict[str, int] = {}
    with (part / files.REGISTRY).open("w", encoding="utf-8", newline="\n") as out:
        for name, noun in NOUNS.items():
            rows = sorted(await registry.all(noun), key=lambda row: row.key)
            counts |= {name: len(rows)} if rows else {}
            out.writelines(files.row(row, name=name) for row in rows)
        usage = sorted(await registry.usage(*EVER), key=lambda each: (each.day, each.counter))
        counts |= {"usage": len(usage)} if usage else {}
        out.writelines(files.row(each, name="usage") for each in usage)
    return counts


async def _blobs(holdings: Holdings, tenant: str, part: Path, watch: Watch) -> dict[str, int]:
    blobs = holdings.blobs.for_tenant(tenant)
    counts: dict[str, int] = {}
    with (part / files.BLOBS).open("w", encoding="utf-8", newline="\n") as out:
        for kind in BLOBS:
            after = ""
            while page := await blobs.list(kind, after=after):
                for ref in page:
                    data = await blobs.get(kind, ref.sha256)
                    if data is None:
                        raise Conflict(f"Content {ref.sha256[:12]!r} was deleted meanwhile; export the tenant again")
                    path = files.content(part, ref)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                    out.write(files.row(ref))
                    counts[kind] = counts.get(kind, 0) + 1
                    watch("content", sum(counts.values()), None)
                after = page[-1].sha256
    return counts
