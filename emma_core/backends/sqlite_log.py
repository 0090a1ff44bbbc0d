"""Reads the write-ahead log of a SQLite file from beside it: the pages that each commit since a place wrote.

The form is SQLite's own and frozen: https://www.sqlite.org/fileformat2.html#walformat. Every frame carries a checksum
over all frames before it, so that what is read here is what was written, in order, or is not taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682
"""Its lowest bit says in which order of bytes the checksums are worked out."""
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Place:
    """How far a log was read: in which log, and up to which commit."""

    salts: bytes = b""
    """What tells one log from the next in the same file; empty where there was none."""
    frames: int = 0
    sums: tuple[int, int] = (0, 0)
    """The checksum over all frames up to there."""


@dataclass(frozen=True)
class Commit:
    """What one transaction wrote: pages by number, and how many the file has after it."""

    size: int
    pages: dict[int, bytes]


@dataclass(frozen=True)
class Reading:
    """The commits since a place, oldest first, and the place after them."""

    commits: tuple[Commit, ...]
    place: Place


@dataclass(frozen=True)
class _Log:
    page: int
    order: str
    salts: bytes
    sums: tuple[int, int]

    @property
    def start(self) -> Place:
        return Place(self.salts, 0, self.sums)

    @property
    def before(self) -> int:
        """The first salt of the log before: each new one counts it up."""
        return (int.from_bytes(self.salts[:4], "big") - 1) & _WORD


def of(database: Path) -> Path:
    """The file of the database's log."""
    return database.with_name(f"{database.name}-wal")


def read_since(path: Path, place: Place) -> Reading | None:
    """What was committed since that place; None where that cannot be told: commits may have been overwritten unseen.

    It holds no lock: a log begins anew over its own first frames, so the frames past the place are still those of the
    old log until that many new ones have been written.
    """
    try:
        with path.open("rb") as file:
            log = _log(file)
            if log is None:
                return None if place.salts else Reading((), place)
            if log.salts == place.salts:
                # a writer that was killed while it committed has left frames that the next one writes over
                return _walk(file, log, place) if not place.frames or _holds(file, log, place) else None
            if not place.frames or int.from_bytes(place.salts[:4], "big") != log.before:
                return None
            old = _walk(file, log, place)
            if not _holds(file, log, place):  # asked last: new frames are written from the first one on
                return None
            new = _walk(file, log, log.start)
            return Reading(old.commits + new.commits, new.place)
    except FileNotFoundError:
        return None if place.salts else Reading((), place)


def end_of(path: Path, near: Place) -> Place:
    """The place after the last commit; from `near` on, where that is still a place of the log."""
    if near.salts and (found := read_since(path, near)) is not None:
        return found.place
    try:
        with path.open("rb") as file:
            log = _log(file)
            return Place() if log is None else _walk(file, log, log.start).place
    except FileNotFoundError:
        return Place()


def _log(file: BinaryIO) -> _Log | None:
    file.seek(0)
    head = file.read(_HEADER)
    if len(head) < _HEADER:
        return None
    magic, _, page = struct.unpack(">III", head[:12])
    order = ">" if magic & 1 else "<"
    sums: tuple[int, int] = struct.unpack(">II", head[24:])
    if magic & ~1 != _MAGIC or sums != _summed(head[:24], (0, 0), order):
        return None
    return _Log(page, order, head[16:24], sums)


def _walk(file: BinaryIO, log: _Log, place: Place) -> Reading:
    """The whole commits from that place on."""
    commits: list[Commit] = []
    pages: dict[int, bytes] = {}
    for reached, number, size, data in _frames(file, log, place):
        pages[number] = data
        if size:  # the last frame of a transaction says how long the file is now
            commits.append(Commit(size, pages))
            place, pages = reached, {}
    return Reading(tuple(commits), place)


def _frames(file: BinaryIO, log: _Log, place: Place) -> Iterator[tuple[Place, int, int, bytes]]:
    """The frames after that place, as long as each follows from the one before."""
    frames, sums, whole = place.frames, place.sums, _FRAME + log.page
    file.seek(_HEADER + frames * whole)
    while len(raw := file.read(whole)) == whole and raw[8:16] == place.salts:
        sums = _summed(raw[_FRAME:], _summed(raw[:8], sums, log.order), log.order)
        if sums != struct.unpack(">II", raw[16:_FRAME]):
            return
        frames += 1
        number, size = struct.unpack(">II", raw[:8])
        yield Place(place.salts, frames, sums), number, size, raw[_FRAME:]


def _holds(file: BinaryIO, log: _Log, place: Place) -> bool:
    """Whether the last frame before the place is still the one that was read."""
    file.seek(_HEADER + (place.frames - 1) * (_FRAME + log.page))
    raw = file.read(_FRAME)
    return raw[8:16] == place.salts and raw[16:] == struct.pack(">II", *place.sums)


def _summed(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for one, other in zip(words, words, strict=True):
        first = (first + one + second) & _WORD
        second = (second + other + first) & _WORD
    return first, second
