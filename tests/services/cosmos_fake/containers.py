"""Holds items as Cosmos holds them: by partition key and id, with ETags, times to live and versions."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from azure.cosmos import PartitionKey

Item = dict[str, Any]
Key = tuple[str, ...]
LARGEST = 2 * 1024 * 1024
"""Bytes that an item, and a batch, may have."""
MOST_OPERATIONS = 100


class Status(Exception):
    """The request ends with this status, as Cosmos would say it."""

    def __init__(self, status: int, message: str, sub_status: int = 0, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"x-ms-substatus": str(sub_status), **{k.replace("_", "-"): v for k, v in headers.items()}}


@dataclass
class Mutations:
    """What this fake gets wrong on purpose, so that a contract can be seen to notice."""

    ignores_partition_key: bool = False
    ignores_if_match: bool = False
    batch_not_atomic: bool = False
    ignores_ttl: bool = False
    ignores_filter: bool = False
    """A query that asks for labels is answered with whatever chunk there is."""


@dataclass
class Record:
    """An item in its last two versions; a version that is None is not there."""

    lsn: int
    now: Item | None
    before: Item | None = None


@cache
def effective_key(key: Key) -> str:
    """Where a key lies among the physical partitions; a prefix of a key starts like it."""
    paths = ["/tenant", "/part"]
    return str(PartitionKey(path=paths)._get_effective_partition_key_string(list(key)))


@dataclass
class Container:
    """One container: its settings, its items, and the order in which they were last written."""

    properties: Item
    mutations: Mutations
    bounds: list[str] = field(default_factory=list)
    """Effective keys at which one physical partition ends and the next begins."""
    lag: int = 0
    """How many writes a replica may be behind, for a reader whose session token does not ask for more."""
    lsn: int = 0
    parts: dict[Key, dict[str, Record]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def paths(self) -> list[str]:
        """The names of the partition key's levels."""
        return [path.removeprefix("/") for path in self.properties["partitionKey"]["paths"]]

    def ranges(self) -> list[Item]:
        """The physical partitions."""
        ends = ["", *self.bounds, "FF"]
        return [
            {"id": str(number), "minInclusive": low, "maxExclusive": high, "parents": [], "status": "online"}
            for number, (low, high) in enumerate(itertools.pairwise(ends))
        ]

    def range_of(self, key: Key) -> str:
        """The physical partition that holds a key."""
        at = effective_key(key)
        return next(each["id"] for each in self.ranges() if each["minInclusive"] <= at < each["maxExclusive"])

    def key_of(self, item: Item) -> Key:
        """The item's own key."""
        return tuple(item.get(path) for path in self.paths)  # type: ignore[misc]

    def read(self, key: Key, id: str, *, seen: int | None = None) -> Item:
        """The item as a replica at `seen` knows it."""
        item = self._visible(self._part(key).get(id), seen)
        if item is None:
            raise Status(404, "Entity with the specified id does not exist in the system.")
        return item

    def items(self, low: str, high: str, *, key: Key | None = None, seen: int | None = None) -> list[Item]:
        """The live items of one partition key, or of all whose effective key lies between."""
        if key is not None:
            parts = [self._part(key)]
        else:
            parts = [part for key, part in self.parts.items() if low <= effective_key(key) < high]
        found = (self._visible(record, seen) for part in parts for record in list(part.values()))
        return sorted((item for item in found if item is not None), key=lambda item: item["_rid"])

    def changed(self, after: int, since: float) -> list[Item]:
        """The live items that were written after a version and a time, in that order."""
        records = [record for part in self.parts.values() for record in part.values() if record.lsn > after]
        records.sort(key=lambda record: record.lsn)
        live = ((record.lsn, self._visible(record, None)) for record in records)
        return [{**item, "_lsn": lsn} for lsn, item in live if item is not None and item["_ts"] >= since]

    def write(self, verb: str, key: Key, id: str, item: Item | None, if_match: str | None) -> tuple[int, Item | None]:
        """The status and the item as now stored, for Create, Upsert, Replace or Delete."""
        part = self._part(key)
        old = self._visible(part.get(id), None)
        if verb == "Create" and old is not None:
            raise Status(409, "Entity with the specified id already exists in the system.")
        if verb in ("Replace", "Delete") and old is None:
            raise Status(404, "Entity with the specified id does not exist in the system.")
        matches = if_match in (None, "*") or (old is not None and if_match == old["_etag"])
        if not matches and not self.mutations.ignores_if_match:
            raise Status(412, "One of the specified pre-condition is not met.")
        new = None if item is None else self._stored(key, id, item, old)
        self.lsn += 1
        part[id] = Record(self.lsn, new, part[id].now if id in part else None)
        return (204 if new is None else 200 if old is not None else 201), new

    def batch(self, key: Key, operations: list[Item]) -> list[Item]:
        """What each operation came to: all of them were done, or none."""
        if len(operations) > MOST_OPERATIONS:
            raise Status(400, f"Batch request has more operations than what is supported: {MOST_OPERATIONS}.")
        kept, lsn = copy.copy(self._part(key)), self.lsn
        answers: list[Item] = []
        for number, operation in enumerate(operations):
            try:
                answers.append(self._operation(key, operation))
            except Status as failed:
                if self.mutations.batch_not_atomic:
                    answers.append({"statusCode": failed.status, "requestCharge": 1.0})
                    continue
                self.parts[key], self.lsn = kept, lsn
                answers = [{"statusCode": 424, "requestCharge": 0.0} for _ in operations]
                answers[number] = {"statusCode": failed.status, "requestCharge": 1.0}
                break
        return answers

    def _operation(self, key: Key, operation: Item) -> Item:
        verb, body = operation["operationType"], operation.get("resourceBody")
        if verb == "Read":
            item = self.read(key, operation["id"])
            return {"statusCode": 200, "requestCharge": charge(item, write=False), "eTag": item["_etag"]}
        if verb not in ("Create", "Upsert", "Replace", "Delete"):
            raise Status(400, f"The operation type {verb!r} is not one that is answered here.")
        id = operation.get("id") or body["id"]
        status, item = self.write(verb, key, id, body, operation.get("ifMatch"))
        answer: Item = {"statusCode": status, "requestCharge": charge(body, write=True)}
        return answer if item is None else {**answer, "eTag": item["_etag"], "resourceBody": item}

    def _stored(self, key: Key, id: str, item: Item, old: Item | None) -> Item:
        if size(item) > LARGEST:
            raise Status(413, "Request size is too large")
        if item.get("id") != id or not 0 < len(id.encode()) <= 1023 or set(id) & set("/\\?#"):
            raise Status(400, f"The id {id!r} is none that an item can have.")
        if self.key_of(item) != key and not self.mutations.ignores_partition_key:
            raise Status(
                400, "PartitionKey extracted from document doesn't match the one specified in the header", 1001
            )
        number = next(self._numbers)
        rid = old["_rid"] if old else f"{number:012d}"
        etag = f'"{number:08x}-0000-0000-0000-{time.time_ns() & 0xFFFFFFFFFFFF:012x}"'
        return {**item, "_rid": rid, "_etag": etag, "_ts": int(time.time()), "_self": f"items/{rid}/"}

    def _part(self, key: Key) -> dict[str, Record]:
        if self.mutations.ignores_partition_key:
            key = ("", "")
        return self.parts.setdefault(key, {})

    def _visible(self, record: Record | None, seen: int | None) -> Item | None:
        if record is None:
            return None
        item = record.now if seen is None or record.lsn <= max(seen, self.lsn - self.lag) else record.before
        return None if item is None or self._expired(item) else item

    def _expired(self, item: Item) -> bool:
        default = self.properties.get("defaultTtl")
        ttl = item.get("ttl", default)
        if default is None or ttl in (None, -1) or self.mutations.ignores_ttl:
            return False
        return time.time() >= item["_ts"] + ttl


def size(item: Any) -> int:
    """Bytes of the item as JSON."""
    return len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())


def charge(item: Any, *, write: bool) -> float:
    """Request units as Azure publishes them: a point read of 1 KB is 1, of 100 KB 10; a write of 1 KB is about 5.3."""
    return round((5.3 if write else 1.0) * max(1.0, 1 + (size(item) / 1024 - 1) / 11), 2)
