"""Keeps documents and trails in Azure Cosmos DB."""

from emma_core.backends.cosmos.store import CosmosStore, CosmosTenantStore, open_store

__all__ = ["CosmosStore", "CosmosTenantStore", "open_store"]
