"""Read rules as SQL predicates over declared facts, and hold facts against them."""

from emma_core.rules.aggregates import ROWS, Rows, Totals
from emma_core.rules.anatomy import PartReport, explain_tree
from emma_core.rules.builtins import BUILTINS
from emma_core.rules.examples import read_example
from emma_core.rules.functions import Function, check_function
from emma_core.rules.generated import Panel
from emma_core.rules.judging import duplicates, in_force, judge, outcome
from emma_core.rules.language import parse
from emma_core.rules.mistakes import LanguageError
from emma_core.rules.mutations import Mutant, Mutation, mutation
from emma_core.rules.rulesets import JUDGED, CompiledRule, CompiledRuleSet, compile_ruleset
from emma_core.rules.tree import Aggregate, Digits, Node, Unique
from emma_core.rules.values import read_value, read_values
from emma_core.rules.verdict import verdict

__all__ = [
    "BUILTINS",
    "JUDGED",
    "ROWS",
    "Aggregate",
    "CompiledRule",
    "CompiledRuleSet",
    "Digits",
    "Function",
    "LanguageError",
    "Mutant",
    "Mutation",
    "Node",
    "Panel",
    "PartReport",
    "Rows",
    "Totals",
    "Unique",
    "check_function",
    "compile_ruleset",
    "duplicates",
    "explain_tree",
    "in_force",
    "judge",
    "mutation",
    "outcome",
    "parse",
    "read_example",
    "read_value",
    "read_values",
    "verdict",
]
