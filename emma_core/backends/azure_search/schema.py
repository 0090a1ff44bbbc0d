"""Says the form of the index: its fields, how its words are analyzed, and how its vectors are compared."""

from __future__ import annotations

from typing import Any

from emma_core import canonical
from emma_core.backends.admitting import days
from emma_core.nouns import Chunk

SEMANTIC = "passages"
SEARCHED = ["words"]
VECTOR = "vector"
_ANALYZER = "en.lucene"
"""Stems, and leaves out the words that say nothing."""


def definition(dimension: int) -> dict[str, Any]:
    """The index without its name, for vectors of that dimension."""
    return {
        "fields": [
            _field("key", key=True, filterable=True, sortable=True),
            *(_field(name, filterable=True, sortable=True) for name in ("tenant", "collection", "id")),
            *(_field(name, filterable=True) for name in ("type", "document", "kind", "subject")),
            *(_field(name, "Edm.Int32", filterable=True) for name in ("ordinal", "first_day", "last_day")),
            _field("written_at", "Edm.Int64", filterable=True),
            _field("labels", "Collection(Edm.String)", filterable=True),
            *(_field(name) for name in ("hash", "embedder", "chunk")),
            *(_field(name, searchable=True, analyzer=_ANALYZER) for name in ("title", "words")),
            {
                **_field(VECTOR, "Collection(Edm.Single)", searchable=True),
                "dimensions": dimension,
                "vectorSearchProfile": "near",
            },
        ],
        "vectorSearch": {
            "algorithms": [
                {"name": "hnsw", "kind": "hnsw", "hnswParameters": {"metric": "cosine", "m": 8, "efSearch": 800}}
            ],
            "profiles": [{"name": "near", "algorithm": "hnsw"}],
        },
        "semantic": {
            "configurations": [
                {
                    "name": SEMANTIC,
                    "prioritizedFields": {
                        "titleField": {"fieldName": "title"},
                        "prioritizedContentFields": [{"fieldName": "words"}],
                    },
                }
            ]
        },
        "similarity": {"@odata.type": "#Microsoft.Azure.Search.BM25Similarity", "k1": 1.2, "b": 0.75},
    }


def name(alias: str, dimension: int) -> str:
    """The index of this form behind the alias: another form has another name."""
    return f"{alias}-{canonical.sha256(_plain(definition(dimension)))[:12]}"


def key(tenant: str, collection: str, id: str) -> str:
    """The document's key: the three names hashed as a list, so that no two that join alike are one."""
    return canonical.sha256([tenant, collection, id])


def document(tenant: str, collection: str, chunk: Chunk, row: Any, written_at: int) -> dict[str, Any]:
    """The chunk as the service keeps it; `row`: its vector or None; `written_at`: in nanoseconds since 1970."""
    first, last = days(chunk)
    return {
        "key": key(tenant, collection, chunk.id),
        "tenant": tenant,
        "collection": collection,
        "type": "chunk",
        "id": chunk.id,
        "document": chunk.document,
        "ordinal": chunk.ordinal,
        "kind": chunk.kind,
        "subject": chunk.subject,
        "labels": list(chunk.labels),
        "first_day": first,
        "last_day": last,
        "written_at": written_at,
        "hash": chunk.hash,
        "title": chunk.title,
        "words": f"{chunk.words}\n{chunk.citation}",
        "chunk": chunk.model_dump_json(exclude_defaults=True),
        # an upload replaces the whole document, so a vector that was there before goes
        **({} if row is None else {VECTOR: row.tolist()}),
    }


def marker(tenant: str, collection: str, embedder: str, written_at: int) -> dict[str, Any]:
    """What says that there is such a collection, and whose vectors it takes; no search finds it."""
    return {
        "key": key(tenant, collection, ""),
        "tenant": tenant,
        "collection": collection,
        "type": "collection",
        "embedder": embedder,
        "written_at": written_at,
    }


def _field(name: str, kind: str = "Edm.String", *, analyzer: str = "", **more: bool) -> dict[str, Any]:
    said = {"key": False, "searchable": False, "filterable": False, "sortable": False, "facetable": False, **more}
    if kind.startswith("Collection"):
        del said["sortable"]
    return {"name": name, "type": kind, "retrievable": True, **said, **({"analyzer": analyzer} if analyzer else {})}


def _plain(value: Any) -> Any:
    """The value with its numbers as text: a hash takes no floats."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return repr(value)
