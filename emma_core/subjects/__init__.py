"""The room of persons: keeps what they said under keys of their own, and forgets a person by destroying the key."""

from emma_core.subjects import ledger
from emma_core.subjects.encrypting import Encrypted, encrypt
from emma_core.subjects.erasing import Forgotten, Trails, erase
from emma_core.subjects.exporting import Held, gather
from emma_core.subjects.finding import Watch
from emma_core.subjects.ledger import Entry, Places
from emma_core.subjects.replaying import Replayed, replay
from emma_core.subjects.sealing import Masters, masters
from emma_core.subjects.store import SubjectStore, SubjectTenantStore

__all__ = [
    "Encrypted",
    "Entry",
    "Forgotten",
    "Held",
    "Masters",
    "Places",
    "Replayed",
    "SubjectStore",
    "SubjectTenantStore",
    "Trails",
    "Watch",
    "encrypt",
    "erase",
    "gather",
    "ledger",
    "masters",
    "replay",
]
