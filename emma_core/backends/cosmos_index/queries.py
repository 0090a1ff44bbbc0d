"""Says what is asked of the container: text without a value in it, and the values as parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from emma_core.nouns import Filter

TERMS = 30
"""How many different words of a question are looked up at most."""
_SHOWN = "c.id, c.tenant, c.part, c.labels, c.kind, c.first_day, c.last_day"
COLLECTIONS = "SELECT * FROM c WHERE c.type = 'collection'"
COUNT = "SELECT VALUE COUNT(1) FROM c WHERE c.type = @type"
COUNT_SUBJECT = "SELECT VALUE COUNT(1) FROM c WHERE c.type = 'chunk' AND c.subject = @subject"
IDS = "SELECT TOP @limit c.id, c.hash, c.tenant FROM c WHERE c.type = 'chunk' AND c.id > @after ORDER BY c.id ASC"
NAMED = "SELECT c.id, c.tenant, c.part FROM c WHERE c.type = 'chunk' AND ARRAY_CONTAINS(@ids, c.id)"
ALL = "SELECT TOP 1000 c.id, c.tenant, c.part FROM c"
CHUNKS = f"{ALL} WHERE c.type = 'chunk'"
OF_SUBJECT = f"{CHUNKS} AND c.subject = @subject"


@dataclass
class Asked:
    """A query and its parameters."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)


def seen(filter: Filter) -> Asked:
    """What a filter lets through, as the WHERE of a query."""
    labels = {f"label{number}": label for number, label in enumerate(sorted(filter.labels))}
    parts = ["c.type = 'chunk'", f"({' OR '.join(f'ARRAY_CONTAINS(c.labels, @{name})' for name in labels)})"]
    values: dict[str, Any] = dict(labels)
    if filter.as_of is not None:
        parts.append("c.first_day <= @day AND c.last_day >= @day")
        values["day"] = filter.as_of.toordinal()
    if filter.kinds:
        parts.append("ARRAY_CONTAINS(@kinds, c.kind)")
        values["kinds"] = list(filter.kinds)
    return Asked(" AND ".join(parts), values)


def ranked(filter: Filter, terms: list[str], row: list[float] | None, limit: int) -> Asked:
    """The best `limit` by words, by nearness, or by the two ranks fused; by one of them at least."""
    where = seen(filter)
    values = {**where.values, "limit": limit}
    named = ", ".join(f"@term{number}" for number in range(len(terms)))
    values |= {f"term{number}": term for number, term in enumerate(terms)}
    shown, near = _SHOWN, "VectorDistance(c.row, @row)"
    if row is None:
        where.text += f" AND FullTextContainsAny(c.words, {named})"  # else those that share none are ranked, too
        order = f"RANK FullTextScore(c.words, {named})"
    elif not terms:
        values["row"], shown, order = row, f"{_SHOWN}, {near} AS cosine", near
    else:
        values["row"], order = row, f"RANK RRF(FullTextScore(c.words, {named}), {near})"
    return Asked(f"SELECT TOP @limit {shown} FROM c WHERE {where.text} ORDER BY {order}", values)


def whole(filter: Filter, more: str, **values: Any) -> Asked:
    """The chunks that the filter lets through and that more is true of."""
    where = seen(filter)
    return Asked(f"SELECT {_SHOWN}, c.chunk FROM c WHERE {where.text} AND {more}", {**where.values, **values})


def terms(words: str) -> list[str]:
    """The different words of a question."""
    return list(dict.fromkeys(word.lower() for word in re.findall(r"[^\W_]+", words) if len(word) <= 100))[:TERMS]
