"""Holds what is written or asked to fitting together, and makes one list of hits of what two sides found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emma_core.errors import CallerError
from emma_core.nouns import Chunk, Hit
from emma_core.ports import Vectors


@dataclass(frozen=True)
class Scored:
    """What one side says: scores by id, and the ids that it found itself, the nearest first."""

    scores: Mapping[str, float]
    found: Sequence[str]


def merged(lexical: Scored, vector: Scored) -> list[Hit]:
    """Each hit once with what it scored on both sides, in the order of its better place; among equals by id."""
    place: dict[str, int] = {}
    for side in (lexical, vector):
        for number, id in enumerate(side.found):
            place[id] = min(number, place.get(id, number))
    return [
        Hit(id=id, lexical=lexical.scores.get(id), vector=vector.scores.get(id))
        for id in sorted(place, key=lambda id: (place[id], id))
    ]


def fitting(chunks: Sequence[Chunk | None], vectors: Vectors | None) -> None:
    """There is a row for each, and no id twice. Raises `CallerError` where it does not fit together."""
    ids = [chunk.id for chunk in chunks if chunk is not None]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        raise CallerError(f"Chunk {twice!r} is handed in twice; write it once")
    if vectors is None:
        return
    if not vectors.embedder:
        raise CallerError("These vectors do not say who made them; give the embedder's name")
    if vectors.rows.ndim != 2 or vectors.rows.shape[0] != len(chunks):
        raise CallerError(f"{len(chunks)} texts and vectors of the shape {vectors.rows.shape} do not fit together")
