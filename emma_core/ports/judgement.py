"""What Emma needs to judge: a guard for what is about to happen, readers of files, engines over their rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from emma_core.nouns import FactSpec, Finding, Moment, Outcome, Table

if TYPE_CHECKING:
    from emma_core.rules import CompiledRule, Totals

Guard = Callable[[Moment, Mapping[str, Any]], tuple[Finding, ...]]
"""Holds what is about to happen against the rules: the moment, and what is judged (`text`, `tool`)."""


class Reader(Protocol):
    """Makes a table of a file of one format."""

    suffixes: tuple[str, ...]
    """Of file names, in lower case, such as `.csv`."""
    model: str | None
    """The facts model it fills, whatever the file's suffix; None: any, by columns that bear the facts' names."""

    def read(self, path: Path, facts: Mapping[str, FactSpec], *, edition: str | None) -> Table:
        """The table of a file that is not empty. `edition`: that of the rules, where somebody named one.

        A record that cannot be read is a `Problem` of the table; raises `CallerError` where the file is none of this
        format at all.
        """


@dataclass(frozen=True)
class Stretch:
    """Some records of a table, one after the other, as an engine saw them."""

    records: int
    """How many there were."""
    standing: Sequence[tuple[Mapping[str, Any], Sequence[int]]]
    """In order, those for which some predicate is not TRUE: the facts that the rules read of the record and its key,
    typed, with `record`; and which rules by number."""


NAMED = 100
"""How many records that are alike are named."""


@dataclass(frozen=True)
class Group:
    """Records that are alike."""

    first: Mapping[str, Any]
    """The first of them: `record`, and at least the facts that the rule reads."""
    records: Sequence[int]
    """Their numbers in order, as far as they are named."""
    count: int
    """How many there are."""


Asked: TypeAlias = "tuple[CompiledRule, Sequence[Mapping[str, Any]]]"
"""A rule with examples of its own, each as `rules.read_example` reads it."""


class Engine(Protocol):
    """Holds the rows of a table against predicates; it tells where one is not TRUE, and never what that means."""

    name: str

    def standing(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Generator[Stretch, None, None]:
        """All records in order, those of `table.unread` left out of `standing`. `shared`: facts that hold for all."""

    def totals(
        self, table: Table, rules: Sequence[CompiledRule], shared: Mapping[str, Any]
    ) -> Sequence[Totals | Exception]:
        """By rule, what all records come to, those that could not be read among them; or what its function raised.

        Of `unique`, TRUE where all differ, FALSE where some are alike, None where that cannot be told.
        """

    def alike(self, table: Table, rule: CompiledRule, shared: Mapping[str, Any]) -> Iterator[Group]:
        """The records that a rule's `unique` finds alike, group by group in the order of their first."""

    def examples(self, asked: Sequence[Asked]) -> Iterator[Sequence[Outcome | None]]:
        """What each rule says of each of its examples, rule by rule; None where its `when` is FALSE."""
