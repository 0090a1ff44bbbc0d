"""Speaks TLS before a PostgreSQL that was built without it: certificate and wire are real, the server lies behind."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from typing import Any

_TLS = (80877103).to_bytes(4, "big")


class TlsWire(socketserver.ThreadingTCPServer):
    """Listens on a loopback port of its own until it is left."""

    daemon_threads = True

    def __init__(self, port: int, certificate: Path, key: Path) -> None:
        self.to = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: TlsWire

    def handle(self) -> None:
        """One client: TLS, or nothing."""
        while (asked := self.request.recv(8)) and asked[4:] != _TLS:
            self.request.sendall(b"N")
        if not asked:
            return
        self.request.sendall(b"S")
        with contextlib.suppress(OSError), self.server.context.wrap_socket(self.request, server_side=True) as secured:
            self.request = secured
            with socket.create_connection(("127.0.0.1", self.server.to)) as behind:
                threading.Thread(target=_copy, args=(behind, secured), daemon=True).start()
                _copy(secured, behind)


def _copy(source: Any, to: Any) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            to.sendall(received)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_RDWR)
