"""The room of tenants: what a tenant's state lets happen, and how its data leaves, arrives and ends."""

from emma_core.tenancy.destroying import Due, Proof, destroy, due, is_whole, write_proof
from emma_core.tenancy.exporting import every, export
from emma_core.tenancy.files import Manifest, check, read_manifest
from emma_core.tenancy.holdings import Census, Holdings, Trails, Watch, census
from emma_core.tenancy.importing import arrive
from emma_core.tenancy.states import admit, move

__all__ = [
    "Census",
    "Due",
    "Holdings",
    "Manifest",
    "Proof",
    "Trails",
    "Watch",
    "admit",
    "arrive",
    "census",
    "check",
    "destroy",
    "due",
    "every",
    "export",
    "is_whole",
    "move",
    "read_manifest",
    "write_proof",
]
