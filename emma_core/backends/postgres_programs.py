"""Runs PostgreSQL's own programs, found on PATH; no list of processes shows a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from emma_core.backends.sql.connecting import Place
from emma_core.errors import OperatorError, StoreError

_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
}
START_SECONDS = 1_800.0
"""How long a server may take to replay what it is given."""


def find(name: str) -> str:
    """The path of one of PostgreSQL's programs. Raises `OperatorError` where PATH leads to none."""
    found = shutil.which(name)
    if found is None:
        raise OperatorError(
            f"PostgreSQL's program {name!r} is not found; install those of the server's version, and put their folder"
            " on PATH"
        )
    return found


def variables(place: Place, name: str = "emma-backup") -> Mapping[str, str]:
    """The environment that leads PostgreSQL's programs to that place."""
    said = {_VARIABLES[key]: value for key, value in place.libpq.items() if key in _VARIABLES}
    return {**os.environ, **said, "PGAPPNAME": name, "LC_MESSAGES": "C"}


def run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    """The program has done its work. Raises `StoreError` with what it said where it has not."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise StoreError(f"{Path(command[0]).name}: {said(done.stderr)}")


def said(text: str) -> str:
    """What a program said last of what went wrong, in one line."""
    told = [line for line in text.splitlines() if "FATAL" in line or "ERROR" in line or "error:" in line]
    return " ".join(" ".join(told[-2:] or text.splitlines()[-3:]).split())[-600:] or "it said nothing"


class Server:
    """A PostgreSQL over a data folder, on a free loopback port, for as long as it is needed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = _free_port()
        self._log = data.parent / "server.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        """It answers. Raises `StoreError` with what it said where it does not."""
        user = owner(self.data)
        command = [find("postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1"]
        for setting in ("unix_socket_directories=", "archive_mode=off", "logging_collector=off", "lc_messages=C"):
            command += ["-c", setting]
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                command,
                cwd="/",
                user=user,
                group=None if user is None else self.data.stat().st_gid,
                extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while not ready():
            if self._running.poll() is not None or time.monotonic() > until:
                self.end(signal.SIGQUIT)
                raise StoreError(f"PostgreSQL over {str(self.data)!r} did not start: {said(self.log())}")
            time.sleep(0.05)

    def end(self, by: int) -> None:
        """It has ended after that signal; nothing is left of it."""
        if self._running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._running.send_signal(by)
        self._running.wait()
        self._running = None

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def owner(folder: Path) -> int | None:
    """Who a server over that folder runs as; None: whoever runs this. Raises `OperatorError` where only root could."""
    if os.name == "nt" or os.geteuid() != 0:
        return None
    user = folder.stat().st_uid
    if user == 0:
        raise OperatorError(
            f"PostgreSQL does not run as root: run this as its own user, or name a folder within one that is its own,"
            f" as {str(folder.parent)!r} does not"
        )
    return user


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
