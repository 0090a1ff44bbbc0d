"""Reads an address that names an index of a search service, and never shows the key in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from emma_core.backends.loopback import is_loopback
from emma_core.errors import StoreError

_LIKE = "write 'azure-search://NAME.search.windows.net/INDEX?key={secret:NAME}'"
_OPTIONS = ["dimension", "key", "semantic", "settle", "tls"]
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){0,98}[a-z0-9]")
MOST_DIMENSIONS = 4096


@dataclass(frozen=True)
class Address:
    """An index of a service, and how it is opened."""

    host: str
    port: int | None
    index: str
    """The alias that is read and written; the index behind it changes with its form."""
    key: str = field(repr=False)
    """A key of the service; empty: whoever this process runs as in Azure (managed identity, a signed-in developer)."""
    tls: bool = True
    dimension: int = 384
    """Of the vectors: an index of the service has one."""
    semantic: bool = False
    """Whether the service's semantic ranker orders what was found once more; it is billed by the query."""
    settle: float = 15.0
    """Seconds that the service may take until all of it follows an alias to another index."""

    @property
    def url(self) -> str:
        """Where the service answers."""
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}{port}"

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"azure-search://{self.host}{port}/{self.index}"


def read(text: str) -> Address:
    """The address that the text says. Raises `StoreError` where it says none, without what may be a secret."""
    shown = re.sub(r"//[^/]*@", "//…@", text.partition("?")[0])
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        said = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise StoreError(f"Index address {shown!r} cannot be read; {_LIKE}") from None
    index = parts.path.strip("/")
    if parts.username is not None:
        raise StoreError(f"Index address {shown!r}: a key stands behind '?key='; {_LIKE}")
    if parts.scheme != "azure-search" or not host or not _NAME.fullmatch(index) or parts.fragment:
        raise StoreError(
            f"Index address {shown!r} names no index of a search service (2 to 100 of a-z, 0-9 and '-'); {_LIKE}"
        )
    if set(said) - set(_OPTIONS):
        raise StoreError(f"Index address {shown!r} has an option that is none; there are {_OPTIONS}")
    tls, semantic = (_switch(said, name, shown, default) for name, default in (("tls", "on"), ("semantic", "off")))
    if not tls and not is_loopback(host):
        raise StoreError(f"Index address {shown!r}: only loopback may do without TLS; leave out 'tls=off'")
    if not tls and not said.get("key"):
        raise StoreError(f"Index address {shown!r}: without TLS nobody can sign in; write its '?key='")
    if any(not 32 < ord(sign) < 127 for sign in said.get("key", "")):
        raise StoreError(f"Index address {shown!r}: its key is none of a service; copy it again")
    numbers = {name: _number(said, name, shown) for name in ("dimension", "settle") if name in said}
    return Address(host, port, index, said.get("key", ""), tls=tls, semantic=semantic, **numbers)


def _switch(said: dict[str, str], name: str, shown: str, default: str) -> bool:
    if (value := said.get(name, default)) not in ("on", "off"):
        raise StoreError(f"Index address {shown!r}: {name}={value!r}; write 'on' or 'off', or leave it out")
    return value == "on"


def _number(said: dict[str, str], name: str, shown: str) -> int:
    least, most = (2, MOST_DIMENSIONS) if name == "dimension" else (0, 600)
    value = said[name]
    if not re.fullmatch(r"[0-9]{1,5}", value) or not least <= int(value) <= most:
        raise StoreError(f"Index address {shown!r}: {name}={value!r}; write a number from {least} to {most}")
    return int(value)
