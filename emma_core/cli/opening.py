"""Opens the house for one command and seats its caller."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

from emma_core.cli.options import named
from emma_core.errors import CallerError, StoreError

if TYPE_CHECKING:
    from emma_core.house import Desk
    from emma_core.settings import Settings

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to, once it is done; what a pack prints meanwhile stands on stderr."""
    with redirect_stdout(sys.stderr):
        return asyncio.run(work)


@asynccontextmanager
async def desk(
    tenant: str | None,
    user: str | None = None,
    roles: Sequence[str] | None = None,
    *,
    settings: Settings | None = None,
    reading: bool = False,
    pack: str | None = None,
) -> AsyncIterator[Desk]:
    """The desk of the local caller, or of whom `--as` and `--role` say on an embedded store.

    `reading`: the command makes nothing, so a store that is not there is refused and not made. `pack`: the
    `NAME==VERSION` that must be among the packs.
    """
    from emma_core.house import Emma
    from emma_core.settings import load

    named("--tenant", tenant)
    chosen = settings or load()
    if (user is not None or roles) and chosen.store.partition(":")[0] != "sqlite":
        raise CallerError(
            f"--as and --role: the store {chosen.store.partition(':')[0]!r} is no embedded one; a shared store takes"
            " its callers from verified claims"
        )
    if reading:
        there(chosen)
    async with Emma.open(chosen, recover=not reading) as emma:
        if pack is not None:
            name, _, version = pack.partition("==")
            emma.packs.need(name, f"=={version}")
        _known(roles or (), emma.packs.roles())
        yield emma.tenant(tenant or chosen.tenant, user="local" if user is None else user, roles=roles or ())


def there(chosen: Settings) -> None:
    """The embedded files that the settings name are there already. Raises `StoreError` naming one that is not."""
    from emma_core.backends.sqlite_file import path_of

    for address in (chosen.store, chosen.registry):
        if address.partition(":")[0] == "sqlite" and not (path := path_of(address)).exists():
            raise StoreError(f"There is no store {str(path)!r}; name one that is there, or `emma ask` something first")


def _known(roles: Sequence[str], registered: Mapping[str, str]) -> None:
    """Every role is one that a pack registered. Raises `CallerError` naming the nearest."""
    for role in roles:
        if role not in registered:
            near = difflib.get_close_matches(role, registered, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(registered)}"
            raise CallerError(f"--role: no pack registered a role {role!r}; {hint}")
