"""Tells a worker that lives from one that ended: each holds a lock that goes with its process."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from emma_core.backends import file_lock
from emma_core.backends.sql.connecting import Place, psycopg
from emma_core.errors import StoreError


class Lease(Protocol):
    """What one worker holds while it lives."""

    worker: str
    """Its name, which no other worker has or had."""

    def check(self) -> None:
        """It is still held. Raises `StoreError` where it was lost: another may take up what this worker does."""

    def ended(self, worker: str) -> bool:
        """Whether that worker has ended."""

    def give_back(self) -> None:
        """It is not held any more."""


def take(place: Place) -> Lease:
    """A lease of a new worker. Raises `StoreError` where none can be had."""
    worker = f"w-{secrets.token_hex(8)}"
    return _FileLease(place.path, worker) if place.path is not None else _ServerLease(place, worker)


class _FileLease:
    """A locked file in a folder beside the jobs; the kernel unlocks it when its process ends, however it does."""

    def __init__(self, path: Path, worker: str) -> None:
        self.worker = worker
        self._folder = path.with_name(f"{path.name}-workers")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            held = file_lock.hold(self._folder / worker)
        except OSError as error:
            raise StoreError(f"Jobs: {str(self._folder)!r} cannot be written: {error.strerror}; mend it") from error
        assert held is not None, "a name that nobody had is held by nobody"
        self._held = held

    def check(self) -> None:
        """It is held as long as this process is."""

    def ended(self, worker: str) -> bool:
        """Whether that worker has ended."""
        path = self._folder / worker
        if not path.exists():
            return True
        held = file_lock.hold(path)
        if held is None:
            return False
        path.unlink(missing_ok=True)
        os.close(held)
        return True

    def give_back(self) -> None:
        """It is not held any more."""
        (self._folder / self.worker).unlink(missing_ok=True)
        os.close(self._held)


class _ServerLease:
    """An advisory lock of a session of its own; the server takes it back when the connection ends."""

    def __init__(self, place: Place, worker: str) -> None:
        self.worker = worker
        self._shown = place.shown
        self._connection: Any = None
        try:
            self._connection = psycopg().connect(**place.libpq, autocommit=True)
            self._ask("SELECT pg_advisory_lock(hashtextextended(%s, 0))", worker)
        except psycopg().Error as error:
            self.give_back()
            raise self._lost(error) from error

    def check(self) -> None:
        """It is still held. Raises `StoreError` where the connection was lost, and the lock with it."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg().Error as error:
            raise self._lost(error) from error

    def ended(self, worker: str) -> bool:
        """Whether that worker has ended."""
        try:
            free = bool(self._ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", worker))
            if free:
                self._ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", worker)
        except psycopg().Error as error:
            raise self._lost(error) from error
        return free

    def give_back(self) -> None:
        """It is not held any more."""
        if self._connection is not None:
            with suppress(psycopg().Error):  # one that is lost is given back already
                self._connection.close()

    def _ask(self, query: str, worker: str) -> Any:
        return self._connection.execute(query, (f"emma job worker {worker}",)).fetchone()[0]

    def _lost(self, error: Exception) -> StoreError:
        said = " ".join(str(error).split())[:200]
        return StoreError(
            f"Jobs at {self._shown!r}: the connection that says this worker lives was lost ({said}); its jobs are left"
            " to others: start it again"
        )
