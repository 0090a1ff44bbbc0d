"""Says what a backup holds: whose it is, what of it lies where."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, ValidationError

from emma_core import canonical
from emma_core.backends import durable_files
from emma_core.errors import CallerError, OperatorError
from emma_core.nouns import Noun, Setting, Sha256
from emma_core.ports import Registry

MANIFEST = "manifest.json"
_NAME = "installation.name"


class Part(Noun):
    """A copy of what lay at one address."""

    scheme: str
    """Of the address, such as `sqlite`."""
    begun: Sha256
    """The hash of what the copy began with; each step after it holds the hash of the one before."""


class Manifest(Noun):
    """What a backup holds."""

    format: Literal["emma-backup"] = "emma-backup"
    v: Literal[1] = 1
    installation: Sha256
    made_at: AwareDatetime
    by: str
    """The version of Emma that made it."""
    parts: dict[str, Part]
    """By `store`, `blobs`, and `registry` and `jobs` where these lie apart."""
    left: dict[str, str] = {}
    """What is not in it, and where that lies."""

    @property
    def hash(self) -> str:
        """The SHA-256 of all it says."""
        return canonical.sha256(self.plain())


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises `CallerError` where the folder is none, or is of another form."""
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CallerError(
            f"{str(folder)!r} is no whole backup: it holds no whole {MANIFEST}; name a folder that `emma backup` made"
        ) from error
    if not isinstance(said, dict) or said.get("format") != "emma-backup":
        raise CallerError(f"{str(folder)!r} is no backup; name a folder that `emma backup` made")
    if said.get("v") != 1:
        raise CallerError(f"{str(folder)!r} is a backup of form v={said.get('v')!r}; restore it with a newer Emma")
    try:
        kept = Manifest.model_validate_json(json.dumps({name: said[name] for name in said if name != "sha256"}))
    except ValidationError as error:
        raise CallerError(f"{str(path)!r} is damaged; restore another backup") from error
    if kept.hash != said.get("sha256"):
        raise CallerError(f"{str(path)!r} was changed after it was made; restore another backup")
    return kept


def write(folder: Path, manifest: Manifest) -> None:
    """The folder says what it holds."""
    said = {**manifest.plain(), "sha256": manifest.hash}
    durable_files.replace(folder / MANIFEST, f"{json.dumps(said, indent=2, sort_keys=True)}\n".encode())


async def installation(registry: Registry, *, made_at: datetime | None = None) -> str:
    """What tells this installation from any other, hashed: the name that its first backup gave it, and its first day.

    `made_at`: it is given a name now where it has none; else one without a name is like no other.
    """
    first = await registry.tenant("default")
    if first is None:
        raise OperatorError("The registry has no tenant 'default'; run: emma db upgrade")
    rows = registry.for_tenant(first.id)
    named = await rows.one(Setting, _NAME)
    if named is None and made_at is not None:
        named = Setting(name=_NAME, value=secrets.token_hex(16), set_by="backup", set_at=made_at)
        await rows.put(named, new=True)
    return canonical.sha256({"installation": [first.created_at, named.value if named else secrets.token_hex(16)]})
