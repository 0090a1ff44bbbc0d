"""Copies a SQLite file by the online backup, then what each commit after it wrote, and builds it as of a moment."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from emma_core.backends import copied_steps, durable_files, file_lock, sqlite_built, sqlite_log
from emma_core.backends.copied_steps import Latest
from emma_core.backends.sqlite_built import BASE
from emma_core.backends.sqlite_file import BUSY_SECONDS, explained, path_of
from emma_core.backends.sqlite_log import Commit, Place, Reading
from emma_core.errors import CallerError, Conflict
from emma_core.ports import Copier, Moved, Span

_BEGUN = "begun.json"
_LOOKED = "looked.db"
_PAGE_SIZE_AT = 16


def open_copier(address: str) -> Copier:
    """The copier of the file that the address names."""
    return SqliteCopier(path_of(address))


class SqliteCopier:
    """Copies one file; its folder holds `base.db`, which SQLite itself can open, and a file for each step after it.

    While it goes on from a copy it holds a connection and no lock: the log stays where it is, and anybody may empty it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._built = sqlite_built.Built(path)
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._place: Place | None = None
        self._digests: list[bytes] = []
        self._latest: Latest | None = None
        self._seen = 0
        self._page = 0

    async def begin(self, folder: Path) -> str:
        """The folder holds a copy of the file as it is now; its SHA-256."""
        return await asyncio.to_thread(self._begin, folder)

    async def resume(self, folder: Path) -> None:
        """The copy in the folder was read, and what differs from it will be told by the next step."""
        await asyncio.to_thread(self._resume, folder)

    async def step(self, folder: Path) -> bool:
        """What was committed since is in the folder; whether there was something."""
        return await asyncio.to_thread(self._step, folder)

    async def close(self) -> None:
        """No connection is left."""
        for connection in (self._reading, self._writing):
            if connection is not None:
                connection.close()
        self._reading = self._writing = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def span(self, folder: Path, begun: str) -> Span:
        """The moments it can tell of, each of its files read. Raises `CallerError` naming one that is damaged."""
        return await asyncio.to_thread(lambda: copied_steps.span(folder, begun, _begun(folder, begun)))

    async def there(self) -> bool:
        """Whether it is there."""
        return self.path.exists()

    async def build(self, folder: Path, begun: str, to: datetime | None, into: Path | None) -> Moved:
        """The file as it was at that moment stands beside the one that is there, or in that folder."""
        self._built = sqlite_built.Built(self.path if into is None else into.absolute() / self.path.name)
        await asyncio.to_thread(self._built.make, folder, begun, to)
        return lambda address: f"sqlite:///{self._built.part}"

    async def put(self, *, running: bool) -> Moved:
        """The file that was built has taken the place of the other. Raises `Conflict` where that is in use."""
        await asyncio.to_thread(self._built.put)
        return lambda address: f"sqlite:///{self._built.path}"

    async def discard(self) -> None:
        """The file that was built is gone."""
        await asyncio.to_thread(self._built.discard)

    async def lose(self) -> None:
        """The file that was put is gone, with its log."""
        await asyncio.to_thread(self._built.lose)

    def _begin(self, folder: Path) -> str:
        self._take(folder)
        before = datetime.now(UTC)
        path = folder / BASE
        if self._connected():
            self._place = self._snapshot(path)
        else:
            path.touch(mode=0o600)
        sha256 = _hash(path)
        self._page, self._digests = _pages(path)
        said = {"sha256": sha256, "at": datetime.now(UTC).isoformat()}
        durable_files.replace(folder / _BEGUN, json.dumps(said).encode())
        self._latest = Latest(step=0, sha256=sha256, until=before)
        copied_steps.write_latest(folder, self._latest)
        return sha256

    def _resume(self, folder: Path) -> None:
        self._take(folder)
        (folder / _LOOKED).unlink(missing_ok=True)
        begun = _hash(folder / BASE)
        at = _begun(folder, begun)
        self._page, self._digests = _pages(folder / BASE)
        latest = Latest(step=0, sha256=begun, until=at)
        for step in copied_steps.steps(folder, begun):
            for commit in sqlite_built.commits(step):
                self._note(commit)
            latest = Latest(step=step.number, sha256=step.sha256, until=step.at)
        until = max(latest.until, copied_steps.read_latest(folder).until)
        self._latest = latest.model_copy(update={"until": until})
        self._place = None

    def _step(self, folder: Path) -> bool:
        assert self._latest is not None, "begin or resume first"
        before = datetime.now(UTC)
        found = self._committed()
        commits, place = (found.commits, found.place) if found else self._compared(folder)
        if not commits:
            self._place = place
            self._latest = self._latest.model_copy(update={"until": max(before, self._latest.until)})
            copied_steps.write_latest(folder, self._latest)
            return False
        said, data = sqlite_built.told(commits)
        at = max(datetime.now(UTC), self._latest.until)
        self._latest = copied_steps.write_step(folder, self._latest, at, said, data)
        self._place = place
        for commit in commits:
            self._note(commit)
        return True

    def _committed(self) -> Reading | None:
        """What was committed since; None where only a look at the whole file tells."""
        if not self._connected():
            return Reading((), self._place or Place())  # there is no file yet
        if self._place is None:
            return None
        if self._place.salts:
            return sqlite_log.read_since(sqlite_log.of(self.path), self._place)
        return Reading((), self._place) if self._version() == self._seen else None

    def _compared(self, folder: Path) -> tuple[Sequence[Commit], Place]:
        """What differs from the copy, as one commit: where the log cannot tell what was committed."""
        looked = folder / _LOOKED
        try:
            place = self._snapshot(looked)
            self._page = _page_size(looked)
            pages: dict[int, bytes] = {}
            size = 0
            for size, page in enumerate(_read_pages(looked, self._page), 1):
                if size > len(self._digests) or _digest(page) != self._digests[size - 1]:
                    pages[size] = page
        finally:
            looked.unlink(missing_ok=True)
        return ([Commit(size, pages)] if pages or size != len(self._digests) else []), place

    def _note(self, commit: Commit) -> None:
        del self._digests[commit.size :]
        self._digests += [b""] * (commit.size - len(self._digests))
        for number, page in commit.pages.items():
            if number <= commit.size:
                self._digests[number - 1] = _digest(page)

    def _snapshot(self, to: Path) -> Place:
        """The file as it is now stands at `to`; the place in its log from where on that is to be kept up to date."""
        assert self._reading is not None and self._writing is not None
        log = sqlite_log.of(self.path)
        self._seen = self._version()
        place = sqlite_log.end_of(log, self._place or Place())
        try:
            # nobody commits while this connection comes to see what the log holds; the copying itself stops nobody
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                self._reading.execute("BEGIN")
                self._reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                place = sqlite_log.end_of(log, place)
            finally:
                self._writing.execute("ROLLBACK")
            self._copy(self._reading, to)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error
        finally:
            if self._reading.in_transaction:
                self._reading.execute("ROLLBACK")
        return place

    def _copy(self, reading: sqlite3.Connection, to: Path) -> None:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            with contextlib.closing(sqlite3.connect(to, isolation_level=None)) as copy:
                copy.execute("PRAGMA synchronous = OFF")
                reading.backup(copy)
            with to.open("r+b") as file:
                os.fsync(file.fileno())
        except sqlite3.Error as error:
            raise explained(error, to) from error

    def _take(self, folder: Path) -> None:
        self._lock = file_lock.hold(folder / ".lock")
        if self._lock is None:
            raise Conflict(f"Backup {str(folder.parent)!r} is kept by another process; end that, or name another")

    def _connected(self) -> bool:
        """Whether there is a file, and then it is connected to."""
        if self._reading is None and self.path.exists():
            try:
                self._reading, self._writing = _connection(self.path), _connection(self.path)
                # a connection that has read keeps the log where it is when others close theirs
                self._reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            except sqlite3.Error as error:
                raise explained(error, self.path) from error
        return self._reading is not None

    def _version(self) -> int:
        """Another one after each commit of another connection."""
        assert self._reading is not None
        return int(self._reading.execute("PRAGMA data_version").fetchone()[0])


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _begun(folder: Path, begun: str) -> datetime:
    """When the copy was begun, its base held against its hash. Raises `CallerError` where it is not as it was made."""
    path = folder / BASE
    try:
        said = json.loads((folder / _BEGUN).read_bytes())
        at = datetime.fromisoformat(said["at"])
        whole = said["sha256"] == begun == _hash(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CallerError(f"Backup: {str(path)!r} cannot be read as it was made ({error}); restore another") from error
    if not whole:
        raise CallerError(f"Backup: {str(path)!r} was cut off or changed; restore another backup")
    return at


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(page: bytes) -> bytes:
    return hashlib.blake2b(page, digest_size=16).digest()


def _pages(path: Path) -> tuple[int, list[bytes]]:
    """How long the file's pages are, and a digest of each."""
    size = _page_size(path)
    return size, [_digest(page) for page in _read_pages(path, size)]


def _page_size(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(_PAGE_SIZE_AT)
        said = int.from_bytes(file.read(2), "big")
    return 65536 if said == 1 else said


def _read_pages(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while page := file.read(size):
            yield page
