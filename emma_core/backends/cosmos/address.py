"""Reads an address that names a database of a Cosmos account, and never shows the key in it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from emma_core.errors import StoreError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LIKE = "write 'cosmos://ACCOUNT.documents.azure.com/DATABASE?key={secret:NAME}'"


@dataclass(frozen=True)
class Address:
    """A database of an account, and how it is opened."""

    host: str
    port: int | None
    database: str
    key: str = field(repr=False)
    """The account's key; empty: whoever this process runs as in Azure (managed identity, a signed-in developer)."""
    tls: bool

    @property
    def url(self) -> str:
        """Where the account answers."""
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}{port}/"

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"cosmos://{self.host}{port}/{self.database}"


def read(text: str) -> Address:
    """The address that the text says. Raises `StoreError` where it says none, without what may be a secret."""
    shown = re.sub(r"//[^/]*@", "//…@", text.partition("?")[0])
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        said = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise StoreError(f"Store address {shown!r} cannot be read; {_LIKE}") from None
    database = parts.path.strip("/")
    if parts.username is not None:
        raise StoreError(f"Store address {shown!r}: a key stands behind '?key='; {_LIKE}")
    if parts.scheme != "cosmos" or not host or not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", database) or parts.fragment:
        raise StoreError(f"Store address {shown!r} names no database of a Cosmos account; {_LIKE}")
    if set(said) - {"key", "tls"}:
        raise StoreError(f"Store address {shown!r} has an option that is none; there are ['key', 'tls']")
    if (tls := said.get("tls", "on")) not in ("on", "off"):
        raise StoreError(f"Store address {shown!r}: tls={tls!r}; leave it out, or write 'tls=off' on loopback")
    if tls == "off" and host not in _LOOPBACK:
        raise StoreError(f"Store address {shown!r}: only loopback may do without TLS; leave out 'tls=off'")
    if tls == "off" and not said.get("key"):
        raise StoreError(f"Store address {shown!r}: without TLS nobody can sign in; write its '?key='")
    return Address(host=host, port=port, database=database, key=_key(said.get("key", ""), shown), tls=tls == "on")


def _key(key: str, shown: str) -> str:
    # a '+' of base64 is read as a space where it was not written %2B
    key = key.replace(" ", "+")
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise StoreError(f"Store address {shown!r}: its key is none of an account (no base64); copy it again") from None
    return key
