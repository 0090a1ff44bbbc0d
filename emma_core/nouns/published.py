"""What a tenant has published: numbered versions of a blueprint, and the labels that move between them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, Field

from emma_core.nouns.authored import Blueprint
from emma_core.nouns.turn import PackStamp
from emma_core.nouns.values import Noun, Sha256

LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
VersionNumber = Annotated[int, Field(ge=1, lt=10**9)]


class Published(Noun):
    """A version of a blueprint, never changed: what it says, and with what it was tried."""

    version: VersionNumber
    """1 for a blueprint's first; no number is given twice."""
    hash: Sha256
    """SHA-256 over the blueprint, its packs' stamps and its rules' hashes."""
    blueprint: Blueprint
    packs: tuple[PackStamp, ...]
    """It runs with exactly these."""
    rule_hashes: dict[str, Sha256]
    """The rules that it is held to, each with its hash."""
    as_of: date
    """The day for which the editions of its rule sets were chosen."""
    published_by: str
    published_at: AwareDatetime
    line: int | None = None
    """The line of the trail that says so; without one it was not finished, and is not asked."""

    @property
    def address(self) -> str:
        """`id@version`, under which it is asked."""
        return f"{self.blueprint.id}@{self.version}"


class Label(Noun):
    """A name that stands for one version of a blueprint, and can be moved to another."""

    blueprint: str
    label: LabelName
    version: VersionNumber
    before: tuple[VersionNumber, ...] = ()
    """Where it stood before, the last one last; that is where `rollback` moves it."""
    moved_by: str
    moved_at: AwareDatetime
    line: int
    """The line of the trail that says so."""

    @property
    def address(self) -> str:
        """`id@label`, under which its version is asked."""
        return f"{self.blueprint}@{self.label}"
