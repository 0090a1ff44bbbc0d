"""Turn typed predicates into Polars expressions, and hold whole tables against rules; loaded only where it is used."""

from emma_core.rules.table.alike import among
from emma_core.rules.table.examples import of_examples
from emma_core.rules.table.expressions import Emitter, emit
from emma_core.rules.table.files import FileTotals, Records, totals
from emma_core.rules.table.functions import differs
from emma_core.rules.table.records import Outcomes, outcomes

__all__ = [
    "Emitter",
    "FileTotals",
    "Outcomes",
    "Records",
    "among",
    "differs",
    "emit",
    "of_examples",
    "outcomes",
    "totals",
]
