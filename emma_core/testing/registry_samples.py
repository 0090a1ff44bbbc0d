"""Makes rows of every kind for tests of registries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import JsonValue

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
)
from emma_core.ports import Registry, TenantRegistry

AT = "2026-11-23T00:00:00Z"
DAY = date(2026, 11, 23)
MOMENT = datetime(2026, 11, 23, 9, 30, 0, 123456, tzinfo=UTC)


def member(user: str = "ann", *, title: str = "Ann") -> Member:
    """A member."""
    return Member(user=user, title=title, since=MOMENT)


def role(role: str = "clerk", **more: Any) -> RoleAssignment:
    """A role that the member `ann` holds."""
    return RoleAssignment(user="ann", role=role, given_by="root", given_at=MOMENT, **more)


def claimed(
    of: str = "", *, key: str = "k", result: JsonValue = None, until: datetime = MOMENT + timedelta(days=36_500)
) -> IdempotencyKey:
    """A key; what was sent is told apart by `of`."""
    return IdempotencyKey(key=key, fingerprint=f"{of.encode().hex():0>64}", result=result, until=until)


ROWS: tuple[Registered, ...] = (
    member(),
    role(until=MOMENT + timedelta(hours=1), reason="four eyes 👀"),
    Subscription(id="s1", plan="team", starts_on=DAY, ends_on=date(2199, 12, 31), limits={"turns": 2**40, "checks": 0}),
    Setting(name="overrides.dual", value={"é": [1, 0.5, None, True, "🏠\u2028"], "": {}}, set_by="ann", set_at=MOMENT),
    ModelDeployment(name="chat", version=2, address="azure_openai:gpt-4o", in_use=True, added_at=MOMENT),
    ApiKey(id="k1", hash="ab" * 32, user="robot", roles=("clerk", "x.y"), made_at=MOMENT, until=None),
    Erasure(id="e1", subject_hash="cd" * 32, at=MOMENT, by="ann", reason=""),
)
"""One row of every noun, with all that a field may hold."""


_TOLD_BY = {
    Member: "title",
    RoleAssignment: "reason",
    Subscription: "plan",
    Setting: "set_by",
    ModelDeployment: "address",
    ApiKey: "user",
    Erasure: "by",
}


def rows_of(tenant: str) -> tuple[Registered, ...]:
    """One row of every noun, with the same keys in every tenant and something that tells whose it is."""
    return tuple(row.model_copy(update={_TOLD_BY[type(row)]: tenant}) for row in ROWS)


async def everything(registry: Registry, handle: TenantRegistry) -> dict[str, Any]:
    """All that is said of a tenant, by every verb that only reads."""
    keys = [(type(row), row.key) for row in ROWS]
    found: dict[str, Any] = {f"one {noun.__name__}": await handle.one(noun, *key) for noun, key in keys}
    found |= {f"all {noun.__name__}": await handle.all(noun) for noun, _ in keys}
    found |= {"usage": await handle.usage(date.min, date.max), "counted": await handle.counted()}
    held = await handle.claim(claimed("another"))
    if held is None:  # it was free, and is again
        await handle.release("k")
    found |= {"held": held, "census": dict(await handle.census())}
    return found | {"tenant": await registry.tenant(handle.tenant)}
