"""Turn typed predicates into Spark SQL text."""

from emma_core.rules.spark.expressions import Emitter, emit
from emma_core.rules.spark.spelling import SQL_TYPES, Unwritten, type_of

__all__ = ["SQL_TYPES", "Emitter", "Unwritten", "emit", "type_of"]
