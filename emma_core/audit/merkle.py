"""Brings many values to one hash, so that each can be proved to be among them: the tree of RFC 6962."""

from __future__ import annotations

import hashlib


class MerkleTree:
    """The root over leaves added one by one; it holds a hash for each level, not for each leaf."""

    def __init__(self) -> None:
        self.size = 0
        """How many leaves it has."""
        self._peaks: list[tuple[int, bytes]] = []  # the whole trees so far: how many leaves each has, and its hash

    def add(self, leaf: bytes) -> None:
        """The leaf is the last one now."""
        width, found = 1, hashlib.sha256(b"\x00" + leaf).digest()
        while self._peaks and self._peaks[-1][0] == width:
            _, left = self._peaks.pop()
            width, found = 2 * width, _node(left, found)
        self._peaks.append((width, found))
        self.size += 1

    def root(self) -> str:
        """The hash over all leaves in their order, in hex; that of nothing where there is none."""
        if not self._peaks:
            return hashlib.sha256().hexdigest()
        found = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            found = _node(left, found)
        return found.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
