"""Opens the house for one command and seats its caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from emma_core.errors import CallerError

if TYPE_CHECKING:
    from emma_core.house import Desk
    from emma_core.settings import Settings

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to, once it is done."""
    return asyncio.run(work)


@asynccontextmanager
async def desk(
    tenant: str | None,
    user: str | None = None,
    roles: Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
) -> AsyncIterator[Desk]:
    """The desk of the local caller, or of whom `--as` and `--role` say on an embedded store."""
    from emma_core.house import Emma
    from emma_core.settings import load

    chosen = settings or load()
    if (user is not None or roles) and chosen.store.partition(":")[0] != "sqlite":
        raise CallerError(
            f"--as and --role: the store {chosen.store.partition(':')[0]!r} is no embedded one; a shared store takes"
            " its callers from verified claims"
        )
    async with Emma.open(chosen) as emma:
        yield emma.tenant(tenant or chosen.tenant, user="local" if user is None else user, roles=roles or ())
