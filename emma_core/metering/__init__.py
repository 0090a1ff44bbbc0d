"""The room of metering: how much each tenant used, told from its trail, and how long each turn took."""

from emma_core.metering.counting import count, counters
from emma_core.metering.timing import KIND, Stopwatch

__all__ = ["KIND", "Stopwatch", "count", "counters"]
