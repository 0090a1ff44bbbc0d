"""A protocol fake of Azure Key Vault: reads of secrets over TLS, behind the token of a managed identity."""

from __future__ import annotations

import ipaddress
import json
import ssl
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = "canary-token-of-the-managed-identity"
HEADER = "canary-header-of-the-identity-endpoint"


def certify(folder: Path) -> tuple[Path, Path]:
    """The files of a certificate for this machine that vouches for itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    start = datetime.now(UTC) - timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=30))
    signed = made.add_extension(here, critical=False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "certificate.pem", folder / "key.pem"


class KeyVaultFake:
    """A vault on a free loopback port, and beside it the endpoint that gives a managed identity its token."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        """By name in lower case, as a vault compares names."""
        self.denied: set[str] = set()
        """What the identity may not read."""
        self.identified = True
        """False: the identity endpoint refuses."""
        self.asked: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="emma-vault-")
        self.certificate, key = certify(Path(self._folder.name))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._vault = self._serve(_Vault, context)
        self._identity = self._serve(_Identity, None)

    @property
    def address(self) -> str:
        """As `EMMA_SECRETS` is written."""
        return f"key-vault://127.0.0.1:{self._vault.server_port}?ca={self.certificate}&retries=0"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process on Azure learns of its managed identity."""
        endpoint = f"http://127.0.0.1:{self._identity.server_port}/token"
        return {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": HEADER}

    def forget(self) -> None:
        """Nobody listens any more, and nothing lies about."""
        for server in (self._vault, self._identity):
            server.shutdown()
            server.server_close()
        self._folder.cleanup()

    def _serve(self, handler: type[_Answers], context: ssl.SSLContext | None) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        handler_of = {"fake": self}
        server.RequestHandlerClass = type("Answers", (handler,), handler_of)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server


class _Answers(BaseHTTPRequestHandler):
    fake: KeyVaultFake
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        try:
            super().handle()
        except (ssl.SSLError, ConnectionError):
            self.close_connection = True  # the caller does not trust the certificate, or has left

    def say(self, status: int, value: Any, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, said in headers.items():
            self.send_header(name.replace("_", "-"), said)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


class _Vault(_Answers):
    def do_GET(self) -> None:
        """A secret's newest version, to whoever shows the token; others are told where to get one."""
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            challenge = 'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"'
            self.say(401, {"error": {"code": "Unauthorized", "message": "no token"}}, WWW_Authenticate=challenge)
            return
        name = urlsplit(self.path).path.strip("/").split("/")[1].lower()
        self.fake.asked.append(name)
        if name in self.fake.denied:
            said = "Caller is not authorized to perform action on resource."
            self.say(403, {"error": {"code": "Forbidden", "message": said}})
        elif name not in self.fake.secrets:
            said = f"A secret with (name/id) {name} was not found in this key vault."
            self.say(404, {"error": {"code": "SecretNotFound", "message": said}})
        else:
            self.say(200, {"value": self.fake.secrets[name], "id": f"https://{self.headers['Host']}/secrets/{name}/1"})


class _Identity(_Answers):
    def do_GET(self) -> None:
        """The token, to whoever knows the header that the platform gave to the process."""
        resource = parse_qs(urlsplit(self.path).query).get("resource", [""])[0]
        if self.headers["X-IDENTITY-HEADER"] != HEADER or not self.fake.identified:
            self.say(400, {"statusCode": 400, "message": "no managed identity is assigned"})
            return
        until = str(int((datetime.now(UTC) + timedelta(hours=1)).timestamp()))
        self.say(200, {"access_token": TOKEN, "expires_on": until, "resource": resource, "token_type": "Bearer"})
