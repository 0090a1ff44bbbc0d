"""The hall of a check: holds a whole file against rules, and writes what came of it on the trail."""

from emma_core.checks import deciding
from emma_core.checks.hall import Order, stream
from emma_core.checks.tally import leaf

__all__ = ["Order", "deciding", "leaf", "stream"]
