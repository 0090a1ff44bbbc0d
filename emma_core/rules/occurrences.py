"""Find where in a text a failed pattern stands, in bounded time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emma_core.rules.patterns import ANYTHING, Chars, Choice, Pattern, Repeat
from emma_core.rules.patterns import Sequence as InOrder

Range = tuple[int, int]
"""Start and end in code points, end exclusive."""

MAX_STATES = 4_000
MAX_STEPS = 2_000_000


class TooCostly(Exception):
    """The walk spent its steps."""


def of_pattern(pattern: Pattern, text: str) -> tuple[Range, ...]:
    """Where what the pattern looks for stands, without the `.*` and the boundaries around it.

    The earliest and longest are taken, and none overlap. A walk that would cost too much gives the whole text as one,
    so that what is masked is never too little.
    """
    branches = pattern.parts if isinstance(pattern, Choice) else (pattern,)
    purse = _Purse()
    found: list[Range] = []
    try:
        for branch in branches:
            found += _of_branch(branch, text, purse)
    except TooCostly:
        return ((0, len(text)),) if text else ()
    return merged(found)


def of_word(word: str, text: str) -> tuple[Range, ...]:
    """Where a word stands in a text, none overlapping."""
    found: list[Range] = []
    start = text.find(word) if word else -1
    while start >= 0:
        found.append((start, start + len(word)))
        start = text.find(word, start + len(word))
    return tuple(found)


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same places in order, those that overlap as one."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(joined)


def _of_branch(pattern: Pattern, text: str, purse: _Purse) -> list[Range]:
    before, core, after = _parted(pattern)
    count = len(text)
    starts = _ends(before, text, purse)
    ends = _ends(_reversed(after), text[::-1], purse)[::-1]
    backward, forward = _Machine(_reversed(core), purse), _Machine(core, purse)
    begins = _begins(backward, text, ends)
    found: list[Range] = []
    start = 0
    while start < count:
        end = _longest(forward, text, start, ends) if starts[start] and begins[start] else None
        if end is None:
            start += 1
        else:
            found.append((start, end))
            start = end
    return found


def _parted(pattern: Pattern) -> tuple[Pattern, Pattern, Pattern]:
    """What may stand before, what is looked for, and what may stand after."""
    parts = list(pattern.parts) if isinstance(pattern, InOrder) else [pattern]
    if parts and all(part == ANYTHING for part in parts):
        return InOrder(()), pattern, InOrder(())
    before: Pattern = InOrder(())
    after: Pattern = InOrder(())
    if parts and _is_margin(parts[0], first=True):
        before = parts.pop(0)
    if parts and _is_margin(parts[-1], first=False):
        after = parts.pop()
    return before, InOrder(tuple(parts)), after


def _is_margin(pattern: Pattern, *, first: bool) -> bool:
    """`.*`, or `(.*X)?` before and `(X.*)?` after."""
    if pattern == ANYTHING:
        return True
    if not isinstance(pattern, Repeat) or (pattern.low, pattern.high) != (0, 1):
        return False
    inner = pattern.part.parts if isinstance(pattern.part, InOrder) else (pattern.part,)
    return bool(inner) and inner[0 if first else -1] == ANYTHING


def _reversed(pattern: Pattern) -> Pattern:
    match pattern:
        case InOrder(parts=parts):
            return InOrder(tuple(_reversed(part) for part in reversed(parts)))
        case Choice(parts=parts):
            return Choice(tuple(_reversed(part) for part in parts))
        case Repeat(part=part, low=low, high=high):
            return Repeat(_reversed(part), low, high)
    return pattern


def _ends(pattern: Pattern, text: str, purse: _Purse) -> list[bool]:
    """For each position: whether the text up to there matches the pattern."""
    if pattern == ANYTHING:
        return [True] * (len(text) + 1)
    machine = _Machine(pattern, purse)
    states = machine.start
    marks = [machine.accepts(states)]
    for index, char in enumerate(text):
        if not states:
            return marks + [False] * (len(text) - index)
        states = machine.step(states, char)
        marks.append(machine.accepts(states))
    return marks


def _begins(backward: _Machine, text: str, ends: Sequence[bool]) -> list[bool]:
    """For each position: whether a match that ends where one may begins there."""
    count = len(text)
    marks = [False] * (count + 1)
    states: frozenset[int] = backward.start if ends[count] else frozenset()
    for index in range(count - 1, -1, -1):
        states = backward.step(states, text[index]) if states else states
        marks[index] = backward.accepts(states)
        if ends[index]:
            states = backward.joined(states)
    return marks


def _longest(forward: _Machine, text: str, start: int, ends: Sequence[bool]) -> int | None:
    """The last place where a match that begins at `start` may end; an empty match is none."""
    states, end = forward.start, None
    for index in range(start, len(text)):
        states = forward.step(states, text[index])
        if not states:
            break
        if ends[index + 1] and forward.accepts(states):
            end = index + 1
    return end


@dataclass
class _Purse:
    """How many steps are left."""

    steps: int = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise TooCostly


@dataclass
class _Machine:
    """A pattern as states that are walked all at once; walked steps are remembered."""

    pattern: Pattern
    purse: _Purse
    _moves: list[tuple[Chars, int] | None] = field(default_factory=list)
    _free: list[list[int]] = field(default_factory=list)
    _known: dict[tuple[frozenset[int], str], frozenset[int]] = field(default_factory=dict)
    _joins: dict[frozenset[int], frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = self._state()
        self._end = self._built(self.pattern, first)
        self.start = self._closed({first})

    def accepts(self, states: frozenset[int]) -> bool:
        return self._end in states

    def joined(self, states: frozenset[int]) -> frozenset[int]:
        """The states together with the start."""
        known = self._joins.get(states)
        if known is None:
            known = self._joins[states] = states | self.start
        return known

    def step(self, states: frozenset[int], char: str) -> frozenset[int]:
        known = self._known.get((states, char))
        if known is not None:
            self.purse.spend(1)
            return known
        self.purse.spend(8 + 4 * len(states))
        code = ord(char)
        moves = (self._moves[state] for state in states)
        after = self._closed({move[1] for move in moves if move is not None and _takes(move[0], code)})
        self._known[states, char] = after
        return after

    def _state(self) -> int:
        self.purse.spend(2)
        if len(self._moves) >= MAX_STATES:
            raise TooCostly
        self._moves.append(None)
        self._free.append([])
        return len(self._moves) - 1

    def _built(self, pattern: Pattern, start: int) -> int:
        """The state that is reached from `start` through the pattern."""
        match pattern:
            case Chars():
                end = self._state()
                self._moves[start] = pattern, end
                return end
            case InOrder(parts=parts):
                for part in parts:
                    start = self._built(part, self._after(start))
                return self._after(start)
            case Choice(parts=parts):
                end = self._state()
                for part in parts:
                    self._free[self._built(part, self._after(start))].append(end)
                return end
            case Repeat():
                return self._repeated(pattern, start)

    def _repeated(self, pattern: Repeat, start: int) -> int:
        for _ in range(pattern.low):
            start = self._built(pattern.part, self._after(start))
        end = self._state()
        if pattern.high is None:
            around = self._after(start)
            self._free[self._built(pattern.part, self._after(around))].append(around)
            self._free[around].append(end)
            return end
        for _ in range(pattern.high - pattern.low):
            self._free[start].append(end)
            start = self._built(pattern.part, self._after(start))
        self._free[start].append(end)
        return end

    def _after(self, state: int) -> int:
        """A fresh state that is reached from another for free."""
        fresh = self._state()
        self._free[state].append(fresh)
        return fresh

    def _closed(self, states: set[int]) -> frozenset[int]:
        """The states and all that are reached from them for free."""
        open_ = list(states)
        while open_:
            for reached in self._free[open_.pop()]:
                if reached not in states:
                    states.add(reached)
                    open_.append(reached)
        self.purse.spend(len(states))
        return frozenset(states)


def _takes(chars: Chars, code: int) -> bool:
    return any(low <= code <= high for low, high in chars.ranges) is not chars.negated
