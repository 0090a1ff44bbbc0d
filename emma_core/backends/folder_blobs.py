"""Keeps content by its hash in a folder, one below it for each tenant."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

from emma_core.backends import blob_policy, checked, durable_files
from emma_core.backends.blob_policy import Policy
from emma_core.backends.file_lock import locked
from emma_core.errors import OperatorError, StoreError
from emma_core.nouns import BlobKind, BlobRef
from emma_core.ports import Blobs, TenantBlobs

T = TypeVar("T")


def open_blobs(address: str) -> Blobs:
    """The blobs of the folder that the address names; nothing is made before the first is put."""
    return FolderBlobs(root_of(address), blob_policy.policies(address.partition("?")[2]))


def root_of(address: str) -> Path:
    """The folder that the address names. Raises `OperatorError` where it names none."""
    path = address.partition(":")[2].partition("?")[0]
    if path.startswith("//"):
        path = path[2:]
    if not path:
        raise OperatorError(f"EMMA_BLOBS: {address!r} names no folder; write 'file:FOLDER'")
    return Path(path)


class FolderBlobs:
    """`tenant/kind/ab/abcd…`, and beside it, where there is more to say than its bytes, a `.json`; for the owner only.

    A file appears whole or not at all, and is on the disk before it is acknowledged.
    """

    def __init__(
        self,
        root: Path,
        policies: Mapping[BlobKind, Policy] = blob_policy.POLICIES,
        clock: Callable[[], datetime] = blob_policy.moment,
    ) -> None:
        self.root = root
        self.policies = policies
        self.clock = clock

    async def open(self) -> None:
        """Ready. Raises `StoreError` where something else than a folder is there."""
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"Blobs: {str(self.root)!r} is no folder; name one in EMMA_BLOBS")

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantBlobs:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return FolderTenantBlobs(self, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The folder is there; what was done."""
        if self.root.is_dir():
            return []
        await self.run(lambda: durable_files.make_folder(self.root))
        return [f"made the folder {str(self.root)!r}"]

    async def state(self) -> str:
        """Where they lie. Raises `StoreError` where nothing can be written there."""
        return await self.run(self._state)

    async def run(self, work: Callable[[], T]) -> T:
        """What the work comes to, done beside the event loop. Raises `StoreError` where the disk refuses."""

        def done() -> T:
            with _told(self.root):
                return work()

        return await asyncio.to_thread(done)

    def _state(self) -> str:
        if not self.root.exists():
            return f"the folder {str(self.root)!r}, made when the first is put"
        probe = self.root / f".probe-{secrets.token_hex(8)}"
        durable_files.write(probe, b"can this be written?")
        probe.unlink()
        free = shutil.disk_usage(self.root).free // 2**20
        return f"the folder {str(self.root)!r} can be written; {free:,} MB are free"


class FolderTenantBlobs:
    """One tenant's content by hash."""

    def __init__(self, blobs: FolderBlobs, tenant: str) -> None:
        self.tenant = tenant
        self._blobs = blobs
        self._root = blobs.root / tenant

    async def put(self, data: bytes, *, kind: BlobKind, name: str = "", days: int | None = None) -> BlobRef:
        """The content is on the disk under its hash, its bytes mended where they were damaged."""
        policy = self._blobs.policies[checked.kind(kind)]

        def put() -> BlobRef:
            return self._put(blob_policy.ref(data, kind, name, days, policy, self._blobs.clock()), data)

        return await self._blobs.run(put)

    async def get(self, kind: BlobKind, sha256: str) -> bytes | None:
        """The content, its hash checked, or None. Raises `StoreError` where it is not what its hash says."""
        path = self._path(kind, sha256)

        def read() -> bytes | None:
            try:
                return blob_policy.intact(path.read_bytes(), kind, sha256)
            except FileNotFoundError:
                return None

        return await self._blobs.run(read)

    async def list(self, kind: BlobKind, *, after: str = "", limit: int = 1000) -> list[BlobRef]:
        """Up to `limit` of that kind in the order of their hashes, after the hash `after`."""
        root = self._root / checked.kind(kind)
        return await self._blobs.run(lambda: [ref for ref, _ in zip(_refs(root, after), range(limit), strict=False)])

    async def delete(self, kind: BlobKind, sha256: str) -> bool:
        """Gone; whether it was there. Raises `Conflict` while it is to be kept."""
        path = self._path(kind, sha256)
        return await self._blobs.run(lambda: self._delete(path))

    async def census(self) -> Mapping[str, int]:
        """How many pieces are held of this tenant, by kind."""
        return await self._blobs.run(
            lambda: {kind: sum(1 for _ in _hashes(self._root / kind)) for kind in checked.KINDS}
        )

    async def purge(self) -> None:
        """Nothing is held of this tenant. Raises `Conflict` naming what is to be kept; then all is still there."""
        await self._blobs.run(self._purge)

    def _path(self, kind: BlobKind, sha256: str) -> Path:
        return self._root / checked.kind(kind) / checked.sha256(sha256)[:2] / sha256

    def _put(self, new: BlobRef, data: bytes) -> BlobRef:
        path = self._path(new.kind, new.sha256)
        written = path.with_name(f".{new.sha256}-{secrets.token_hex(8)}")
        durable_files.make_folder(path.parent)
        try:
            if not _holds(path, data):
                durable_files.write(written, data)
            with locked(self._blobs.root / ".lock"):
                durable_files.make_folder(path.parent)  # a purge may have been faster
                kept = _kept(path, new)
                if kept.name or kept.keep_until:
                    durable_files.replace(_beside(path), kept.model_dump_json(include={"name", "keep_until"}).encode())
                if written.exists():
                    written.replace(path)
                elif not path.exists():  # what held it a moment ago is deleted
                    durable_files.replace(path, data)
                durable_files.sync(path.parent)
            return kept
        finally:
            written.unlink(missing_ok=True)

    def _delete(self, path: Path) -> bool:
        if not path.exists():
            return False
        with locked(self._blobs.root / ".lock"):
            if not path.exists():
                return False
            blob_policy.hold(_ref(path), self._blobs.clock())
            path.unlink()
            _beside(path).unlink(missing_ok=True)
            durable_files.sync(path.parent)
        return True

    def _purge(self) -> None:
        if not self._root.exists():
            return
        with locked(self._blobs.root / ".lock"):
            now = self._blobs.clock()
            for kind in checked.KINDS:
                for path in _hashes(self._root / kind):
                    blob_policy.hold(_ref(path), now)
            shutil.rmtree(self._root)
            durable_files.sync(self._blobs.root)


def _kept(path: Path, new: BlobRef) -> BlobRef:
    """The new blob with the name that it had first, and kept for as long as was ever promised."""
    if not path.exists():
        return new
    old = _ref(path)
    ends = [each.keep_until for each in (old, new) if each.keep_until]
    return new.model_copy(update={"name": old.name or new.name, "keep_until": max(ends, default=None)})


def _refs(root: Path, after: str) -> Iterator[BlobRef]:
    for path in _hashes(root, after):
        try:
            yield _ref(path)
        except FileNotFoundError:  # deleted while they were listed
            continue


def _hashes(root: Path, after: str = "") -> Iterator[Path]:
    """The files of a kind in the order of their names, those after `after`."""
    for folder in _within(root):
        if folder.name >= after[:2]:
            yield from (path for path in _within(folder) if len(path.name) == 64 and path.name > after)


def _within(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _ref(path: Path) -> BlobRef:
    """What is known of a blob. Raises `StoreError` where what lies beside it cannot be read."""
    said: dict[str, str | None] = {}
    kind, size, beside = cast(BlobKind, path.parent.parent.name), path.stat().st_size, _beside(path)
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        until = said.get("keep_until")
        return BlobRef(
            kind=kind,
            sha256=path.name,
            size=size,
            name=said.get("name") or "",
            keep_until=datetime.fromisoformat(until) if until else None,
        )
    except FileNotFoundError:
        return BlobRef(kind=kind, sha256=path.name, size=size)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"Blob {path.name[:12]!r}: {str(beside)!r} is damaged; restore it from a backup") from error


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """What the disk refuses is one error that says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        do = "make room" if full else "make it readable and writable for this process, or name another in EMMA_BLOBS"
        where = str(error.filename or root)
        raise StoreError(f"Blobs: {where!r}: {error.strerror or error}; {do}") from error
