"""Reads how a blueprint is named: `id`, `id@3`, `id@stable` or `id@sha256:…`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emma_core.errors import CallerError

BARE = "stable"
"""The label that an id alone means, where the tenant has given it."""
ID = re.compile(r"[a-z][a-z0-9_]{0,79}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HASH = re.compile(r"sha256:[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Address:
    """A blueprint's id, and which of its versions is meant: at most one of number, label and hash."""

    id: str
    version: int | None = None
    label: str | None = None
    hash: str | None = None
    """The first 12 digits of it at least."""

    @property
    def bare(self) -> bool:
        """True for an id alone."""
        return self.version is None and self.label is None and self.hash is None


def read(text: str) -> Address:
    """The address that a text says; an id is not looked at here. Raises `CallerError` for no way to name a version."""
    id, at, which = text.partition("@")
    if not at:
        return Address(id=text)
    if _NUMBER.fullmatch(which):
        return Address(id=id, version=int(which))
    if _HASH.fullmatch(which):
        return Address(id=id, hash=which.removeprefix("sha256:"))
    if _LABEL.fullmatch(which):
        return Address(id=id, label=which)
    raise CallerError(
        f"{text!r} names no version of a blueprint; write {id}@3, {id}@stable or {id}@sha256:… (12 digits or more)"
    )


def read_label(text: str) -> str:
    """The label. Raises `CallerError` for what can be none."""
    if not _LABEL.fullmatch(text):
        said = "a version's number" if text.isdecimal() else "no label"
        raise CallerError(
            f"Label {text!r} is {said}; write up to 40 lower-case letters, digits, - and _, a letter first"
        )
    return text
