"""Keeps what was written after a copy as steps, each bound to the one before, and up to when they are complete."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, ValidationError

from emma_core.backends import durable_files
from emma_core.errors import CallerError
from emma_core.nouns import Noun, Sha256
from emma_core.ports import Span

LATEST = "latest.json"
_LARGEST = 1 << 31
_SEAL = 32
"""Bytes of SHA-256 at the end of a step's file, over all before them."""


class Latest(Noun):
    """Where a copy ends, kept apart from its steps so that a cut tail shows."""

    v: Literal[1] = 1
    step: int
    """The number of the last step; 0: the base."""
    sha256: Sha256
    """That of the last step, or of the base."""
    until: AwareDatetime
    """Whatever was written up to this moment is in the copy."""


class _Head(Noun):
    v: Literal[1] = 1
    step: int
    at: AwareDatetime
    prev: Sha256
    said: str


@dataclass(frozen=True)
class Step:
    """What was written between the step before and `at`."""

    number: int
    at: datetime
    sha256: str
    said: str
    """What its bytes are, in the words of whoever made it."""
    data: bytes


def write_latest(folder: Path, latest: Latest) -> None:
    """The folder says so."""
    durable_files.replace(folder / LATEST, json.dumps(latest.plain()).encode())


def read_latest(folder: Path) -> Latest:
    """Where the copy ends. Raises `CallerError` where the folder does not say."""
    path = folder / LATEST
    try:
        return Latest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CallerError(f"Backup: {str(path)!r} is missing or damaged; restore another backup") from error


def write_step(folder: Path, latest: Latest, at: datetime, said: str, data: bytes) -> Latest:
    """The step after `latest` is in the folder, and the folder says that it is the last, complete up to `at`."""
    head = _Head(step=latest.step + 1, at=at, prev=latest.sha256, said=said)
    body = json.dumps(head.plain()).encode() + b"\n" + zlib.compress(data, 1)
    seal = hashlib.sha256(body).digest()
    durable_files.replace(_path(folder, head.step), body + seal)
    durable_files.sync(folder)
    now = Latest(step=head.step, sha256=seal.hex(), until=max(at, latest.until))
    write_latest(folder, now)
    return now


def steps(folder: Path, begun: str) -> Iterator[Step]:
    """The steps after the base of that hash, each held against the one before, up to the last there is.

    Raises `CallerError` naming the one that is missing or was changed.
    """
    last, number = begun, 0
    while (path := _path(folder, number + 1)).exists():
        step = _read(path, number + 1, last)
        last, number = step.sha256, step.number
        yield step
    latest = read_latest(folder)
    if latest.step > number:
        raise CallerError(f"Backup: {str(path)!r} is missing; restore another backup, or --to a moment before it")
    if latest.step == number and latest.sha256 != last:
        raise CallerError(f"Backup: {str(folder)!r} ends with another step than it says; restore another backup")


def span(folder: Path, begun: str, first: datetime) -> Span:
    """The moments that the copy tells of, every step of it whole. Raises `CallerError` as `steps` does."""
    last = first
    for step in steps(folder, begun):
        last = step.at
    return Span(first=first, last=max(last, read_latest(folder).until))


def _read(path: Path, number: int, last: str) -> Step:
    raw = path.read_bytes()
    body, seal = raw[:-_SEAL], raw[-_SEAL:]
    if len(raw) < _SEAL or hashlib.sha256(body).digest() != seal:
        raise CallerError(f"Backup: {str(path)!r} was cut off or changed; restore another backup, or --to before it")
    said, _, packed = body.partition(b"\n")
    try:
        head = _Head.model_validate_json(said)
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, _LARGEST)
    except (ValidationError, zlib.error) as error:
        raise CallerError(f"Backup: {str(path)!r} is no step of a backup; restore it with a newer Emma") from error
    if head.step != number or head.prev != last or not unpacking.eof:
        raise CallerError(f"Backup: {str(path)!r} does not follow the step before it; restore another backup")
    return Step(number, head.at, seal.hex(), head.said, data)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.step"
