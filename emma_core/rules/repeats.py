"""Fill what a rule's `each` says into its predicates, one predicate for each way to fill them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from emma_core.errors import RuleError
from emma_core.rules.mistakes import nearest
from emma_core.rules.tokens import MAX_CHARACTERS

Each = Mapping[str, Sequence[str | int]]
Filled = Mapping[str, str]
"""What each name stands for, this time."""

_BRACKETS = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def ways(each: Each, texts: Sequence[str]) -> Iterator[Filled]:
    """Every way to fill the names in, the last name changing fastest. Raises `RuleError` where a text needs none of a
    name, names another, or would grow past what one predicate may hold."""
    said = {name for text in texts for name in _BRACKETS.findall(text)}
    for name in said - set(each):
        raise RuleError(f"{{{name}}} is filled by nothing{nearest(name, each)}; there are {sorted(each)}")
    for name in each:
        if name not in said:
            raise RuleError(f"{name!r} is filled in nowhere; write {{{name}}} in 'require'")
    count = math.prod(len(values) for values in each.values())
    long = count * sum(len(text) for text in texts)
    if long > MAX_CHARACTERS:
        raise RuleError(f"{count} times filled in they have {long} characters; the most is {MAX_CHARACTERS}")
    return (dict(zip(each, map(str, chosen), strict=True)) for chosen in product(*each.values()))


def fill(text: str, filled: Filled) -> str:
    """The text with what stands for each name in its brackets."""
    return _BRACKETS.sub(lambda found: filled[found[1]], text)


def needs(text: str) -> bool:
    """Whether anything in the text is to be filled in."""
    return _BRACKETS.search(text) is not None


def shown(filled: Filled) -> str:
    """How an error says which time it was: `with i = 3`."""
    return "with " + ", ".join(f"{name} = {value}" for name, value in filled.items())
