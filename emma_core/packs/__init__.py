"""The packs: found, asked one by one, and held read-only."""

from emma_core.packs.finding import find
from emma_core.packs.installed import FIRST, Pack, Packs

__all__ = ["FIRST", "Pack", "Packs", "find"]
