"""Says what a tenant's state lets happen, and moves it into another."""

from __future__ import annotations

from typing import Literal

from emma_core.errors import CallerError, Conflict, Forbidden
from emma_core.nouns import Tenant, TenantState
from emma_core.ports import Registry

Move = Literal["suspend", "resume", "offboard"]
_MOVES: dict[Move, tuple[TenantState, tuple[TenantState, ...]]] = {
    "suspend": ("suspended", ("active",)),
    "resume": ("active", ("suspended", "offboarded")),
    "offboard": ("offboarded", ("active", "suspended")),
}
STAYS = "default"
"""The tenant that every installation has: it is where the local caller sits, and is not offboarded."""


def admit(tenant: Tenant, *, writing: bool) -> None:
    """The tenant's state lets it be read, and with `writing` asked, checked, decided and published in.

    Raises `Forbidden` where it does not.
    """
    since = f" since {tenant.state_since[:10]}" if tenant.state_since else ""
    if tenant.state == "offboarded":
        raise Forbidden(
            f"Tenant {tenant.id!r} is offboarded{since}: nothing can be asked or read; until it is gone its data can be"
            f" taken out with: emma tenants export {tenant.id} FOLDER"
        )
    if tenant.state == "suspended" and writing:
        raise Forbidden(
            f"Tenant {tenant.id!r} is suspended{since}: nothing can be asked, checked, decided or published, and its"
            f" trail can be read; to go on, run: emma tenants resume {tenant.id}"
        )


async def move(registry: Registry, id: str, to: Move, *, at: str) -> Tenant:
    """The tenant in its new state; one that is there already stays as it is.

    An offboarded tenant can be resumed until it is gone. Raises `NotFound`, `CallerError` for the tenant that stays,
    `Conflict` where its state does not lead there.
    """
    state, was = _MOVES[to]
    if to == "offboard" and id == STAYS:
        raise CallerError(f"Tenant {id!r} is in every installation and stays; offboard the others, or export it")
    tenant = await registry.tenant(id)
    if tenant is not None and tenant.state == state:
        return tenant
    if tenant is not None and tenant.state not in was:
        raise Conflict(f"Tenant {id!r} is {tenant.state}, and not {' or '.join(was)}; it cannot be {state} from there")
    return await registry.move(id, state, was=was, at=at)
