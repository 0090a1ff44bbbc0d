"""Makes the database and its containers what this release writes, and tells where they are not."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy

from emma_core.backends.cosmos.account import Account
from emma_core.backends.cosmos.address import Address
from emma_core.backends.cosmos.items import CONTAINERS
from emma_core.errors import StoreError

LEVELS = ["/tenant", "/part"]
_SEARCHED = ("conversation", "expires_at", "in_group", "kind", "part", "seq", "sort_key", "tenant", "turn", "type")
INDEXING: dict[str, Any] = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": f"/{name}/?"} for name in _SEARCHED],
    "excludedPaths": [{"path": "/*"}],
}
"""What is searched for; bodies and sealed text are not, and cost nothing to index."""
_LOG = logging.getLogger("emma")
FOREVER = -1
"""The time to live of an item that does not say one."""


async def upgrade(address: Address) -> list[str]:
    """The database and its containers are there as this release needs them; what was done, a line each."""
    account = Account(address)
    await account.open()
    try:
        return await _upgraded(account)
    finally:
        await account.close()


async def check(account: Account) -> None:
    """The containers are those of this release, on an account that can keep a trail. Raises `StoreError`."""
    where = f"Store {str(account.address)!r}"
    level, many_writers = await account.kind()
    if many_writers:
        raise StoreError(
            f"{where}: more than one region of its account takes writes, and two could each lengthen a trail;"
            " turn multi-region writes off"
        )
    if level not in ("Session", "BoundedStaleness", "Strong"):
        raise StoreError(
            f"{where}: at the consistency {level!r} a reader may not see what was just written;"
            " set the account's default to 'Session' or 'Strong'"
        )
    if level == "BoundedStaleness":
        _LOG.warning("%s: at the consistency 'BoundedStaleness' other regions may read what is old", where)
    for name in CONTAINERS:
        found = await account.found(_container(account, name).read)
        if found is None:
            raise StoreError(f"{where} has no container {name!r}; run: emma db upgrade")
        _keyed(where, name, found)


async def _upgraded(account: Account) -> list[str]:
    done: list[str] = []
    name = account.address.database
    if await account.found(account.client.get_database_client(name).read) is None:
        await account.said(lambda: account.client.create_database_if_not_exists(name))
        done.append(f"made the database {name!r}")
    database = account.client.get_database_client(name)
    for container in CONTAINERS:
        key = PartitionKey(path=list(LEVELS))
        asked = {"partition_key": key, "default_ttl": FOREVER, "indexing_policy": INDEXING}
        found = await account.found(_container(account, container).read)
        if found is None:
            await account.said(partial(database.create_container_if_not_exists, container, **asked))
            done.append(f"made the container {container!r}")
            continue
        _keyed(f"Store {str(account.address)!r}", container, found)
        if not _is_current(found):
            await account.said(partial(database.replace_container, container, **asked))
            done.append(f"changed what the container {container!r} indexes, and how long it keeps")
    return done


def _container(account: Account, name: str) -> ContainerProxy:
    return account.client.get_database_client(account.address.database).get_container_client(name)


def _keyed(where: str, name: str, found: dict[str, Any]) -> None:
    levels = found.get("partitionKey", {}).get("paths")
    if levels != LEVELS:
        raise StoreError(
            f"{where}: container {name!r} is partitioned by {levels} and not by {LEVELS}, which cannot be changed;"
            " name another database"
        )


def _is_current(found: dict[str, Any]) -> bool:
    indexed = {path["path"] for path in found.get("indexingPolicy", {}).get("includedPaths", ())}
    wanted = {path["path"] for path in INDEXING["includedPaths"]}
    return found.get("defaultTtl") == FOREVER and wanted <= indexed
