"""The index over a search service: a handle for each tenant, whose name is in every filter and in every document."""

from __future__ import annotations

from emma_core.backends import checked
from emma_core.backends.azure_search.address import Address
from emma_core.backends.azure_search.moving import moved
from emma_core.backends.azure_search.service import Service
from emma_core.backends.azure_search.tenant import AzureSearchTenantIndex
from emma_core.ports import TenantIndex

_FORM = ["chunk", "collection", "embedder", "first_day", "hash", "key", "labels", "last_day", "type", "words"]


class AzureSearchIndex:
    """The chunks of all tenants in one index of a service, reached by handle."""

    def __init__(self, address: Address) -> None:
        self._service = Service(address)

    async def open(self) -> None:
        """Ready. Raises `StoreError` where the service does not answer, or has no index of this release's form."""
        await self._service.open()
        try:
            await self._asked()
        except BaseException:
            await self._service.close()
            raise

    async def close(self) -> None:
        """Nothing is held."""
        await self._service.close()

    def for_tenant(self, tenant: str) -> TenantIndex:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        return AzureSearchTenantIndex(self._service, checked.tenant(tenant))

    async def upgrade(self, owner: str = "") -> list[str]:
        """The index has the form of this release, and holds what it held; what was done, a line each."""
        service = Service(self._service.address)
        await service.open()
        try:
            return await moved(service)
        finally:
            await service.close()

    async def state(self) -> str:
        """How it stands. Raises `StoreError` where it cannot be used."""
        await self._asked()
        address = self._service.address
        ranked = ", and its semantic ranker" if address.semantic else ""
        return f"{address}: words, and vectors of {address.dimension} numbers{ranked}"

    async def _asked(self) -> None:
        # an index of another form refuses to show the fields of this one
        await self._service.found(self._service.address.index, filter="tenant eq ''", select=_FORM, top=1)
