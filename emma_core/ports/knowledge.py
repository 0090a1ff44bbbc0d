"""What Emma needs to find what is known: an index by tenant, an embedder, and a reranker where one is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emma_core.nouns import Chunk, Collection, Filter, Hit

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Matrix = numpy.typing.NDArray[numpy.float32]


@dataclass(frozen=True)
class Vectors:
    """Vectors of unit length, one row a text, with the name of the embedder that made them."""

    embedder: str
    rows: Matrix


class TenantIndex(Protocol):
    """One tenant's chunks by collection, found by words and by vectors; no verb of it can name another tenant."""

    tenant: str

    async def write(self, collection: str, chunks: Sequence[Chunk], vectors: Vectors | None = None) -> None:
        """The collection holds these chunks, each in place of the one of its id, or none of them where it raises.

        `vectors`: a row for each chunk. A collection takes vectors of one embedder, and all its chunks have them or
        none has; with the first chunks it is settled which. Raises `CallerError` where what is handed in does not fit
        together, `OperatorError` where the collection was made by another embedder, saying to index it again.
        """

    async def remove(self, collection: str, ids: Sequence[str]) -> int:
        """None of these is there any more; how many there were."""

    async def drop(self, collection: str) -> int:
        """The collection is gone, its embedder forgotten; how many chunks it had."""

    async def search(
        self, collection: str, words: str, vector: Vectors | None = None, *, filter: Filter, limit: int
    ) -> list[Hit]:
        """The `limit` nearest by words and the `limit` nearest by vector among what the filter lets through, each once.

        Each carries what it scored on both sides, also where only one side found it; an index that cannot tell gives
        its own `fused` instead. The nearest come first on the side that found them; of an unknown collection there are
        none. `vector`: one row. Raises `OperatorError` where another embedder made the collection's.
        """

    async def read(self, collection: str, ids: Sequence[str], *, filter: Filter) -> list[Chunk]:
        """The chunks of these ids that the filter lets through, in the order asked for."""

    async def stretch(self, collection: str, document: str, first: int, last: int, *, filter: Filter) -> list[Chunk]:
        """The chunks of that document from one ordinal to another, both included, that the filter lets through."""

    async def collections(self) -> list[Collection]:
        """What there is, in the order of the names."""

    async def ids(self, collection: str, *, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Up to `limit` ids in order, after the id `after`, each with its text's hash; access labels hide nothing."""

    async def forget(self, subject: str) -> int:
        """Nothing of that person is in any collection; how many chunks there were."""

    async def census(self) -> Mapping[str, int]:
        """How much is held of this tenant, by what it is (`chunks`, `collections`)."""

    async def purge(self) -> None:
        """Nothing is held of this tenant: `census()` has only zeros. Repeatable after a crash."""


class Index(Protocol):
    """Chunks of all tenants, reached by handle; derived from the store's documents, so it can be made again."""

    async def open(self) -> None:
        """Ready. Raises `StoreError` where it cannot be, saying what to do."""

    async def close(self) -> None:
        """Nothing is held."""

    def for_tenant(self, tenant: str) -> TenantIndex:
        """The handle of one tenant. Raises `CallerError` for what can be no tenant's id."""

    async def upgrade(self, owner: str = "") -> list[str]:
        """What it lies in is there and of this release's form; what was done, a line each. It need not be open."""

    async def state(self) -> str:
        """How it stands, in one sentence for whoever runs this. Raises `StoreError` where it cannot be used."""


class Embedder(Protocol):
    """Makes vectors of texts: near texts, near vectors."""

    name: str
    """Who it is: its address, its dimension and the hash of its weights where it can tell, such as
    `minilm: 384 8199be6f699a`. Vectors of two names are never compared. Settled once it is open."""
    dimension: int

    async def open(self) -> None:
        """Ready, its weights verified. Raises `OperatorError` where it cannot be."""

    async def close(self) -> None:
        """Nothing is held."""

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Vectors:
        """A vector of unit length for each text, in their order; `question`: for models that embed those otherwise.

        Raises `ModelError` where it does not answer.
        """


class Reranker(Protocol):
    """Reads a question and texts together, and says which of them answer it."""

    name: str

    async def rank(self, words: str, texts: Sequence[str]) -> list[float]:
        """A score for each text, more is nearer, in their order. Raises `ModelError` where it does not answer."""
