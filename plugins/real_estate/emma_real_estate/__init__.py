"""Brings real-estate listings to Emma: rules, override templates, and readers of facts in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from emma_core import Extracted, content_of, hookimpl
from emma_real_estate.listing_words import read_list_price, read_remarks, read_status, read_year_built

register_content = content_of(__file__, checkout="../../../rag_content/industry/real-estate")


@hookimpl
def register_extractors() -> Sequence[Callable[[str], Sequence[Extracted]]]:
    """Readers of a listing's year, price, status and remarks."""
    return [read_year_built, read_list_price, read_status, read_remarks]


@hookimpl
def register_roles() -> Mapping[str, str]:
    """The people who decide on exceptions, and those who ask for them."""
    return {
        "real_estate.listing_agent": "Listing agent",
        "real_estate.broker": "Broker",
        "real_estate.compliance_officer": "Compliance officer",
    }
