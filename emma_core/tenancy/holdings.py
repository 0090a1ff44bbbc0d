"""Where a tenant's data is: the places that are carried, counted and emptied together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from emma_core.nouns import (
    ApiKey,
    BlobKind,
    Erasure,
    Member,
    ModelDeployment,
    Registered,
    RoleAssignment,
    Setting,
    Subscription,
)
from emma_core.ports import Blobs, Cache, Jobs, Registry, Store, TenantStore

NOUNS: dict[str, type[Registered]] = {
    "member": Member,
    "role_assignment": RoleAssignment,
    "subscription": Subscription,
    "setting": Setting,
    "model_deployment": ModelDeployment,
    "api_key": ApiKey,
    "erasure": Erasure,
}
"""The rows of a tenant's registry that are carried, by the name they have in a file."""
BLOBS: tuple[BlobKind, ...] = ("artifact", "attachment", "checkpoint", "export")
"""The kinds of content that are carried; what a store put aside comes back with its documents."""
EVER = (date(1800, 1, 1), date(2199, 12, 31))
Census = Mapping[str, Mapping[str, int]]
"""How much is held of a tenant, by place and there by what it is."""
Watch = Callable[[str, int, int | None], None]
"""Told how far something has come: what it is doing, how many of it are done, and of how many."""


@dataclass(frozen=True)
class Holdings:
    """All that may hold something of a tenant."""

    registry: Registry
    store: Store
    blobs: Blobs
    cache: Cache
    jobs: Jobs


@dataclass(frozen=True)
class Trails:
    """What the room of the trail can do, handed in by the door."""

    write: Callable[[TenantStore, TextIO], Awaitable[int]]
    """Writes the whole trail to a file; how many lines there are."""
    read: Callable[[Path], Any]
    """The trail in a file: its tenant, its head and its lines. Raises `CallerError` where it is none."""
    verify: Callable[..., Any]
    """Whether lines are a tenant's whole trail up to its head."""
    verify_store: Callable[[TenantStore], Awaitable[Any]]
    """Whether the trail in a store holds."""


async def census(holdings: Holdings, tenant: str) -> dict[str, dict[str, int]]:
    """How much is held of the tenant in every place that can tell."""
    return {
        "store": dict(await holdings.store.for_tenant(tenant).census()),
        "registry": dict(await holdings.registry.for_tenant(tenant).census()),
        "blobs": dict(await holdings.blobs.for_tenant(tenant).census()),
        "jobs": dict(await holdings.jobs.for_tenant(tenant).census()),
    }


def empty(found: Census) -> bool:
    """True where nothing is held anywhere."""
    return not any(count for place in found.values() for count in place.values())
