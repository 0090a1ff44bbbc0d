"""Says what a tenant's state lets happen."""

from __future__ import annotations

from emma_core.errors import Forbidden
from emma_core.nouns import Tenant


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
