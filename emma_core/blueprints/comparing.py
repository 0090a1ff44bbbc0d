"""Tells what differs between two blueprints, or two versions of one: words, packs and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from emma_core.blueprints.preparing import Prepared
from emma_core.nouns import Noun, Published


class Change(Noun):
    """One thing that is there on one side only, or differs."""

    where: str
    """Such as `limits.tokens`, `pack NAME` or `rule ID`."""
    was: JsonValue = None
    now: JsonValue = None


def compare(was: Prepared | Published, now: Prepared | Published) -> list[Change]:
    """What has to be changed to come from one to the other, in the order in which a blueprint is read."""
    sides = [each.blueprint.plain() for each in (was, now)]
    said = [Change(where=where, was=before, now=after) for where, before, after in _differing("", *sides)]
    stamps = [{stamp.name: f"{stamp.version} {stamp.hash[:12]}" for stamp in each.packs} for each in (was, now)]
    said += [Change(where=f"pack {name}", was=a, now=b) for name, a, b in _pairs(*stamps) if a != b]
    hashes = [{id: hash[:12] for id, hash in each.rule_hashes.items()} for each in (was, now)]
    return said + [Change(where=f"rule {id}", was=a, now=b) for id, a, b in _pairs(*hashes) if a != b]


def _differing(where: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name, before, after in _pairs(was, now):
            yield from _differing(f"{where}.{name}" if where else name, before, after)
    elif was != now:
        yield where, was, now


def _pairs(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    return ((name, was.get(name), now.get(name)) for name in {**was, **now})
