"""Takes a backup of an installation: a folder that holds all of it, whole or not there at all, and then each change."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from emma_core.backends import durable_files
from emma_core.backups import addresses, forgetting
from emma_core.backups import manifest as manifests
from emma_core.backups.forgetting import Ledger
from emma_core.backups.manifest import Manifest, Part
from emma_core.errors import CallerError, OperatorError
from emma_core.ports import Copier
from emma_core.runtime import House
from emma_core.settings import Settings

LEDGER_SECONDS = 3.0
"""How often it is looked who was forgotten, at most, while something changes."""


class Taking:
    """A backup that is kept up to date."""

    def __init__(self, folder: Path, manifest: Manifest, copiers: Mapping[str, Copier], house: House) -> None:
        self.folder = folder
        self.manifest = manifest
        self._copiers = copiers
        self._house = house
        self._ledger: Ledger | None = None
        self._looked = 0.0
        self._changed = True
        self.steps = 0
        """How many steps brought something."""
        self.steps = 0
        """How many steps brought something."""

    async def step(self) -> bool:
        """All that was written since is in the backup too; whether there was something.

        Raises `StoreError` where it cannot be: then the backup holds what it held.
        """
        changed = False
        for name, copier in self._copiers.items():
            changed |= await copier.step(self.folder / name)
        self._changed |= changed
        self.steps += changed
        self.steps += changed
        if self._changed and time.monotonic() > self._looked + LEDGER_SECONDS:
            await self.note()
        return changed

    async def note(self) -> None:
        """It says who was forgotten."""
        self._looked, self._changed = time.monotonic(), False
        known = self._ledger or forgetting.read(self.folder)
        self._ledger = await forgetting.look(self._house, known)
        if self._ledger != known:
            forgetting.write(self.folder, self._ledger)


@asynccontextmanager
async def taking(house: House, read: Settings, folder: Path, *, named: bool = True) -> AsyncIterator[Taking]:
    """The backup in that folder, begun anew or gone on from.

    `read`: the settings with their secrets in. `named`: an installation that has no name yet gets one, by which its
    backups are known; else nothing is written to it. Raises `CallerError` where the folder is something else,
    `Conflict` where another process keeps it.
    """
    copied, left = addresses.copied(house.packs, read)
    if "store" not in copied:
        raise OperatorError(f"EMMA_STORE: no backup is made of {left['store']!r}; run: emma tenants export")
    async with AsyncExitStack() as stack:
        copiers: dict[str, Copier] = {name: house.packs.backend("copier", address) for name, address in copied.items()}
        for copier in copiers.values():
            stack.push_async_callback(copier.close)
        if folder.exists() or folder.is_symlink():
            manifest = await _resume(house, folder, copied, copiers)
        else:
            schemes = {name: address.partition(":")[0] for name, address in copied.items()}
            manifest = await _begin(house, folder, schemes, copiers, left, house.clock() if named else None)
        found = Taking(folder, manifest, copiers, house)
        await found.note()
        yield found


async def _begin(
    house: House,
    folder: Path,
    schemes: Mapping[str, str],
    copiers: Mapping[str, Copier],
    left: Mapping[str, str],
    named_at: datetime | None,
) -> Manifest:
    part = folder.with_name(f"{folder.name}.part")
    if part.exists():
        raise CallerError(f"{str(part)!r} is there: a backup that was not finished, or is being made; remove it first")
    try:
        durable_files.make_folder(part)
        own = await manifests.installation(house.registry, made_at=named_at)  # before the copy: it is in it
        parts = {}
        for name, copier in copiers.items():
            durable_files.make_folder(part / name)
            parts[name] = Part(scheme=schemes[name], begun=await copier.begin(part / name))
        manifest = Manifest(
            installation=own,
            made_at=house.clock(),
            by=version("emma-core"),
            parts=parts,
            left=dict(left),
        )
        forgetting.write(part, await forgetting.look(house, Ledger()))
        manifests.write(part, manifest)
        part.rename(folder)
        durable_files.sync(folder.absolute().parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OperatorError(
            f"{str(folder)!r} cannot be written: {error.strerror}; make room, or name another"
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


async def _resume(house: House, folder: Path, copied: Mapping[str, str], copiers: Mapping[str, Copier]) -> Manifest:
    manifest = manifests.read(folder)
    if manifest.installation != await manifests.installation(house.registry):
        raise CallerError(f"{str(folder)!r} is a backup of another installation; name a folder that is not there yet")
    there = {name: part.scheme for name, part in manifest.parts.items()}
    now = {name: address.partition(":")[0] for name, address in copied.items()}
    if there != now:
        raise CallerError(
            f"{str(folder)!r} holds {there}, and the addresses are now {now}; name a folder that is not there yet"
        )
    for name, copier in copiers.items():
        await copier.resume(folder / name)
    return manifest
