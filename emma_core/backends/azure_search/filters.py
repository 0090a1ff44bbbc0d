"""Builds the service's filters out of a tenant, a collection and a filter, and never of a piece of text as it came."""

from __future__ import annotations

import string
from collections.abc import Iterable

from emma_core.nouns import Filter

# Parted by a sign that none of the values holds: `search.in` knows no escape.
_DELIMITERS = "|,;~^" + string.ascii_letters + string.digits + "".join(map(chr, range(0x2500, 0x2600)))


def of_tenant(tenant: str, type: str = "", **equal: str) -> str:
    """The filter of what is one tenant's, of a type where one is named, and of these values by equality."""
    typed = {"type": type} if type else {}
    return " and ".join(f"{name} eq {quoted(value)}" for name, value in {"tenant": tenant, **typed, **equal}.items())


def of_search(tenant: str, collection: str, filter: Filter) -> str:
    """The filter of what a search may find; a document without tenant or label is never among it."""
    parts = [
        of_tenant(tenant, "chunk", collection=collection),
        f"labels/any(label: {among('label', filter.labels)})",
    ]
    if filter.as_of is not None:
        day = filter.as_of.toordinal()
        parts.append(f"first_day le {day} and last_day ge {day}")
    if filter.kinds:
        parts.append(among("kind", filter.kinds))
    return " and ".join(parts)


def among(name: str, values: Iterable[str]) -> str:
    """That the field is equal to one of the values."""
    wanted = sorted(set(values))
    whole = "".join(wanted)
    parting = next((sign for sign in _DELIMITERS if sign not in whole), None)
    if parting is None or "" in wanted:  # `search.in` has no empty value, and here no sign is left to part them by
        return "(" + " or ".join(f"{name} eq {quoted(value)}" for value in wanted) + ")"
    return f"search.in({name}, {quoted(parting.join(wanted))}, {quoted(parting)})"


def quoted(value: str) -> str:
    """The value as a string of OData, in which a quote is written twice."""
    return "'" + value.replace("'", "''") + "'"
