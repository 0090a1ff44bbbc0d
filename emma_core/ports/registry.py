"""What Emma needs of a registry: the tenants of an installation, and each one's rows by handle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol, TypeVar

from emma_core.nouns import IdempotencyKey, Registered, Tenant, TenantState, UsageCount

Row = TypeVar("Row", bound=Registered)


class TenantRegistry(Protocol):
    """One tenant's rows in the registry; no verb of it can name another tenant."""

    tenant: str

    async def one(self, noun: type[Row], *key: str) -> Row | None:
        """The row of that key, or None."""

    async def all(self, noun: type[Row], *, may_lag: bool = False) -> list[Row]:
        """Every row of that kind in the order of their keys, those whose time is over among them. `may_lag`: they may
        be read from a copy that lags behind; for lists and reports, and never for what a caller may do."""

    async def put(self, row: Registered, *, new: bool = False) -> None:
        """The row is there, over the one of the same key. `new`: raises `Conflict` where there is one."""

    async def remove(self, noun: type[Registered], *key: str) -> bool:
        """Gone; whether it was there."""

    async def count(
        self, day: date, counters: Mapping[str, int], *, after: int | None = None, seen: int | None = None
    ) -> bool:
        """Each counter of that day has grown by so much. `seen`: the trail line up to which they were counted; where
        the registry has seen it already, or `after` is not the line up to which it has, nothing was added and the
        answer is False: a line is never counted twice."""

    async def counted(self) -> int:
        """The trail line up to which usage was counted; 0 at first."""

    async def usage(self, since: date, until: date) -> list[UsageCount]:
        """What was used on the days from `since` to `until`, both included, by day and counter; a copy that lags
        behind may say it."""

    async def claim(self, key: IdempotencyKey) -> IdempotencyKey | None:
        """None: the key is claimed now and the caller goes on; else the unexpired one that is there, unchanged."""

    async def settle(self, key: IdempotencyKey) -> None:
        """The claimed key holds its result. Raises `Conflict` where the claim ran out and is another's."""

    async def release(self, key: str) -> None:
        """The key may be claimed again: what it was claimed for came to nothing."""

    async def forget_keys(self, before: datetime, *, dry_run: bool = False) -> int:
        """How many idempotency keys could be used again before that moment, and are gone now unless `dry_run`."""

    async def census(self) -> Mapping[str, int]:
        """How many rows are held of this tenant, by table; the erasure ledger and the tenant itself are not counted."""

    async def purge(self) -> None:
        """No row is held of this tenant but its erasure ledger and its own: `census()` has only zeros."""


class Registry(Protocol):
    """The tenants of this installation and their rows; `default` exists in a new one."""

    async def open(self, *, replica: str = "", owner: str = "") -> None:
        """Ready, its schema checked (an embedded one: created). Raises `StoreError` where it cannot be, saying what to
        do. `replica`: the address of a copy that may lag, where lists and reports are read. `owner`: the address of a
        role that may make what a new tenant needs, where the registry's own may not."""

    async def close(self) -> None:
        """Nothing is held."""

    async def tenant(self, id: str) -> Tenant | None:
        """The tenant, or None."""

    async def tenants(self) -> list[Tenant]:
        """All tenants by id; a copy that lags behind may say them."""

    async def create(self, tenant: Tenant) -> None:
        """It exists from now on. Raises `Conflict` where it did before."""

    async def move(self, id: str, state: TenantState, *, was: Sequence[TenantState], at: str) -> Tenant:
        """The tenant in its new state. Raises `NotFound`, or `Conflict` where it was in none of the states `was`."""

    async def drop(self, id: str) -> None:
        """The tenant is not known any more. Raises `Conflict` where rows of it are still held."""

    def for_tenant(self, tenant: str) -> TenantRegistry:
        """The handle of one tenant."""

    async def lint(self) -> list[tuple[str, str]]:
        """What in the database lets one tenant's rows be seen by another, each with what to do; it need not be open."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """As `Store.upgrade`."""

    async def downgrade(self, revision: str, owner: str = "") -> list[str]:
        """As `Store.downgrade`."""
