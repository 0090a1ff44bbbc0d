"""Holds one SQLite file open: a writer that commits in groups, and a reader beside it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from emma_core.backends.sql import embedded
from emma_core.errors import CallerError, EmmaError, StoreError

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

BUSY_SECONDS = 30.0
"""How long a writer waits for another process to finish its transaction."""
LOOK_SECONDS = 0.2
"""How often a watcher looks whether another process has written."""
GROUP = 64
"""How many waiting writes share one transaction at most."""


def path_of(address: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` names. Raises `StoreError` for no file."""
    prefix = "sqlite:///"
    name = address.removeprefix(prefix)
    if not address.startswith(prefix) or not name.strip("/") or "\0" in name:
        raise StoreError(f"Store address {address!r} names no file; write 'sqlite:///folder/emma.db'")
    if name.startswith(":memory:"):
        raise StoreError(f"Store address {address!r} would keep nothing; write 'sqlite:///folder/emma.db'")
    return Path(name).absolute()


class DatabaseFile:
    """One SQLite file of this process; what a write acknowledged is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lanes: _Lanes | None = None
        self._bells: set[asyncio.Event] = set()

    async def open(self) -> None:
        """Ready, its tables created or checked. Raises `StoreError` naming the file and what to do."""
        if self._lanes is None:
            self._lanes = await asyncio.to_thread(_opened, self.path)

    async def upgrade(self) -> list[str]:
        """The file has the tables of this release, and a missing one is made; what was done, a line each."""
        return await asyncio.to_thread(embedded.upgrade, self.path)

    async def downgrade(self, revision: str) -> list[str]:
        """The file has the tables of an earlier revision; what was done, a line each."""
        return await asyncio.to_thread(embedded.downgrade, self.path, revision)

    async def close(self) -> None:
        """Whatever was asked before is done, and no handle on the file is left."""
        lanes, self._lanes = self._lanes, None
        for bell in self._bells:
            bell.set()
        if lanes is not None:
            await asyncio.to_thread(lanes.shut)

    async def write(self, job: Job[T]) -> T:
        """What the job returned, its changes durable; where it raises, none of them is there."""
        lanes = self._ready()
        waiting = _Waiting(job, Future())
        lanes.waiting.append(waiting)
        # one drain per write: a drain that finds its write already committed with others has nothing to do
        lanes.writer.submit(_commit_together, lanes, self.path)
        result: T = await asyncio.wrap_future(waiting.done)
        for bell in self._bells:
            bell.set()
        return result

    async def read(self, job: Job[T]) -> T:
        """What the job returned, over everything that was acknowledged before."""
        lanes = self._ready()
        try:
            return await asyncio.get_running_loop().run_in_executor(lanes.reader, _read, lanes.reading, job)
        except Exception as error:
            raise explained(error, self.path) from error

    async def changes(self) -> AsyncGenerator[None]:
        """A step at once, then one soon after anything was committed, in any process, until the file is closed."""
        self._ready()
        bell = asyncio.Event()
        self._bells.add(bell)
        seen = None
        try:
            while self._lanes is not None:
                bell.clear()
                version = await self.read(lambda connection: connection.execute("PRAGMA data_version").fetchone()[0])
                if version != seen:
                    seen = version
                    yield
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), LOOK_SECONDS)
        finally:
            self._bells.discard(bell)

    async def fold(self) -> None:
        """The write-ahead log is empty: nothing deleted is left in it. Raises `StoreError` where it is in use."""
        lanes = self._ready()
        sql = "PRAGMA wal_checkpoint(TRUNCATE)"
        busy = await asyncio.wrap_future(lanes.writer.submit(lambda: lanes.writing.execute(sql).fetchone()[0]))
        if busy:
            raise StoreError(
                f"Store '{self.path}': its log was in use for {BUSY_SECONDS:.0f} seconds, so what was deleted may still"
                " be in it; find the process that holds it, then do the same again"
            )

    def _ready(self) -> _Lanes:
        if self._lanes is None:
            raise StoreError(f"Store '{self.path}' is not open; await its open() first")
        return self._lanes


@dataclass
class _Waiting:
    job: Job[Any]
    done: Future[Any]


@dataclass
class _Lanes:
    """The two connections of an open file, each with the one thread that uses it."""

    writing: sqlite3.Connection
    reading: sqlite3.Connection
    writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "emma-sqlite-write"))
    reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "emma-sqlite-read"))
    waiting: deque[_Waiting] = field(default_factory=deque)

    def shut(self) -> None:
        self.writer.shutdown()
        self.reader.shutdown()
        self.reading.close()
        self.writing.close()


def _read(connection: sqlite3.Connection, job: Job[T]) -> T:
    """What the job returned; broken bytes reach it as well: the verifier can say in which line they stand."""
    try:
        return job(connection)
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
    connection.text_factory = _any_text
    try:
        return job(connection)
    finally:
        connection.text_factory = str


def make_ready(path: Path) -> None:
    """The file is there, with the tables of this release. Raises `StoreError`; what is refused is left as it was."""
    connections: list[sqlite3.Connection] = []
    try:
        _ready(path, connections)
    except BaseException as error:
        raise explained(error, path) from error
    finally:
        for connection in connections:
            connection.close()


def _ready(path: Path, connections: list[sqlite3.Connection]) -> sqlite3.Connection:
    embedded.make_room(path)
    writing = _connected(path, connections)
    embedded.check(writing, path)
    _keep_a_log(writing, path)
    writing.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only unlinked
    embedded.bring_up(writing, path)
    return writing


def _opened(path: Path) -> _Lanes:
    """Both connections to the file, its tables at this version; a file that is refused is left as it was."""
    connections: list[sqlite3.Connection] = []
    try:
        writing = _ready(path, connections)
        reading = _connected(path, connections)
        reading.execute("PRAGMA query_only = ON")
    except BaseException as error:
        for connection in connections:
            connection.close()
        raise explained(error, path) from error
    return _Lanes(writing, reading)


def _connected(path: Path, connections: list[sqlite3.Connection]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connections.append(connection)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _keep_a_log(connection: sqlite3.Connection, path: Path) -> None:
    """Readers and the writer no longer wait for each other; the switch itself is not covered by the busy timeout."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StoreError(f"Store '{path}' lies where SQLite can keep no write-ahead log; name a file on a local disk")


def _commit_together(lanes: _Lanes, path: Path) -> None:
    """Every write now waiting is committed in one transaction, each whole or not at all; then all are told."""
    group: list[_Waiting] = []
    while lanes.waiting and len(group) < GROUP:
        waiting = lanes.waiting.popleft()
        if waiting.done.set_running_or_notify_cancel():
            group.append(waiting)
    if not group:
        return
    try:
        lanes.writing.execute("BEGIN IMMEDIATE")
        outcomes = [_attempt(lanes.writing, waiting.job) for waiting in group]
        lanes.writing.execute("COMMIT")
    except BaseException as error:
        _roll_back(lanes.writing)
        outcomes = [_Failed(error)] * len(group)
    for waiting, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, _Failed):
            waiting.done.set_exception(explained(outcome.error, path))
        else:
            waiting.done.set_result(outcome)


@dataclass
class _Failed:
    error: BaseException


def _attempt(connection: sqlite3.Connection, job: Job[Any]) -> Any:
    """The job's result, or its failure with nothing of it left in the transaction."""
    connection.execute("SAVEPOINT one")
    try:
        result = job(connection)
    except BaseException as error:
        if not connection.in_transaction:  # SQLite gave up the whole group, so none of it may be acknowledged
            raise
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return _Failed(error)
    connection.execute("RELEASE one")
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


_any_text = partial(str, encoding="utf-8", errors="surrogateescape")


_WHAT_TO_DO = (
    ("not a database", "is no SQLite database; name another file"),
    ("readonly", "cannot be written; check the permissions of the file and its folder, or name another file"),
    ("unable to open", "cannot be opened; check that its folder exists and can be written, or name another file"),
    ("locked", f"was busy for {BUSY_SECONDS:.0f} seconds; find the process that holds it, then try again"),
    ("full", "has no room left on its disk; make room, then try again"),
    ("malformed", "is damaged; restore it from a backup"),
)


def explained(error: BaseException, path: Path) -> BaseException:
    """The error in words that say what to do; what is already in such words, or is no store's matter, stays."""
    if isinstance(error, EmmaError) or not isinstance(error, sqlite3.Error | UnicodeEncodeError | OverflowError):
        return error
    if not isinstance(error, sqlite3.Error):
        return CallerError(f"Store '{path}' cannot keep such a name or number ({error}); send whole characters")
    reason = str(error)
    for sign, words in _WHAT_TO_DO:
        if sign in reason:
            return StoreError(f"Store '{path}' {words}")
    return StoreError(f"Store '{path}' failed ({reason}); check the file and its disk")
