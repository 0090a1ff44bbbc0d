"""Shows what came of turns that were judged again: those that come out otherwise, why, and how many did not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from emma_core.audit import Difference, Replayed
from emma_core.cli.show import Format, data, field, many, screen, value, visible

if TYPE_CHECKING:
    from emma_core.cli.candidate import Candidate

_MARKS = {"same": ("same", "green"), "differs": ("differs", "yellow"), "unknown": ("unknown", "red")}


class Teller:
    """Tells each turn as it comes, and at the end how many came out how."""

    def __init__(self, format: Format, *, alone: bool) -> None:
        """`alone`: the one turn that was asked for, told also where it is the same."""
        self._format, self._alone = format, alone
        self._console, self._out = (
            screen(),
            sys.stdout,
        )  # as they are now: meanwhile they lead what packs print elsewhere
        self._held: list[dict[str, Any]] = []
        self.tally = Tally()
        self.predicates: Mapping[str, str] = {}

    @property
    def all_same(self) -> bool:
        """Whether every turn came out as it was judged."""
        return self.tally.results["same"] == self.tally.turns

    def add(self, found: Replayed) -> None:
        """The turn is counted, and told where there is something to tell."""
        self.tally.add(found)
        if self._format == "jsonl":
            data(found.plain(), indent=None, out=self._out)
        elif self._format == "json":
            self._held.append(found.plain())
        elif self._alone or found.result != "same":
            _print(self._console, turn(found, notes=self._alone))

    def end(self) -> None:
        """All that was to be told stands there."""
        if self._format == "json":
            data(self._held)
        elif self._format == "text" and not self._alone:
            _print(self._console, self.tally.told())


class Tally:
    """How many turns came out how, and what is not as it was for how many of them."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.exact = 0
        self._notes: Counter[str] = Counter()

    @property
    def turns(self) -> int:
        """All of them."""
        return self.results.total()

    def add(self, found: Replayed) -> None:
        """One more."""
        self.results[found.result] += 1
        self.exact += found.exact
        self._notes.update(found.notes)

    def told(self) -> Iterator[RenderableType]:
        """The counts in a line, and below it what changed."""
        count = self.results
        said = f"{many(self.turns, 'turn')}: {count['same']:,} the same, {count['differs']:,} otherwise"
        said += f", {count['unknown']:,} that cannot be judged again" if count["unknown"] else ""
        yield Text(said, "bold")
        if self.exact and self.exact == self.turns:
            yield Text("Blueprints, packs and rules are to the hash what they were.", "dim")
        for note, turns in self._notes.most_common(12):
            yield Padding(Text(visible(f"{note} ({many(turns, 'turn')})"), "dim"), (0, 0, 0, 2))
        if len(self._notes) > 12:
            yield Padding(Text(f"and {len(self._notes) - 12:,} more; --format jsonl tells all", "dim"), (0, 0, 0, 2))


class Kept:
    """What came of turns that did not come out the same, by turn."""

    def __init__(self) -> None:
        self._held: dict[str, Replayed] = {}
        self.predicates: Mapping[str, str] = {}
        """By hash, the condition of each rule that is installed."""

    def add(self, found: Replayed) -> None:
        """It is held, unless it came out the same."""
        if found.result != "same":
            self._held[found.turn] = found

    def alike(self, found: Replayed) -> bool:
        """Whether that turn comes out so already."""
        held = self._held.get(found.turn)
        return held is not None and _comes_to(held) == _comes_to(found)


class Foreseen:
    """What a pack would change, turn by turn."""

    def __init__(self, pack: Candidate, today: Kept) -> None:
        """`today`: what comes of the turns with what is installed."""
        self._pack, self._today = pack, today
        self._tally = Tally()
        self.changed: list[Replayed] = []
        """Turns that would come out otherwise than they were judged, or could not be judged again."""
        self.already: set[str] = set()
        """Those of them that do so with what is installed."""

    def add(self, found: Replayed) -> None:
        """The turn as it comes out with the pack."""
        self._tally.add(found)
        if found.result == "same":
            return
        self.changed.append(found.model_copy(update={"differences": tuple(map(self._told, found.differences))}))
        if self._today.alike(found):
            self.already.add(found.turn)

    def _told(self, difference: Difference) -> Difference:
        """The difference with the rule as it stood then, where that is one that is installed."""
        then = self._today.predicates.get(difference.hash_then or "")
        return difference.model_copy(update={"predicate_then": then}) if then else difference

    def plain(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "pack": {"name": self._pack.name, "version": self._pack.version},
            "turns": self._tally.turns,
            **{name: self._tally.results[name] for name in _MARKS},
            "changed": [{**each.plain(), "already": each.turn in self.already} for each in self.changed],
        }

    def tell(self) -> None:
        """All of it stands on the screen."""
        console = screen()
        for each in self.changed:
            _print(console, turn(each, already=each.turn in self.already))
        console.print(Text(visible(f"With pack {self._pack.name} {self._pack.version}"), "bold"))
        _print(console, self._tally.told())
        if self.already:
            console.print(f"{many(len(self.already), 'turn')} of these come out so with what is installed already.")


def turn(found: Replayed, *, notes: bool = False, already: bool = False) -> Iterator[RenderableType]:
    """The turn with each finding that comes out otherwise; `notes`: and what is not as it was."""
    word, style = _MARKS[found.result]
    where = f"  #{found.seq}  {found.at[:16].replace('T', ' ')} UTC  {found.conversation or ''}"
    yield Text(visible(found.turn or "a turn"), "bold").append(visible(where), "not bold dim")
    verdict = found.verdict or ""
    if found.verdict_now not in (None, found.verdict):
        verdict += f" then, {found.verdict_now} now"
    yield Padding(Text(word, style).append(visible(f"  {verdict}" if verdict else "")), (0, 0, 0, 2))
    if found.reason:
        yield Padding(Text(visible(found.reason)), (0, 0, 0, 2))
    for each in found.differences:
        yield from _difference(each)
    if already:
        yield Padding(Text("it comes out so with what is installed already", "dim"), (0, 0, 0, 2))
    for note in found.notes if notes else ():
        yield Padding(Text(visible(note), "dim"), (0, 0, 0, 2))
    if notes and found.exact:
        yield Padding(Text("blueprint, packs and rules are to the hash what they were", "dim"), (0, 0, 0, 2))
    yield Text("")


def _difference(each: Difference) -> Iterator[RenderableType]:
    yield Padding(Text(visible(each.title or each.rule), "bold"), (0, 0, 0, 2))
    said: dict[str, list[str]] = {
        "rule": [each.rule] if each.title else [],
        "then": [_came(each.was, each.said_then)],
        "now": [_came(each.now, each.said_now)],
        "with": [f"{name} = {value(said)}" for name, said in each.values.items()],
        "why": list(each.why),
        "it was": [each.predicate_then] if each.predicate_then else [],
        "it is": [each.predicate] if each.predicate and each.hash_then != each.hash_now else [],
    }
    for name, lines in said.items():
        if lines:
            yield Padding(field(name, *lines), (0, 0, 0, 2))


def _came(outcome: str | None, words: str | None) -> str:
    return "no finding" if outcome is None else f"{outcome}: {words}" if words else outcome


def _comes_to(found: Replayed) -> tuple[Any, ...]:
    return found.result, found.verdict_now, tuple((each.rule, each.now) for each in found.differences), found.reason


def _print(console: Console, parts: Iterator[RenderableType]) -> None:
    for part in parts:
        console.print(part)
