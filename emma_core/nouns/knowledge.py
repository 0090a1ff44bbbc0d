"""What is known from documents: a chunk as it is indexed, who may read it, and what a search finds of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from emma_core.nouns.tenancy import DataClass
from emma_core.nouns.values import Noun, Sha256

EVERYONE = "everyone"
"""The access label that every reader of the tenant holds."""

CollectionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=120)]
AccessLabel = Annotated[str, Field(min_length=1, max_length=200)]


class Chunk(Noun):
    """A piece of an ingested document: one unit of its own structure, or several joined, or a part of one."""

    id: Sha256
    """SHA-256 over the document's id and the place in it: the same place is the same chunk, whatever it says."""
    document: Annotated[str, Field(min_length=1, max_length=500)]
    """The source document's id; what a judgement of relevance names."""
    title: str = ""
    text: Annotated[str, Field(min_length=1)]
    citation: str = ""
    """How a person cites it: `12 CFR 1026.19(e)(3)(ii)`."""
    heading: tuple[str, ...] = ()
    """The headings above it, the outermost first."""
    parent: str = ""
    """The id of the unit it is a part of; empty: the document itself."""
    ordinal: Annotated[int, Field(ge=0)] = 0
    """Its place among the document's chunks, from 0."""
    page: Annotated[int, Field(ge=1)] | None = None
    start: Annotated[int, Field(ge=0)] = 0
    """Where it begins in the document's converted text, in code points."""
    end: Annotated[int, Field(ge=0)] = 0
    """Where it ends there, exclusive."""
    effective_from: date | None = None
    effective_to: date | None = None
    """The last day it is in force; an open end has no limit."""
    labels: tuple[AccessLabel, ...] = (EVERYONE,)
    """A reader must hold one of them; with none of them nobody may read it."""
    data_class: DataClass = "internal"
    kind: Annotated[str, Field(max_length=80)] = ""
    """What kind of document it is of: `regulation`, `interpretation`, `policy`, …"""
    subject: Annotated[str, Field(max_length=200)] = ""
    """An id of the person whose data it is; empty: nobody's."""
    hash: Sha256
    """SHA-256 of its text's UTF-8 bytes."""

    @property
    def words(self) -> str:
        """What is searched and made a vector of: its title, the headings above it, its text."""
        return "\n".join(dict.fromkeys(part for part in (self.title, *self.heading, self.text) if part))


class Filter(Noun):
    """Which chunks a search may see, applied before anything is ranked. The tenant is never in it: it is the handle."""

    as_of: date | None = None
    """Only what is in force on that day; None: of any day."""
    labels: frozenset[AccessLabel] = frozenset({EVERYONE})
    """The labels that the reader holds."""
    kinds: tuple[str, ...] = ()
    """Only documents of these kinds; empty: of any."""


class Hit(Noun):
    """A chunk that a search found, with what it scored on each side; scores never leave the server."""

    id: str
    lexical: float | None = None
    """Its score by shared words, more is nearer; None where it shares none."""
    vector: float | None = None
    """The cosine of its vector with the question's; None where there are no vectors."""
    fused: float | None = None
    """The score of an index that ranks by both sides itself, and tells neither."""


class Collection(Noun):
    """A collection of one tenant as the index holds it."""

    name: CollectionName
    chunks: Annotated[int, Field(ge=0)]
    embedder: str = ""
    """Who made its vectors, by name; empty: it has none."""
    dimension: Annotated[int, Field(ge=0)] = 0
