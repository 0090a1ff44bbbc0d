"""TLS before a test's PostgreSQL, whose build has none: takes the protocol's wish for TLS, and relays what is said."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_WISH_FOR_TLS = (80877103).to_bytes(4, "big")


@contextmanager
def tls_relay(context: ssl.SSLContext, port: int, spoken: list[str]) -> Iterator[int]:
    """The port of a relay to a port of this machine; the version of TLS that each client spoke is noted."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # a client that does not like what it sees leaves in the middle
            with contextlib.suppress(OSError):
                while self.request.recv(8)[4:] not in (_WISH_FOR_TLS, b""):
                    self.request.sendall(b"N")  # another kind of encryption was wished for first
                self.request.sendall(b"S")
                with (
                    context.wrap_socket(self.request, server_side=True) as client,
                    socket.create_connection(("127.0.0.1", port)) as server,
                ):
                    spoken.append(str(client.version()))
                    _relay(client, server)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    """What either says reaches the other, until one of them ends."""
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one in ready:
            said = one.recv(65536)
            if not said:
                return
            (server if one is client else client).sendall(said)
