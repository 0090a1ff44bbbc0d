"""The protocol fake of Azure Cosmos DB: tests only; the same tests run on a real account where one is named."""

from services.cosmos_fake.server import KEY, CosmosFake

__all__ = ["KEY", "CosmosFake"]
