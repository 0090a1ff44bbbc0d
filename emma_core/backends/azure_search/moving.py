"""Brings the index to the form of this release while it is read and written: a new one is filled, then takes over."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from emma_core.backends.azure_search import filters, schema
from emma_core.backends.azure_search.service import Service
from emma_core.errors import StoreError

_COPIED = 200
"""Documents with their vectors that are sent at once."""


async def moved(service: Service) -> list[str]:
    """The alias leads to an index of this release's form, with all that the one before held; what was done.

    What is written or removed meanwhile is carried over as well: at first, and again when the whole service follows
    the alias. The index before it goes last. Repeatable after a failure at any point.
    """
    alias, dimension = service.address.index, service.address.dimension
    wanted, indexes = schema.name(alias, dimension), await service.indexes()
    behind = await _behind(service, indexes)
    if behind == wanted:
        return await _swept(service, indexes, wanted)
    done = []
    if await service.there(indexes.get_index(wanted)) is None:
        await service.said(indexes.create_index({"name": wanted, **schema.definition(dimension)}))
        done.append(f"made the index {wanted!r}")
    if behind is None:
        await service.said(indexes.create_or_update_alias({"name": alias, "indexes": [wanted]}))
        return [*done, f"named it {alias!r}"]
    fields = _shared(await service.said(indexes.get_index(behind)), dimension)
    start = time.time_ns()
    copied = await _copy(service, behind, wanted, since=0, fields=fields)
    copied += await _copy(service, behind, wanted, since=start, fields=fields)
    swapped = time.time_ns()
    await service.said(indexes.create_or_update_alias({"name": alias, "indexes": [wanted]}))
    await asyncio.sleep(service.address.settle)
    # who had not heard of the new index wrote and removed in the one before
    copied += await _copy(service, behind, wanted, since=swapped, fields=fields)
    gone = await _removed(service, behind, wanted, before=swapped)
    await service.said(indexes.delete_index(behind))
    done.append(f"copied {copied:,} documents from {behind!r}, and let {alias!r} lead to the new index")
    if gone:
        done.append(f"{gone:,} documents were removed meanwhile, and are not in the new index either")
    if schema.VECTOR not in fields:
        done.append(f"their vectors were not of {dimension} numbers and are left out: ingest the collections again")
    return done


async def _behind(service: Service, indexes: Any) -> str | None:
    """The index that the alias leads to."""
    found = await service.there(indexes.get_alias(service.address.index))
    if found is None:
        if await service.there(indexes.get_index(service.address.index)) is not None:
            raise StoreError(
                f"Index {str(service.address)!r} is no alias but an index that somebody else made; name another"
            )
        return None
    return str(found.indexes[0])


async def _swept(service: Service, indexes: Any, wanted: str) -> list[str]:
    """What a move that did not end left of an index before is gone: copying from it now could bring back the erased."""
    done = []
    for name in await service.said(_names(indexes)):
        if name != wanted and re.fullmatch(re.escape(service.address.index) + "-[0-9a-f]{12}", name):
            await service.said(indexes.delete_index(name))
            done.append(f"deleted {name!r}, left by a move that did not end; look for what is missing: ingest again")
    return done


async def _copy(service: Service, old: str, new: str, *, since: int, fields: list[str]) -> int:
    """The documents written since are in the new index, where it has none that is as young; how many were."""
    copied = 0
    async for page in service.walk(old, f"written_at ge {since}" if since else "", select=fields):
        for start in range(0, len(page), _COPIED):
            some = page[start : start + _COPIED]
            known = await _ages(service, new, [each["key"] for each in some])
            older = [each for each in some if each["written_at"] > known.get(each["key"], -1)]
            if older:
                await service.do(new, [_action(each, fields) for each in older])
            copied += len(older)
    return copied


async def _ages(service: Service, index: str, keys: list[str]) -> dict[str, int]:
    found = await service.found(index, filter=filters.among("key", keys), select=["key", "written_at"], top=len(keys))
    return {str(each["key"]): int(each["written_at"]) for each in found}


async def _removed(service: Service, old: str, new: str, *, before: int) -> int:
    """What was removed from the old index during the copy is not in the new one; how many were."""
    there = {str(each["key"]) async for page in service.walk(old, "") for each in page}
    gone = 0
    async for page in service.walk(new, f"written_at lt {before}"):
        strays = [str(each["key"]) for each in page if each["key"] not in there]
        if strays:
            await service.do(new, [{"key": key} for key in strays])
        gone += len(strays)
    return gone


async def _names(indexes: Any) -> list[str]:
    return [str(name) async for name in indexes.list_index_names()]


def _action(found: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    return {name: found[name] for name in fields if found[name] not in (None, [])}


def _shared(behind: Any, dimension: int) -> list[str]:
    """The fields that an index before has too; the vectors only where they are of that dimension."""
    there = {each.name: int(each.vector_search_dimensions or 0) for each in behind.fields}
    wanted = {each["name"]: each.get("dimensions", 0) for each in schema.definition(dimension)["fields"]}
    return [name for name, numbers in wanted.items() if there.get(name) == numbers]
