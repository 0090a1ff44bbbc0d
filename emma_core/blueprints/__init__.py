"""The room of blueprints: finds an agent by its address, pins all it is made of, and keeps what was published."""

from emma_core.blueprints.addresses import BARE, Address, read, read_label
from emma_core.blueprints.comparing import Change, compare
from emma_core.blueprints.expecting import unmet
from emma_core.blueprints.preparing import Prepared, find, known, prepare
from emma_core.blueprints.published import AsSealed, labels, load, ready, resolve, versions
from emma_core.blueprints.publishing import label, publish, rollback

__all__ = [
    "BARE",
    "Address",
    "AsSealed",
    "Change",
    "Prepared",
    "compare",
    "find",
    "known",
    "label",
    "labels",
    "load",
    "prepare",
    "publish",
    "read",
    "read_label",
    "ready",
    "resolve",
    "rollback",
    "unmet",
    "versions",
]
