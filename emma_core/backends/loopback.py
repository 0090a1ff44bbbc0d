"""Tells whether a host is this machine: what goes anywhere else goes encrypted."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str | None) -> bool:
    """True where nothing sent to the host leaves this machine."""
    if host is None:
        return False
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
