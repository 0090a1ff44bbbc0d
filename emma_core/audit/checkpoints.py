"""Signs how a trail stands, proves that a line is under such a signature, and that a later one only goes on.

A checkpoint is a C2SP tlog-checkpoint in a C2SP signed note; the tree is that of RFC 6962 over the lines' bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from emma_core.audit import verifier
from emma_core.errors import TrailError
from emma_core.nouns import Head, Noun, TrailLine
from emma_core.ports import Signer, TenantBlobs, TenantStore

PAGE = 500
"""Lines read together."""


class Checkpointed(Noun):
    """A checkpoint that was signed."""

    size: int
    """How many lines it stands for."""
    root: str
    at: str
    note: str
    """The signed text; whoever keeps it elsewhere can tell later whether these lines changed."""
    leaves: bytes = b""
    """The hash of each line under the root, 32 bytes each: with them, a line that changed is named by its number."""


class Proof(Noun):
    """That a line is one of those that were signed."""

    seq: int
    line: str
    """The sealed text."""
    size: int
    """How many lines the checkpoint stands for."""
    path: tuple[str, ...]
    """The hashes that lead from the line to the root (RFC 6962, section 2.1.1), in hex."""
    checkpoint: str
    """The signed note."""


def public_key(signer: Signer) -> str:
    """The public key as C2SP signed-note writes it: name, key id, and the key with its kind."""
    raw = b"\x01" + signer.public
    return f"{signer.name}+{_id(signer).hex()}+{base64.b64encode(raw).decode()}"


def note(signer: Signer, *, tenant: str, tree: verifier.MerkleTree, last: Head, at: str) -> str:
    """The signed text over the tree of a tenant's lines, the last of which is given; `at`: when, in UTC."""
    root = base64.b64encode(bytes.fromhex(tree.root())).decode()
    text = f"{signer.name}/{tenant}\n{tree.size}\n{root}\ntime {at}\nhead {last.hash}\n"
    signature = base64.b64encode(_id(signer) + signer.sign(text.encode())).decode()
    return f"{text}\n— {signer.name} {signature}\n"


def included(leaves: Sequence[bytes], place: int) -> list[bytes]:
    """The path from a leaf to the root over all leaf hashes (RFC 6962, section 2.1.1); the first place is 0."""
    if len(leaves) <= 1:
        return []
    half = _half(len(leaves))
    if place < half:
        return [*included(leaves[:half], place), _root(leaves[half:])]
    return [*included(leaves[half:], place - half), _root(leaves[:half])]


def extended(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The path that shows that all leaf hashes go on from the first so many (RFC 6962, section 2.1.2)."""
    return _extended(leaves, first, whole=True)


async def anchors(blobs: TenantBlobs, key: str) -> list[verifier.Anchor]:
    """Every checkpoint that is kept of a tenant. Raises `TrailError` for one that the key did not sign."""
    found: list[verifier.Anchor] = []
    after = ""
    while page := await blobs.list("checkpoint", after=after):
        for each in page:
            said = (await blobs.get("checkpoint", each.sha256) or b"").decode(errors="replace")
            try:
                checkpoint = verifier.of_tenant(verifier.read_note(said, key), key, blobs.tenant)
                found.append(verifier.Anchor(checkpoint, said))
            except ValueError as error:
                raise TrailError(
                    f"Checkpoint {each.name or each.sha256!r} of tenant {blobs.tenant!r}: {error}; where the key was"
                    " changed, verify with the old one: emma audit verify --key"
                ) from error
        after = page[-1].sha256
    return sorted(found, key=lambda anchor: anchor.checkpoint.size)


async def prove(trail: TenantStore, checkpoint: str, key: str, seq: int) -> Proof:
    """The proof that a line is one of those that a checkpoint signed.

    Raises `TrailError` where it is none of them, or the trail is not the one that was signed.
    """
    return (await prove_all(trail, checkpoint, key, [seq]))[0]


async def prove_all(trail: TenantStore, checkpoint: str, key: str, seqs: Sequence[int]) -> list[Proof]:
    """The proofs of several lines under one checkpoint, the trail read once. Raises as `prove`."""
    try:
        signed = verifier.of_tenant(verifier.read_note(checkpoint, key), key, trail.tenant)
    except ValueError as error:
        raise TrailError(f"The checkpoint proves nothing: {error}") from error
    strays = [seq for seq in seqs if not 1 <= seq <= signed.size]
    if strays:
        raise TrailError(f"Line {strays[0]} is none of the {signed.size} that were signed; run: emma audit checkpoint")
    leaves: list[bytes] = []
    texts, last = dict.fromkeys(seqs, ""), 0
    while len(leaves) < signed.size and (page := await trail.lines(after=last, limit=PAGE)):
        for line in page[: signed.size - len(leaves)]:
            leaves.append(verifier.leaf_of(line.line.encode()))
            if line.seq in texts:
                texts[line.seq] = line.line
        last = page[-1].seq
    return [_proof(seq, text, leaves, signed, checkpoint, trail.tenant) for seq, text in texts.items()]


def _proof(
    seq: int, text: str, leaves: Sequence[bytes], signed: verifier.Checkpoint, checkpoint: str, tenant: str
) -> Proof:
    path = included(leaves, seq - 1)
    if verifier.root_of(verifier.leaf_of(text.encode()), seq - 1, len(leaves), path) != signed.root:
        raise TrailError(f"The trail of tenant {tenant!r} is not the one that was signed; run: emma audit verify")
    return Proof(seq=seq, line=text, size=signed.size, path=tuple(each.hex() for each in path), checkpoint=checkpoint)


async def walk_on(trail: TenantStore, walk: verifier.Walk, leaves: bytearray | None = None) -> verifier.Found:
    """What the rest of the trail comes to, past the lines that were walked before; `leaves` gets their hashes."""
    while True:
        head = await trail.head()
        page: list[TrailLine] = await trail.lines(after=walk.seq, limit=PAGE)
        for line in page:
            if not walk.take(line):
                return walk.finish(head)
            if leaves is not None:
                leaves += verifier.leaf_of(line.line.encode())
        if not page:
            return walk.finish(head)


def _id(signer: Signer) -> bytes:
    return hashlib.sha256(f"{signer.name}\n\x01".encode() + signer.public).digest()[:4]


def _extended(leaves: Sequence[bytes], first: int, *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [_root(leaves)]
    half = _half(len(leaves))
    if first <= half:
        return [*_extended(leaves[:half], first, whole=whole), _root(leaves[half:])]
    return [*_extended(leaves[half:], first - half, whole=False), _root(leaves[:half])]


def _half(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: Sequence[bytes]) -> bytes:
    tree = verifier.MerkleTree()
    for leaf in leaves:
        tree.add_leaf(leaf)
    return bytes.fromhex(tree.root())
