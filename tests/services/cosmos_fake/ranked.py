"""Answers `ORDER BY RANK` as an account does: by a plan, and by a query of each component, which the SDK fuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.search_fake.ranking import Words, near, stems

if TYPE_CHECKING:
    from services.cosmos_fake.queries import Item, Query

_COMPONENT = "COMPONENT "
_RETURNED = 10
"""Times as many as are asked for does each component give, so that the other may have ranked them too."""
ASIDE = -999999
"""The score of a component that has none for an item."""


def plan(said: Mapping[str, Any], query: Query) -> dict[str, Any]:
    """What the SDK is told to ask: the components of the rank, each by its own query, and how many to keep."""
    component = {"orderBy": ["Descending"], "orderByExpressions": [], "hasNonStreamingOrderBy": True}
    queries = [
        {**component, "rewrittenQuery": f"{_COMPONENT}{number} OF {said['query']}"}
        for number in range(len(query.ranks))
    ]
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {"distinctType": "None", "hasNonStreamingOrderBy": False},
        "hybridSearchQueryInfo": {
            "requiresGlobalStatistics": False,
            "componentQueryInfos": queries,
            "skip": 0,
            "take": query.top,
        },
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
    }


def component(text: str) -> tuple[int | None, str]:
    """The number of the component that the query asks for, and the query that it is of."""
    if not text.startswith(_COMPONENT):
        return None, text
    number, _, rest = text.removeprefix(_COMPONENT).partition(" OF ")
    return int(number), rest


def ranked(query: Query, number: int, items: Sequence[Item], every: Sequence[Item]) -> list[Item]:
    """The best of one component with the scores of all; `every`: what the words' rarity is counted over."""
    scores = [of_words(every, *rank[1:]) if rank[0] == "words" else cosines(every, *rank[1:]) for rank in query.ranks]
    found = sorted(items, key=lambda item: -scores[number].get(item["_rid"], ASIDE))[: (query.top or 0) * _RETURNED]
    shown = query.shown(list(found))
    return [
        {
            "_rid": item["_rid"],
            "orderByItems": [{"item": scores[number].get(item["_rid"], ASIDE)}],
            "payload": {
                "payload": payload,
                "componentScores": [each.get(item["_rid"], ASIDE) for each in scores],
            },
        }
        for item, payload in zip(found, shown, strict=True)
    ]


def of_words(items: Sequence[Item], path: str, terms: Sequence[str]) -> dict[str, float]:
    """By item, its BM25 score for the terms; an item without any of them scores 0, as in Cosmos."""
    words = Words([path])
    for number, item in enumerate(items):
        words.put(number, item)
    found = words.scores(" ".join(terms), fields=None, all=False)
    return {
        item["_rid"]: found.get(number, 0.0) for number, item in enumerate(items) if isinstance(item.get(path), str)
    }


def cosines(items: Sequence[Item], path: str, vector: Sequence[float]) -> dict[str, float]:
    """By item, the cosine of its vector with the question's; without a vector it has none."""
    import numpy as np

    rows = {
        n: np.asarray(item[path], np.float32)
        for n, item in enumerate(items)
        if len(item.get(path) or ()) == len(vector)
    }
    return {items[n]["_rid"]: 2 - 1 / score for n, score in near(rows, vector).items()}


def holds_any(text: Any, terms: Sequence[str]) -> bool:
    """Whether the text has one of the terms, in whatever form of the word."""
    return isinstance(text, str) and not stems(text).isdisjoint(stems(" ".join(terms)))


def is_plan(headers: Mapping[str, str]) -> bool:
    """Whether the SDK asks how a query is to be asked, and not for its answer."""
    return json.loads(headers.get("x-ms-cosmos-is-query-plan-request", "false").lower()) is True
