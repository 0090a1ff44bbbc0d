"""Restores a backup as of a moment: built beside what is there, brought to agree with itself, then put in its place."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime

from emma_core import settings
from emma_core.backups import addresses, forgetting
from emma_core.backups import manifest as manifests
from emma_core.backups.forgetting import Ledger
from emma_core.backups.manifest import Manifest
from emma_core.backups.reconciling import Reconciled, reconcile
from emma_core.errors import CallerError, Conflict, EmmaError
from emma_core.nouns import Head, Noun
from emma_core.opening import opened, resolved
from emma_core.packs import Packs
from emma_core.ports import Copier, Span
from emma_core.runtime import House

_NAMED = 5
"""How many tenants a refusal names."""


class Restored(Noun):
    """What came of a restore."""

    of: AwareDatetime
    """The moment whose state it is."""
    first: AwareDatetime
    last: AwareDatetime
    """The moments that the backup can tell of."""
    tenants: tuple[Reconciled, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every trail holds and every tenant was brought to agree."""
        return all(each.fault is None for each in self.tenants)


@dataclass(frozen=True)
class Order:
    """What is to be restored, and over what."""

    folder: Path
    to: datetime | None
    """The moment; None: the last."""
    clock: Callable[[], datetime]
    over_newer: bool = False
    """Whether what the backup does not hold may be lost."""
    into: Path | None = None
    """A folder in which it is to stand instead of at the configured addresses."""
    running: bool = False
    """Whether a server that answers for it there goes on."""


@dataclass(frozen=True)
class Done:
    """What came of a restore, and the settings under which it answers."""

    report: Restored
    settings: settings.Settings
    copiers: tuple[Copier, ...]

    async def lose(self) -> None:
        """What was restored into a folder is gone at once, as with its disk."""
        for copier in self.copiers:
            await copier.lose()


@dataclass(frozen=True)
class _Living:
    """What is there now, and what of it would be lost."""

    installation: str
    heads: Mapping[str, Head]
    ledger: Ledger


async def restore(chosen: settings.Settings, packs: Packs, order: Order) -> Done:
    """The installation stands as it stood at that moment, every trail verified; what came of it.

    Raises `CallerError` for a backup that is not whole, is another's, or does not tell of that moment, and `Conflict`
    where the store is in use or holds what would be lost. Then nothing was changed.
    """
    began = time.monotonic()
    manifest = manifests.read(order.folder)
    if order.into is not None and (order.into.exists() or order.into.is_symlink()):
        raise CallerError(f"--into: {str(order.into)!r} is there already; name a folder that is not")
    async with resolved(chosen, packs) as (_, read):
        copiers = _copiers(packs, read, manifest)
        span = await _span(order, manifest, copiers)
        databases = [copier for name, copier in copiers.items() if name != "blobs"]
        is_there = order.into is None and any([await each.there() for each in databases])
        try:
            built = {
                name: await copier.build(order.folder / name, manifest.parts[name].begun, order.to, order.into)
                for name, copier in copiers.items()
            }
            beside = addresses.moved(chosen, read, built)
            found = await _made_to_agree(chosen, beside, packs, order, manifest, is_there=is_there)
            put = {name: await copier.put(running=order.running) for name, copier in copiers.items()}
        except BaseException:
            if order.into is not None:
                shutil.rmtree(order.into, ignore_errors=True)
            raise
        finally:
            for copier in copiers.values():
                await copier.discard()
        report = Restored(
            of=order.to or span.last,
            first=span.first,
            last=span.last,
            tenants=tuple(found),
            seconds=round(time.monotonic() - began, 3),
        )
        return Done(report, addresses.moved(chosen, read, put), tuple(copiers.values()))


async def _made_to_agree(
    chosen: settings.Settings,
    beside: settings.Settings,
    packs: Packs,
    order: Order,
    manifest: Manifest,
    *,
    is_there: bool,
) -> list[Reconciled]:
    """What was built, brought to agree. Raises `Conflict` where what is there holds what would be lost."""
    ledger = forgetting.read(order.folder)
    lost: dict[str, int] = {}
    living = await _living(chosen, packs, order, ledger) if is_there else None
    async with opened(beside, packs, clock=order.clock) as house:
        if living is not None:
            _same(living, manifest, order.folder)
            lost = await _lost(house, living)
            _admit(lost, order)
            ledger = forgetting.united(ledger, living.ledger)
        found = await reconcile(house, ledger)
    known = {each.tenant for each in found}
    gone = [Reconciled(tenant=id, lost=count) for id, count in lost.items() if id not in known]
    return [each.model_copy(update={"lost": lost.get(each.tenant, 0)}) for each in found] + gone


async def _living(chosen: settings.Settings, packs: Packs, order: Order, ledger: Ledger) -> _Living | None:
    """What is there now; None where it cannot be read and need not be. Raises `Conflict` where it need be."""
    try:
        async with opened(chosen, packs, clock=order.clock) as house:
            heads = {}
            for tenant in await house.registry.tenants():
                if head := await house.store.for_tenant(tenant.id).head():
                    heads[tenant.id] = head
            return _Living(
                installation=await manifests.installation(house.registry),
                heads=heads,
                ledger=await forgetting.look(house, ledger),
            )
    except EmmaError as error:
        if order.over_newer:
            return None
        raise Conflict(
            f"What is there now cannot be read, so nobody can say what would be lost ({error}); say --over-newer to"
            " restore over it all the same"
        ) from error


def _same(living: _Living, manifest: Manifest, folder: Path) -> None:
    """It is the same installation, or a new one in which nothing was done yet."""
    if living.installation != manifest.installation and living.heads:
        raise CallerError(
            f"{str(folder)!r} is a backup of another installation than the one that is there; name in EMMA_STORE a"
            " store that is not there yet"
        )


async def _lost(house: House, living: _Living) -> dict[str, int]:
    """By tenant, how many lines of what is there now what was built does not hold."""
    lost = {}
    for id, head in living.heads.items():
        store = house.store.for_tenant(id)
        restored = await store.head()
        past = head.seq - (restored.seq if restored else 0)
        if past <= 0:  # it holds as many: are they the same?
            [*same] = await store.lines(after=head.seq - 1, limit=1)
            past = 0 if same and same[0].hash == head.hash else head.seq
        if past:
            lost[id] = past
    return lost


def _admit(lost: Mapping[str, int], order: Order) -> None:
    if not lost or order.over_newer:
        return
    named = [f"{count:,} of tenant {id!r}" for id, count in list(lost.items())[:_NAMED]]
    more = f" and of {len(lost) - _NAMED} tenants more" if len(lost) > _NAMED else ""
    raise Conflict(
        f"What is there now is newer than what would be restored; these last lines of trails would be lost:"
        f" {', '.join(named)}{more}; say --over-newer to lose them, or back it up first"
    )


def _copiers(packs: Packs, read: settings.Settings, manifest: Manifest) -> dict[str, Copier]:
    """Who brings each part back, to the address that is configured for it."""
    now, _ = addresses.copied(packs, read)
    schemes = {name: address.partition(":")[0] for name, address in sorted(now.items())}
    there = {name: part.scheme for name, part in sorted(manifest.parts.items())}
    if schemes != there:
        raise CallerError(f"The backup holds {there}, and the addresses configured are {schemes}; configure the same")
    # blobs first: whatever a document names is there before the document is
    return {name: packs.backend("copier", address) for name, address in sorted(now.items())}


async def _span(order: Order, manifest: Manifest, copiers: Mapping[str, Copier]) -> Span:
    """The moments that all its databases can tell of. Raises `CallerError` where the one asked for is none."""
    spans = {
        name: await copier.span(order.folder / name, manifest.parts[name].begun) for name, copier in copiers.items()
    }
    databases = [span for name, span in spans.items() if name != "blobs"]
    first, last = max(each.first for each in databases), min(each.last for each in databases)
    if order.to is not None and not first <= order.to <= last:
        which = "before the first" if order.to < first else "after the last"
        raise CallerError(
            f"--to: {_said(order.to)} is {which} moment that the backup can tell of; it tells of {_said(first)} to"
            f" {_said(last)}"
        )
    return Span(first=first, last=last)


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
