"""The audit room: writes turns on the sealed trail, verifies it, exports it, and tells what it says."""

from emma_core.audit.account import Account, Step, account, lines_of
from emma_core.audit.checkpoints import (
    Checkpointed,
    Proof,
    anchors,
    note,
    prove,
    prove_all,
    public_key,
    walk_on,
)
from emma_core.audit.evidence import Evidence, Exhibit, evidence
from emma_core.audit.export import Export, read_export, write_export
from emma_core.audit.reading import as_sealed, decision, export_trail, read, suggestion, verify_trail
from emma_core.audit.recording import TurnRecord, record_check, recover
from emma_core.audit.replaying import Again, Difference, Judgement, Replayed, compare, judgement, predicate, unknown
from emma_core.audit.sealing import commitment, sealing
from emma_core.audit.timeline import Episode, Happening, timeline
from emma_core.audit.verifier import MerkleTree
from emma_core.audit.verify import Verification, Verifier, verify

__all__ = [
    "Account",
    "Again",
    "Checkpointed",
    "Difference",
    "Episode",
    "Evidence",
    "Exhibit",
    "Export",
    "Happening",
    "Judgement",
    "MerkleTree",
    "Proof",
    "Replayed",
    "Step",
    "TurnRecord",
    "Verification",
    "Verifier",
    "account",
    "anchors",
    "as_sealed",
    "commitment",
    "compare",
    "decision",
    "evidence",
    "export_trail",
    "judgement",
    "lines_of",
    "note",
    "predicate",
    "prove",
    "prove_all",
    "public_key",
    "read",
    "read_export",
    "record_check",
    "recover",
    "sealing",
    "suggestion",
    "timeline",
    "unknown",
    "verify",
    "verify_trail",
    "walk_on",
    "write_export",
]
