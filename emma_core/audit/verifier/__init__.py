"""Verifies a trail, its checkpoints and proofs with nothing but Python's own library, also where Emma is not.

Whoever doubts Emma can read these files, and run them as one: `emma audit verifier verify.pyz`.
"""

from .command import of_tenant, proven, read_anchor
from .signed import Checkpoint, MerkleTree, ed25519, extends, leaf_of, node, read_key, read_note, root_of
from .trail import Anchor, Found, Head, Walk, differing, event_of, spoilt_payload

__all__ = [
    "Anchor",
    "Checkpoint",
    "Found",
    "Head",
    "MerkleTree",
    "Walk",
    "differing",
    "ed25519",
    "event_of",
    "extends",
    "leaf_of",
    "node",
    "of_tenant",
    "proven",
    "read_anchor",
    "read_key",
    "read_note",
    "root_of",
    "spoilt_payload",
]
