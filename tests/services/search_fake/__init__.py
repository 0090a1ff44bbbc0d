"""The protocol fake of Azure AI Search: tests only; the same tests run on a real service where one is named."""

from services.search_fake.server import KEY, SearchFake

__all__ = ["KEY", "SearchFake"]
