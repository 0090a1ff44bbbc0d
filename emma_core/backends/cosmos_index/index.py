"""The index over a Cosmos account: its container with a vector and a full text policy, and a handle for each tenant."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from azure.cosmos import PartitionKey

from emma_core.backends import checked
from emma_core.backends.cosmos.account import Account
from emma_core.backends.cosmos.address import Address, read
from emma_core.backends.cosmos.schema import LEVELS
from emma_core.backends.cosmos.scope import Scope
from emma_core.backends.cosmos_index.tenant import CosmosTenantIndex
from emma_core.errors import StoreError
from emma_core.ports import TenantIndex

MOST_DIMENSIONS = 4096
_SEARCHED = ("first_day", "hash", "id", "kind", "last_day", "ordinal", "document", "part", "subject", "tenant", "type")


def read_address(text: str) -> tuple[Address, int]:
    """The database of an account, and the dimension of the vectors, as `&dimension=384` says. Raises `StoreError`."""
    said = re.search(r"[?&]dimension=([^&]*)", text)
    if said is None:
        return read(text), 384
    if not re.fullmatch(r"[0-9]{1,4}", said[1]) or not 2 <= int(said[1]) <= MOST_DIMENSIONS:
        raise StoreError(f"Index address: dimension={said[1]!r:.20}; write a number from 2 to {MOST_DIMENSIONS}")
    rest = text.replace(said[0], "", 1)
    return read(rest if "?" in rest else rest.replace("&", "?", 1)), int(said[1])


class CosmosIndex:
    """The chunks of all tenants in one container, reached by handle."""

    def __init__(self, address: Address, dimension: int) -> None:
        self._account = Account(address)
        self._dimension = dimension
        # a vector policy cannot be changed, so another dimension is another container
        self._container = f"chunks-{dimension}"

    async def open(self) -> None:
        """Ready. Raises `StoreError` where the account does not answer, or has no container of this form."""
        await self._account.open()
        try:
            await self.state()
        except BaseException:
            await self._account.close()
            raise

    async def close(self) -> None:
        """Nothing is held."""
        await self._account.close()

    def for_tenant(self, tenant: str) -> TenantIndex:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""
        scope = Scope(self._account, checked.tenant(tenant))
        return CosmosTenantIndex(scope, self._container, self._dimension)

    async def upgrade(self, owner: str = "") -> list[str]:
        """The database has the container that this release writes; what was done, a line each."""
        account = Account(self._account.address)
        await account.open()
        try:
            return await self._upgraded(account)
        finally:
            await account.close()

    async def state(self) -> str:
        """How it stands. Raises `StoreError` where it cannot be used."""
        found = await self._found(self._account)
        where = f"Index {str(self._account.address)!r}"
        if found is None:
            raise StoreError(f"{where} has no container {self._container!r}; run: emma db upgrade")
        if found.get("partitionKey", {}).get("paths") != LEVELS or not found.get("vectorEmbeddingPolicy"):
            raise StoreError(
                f"{where}: container {self._container!r} was made by somebody else and cannot be changed;"
                " name another database"
            )
        return f"{self._account.address}: words, and vectors of {self._dimension} numbers, ranked by Cosmos"

    async def _upgraded(self, account: Account) -> list[str]:
        name, done = account.address.database, []
        if await account.found(account.client.get_database_client(name).read) is None:
            await account.said(partial(account.client.create_database_if_not_exists, name))
            done.append(f"made the database {name!r}")
        if await self._found(account) is None:
            database = account.client.get_database_client(name)
            await account.said(partial(database.create_container_if_not_exists, self._container, **self._form()))
            done.append(f"made the container {self._container!r}")
        return done

    async def _found(self, account: Account) -> Any:
        database = account.client.get_database_client(account.address.database)
        return await account.found(database.get_container_client(self._container).read)

    def _form(self) -> dict[str, Any]:
        row = {"path": "/row", "dataType": "float32", "distanceFunction": "cosine", "dimensions": self._dimension}
        return {
            "partition_key": PartitionKey(path=list(LEVELS)),
            "vector_embedding_policy": {"vectorEmbeddings": [row]},
            "full_text_policy": {
                "defaultLanguage": "en-US",
                "fullTextPaths": [{"path": "/words", "language": "en-US"}],
            },
            "indexing_policy": {
                "indexingMode": "consistent",
                "automatic": True,
                "includedPaths": [*({"path": f"/{each}/?"} for each in _SEARCHED), {"path": "/labels/[]/?"}],
                "excludedPaths": [{"path": "/*"}, {"path": "/row/*"}],
                "vectorIndexes": [{"path": "/row", "type": "quantizedFlat"}],
                "fullTextIndexes": [{"path": "/words"}],
            },
        }
