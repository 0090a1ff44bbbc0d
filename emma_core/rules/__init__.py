"""Read rules as SQL predicates over declared facts, and hold facts against them."""

from emma_core.rules.builtins import BUILTINS
from emma_core.rules.functions import Function, check_function
from emma_core.rules.judging import LeafReport, explain_tree, in_force, judge
from emma_core.rules.language import parse
from emma_core.rules.mistakes import LanguageError
from emma_core.rules.rulesets import JUDGED, CompiledRule, CompiledRuleSet, compile_ruleset
from emma_core.rules.tree import Digits, Node
from emma_core.rules.values import read_value
from emma_core.rules.verdict import verdict

__all__ = [
    "BUILTINS",
    "JUDGED",
    "CompiledRule",
    "CompiledRuleSet",
    "Digits",
    "Function",
    "LanguageError",
    "LeafReport",
    "Node",
    "check_function",
    "compile_ruleset",
    "explain_tree",
    "in_force",
    "judge",
    "parse",
    "read_value",
    "verdict",
]
