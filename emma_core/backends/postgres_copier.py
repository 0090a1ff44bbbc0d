"""Copies a PostgreSQL by its own base backup and its streamed log, and builds it as of a moment by its own recovery."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emma_core.backends import durable_files, file_lock
from emma_core.backends import postgres_programs as programs
from emma_core.backends.sql import connecting, explaining
from emma_core.errors import CallerError, Conflict, StoreError
from emma_core.ports import Copier, Moved, Span

BASE, LOG, BEGUN, REACHED = "base", "log", "begun.json", "reached.json"
PATIENCE = 60.0
"""Seconds within which what the server has written must have arrived."""
_STREAMS = "SELECT count(flush_lsn) FROM pg_stat_replication WHERE application_name = %s"
_ARRIVED = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= %s::pg_lsn AND application_name = %s"
_SIZES = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""Settings that a recovery needs as large as the server had them, wherever that was told them."""
_PARTIAL = ".partial"
_SHORT = "recovery ended before configured recovery target was reached"
_HOST = re.compile(r"(?<=@)[^/?]+")


def open_copier(address: str) -> Copier:
    """The copier of the server that the address names, by a role that may replicate."""
    return PostgresCopier(connecting.place(address))


class PostgresCopier:
    """Copies a whole server: its base as `pg_basebackup` makes it, and its log as `pg_receivewal` streams it.

    It holds no slot: a backup that nobody goes on with never fills the server's disk.
    """

    def __init__(self, place: connecting.Place) -> None:
        self.place = place
        self._name = f"emma-backup-{secrets.token_hex(4)}"
        self._receiver: subprocess.Popen[str] | None = None
        self._lock: int | None = None
        self._lsn = ""
        self._into: Path | None = None
        self._server: programs.Server | None = None
        self._is_put = False

    async def begin(self, folder: Path) -> str:
        """The folder holds a base backup of the whole server, checked as it came; the hash of its own manifest."""
        return await asyncio.to_thread(self._begin, folder)

    async def resume(self, folder: Path) -> None:
        """The log is streamed on from where it ended. Raises `CallerError` where the server is another one by now."""
        await asyncio.to_thread(self._resume, folder)

    async def step(self, folder: Path) -> bool:
        """Whatever the server has flushed is in the folder, flushed there too; whether there was something."""
        return await asyncio.to_thread(self._step, folder)

    async def close(self) -> None:
        """The streaming has ended."""
        await asyncio.to_thread(self._close)

    async def span(self, folder: Path, begun: str) -> Span:
        """The moments it can tell of, the base held against its own manifest."""
        return await asyncio.to_thread(self._span, folder, begun)

    async def there(self) -> bool:
        """Nothing that is there is ever replaced."""
        return False

    async def build(self, folder: Path, begun: str, to: datetime | None, into: Path | None) -> Moved:
        """A server over a data folder in `into` has replayed the log up to that moment, and answers."""
        if into is None:
            raise CallerError(
                "--into: a PostgreSQL is restored into a folder of its own; name one, then start it there"
            )
        await asyncio.to_thread(self._build, folder, to, into.absolute())
        return self._moved

    async def put(self, *, running: bool) -> Moved:
        """The data folder is whole; its server goes on only if `running`."""
        await asyncio.to_thread(self._put, running)
        return self._moved

    async def discard(self) -> None:
        """The server has ended and its folder is gone, unless it was put."""
        if not self._is_put:
            await self.lose()

    async def lose(self) -> None:
        """The server has ended without a word to its disk, and its folder is gone."""
        if self._server is not None and self._into is not None:
            await asyncio.to_thread(self._server.end, signal.SIGQUIT)
            await asyncio.to_thread(shutil.rmtree, self._into, ignore_errors=True)

    def _begin(self, folder: Path) -> str:
        self._take(folder)
        (folder / LOG).mkdir(mode=0o700)
        self._stream(folder)  # first, so that the log has no gap after the base
        base = folder / BASE
        options = ["-D", str(base), "-X", "stream", "-c", "fast", "--manifest-checksums=SHA256", "--no-password"]
        try:
            programs.run(programs.find("pg_basebackup"), *options, environment=programs.variables(self.place))
        except StoreError as error:
            raise StoreError(f"Database {self.place.shown!r}: {error}; name in EMMA_DATABASE_BACKUP a role that may"
                             " replicate, and make room where the backup goes") from error  # fmt: skip
        at = datetime.now(UTC)
        sha256 = _hash(base)
        sizes = self._ask("SELECT " + ", ".join(f"current_setting('{name}')" for name in _SIZES))
        said = {"sha256": sha256, "at": at.isoformat(), "sizes": dict(zip(_SIZES, sizes, strict=True))}
        said |= self._identity()
        durable_files.replace(folder / BEGUN, json.dumps(said).encode())
        self._step(folder)
        return sha256

    def _resume(self, folder: Path) -> None:
        self._take(folder)
        begun = _json(folder / BEGUN)
        if {name: begun.get(name) for name in ("system", "timeline")} != self._identity():
            raise CallerError(
                f"Backup {str(folder.parent)!r} is of another server, or of before a restore; name a folder that is not"
                " there yet"
            )
        self._stream(folder)

    def _step(self, folder: Path) -> bool:
        before = datetime.now(UTC)
        lsn = str(self._ask("SELECT pg_current_wal_flush_lsn()")[0])
        until = time.monotonic() + PATIENCE
        while not self._ask(_ARRIVED, lsn, self._name)[0]:
            self._alive()
            if time.monotonic() > until:
                raise StoreError(f"Database {self.place.shown!r}: its log did not arrive within {PATIENCE:.0f} seconds")
            time.sleep(0.02)
        changed = lsn != self._lsn
        self._lsn = lsn
        durable_files.replace(folder / REACHED, json.dumps({"lsn": lsn, "until": before.isoformat()}).encode())
        return changed

    def _stream(self, folder: Path) -> None:
        self._receiver = subprocess.Popen(
            [programs.find("pg_receivewal"), "-D", ".", "--synchronous", "--no-loop", "--no-password"],
            cwd=folder / LOG,  # which gets another name once the backup is whole
            env=programs.variables(self.place, self._name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=() if self._lock is None else (self._lock,),  # who outlives this process keeps the folder
        )
        until = time.monotonic() + PATIENCE
        while not self._ask(_STREAMS, self._name)[0]:
            self._alive()
            if time.monotonic() > until:
                raise StoreError(
                    f"Database {self.place.shown!r}: its log is not seen to arrive; see its own log, and run there:"
                    f" GRANT pg_read_all_stats TO {self.place.role}"
                )
            time.sleep(0.05)

    def _alive(self) -> None:
        if self._receiver is not None and self._receiver.poll() is not None:
            told = programs.said(self._receiver.stderr.read() if self._receiver.stderr else "")
            do = "name in EMMA_DATABASE_BACKUP a role that may replicate"
            if "already been removed" in told:
                do = "begin a new backup, and raise wal_keep_size for the next time"
            raise StoreError(f"Database {self.place.shown!r}: pg_receivewal: {told}; {do}")

    def _close(self) -> None:
        if self._receiver is not None:
            self._receiver.terminate()
            self._receiver.communicate()
            self._receiver = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _span(self, folder: Path, begun: str) -> Span:
        said, reached = _json(folder / BEGUN), _json(folder / REACHED)
        try:
            if not said["sha256"] == begun == _hash(folder / BASE):
                raise StoreError("its own manifest was changed")
            programs.run(programs.find("pg_verifybackup"), "-q", str(folder / BASE))
            return Span(datetime.fromisoformat(said["at"]), datetime.fromisoformat(reached["until"]))
        except (StoreError, OSError, KeyError, ValueError, TypeError) as error:
            raise CallerError(f"Backup: {str(folder)!r} is not as it was made: {error}; restore another") from error

    def _build(self, folder: Path, to: datetime | None, into: Path) -> None:
        durable_files.make_folder(into)
        durable_files.give(into, into.parent)
        programs.owner(into)
        self._into = into
        self._server = programs.Server(into / "data")
        try:
            self._recover(folder, to, into)
        except StoreError:
            if to is None or _SHORT not in self._server.log():
                raise
            self._recover(folder, None, into)  # nothing was committed after the moment: the end is its state
        reached = _json(folder / REACHED)["lsn"]
        if to is None and not self._ask_there(f"SELECT pg_current_wal_lsn() >= '{reached}'"):
            raise CallerError(f"Backup: {str(folder / LOG)!r} is damaged or lacks a piece; restore another, or --to")

    def _recover(self, folder: Path, to: datetime | None, into: Path) -> None:
        assert self._server is not None
        data, log = into / "data", into / LOG
        with _room(into):
            for each in (data, log):
                shutil.rmtree(each, ignore_errors=True)
            (into / "server.log").unlink(missing_ok=True)
            shutil.copytree(folder / BASE, data, symlinks=True)
            shutil.copytree(folder / LOG, log)
            for partial in log.glob(f"*{_PARTIAL}"):
                whole = partial.with_suffix("")
                partial.unlink() if whole.exists() else partial.rename(whole)
            told = _json(folder / BEGUN).get("sizes", {})
            sizes = {name: str(int(told[name])) for name in _SIZES if name in told}
            settings = {
                **sizes,
                "restore_command": f"cp {shlex.quote(str(log))}/%f %p",
                "recovery_target_timeline": "current",
            }
            if to is not None:
                settings |= {"recovery_target_time": to.isoformat(), "recovery_target_action": "promote"}
            auto = data / "postgresql.auto.conf"
            kept = auto.read_text() if auto.exists() else ""
            auto.with_suffix(".kept").write_text(kept)
            auto.write_text(kept + "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items()))
            for name, text in (("postgresql.conf", ""), ("pg_hba.conf", "host all all 127.0.0.1/32 scram-sha-256\n")):
                if not (data / name).exists():  # some systems keep them elsewhere
                    (data / name).write_text(text)
            (data / "recovery.signal").touch()
            data.chmod(0o700)
            durable_files.give(into, into.parent)
        self._server.start(self._is_back)

    def _is_back(self) -> bool:
        try:
            return not self._ask_there("SELECT pg_is_in_recovery()")
        except StoreError:
            return False

    def _put(self, running: bool) -> None:
        assert self._into is not None and self._server is not None
        auto = self._into / "data" / "postgresql.auto.conf"
        auto.with_suffix(".kept").replace(auto)
        shutil.rmtree(self._into / LOG)
        self._is_put = True
        if not running:
            self._server.end(signal.SIGINT)

    def _moved(self, address: str) -> str:
        """The address on the server that was built, which is on this machine and needs no TLS."""
        assert self._server is not None
        head, _, query = address.partition("?")
        kept = [each for each in query.split("&") if each and not each.startswith("ssl")]
        moved = _HOST.sub(f"127.0.0.1:{self._server.port}", head, count=1)
        return moved + (f"?{'&'.join(kept)}" if kept else "")

    def _take(self, folder: Path) -> None:
        self._lock = file_lock.hold(folder / ".lock")
        if self._lock is None:
            raise Conflict(f"Backup {str(folder.parent)!r} is kept by another process; end that, or name another")

    def _identity(self) -> dict[str, Any]:
        system = self._ask("SELECT system_identifier::text FROM pg_control_system()")[0]
        return {"system": system, "timeline": self._ask("SELECT timeline_id FROM pg_control_checkpoint()")[0]}

    def _ask(self, statement: str, *values: Any) -> tuple[Any, ...]:
        return _asked(self.place, dict(self.place.libpq), statement, values)

    def _ask_there(self, statement: str) -> bool:
        assert self._server is not None
        libpq = {**self.place.libpq, "host": "127.0.0.1", "port": str(self._server.port), "sslmode": "prefer"}
        libpq = {name: value for name, value in libpq.items() if not name.startswith("ssl") or name == "sslmode"}
        return bool(_asked(self.place, libpq, statement, ())[0])


def _asked(place: connecting.Place, libpq: dict[str, Any], statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    psycopg = connecting.psycopg()
    try:
        with contextlib.closing(psycopg.connect(**libpq, autocommit=True)) as connection:
            row: tuple[Any, ...] = connection.execute(statement, values).fetchone()
            return row
    except psycopg.Error as error:
        raise explaining.explained(error, place) from error


@contextmanager
def _room(into: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, shutil.Error) as error:
        raise StoreError(f"{str(into)!r} cannot be written ({error}); make room, or name another folder") from error


def _hash(base: Path) -> str:
    return hashlib.sha256((base / "backup_manifest").read_bytes()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        return said
    except (OSError, ValueError) as error:
        raise CallerError(f"Backup: {str(path)!r} is missing or damaged; restore another backup") from error


def _quoted(value: str) -> str:
    """The value as a file of settings says it."""
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
