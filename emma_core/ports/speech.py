"""What Emma needs to find words and to speak: words that are indexed, and a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from emma_core.nouns import Piece, Prompt


class Words(Protocol):
    """Texts by collection, found by nearness to words."""

    async def put(self, collection: str, texts: Mapping[str, str]) -> None:
        """The collection holds exactly these texts by id."""

    async def search(self, collection: str, words: str, *, limit: int) -> list[str]:
        """Ids of the nearest texts, best first; those that share no word are left out."""

    async def close(self) -> None:
        """Nothing is held."""


class Model(Protocol):
    """Whatever speaks: a language model, or the offline responder."""

    name: str
    """The address as configured, such as `offline:` or `azure_openai:gpt-4o`."""
    usd_per_token: float | None
    """What a token costs; 0 for a model that costs nothing, None where nobody said."""

    def reply(self, prompt: Prompt) -> AsyncIterator[Piece]:
        """The pieces of one reply as they come. Raises `ModelError` where it does not answer."""
