"""Reads the address of a database, holds it to TLS where it leaves this machine, and never shows its password."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from emma_core.backends.sqlite_file import path_of
from emma_core.errors import MissingExtra, OperatorError

_OWN = ("schemas",)
_PASSED_ON = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_min_protocol_version", "connect_timeout"),
    *("application_name", "target_session_attrs", "keepalives_idle", "channel_binding"),
)
_EXAMPLE = "'postgresql://role@host:5432/database'"


@dataclass(frozen=True)
class Place:
    """Where a database is, as its address says."""

    shown: str
    """The address without its password."""
    path: Path | None = None
    """The file, where it is one."""
    libpq: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Else what psycopg is told."""
    per_tenant: bool = False
    """Whether each tenant has a schema of its own."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which database it is."""
        return "sqlite" if self.path else "postgresql"

    @property
    def role(self) -> str:
        """The role that the address names."""
        return self.libpq.get("user", "")


def place(address: str) -> Place:
    """What the address says. Raises `OperatorError` naming what does not fit, its password left out."""
    if address.partition(":")[0] == "sqlite":
        return Place(shown=address, path=path_of(address))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 5432
    except ValueError:
        raise OperatorError(f"A database's address cannot be read; write {_EXAMPLE}, odd characters as %41") from None
    name, user = unquote(parts.path.removeprefix("/")), unquote(parts.username or "")
    shown = f"{parts.scheme}://{user}{':***' if parts.password else ''}@{host}:{port}/{name}"
    if parts.scheme != "postgresql" or not (host and name and user) or "," in parts.netloc or "\0" in unquote(address):
        raise OperatorError(f"Database address {shown!r} names no role, host and database; write {_EXAMPLE}")
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(said) - {*_OWN, *_PASSED_ON}):
        raise OperatorError(f"Database {shown!r}: no setting {unknown[0]!r}; there are {sorted((*_OWN, *_PASSED_ON))}")
    if said.get("schemas", "per_tenant") != "per_tenant":
        raise OperatorError(f"Database {shown!r}: schemas={said['schemas']!r}; write per_tenant, or leave it out")
    for variable in ("PGHOSTADDR", "PGSERVICE"):  # libpq would follow them to another host than the address says
        if os.environ.get(variable):
            raise OperatorError(f"Variable {variable} would lead away from {shown!r}; unset it")
    password = {"password": unquote(parts.password)} if parts.password else {}
    where = {"host": host, "port": str(port), "dbname": name, "user": user, **password}
    rest = {key: value for key, value in said.items() if key in _PASSED_ON}
    asked = {"connect_timeout": "10", "application_name": "emma", **rest, **_secured(host, rest, shown)}
    return Place(shown=shown, libpq={**where, **asked}, per_tenant="schemas" in said)


def _secured(host: str, said: Mapping[str, str], shown: str) -> dict[str, str]:
    """What libpq is told of TLS. Raises `OperatorError` where words would leave this machine in a weaker form."""
    if _loopback(host):
        return {"sslmode": said.get("sslmode", "prefer")}
    mode, least = said.get("sslmode", "verify-full"), said.get("ssl_min_protocol_version", "TLSv1.2")
    if mode != "verify-full":
        raise OperatorError(
            f"Database {shown!r}: sslmode={mode!r} does not hold the host to its certificate; write verify-full,"
            " with sslrootcert=FILE where its authority is your own"
        )
    if least not in ("TLSv1.2", "TLSv1.3"):
        raise OperatorError(f"Database {shown!r}: ssl_min_protocol_version={least!r} is too old; write TLSv1.2")
    return {"sslmode": mode, "ssl_min_protocol_version": least}


def _loopback(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def psycopg() -> Any:
    """The driver. Raises `MissingExtra` where it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("A database at postgresql://", "postgres") from error
    return psycopg
