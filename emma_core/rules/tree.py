"""Hold a predicate as a tree of nodes, each knowing its type and its place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal as Word
from typing import NamedTuple

from emma_core.nouns import FactType

Comparator = Word["=", "<>", "<", "<=", ">", ">="]
Total = Word["count", "sum", "min", "max"]


class Digits(NamedTuple):
    """How many decimal digits a number can have, and how many of them stand after the point."""

    total: int
    scale: int


@dataclass(frozen=True, slots=True)
class Place:
    """A slice of a predicate's text."""

    source: str
    start: int
    end: int

    @property
    def text(self) -> str:
        """The slice itself."""
        return self.source[self.start : self.end]

    @property
    def line(self) -> int:
        """The line of its first character, from 1."""
        return self.source.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """The column of its first character in code points, from 1."""
        return self.start - self.source.rfind("\n", 0, self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of a predicate; its type and digits are known once it was checked against facts."""

    place: Place = field(compare=False, repr=False)
    type: FactType | None = field(default=None, compare=False, repr=False)
    digits: Digits | None = field(default=None, compare=False, repr=False)

    @property
    def text(self) -> str:
        """The node as the author wrote it."""
        return self.place.text


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A value written in the predicate."""

    value: str | Decimal | bool | date


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A fact."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function and what it is given."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negate(Node):
    """A number with its sign turned."""

    part: Node


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """Two or more numbers added, each with `+` or `-` before it."""

    terms: tuple[Node, ...]
    signs: tuple[Word["+", "-"], ...]
    """One per term; the first is always `+`."""


@dataclass(frozen=True, slots=True)
class Product(Node):
    """Two or more numbers multiplied."""

    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Case(Node):
    """The value beside the first condition that is TRUE, else the last value."""

    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """Two values held against each other; between predicates `=` means "if and only if"."""

    operator: Comparator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """Whether a value is one of several."""

    subject: Node
    options: tuple[Node, ...]
    negated: bool
    listed: Place = field(compare=False, repr=False)
    """The options with their brackets."""


@dataclass(frozen=True, slots=True)
class Between(Node):
    """Whether a value lies between two others, both inclusive."""

    subject: Node
    low: Node
    high: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """Whether nobody has said a value."""

    subject: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Not(Node):
    """A predicate turned round."""

    part: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """Two or more predicates that must all hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Two or more predicates of which one must hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """One value of all records for which a predicate is TRUE: how many, their sum, the least, the greatest."""

    function: Total
    subject: Node | None
    """What is counted or added; None: the records themselves."""
    distinct: bool
    """Whether each value counts once."""
    where: Node | None


@dataclass(frozen=True, slots=True)
class Unique(Node):
    """Whether no two records for which a predicate is TRUE share the values of all these facts."""

    subjects: tuple[Node, ...]
    where: Node | None


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Call(arguments=parts) | Sum(terms=parts) | Product(factors=parts) | And(parts=parts) | Or(parts=parts):
            return parts
        case Negate(part=part) | Not(part=part) | IsNull(subject=part):
            return (part,)
        case Compare(left=left, right=right):
            return (left, right)
        case In(subject=subject, options=options):
            return (subject, *options)
        case Between(subject=subject, low=low, high=high):
            return (subject, low, high)
        case Case(whens=whens, otherwise=otherwise):
            return (*(part for pair in whens for part in pair), otherwise)
        case Aggregate(subject=subject, where=where):
            return tuple(part for part in (subject, where) if part is not None)
        case Unique(subjects=subjects, where=where):
            return subjects if where is None else (*subjects, where)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node) -> tuple[str, ...]:
    """The facts it names, each once, in the order of the text."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))


def totals(node: Node) -> tuple[Aggregate | Unique, ...]:
    """What it asks of all records together, each once, in the order of the text."""
    return tuple(dict.fromkeys(part for part in walk(node) if isinstance(part, Aggregate | Unique)))


def names_outside(node: Node) -> tuple[str, ...]:
    """The facts it names outside of what it asks of all records together."""
    if isinstance(node, Name):
        return (node.name,)
    if isinstance(node, Aggregate | Unique):
        return ()
    return tuple(dict.fromkeys(name for child in children(node) for name in names_outside(child)))
