"""Tells which addresses of an installation are copied, and under which it answers once they have moved."""

from __future__ import annotations

from collections.abc import Mapping

from emma_core import redaction
from emma_core.packs import Packs
from emma_core.ports import Moved
from emma_core.settings import Settings


def copied(packs: Packs, read: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """What is copied, in the order of the copying, and what is not: by `store`, `blobs` and so on."""
    known = {scheme for pack in packs.healthy() for scheme in pack.backends.get("copier", {})}
    named = {"jobs": read.jobs_at, "index": read.index, "registry": read.registry, "store": read.store}
    named = {name: _by_role(address, read) for name, address in {**named, "blobs": read.blobs}.items()}
    found = {name: address for name, address in named.items() if _scheme(address) in known}
    left = {name: redaction.mask(address) for name, address in named.items() if name not in found}
    if _scheme(read.index) == "memory":
        left.pop("index", None)  # it is made anew whenever the house opens
    for name in ("jobs", "index", "registry"):
        others = [address for other, address in found.items() if other != name]
        if name in found and found[name] in others:
            del found[name]  # the other's copy holds it
    return found, left


def moved(chosen: Settings, read: Settings, by: Mapping[str, Moved]) -> Settings:
    """The settings under which the same installation answers once each part has moved."""
    said = {name: _as_said(getattr(chosen, name), getattr(read, name)) for name in ("store", "blobs")}
    now = {name: move(said[name]) for name, move in by.items() if name in said}
    database = by.get("registry", by["store"])
    now["jobs"] = by.get("jobs", database)(_as_said(chosen.jobs_at, read.jobs_at))
    if read.registry == read.store:
        now["database"] = ""
    else:
        now["database"] = database(_as_said(chosen.registry, read.registry))
    if "index" in by or _by_role(read.index, read) in (_by_role(read.store, read), _by_role(read.registry, read)):
        now["index"] = by.get("index", database)(_as_said(chosen.index, read.index))
    for name in ("database_owner", "database_backup"):
        if getattr(read, name):
            now[name] = database(_as_said(getattr(chosen, name), getattr(read, name)))
    return chosen.model_copy(update={**now, "database_replica": ""})


def _by_role(address: str, read: Settings) -> str:
    """The address of the role that may copy the whole server, where there is one."""
    return read.database_backup if _scheme(read.database_backup) == _scheme(address) else address


def _as_said(address: str, read: str) -> str:
    """The address with its secrets still unread, unless it is a secret itself."""
    return read if address.startswith("{secret:") else address


def _scheme(address: str) -> str:
    return address.partition(":")[0]
