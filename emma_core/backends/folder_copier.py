"""Copies a folder of content, each piece once under its hash, and builds it as it was at a moment."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from emma_core.backends import copied_steps, durable_files, file_lock
from emma_core.backends.copied_steps import Latest
from emma_core.backends.folder_blobs import root_of
from emma_core.errors import CallerError, Conflict, StoreError
from emma_core.ports import Copier, Moved, Span

_CONTENT = "content"
_BEGUN = hashlib.sha256(b"").hexdigest()
"""The hash of what such a copy begins with, which is nothing: its first step holds what was there."""


def open_copier(address: str) -> Copier:
    """The copier of the folder that the address names."""
    return FolderCopier(root_of(address))


class FolderCopier:
    """Copies one folder; its own holds the pieces, and steps that say which lay where, and when that was seen."""

    def __init__(self, root: Path) -> None:
        self._move(root.absolute())
        self._known: dict[str, str] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._latest = Latest(step=0, sha256=_BEGUN, until=datetime.now(UTC))
        self._lock: int | None = None

    async def begin(self, folder: Path) -> str:
        """The folder holds every piece."""
        self._take(folder)
        await asyncio.to_thread(self._step, folder, even_if_nothing=True)
        return _BEGUN

    async def resume(self, folder: Path) -> None:
        """What the copy in the folder holds is known."""
        self._take(folder)
        for step in copied_steps.steps(folder, _BEGUN):
            self._known = _after(self._known, step.said)
            self._latest = Latest(step=step.number, sha256=step.sha256, until=step.at)
        until = max(self._latest.until, copied_steps.read_latest(folder).until)
        self._latest = self._latest.model_copy(update={"until": until})

    async def step(self, folder: Path) -> bool:
        """Every piece that came since is there too; whether one came or went."""
        return await asyncio.to_thread(self._step, folder)

    async def close(self) -> None:
        """Nothing is held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def span(self, folder: Path, begun: str) -> Span:
        """The moments it can tell of. Raises `CallerError` naming a step that is damaged."""
        first = next(copied_steps.steps(folder, begun), None)
        if first is None:
            raise CallerError(f"Backup: {str(folder)!r} holds no whole step; restore another backup")
        return copied_steps.span(folder, begun, first.at)

    async def there(self) -> bool:
        """Whether it is there."""
        return self.root.exists()

    async def build(self, folder: Path, begun: str, to: datetime | None, into: Path | None) -> Moved:
        """A folder beside the one that is there, or in `into`, holds the pieces of that moment."""
        if into is not None:
            self._move(into.absolute() / self.root.name)
        await asyncio.to_thread(self._build, folder, begun, to)
        return lambda address: f"file:{self._part}"

    async def put(self, *, running: bool) -> Moved:
        """Each piece of that moment lies in the folder; what came later stays."""
        with _told(self.root):
            await asyncio.to_thread(self._put)
        return lambda address: f"file:{self.root}"

    async def discard(self) -> None:
        """The folder that was built is gone."""
        await asyncio.to_thread(shutil.rmtree, self._part, ignore_errors=True)

    async def lose(self) -> None:
        """The folder is gone."""
        await asyncio.to_thread(shutil.rmtree, self.root, ignore_errors=True)

    def _step(self, folder: Path, *, even_if_nothing: bool = False) -> bool:
        before = datetime.now(UTC)
        with _told(folder):
            found = dict(self._changed(folder))
            said: dict[str, str | None] = {**found, **{gone: None for gone in self._known.keys() - self._seen.keys()}}
            if not said and not even_if_nothing:
                self._latest = self._latest.model_copy(update={"until": max(before, self._latest.until)})
                copied_steps.write_latest(folder, self._latest)
                return False
            at = max(datetime.now(UTC), self._latest.until)
            self._latest = copied_steps.write_step(folder, self._latest, at, json.dumps(said, sort_keys=True), b"")
        self._known = _after(self._known, json.dumps(said))
        return True

    def _changed(self, folder: Path) -> Iterator[tuple[str, str]]:
        """What is new or was changed, copied, with its hash; afterwards it is known what lies there."""
        seen: dict[str, tuple[int, int]] = {}
        for path in _files(self.root):
            name = path.relative_to(self.root).as_posix()
            try:
                stat = path.stat()
                seen[name] = (stat.st_size, stat.st_mtime_ns)
                if self._seen.get(name) == seen[name] or (name in self._known and self._known[name] == path.name):
                    continue
                data = path.read_bytes()
            except FileNotFoundError:  # deleted while it was looked at
                seen.pop(name, None)
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            if self._known.get(name) != sha256:
                _keep(folder, sha256, data)
                yield name, sha256
        self._seen = seen

    def _build(self, folder: Path, begun: str, to: datetime | None) -> None:
        known: dict[str, str] = {}
        for step in copied_steps.steps(folder, begun):
            known = _after(known, step.said)
            if to is not None and step.at > to:
                break  # with this step: content that a document names was there before the document was
        with _told(self._part):
            shutil.rmtree(self._part, ignore_errors=True)
            durable_files.make_folder(self._part)
            for name, sha256 in known.items():
                path = _within(self._part, name)
                durable_files.make_folder(path.parent)
                durable_files.write(path, _kept(folder, sha256))

    def _put(self) -> None:
        for path in _files(self._part):
            there = self.root / path.relative_to(self._part)
            if not there.exists():
                durable_files.make_folder(there.parent)
                path.replace(there)
                durable_files.sync(there.parent)
        shutil.rmtree(self._part)

    def _move(self, root: Path) -> None:
        self.root = root
        self._part = root.with_name(f"{root.name}.restored")

    def _take(self, folder: Path) -> None:
        self._lock = file_lock.hold(folder / ".lock")
        if self._lock is None:
            raise Conflict(f"Backup {str(folder.parent)!r} is kept by another process; end that, or name another")


def _within(root: Path, name: str) -> Path:
    """Where the piece of that name lies. Raises `CallerError` for one that would lie elsewhere."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name or ":" in name:
        raise CallerError(f"Backup: it names a piece {name!r:.100}, which lies in no folder of blobs; restore another")
    return root.joinpath(*parts)


def _after(known: dict[str, str], said: str) -> dict[str, str]:
    """What is known once a step is over."""
    changed: dict[str, str | None] = json.loads(said)
    return {name: sha256 for name, sha256 in {**known, **changed}.items() if sha256 is not None}


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder in order, none that is still being written among them."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def _keep(folder: Path, sha256: str, data: bytes) -> None:
    path = folder / _CONTENT / sha256[:2] / sha256
    if not path.exists():
        durable_files.make_folder(path.parent)
        durable_files.replace(path, data)
        durable_files.sync(path.parent)


def _kept(folder: Path, sha256: str) -> bytes:
    path = folder / _CONTENT / sha256[:2] / sha256
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CallerError(f"Backup: {str(path)!r} is missing or was changed; restore another backup")
    return data


@contextmanager
def _told(where: Path) -> Iterator[None]:
    """What the disk refuses is one error that says what to do."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or where)
        raise StoreError(f"{named!r}: {error.strerror or error}; make room, or name another place") from error
