"""The hall of backups: an installation is copied, kept up to date elsewhere, and brought back."""

from emma_core.backups.drilling import Drilled, Plan, drill
from emma_core.backups.manifest import Manifest, read
from emma_core.backups.reconciling import Reconciled
from emma_core.backups.restoring import Done, Order, Restored, restore
from emma_core.backups.taking import Taking, taking

__all__ = [
    "Done",
    "Drilled",
    "Manifest",
    "Order",
    "Plan",
    "Reconciled",
    "Restored",
    "Taking",
    "drill",
    "read",
    "restore",
    "taking",
]
