"""Keeps chunks in a Cosmos account, a tenant's collection in a partition of its own, and lets Cosmos rank them."""

from emma_core.backends.cosmos_index.index import CosmosIndex, read_address


def open_index(address: str) -> CosmosIndex:
    """An index in the database that the address names; it is touched at `open()`. Raises `StoreError`."""
    return CosmosIndex(*read_address(address))
