"""Reads what was signed: the tree of RFC 6962 over a trail's lines, checkpoints as signed notes, Ed25519 by RFC 8032.

A leaf is a line's UTF-8 bytes. A checkpoint is a note as C2SP signed-note says, its text as C2SP tlog-checkpoint says.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """What was signed: at that time so many lines had that root, and the last of them that hash."""

    origin: str
    """Whose trail: the key's name, a slash, the tenant."""
    size: int
    root: str
    at: str
    head: str


class MerkleTree:
    """The root over leaves added one by one (RFC 6962, section 2.1); it holds a hash for each level, not each leaf."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []  # the whole trees so far: how many leaves each has, and its hash

    def add(self, entry: bytes) -> None:
        """The entry is the last leaf now."""
        self.add_leaf(leaf_of(entry))

    def add_leaf(self, leaf: bytes) -> None:
        """The leaf of that hash is the last one now."""
        width, found = 1, leaf
        while self._peaks and self._peaks[-1][0] == width:
            found = node(self._peaks.pop()[1], found)
            width *= 2
        self._peaks.append((width, found))
        self.size += 1

    def root(self) -> str:
        """The hash over all leaves in their order, in hex; that of nothing where there is none."""
        if not self._peaks:
            return hashlib.sha256().hexdigest()
        found = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            found = node(left, found)
        return found.hex()


def leaf_of(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf: bytes, place: int, size: int, path: Sequence[bytes]) -> str | None:
    """The root to which a path leads from a leaf's hash (RFC 9162, section 2.1.3.2); None where it fits no tree."""
    if not 0 <= place < size:
        return None
    found, last = leaf, size - 1
    for beside in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node(beside, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, beside)
        place, last = place >> 1, last >> 1
    return found.hex() if last == 0 else None


def extends(first: Checkpoint, second: Checkpoint, path: Sequence[bytes]) -> bool:
    """Whether a path shows that the second tree is the first with more leaves (RFC 9162, section 2.1.4.2)."""
    if first.size == second.size:
        return not path and first.root == second.root
    if not 0 < first.size < second.size:
        return False
    steps = [bytes.fromhex(first.root), *path] if first.size & (first.size - 1) == 0 else list(path)
    if not steps:
        return False
    place, last = first.size - 1, second.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for beside in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(beside, old), node(beside, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, beside)
        place, last = place >> 1, last >> 1
    return last == 0 and old.hex() == first.root and new.hex() == second.root


def read_note(note: str, key: str) -> Checkpoint:
    """The checkpoint that a note holds, its signature checked. Raises `ValueError` saying what is wrong with it."""
    text, _, signatures = note.partition("\n\n")
    name, public = read_key(key)
    wanted = hashlib.sha256(f"{name}\n\x01".encode() + public).digest()[:4]
    signed_by = []
    for row in signatures.splitlines():
        mark, _, rest = row.partition(" ")
        signer, _, said = rest.partition(" ")
        raw = base64.b64decode(said, validate=True)
        signed_by.append(signer)
        if mark == "—" and signer == name and raw[:4] == wanted and ed25519(public, f"{text}\n".encode(), raw[4:]):
            break
    else:
        raise ValueError(f"it is not signed with the key of {name!r}; it names {signed_by or 'no signer'}")
    origin, size, root, *more = text.split("\n")
    also = dict(each.split(" ", 1) for each in more)
    if not size.isdecimal() or not {"time", "head"} <= also.keys():
        raise ValueError("it does not say how many lines it is of, when, and which was the last")
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True).hex(), also["time"], also["head"])


def read_key(key: str) -> tuple[str, bytes]:
    """The name and the 32 bytes of a public key as `emma audit key` prints it. Raises `ValueError` for none."""
    name, mark, said = key.strip().split("+", 2)
    raw = base64.b64decode(said, validate=True)
    if len(raw) != 33 or raw[:1] != b"\x01" or hashlib.sha256(f"{name}\n".encode() + raw).hexdigest()[:8] != mark:
        raise ValueError(f"{key[:40]!r} is no public key; `emma audit key` prints one")
    return name, raw[1:]


_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_I = pow(2, (_P - 1) // 4, _P)


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is that of the message (RFC 8032, section 5.1.7)."""
    key, nonce = _point(public), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or len(signature) != 64 or scalar >= _L:
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _L
    y = 4 * pow(5, -1, _P) % _P
    base = _point(y.to_bytes(32, "little"))
    assert base is not None
    left, right = _times(scalar, base), _plus(nonce, _times(hashed, key))
    return not any((left[i] * right[2] - right[i] * left[2]) % _P for i in (0, 1))


_Point = tuple[int, int, int, int]


def _point(raw: bytes) -> _Point | None:
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if len(raw) != 32 or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    x = x if (x * x - square) % _P == 0 else x * _I % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _plus(one: _Point, two: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % _P, (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _plus(found, point)
        point, scalar = _plus(point, point), scalar >> 1
    return found
