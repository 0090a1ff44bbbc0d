"""One tenant's rows in the registry: each verb is one transaction, and says the tenant in every statement."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from typing import Any, Protocol

from pydantic import ValidationError
from sqlalchemy import BigInteger, ColumnElement, Table, and_, func, select
from sqlalchemy.dialects import sqlite

from emma_core.backends.sql import schema
from emma_core.backends.sql.connecting import Place
from emma_core.backends.sql.engines import Asks
from emma_core.errors import CallerError, Conflict
from emma_core.nouns import (
    ApiKey,
    Erasure,
    IdempotencyKey,
    Member,
    ModelDeployment,
    Registered,
    RoleAssignment,
    Setting,
    Subscription,
    UsageCount,
)
from emma_core.ports import Row

TABLES: Mapping[type[Registered], Table] = {
    Member: schema.members,
    RoleAssignment: schema.role_assignments,
    Subscription: schema.subscriptions,
    Setting: schema.settings,
    ModelDeployment: schema.model_deployments,
    ApiKey: schema.api_keys,
    Erasure: schema.erasures,
}
"""By noun, the table of its rows; its columns are the noun's fields."""

COUNTED = (
    *(table for noun, table in TABLES.items() if noun is not Erasure),
    schema.idempotency_keys,
    schema.usage,
    schema.usage_cursors,
)
"""What a purge leaves empty."""


class Speaks(Protocol):
    """What opens transactions in which only one tenant's rows are there."""

    place: Place

    def speaking(
        self, tenant: str, *, writes: bool = False, may_lag: bool = False
    ) -> AbstractAsyncContextManager[Asks]:
        """A transaction of that tenant."""


def insert(place: Place, table: Table) -> Any:
    """An insert that can say what happens where the row is there already."""
    if place.dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # a file needs not wait for it

    return postgresql.insert(table)


async def census(connection: Asks, tenant: str) -> dict[str, int]:
    """How many rows are held of the tenant, by table."""
    counts = [
        select(func.count()).select_from(table).where(table.c.tenant == tenant).scalar_subquery().label(table.name)
        for table in COUNTED
    ]
    return dict((await connection.execute(select(*counts))).one()._asdict())


class SqlTenantRegistry:
    """One tenant's rows in the registry."""

    def __init__(self, registry: Speaks, tenant: str) -> None:
        self.tenant = tenant
        self._registry = registry

    async def one(self, noun: type[Row], *key: str) -> Row | None:
        """The row of that key, or None."""
        table = _table(noun)
        async with self._reading() as connection:
            row = (await connection.execute(select(table).where(self._keyed(table, noun, key)))).first()
            return _noun(noun, row._asdict()) if row else None

    async def all(self, noun: type[Row], *, may_lag: bool = False) -> list[Row]:
        """Every row of that kind in the order of their keys, those whose time is over among them."""
        table = _table(noun)
        async with self._registry.speaking(self.tenant, may_lag=may_lag) as connection:
            found = select(table).where(table.c.tenant == self.tenant).order_by(*(table.c[name] for name in noun.KEY))
            return [_noun(noun, row._asdict()) for row in await connection.execute(found)]

    async def put(self, row: Registered, *, new: bool = False) -> None:
        """The row is there, over the one of the same key. `new`: raises `Conflict` where there is one."""
        table = _table(type(row))
        said = {name: getattr(row, name) for name in type(row).model_fields}
        _whole(*said.values())
        adding = insert(self._registry.place, table).values(tenant=self.tenant, **said)
        rest = {name: value for name, value in said.items() if name not in row.KEY}
        adding = (
            adding.on_conflict_do_nothing()
            if new
            else adding.on_conflict_do_update(index_elements=("tenant", *row.KEY), set_=rest)
        )
        async with self._writing() as connection:
            kept = (await connection.execute(adding.returning(table.c.tenant))).first()
            if kept is None:
                raise Conflict(f"{type(row).__name__} {'/'.join(row.key)!r} exists; choose another, or write over it")

    async def remove(self, noun: type[Registered], *key: str) -> bool:
        """Gone; whether it was there."""
        table = _table(noun)
        async with self._writing() as connection:
            return bool((await connection.execute(table.delete().where(self._keyed(table, noun, key)))).rowcount)

    async def count(
        self, day: date, counters: Mapping[str, int], *, after: int | None = None, seen: int | None = None
    ) -> bool:
        """Each counter of that day has grown by so much, or nothing where `seen` was counted before."""
        try:
            grown = [UsageCount(day=day, counter=name, amount=much) for name, much in sorted(counters.items())]
        except ValidationError as error:
            raise CallerError(f"Usage {dict(counters)!r} cannot be counted: {error.errors()[0]['msg']}") from error
        _whole(*counters)
        async with self._writing() as connection:
            if seen is not None and not await self._moves_to(connection, after, seen):
                return False
            for each in grown:  # in one order, so that two who count together never wait for each other in a ring
                adding = insert(self._registry.place, schema.usage).values(tenant=self.tenant, **each.model_dump())
                more = {"amount": schema.usage.c.amount + adding.excluded.amount}
                await connection.execute(
                    adding.on_conflict_do_update(index_elements=("tenant", "day", "counter"), set_=more)
                )
            return True

    async def counted(self) -> int:
        """The trail line up to which usage was counted; 0 at first."""
        cursors = schema.usage_cursors
        async with self._reading() as connection:
            found = await connection.execute(select(cursors.c.seen).where(cursors.c.tenant == self.tenant))
            return int(found.scalar() or 0)

    async def usage(self, since: date, until: date) -> list[UsageCount]:
        """What was used on the days from `since` to `until`, both included, by day and counter; the replica's word."""
        table = schema.usage
        wanted = select(table.c.day, table.c.counter, table.c.amount)
        wanted = wanted.where(table.c.tenant == self.tenant, table.c.day.between(since, until))
        async with self._registry.speaking(self.tenant, may_lag=True) as connection:
            rows = await connection.execute(wanted.order_by(table.c.day, table.c.counter))
            return [UsageCount.model_validate(row._asdict(), strict=False) for row in rows]

    async def claim(self, key: IdempotencyKey) -> IdempotencyKey | None:
        """None: the key is claimed now and the caller goes on; else the unexpired one that is there, unchanged."""
        table = schema.idempotency_keys
        _whole(key.key)
        adding = insert(self._registry.place, table).values(
            tenant=self.tenant, key=key.key, fingerprint=key.fingerprint, result=None, until=key.until
        )
        over = {name: adding.excluded[name] for name in ("fingerprint", "result", "until")}
        claiming = adding.on_conflict_do_update(
            index_elements=("tenant", "key"), set_=over, where=table.c.until <= datetime.now(UTC)
        ).returning(table.c.key)
        while True:
            async with self._writing() as connection:
                if (await connection.execute(claiming)).first() is not None:
                    return None
                found = select(table).where(table.c.tenant == self.tenant, table.c.key == key.key)
                row = (await connection.execute(found)).first()
                if row is not None:  # else it was released between the two
                    return IdempotencyKey.model_validate(_plain(row._asdict()), strict=False)

    async def settle(self, key: IdempotencyKey) -> None:
        """The claimed key holds its result. Raises `Conflict` where the claim is another's by now."""
        table = schema.idempotency_keys
        mine = self._claimed(key.key) & (table.c.fingerprint == key.fingerprint)
        settling = table.update().where(mine).values(result=key.result, until=key.until)
        async with self._writing() as connection:
            if not (await connection.execute(settling)).rowcount:
                raise Conflict(f"Idempotency key {key.key!r} is not claimed by this request any more; send it again")

    async def release(self, key: str) -> None:
        """The key may be claimed again, where it holds no result."""
        table = schema.idempotency_keys
        async with self._writing() as connection:
            await connection.execute(table.delete().where(self._claimed(key), table.c.result.is_(None)))

    async def forget_keys(self, before: datetime, *, dry_run: bool = False) -> int:
        """How many idempotency keys could be used again before that moment, and are gone now unless `dry_run`."""
        table = schema.idempotency_keys
        spent = and_(table.c.tenant == self.tenant, table.c.until < before)
        async with self._writing() as connection:
            if dry_run:
                return int(
                    (await connection.execute(select(func.count()).select_from(table).where(spent))).scalar_one()
                )
            return int((await connection.execute(table.delete().where(spent))).rowcount)

    async def census(self) -> Mapping[str, int]:
        """How many rows are held of this tenant, by table; the erasure ledger and the tenant are not counted."""
        async with self._reading() as connection:
            return await census(connection, self.tenant)

    async def purge(self) -> None:
        """No row is held of this tenant but its erasure ledger and its own: `census()` has only zeros."""
        async with self._writing() as connection:
            for table in COUNTED:
                await connection.execute(table.delete().where(table.c.tenant == self.tenant))

    def _reading(self) -> AbstractAsyncContextManager[Asks]:
        return self._registry.speaking(self.tenant)

    def _writing(self) -> AbstractAsyncContextManager[Asks]:
        return self._registry.speaking(self.tenant, writes=True)

    def _keyed(self, table: Table, noun: type[Registered], key: tuple[str, ...]) -> ColumnElement[bool]:
        """The rows of this tenant with that key. Raises `CallerError` where the key has more or fewer parts."""
        if len(key) != len(noun.KEY):
            raise CallerError(f"A {noun.__name__} is named by {' and '.join(noun.KEY)}, and not by {key!r}")
        _whole(*key)
        parts = [table.c[name] == _part(table, name, said) for name, said in zip(noun.KEY, key, strict=True)]
        return and_(table.c.tenant == self.tenant, *parts)

    def _claimed(self, key: str) -> ColumnElement[bool]:
        table = schema.idempotency_keys
        return and_(table.c.tenant == self.tenant, table.c.key == key)

    async def _moves_to(self, connection: Asks, after: int | None, seen: int) -> bool:
        """Whether the cursor stood on the line `after`, or on any before `seen`; then it stands on `seen`."""
        table = schema.usage_cursors
        stood = table.c.seen < seen if after is None else and_(table.c.seen == after, table.c.seen < seen)
        moving: Any
        if after:  # a cursor that is not there yet stands on no line
            moving = table.update().where(table.c.tenant == self.tenant, stood).values(seen=seen)
        else:
            adding = insert(self._registry.place, table).values(tenant=self.tenant, seen=seen)
            moving = adding.on_conflict_do_update(index_elements=("tenant",), set_={"seen": seen}, where=stood)
        return (await connection.execute(moving.returning(table.c.seen))).first() is not None


def _table(noun: type[Registered]) -> Table:
    if noun not in TABLES:
        raise CallerError(f"The registry holds no {noun.__name__}; it holds {[each.__name__ for each in TABLES]}")
    return TABLES[noun]


def _part(table: Table, name: str, said: str) -> Any:
    """What a column is held against: a number where it holds numbers, and a text that is none names no row."""
    if not isinstance(table.c[name].type, BigInteger):
        return said
    return int(said) if said.isdecimal() and len(said) < 19 else -1


def _whole(*values: Any) -> None:
    """No text holds a NUL, which not every database can keep. Raises `CallerError`."""
    for value in values:
        if isinstance(value, str) and "\0" in value:
            raise CallerError(f"{value!r:.100} holds a NUL character; leave it out")


def _noun(noun: type[Row], row: dict[str, Any]) -> Row:
    """The noun that a row holds."""
    return noun.model_validate(_plain(row), strict=False)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row's values without its tenant; moments in UTC, however the database's session says them."""
    row.pop("tenant")
    return {name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row.items()}
