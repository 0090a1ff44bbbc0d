"""Starts a server's process in a folder of its own, and leaves neither behind, however the tests end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import psutil

# Reads "pid N" and "folder PATH"; when its input ends, which it does when the tests' process is killed too, what was
# named and is still there goes.
_SWEEP = """
import contextlib, shutil, signal, sys
import psutil
named = [line.rstrip("\\n").partition(" ") for line in sys.stdin]
found = []
for kind, _, value in named:
    with contextlib.suppress(psutil.Error):
        if kind == "pid":
            pid, created = value.split()
            process = psutil.Process(int(pid))
            if process.create_time() == float(created):
                found += [process, *process.children(recursive=True)]
                process.send_signal(signal.SIGQUIT)
for each in psutil.wait_procs(found, timeout=5)[1]:
    with contextlib.suppress(psutil.Error):
        each.kill()
for kind, _, value in named:
    if kind == "folder":
        shutil.rmtree(value, ignore_errors=True)
"""


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Process:
    """One server's process, its folder and what it says; started again as often as a test likes."""

    def __init__(self, name: str, *, user: int | None = None) -> None:
        self.name = name
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix=f"emma-{name}-"))
        _tell_the_sweeper(f"folder {self.folder}")
        if user is not None:
            os.chown(self.folder, user, user)
        self.folder.chmod(0o700)
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file that holds what the server said."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int:
        """The running server's process id."""
        assert self._running is not None, f"{self.name} is not running"
        return self._running.pid

    def run(self, command: Sequence[str], env: dict[str, str] | None = None) -> None:
        """The command ended well, under the server's user."""
        done = subprocess.run(
            command, cwd=self.folder, user=self.user, group=self.user, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{self.name}: {command[0]}: {done.stderr or done.stdout}"

    def start(self, command: Sequence[str], *, ready: Callable[[], bool], seconds: float) -> None:
        """The server runs and is ready; where it is not within so many seconds, what it said is raised."""
        assert self._running is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            # its own session: an interrupt from the keyboard reaches the tests first, and they end it in order
            self._running = subprocess.Popen(
                command,
                cwd=self.folder,
                user=self.user,
                group=self.user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _tell_the_sweeper(f"pid {self.pid} {psutil.Process(self.pid).create_time()!r}")
        until = time.monotonic() + seconds
        while not ready():
            if self._running.poll() is not None or time.monotonic() > until:
                self.kill9()
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self, by: int) -> None:
        """The server has ended after the signal, and so has whatever it started."""
        if self._running is None:
            return
        self._running.send_signal(by)
        try:
            self._running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._running = None

    def kill9(self) -> None:
        """The server and its children are gone at once, as by a failing machine."""
        if self._running is None:
            return
        found = psutil.Process(self.pid) if psutil.pid_exists(self.pid) else None
        with contextlib.suppress(psutil.Error):
            children = found.children(recursive=True) if found else []
            self._running.kill()
            for child in children:
                with contextlib.suppress(psutil.Error):
                    child.kill()
            psutil.wait_procs(children, timeout=20)
        self._running.wait()
        self._running = None

    def forget(self) -> None:
        """The folder is gone; a running server is ended at once, so that it leaves no shared memory either."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def _sweeper() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SWEEP], stdin=subprocess.PIPE, text=True, start_new_session=True, bufsize=1
    )


def _tell_the_sweeper(line: str) -> None:
    told = _sweeper().stdin
    assert told is not None
    told.write(f"{line}\n")
    told.flush()
