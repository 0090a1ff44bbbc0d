"""Keeps passages in an index of Azure AI Search, which finds them by words and by nearness."""

from emma_core.backends.azure_search.address import read
from emma_core.backends.azure_search.index import AzureSearchIndex


def open_index(address: str) -> AzureSearchIndex:
    """An index on the service that the address names; it is touched at `open()`. Raises `StoreError`."""
    return AzureSearchIndex(read(address))
