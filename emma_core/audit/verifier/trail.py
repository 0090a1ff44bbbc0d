"""Walks a trail: every line is the one that was sealed, none is missing, none was added, and each checkpoint is met."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .signed import Checkpoint, MerkleTree, leaf_of

FIRST = "0" * 64
"""What stands for the hash of the line before the first one."""
KINDS = frozenset(
    "judged acted suspended decided answered stopped checked published erased checkpointed".split()  # noqa: SIM905
)
FIELDS = frozenset("v tenant seq at kind turn conversation caller outcome commitment prev".split())  # noqa: SIM905
ABSENT = frozenset(("turn", "conversation"))
_COMMON = KINDS - {"erased"}
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_HASH = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_KNOWN = 4096
"""Callers and outcomes that were read once and need not be read again, at most."""
_BOTH = re.compile(_AT.pattern + _HASH.pattern)


class Head(NamedTuple):
    """The last line: its number, hash and time."""

    seq: int
    hash: str
    at: str


class Found(NamedTuple):
    """What a walk came to."""

    ok: bool
    lines: int
    head: Head | None
    bad_seq: int | None
    reason: str | None
    withheld: int
    erased: int


class Anchor(NamedTuple):
    """A checkpoint to hold a trail to."""

    checkpoint: Checkpoint
    note: str = ""
    """As it was signed."""
    leaves: bytes = b""
    """The leaf hashes under its root, 32 bytes each, where they were kept: they tell which line is another one."""


class Walk:
    """A walk over one tenant's lines from the first one on; it holds no more than the last of them."""

    def __init__(self, tenant: str, anchors: Sequence[Anchor] = (), *, tree: MerkleTree | None = None) -> None:
        self.seq = 0
        """The number of the last line."""
        self._tenant = tenant
        self._hash, self._at = FIRST, ""  # those of the last line
        self._broken: tuple[int, str] | None = None
        self._withheld: list[list[int]] = []  # ranges, both ends in
        self._erased: list[tuple[int, int, int]] = []  # first, last, and the line that says so
        self._known: set[str] = set()
        self._anchors = sorted(anchors, key=lambda anchor: anchor.checkpoint.size)
        self._tree = MerkleTree() if anchors and tree is None else tree
        self._sound = 0  # so many lines are those that a checkpoint signed
        self._kept = max((_sound(anchor) for anchor in anchors), key=len, default=b"")
        self._other: int | None = None  # the first line that is none of those kept

    def take(self, line: Any) -> bool:
        """True while the chain holds; after False nothing more is to be taken. `line`: a `TrailLine`, or its like."""
        fault = self._taken(line)
        if fault is None and self._tree is not None:
            fault = self._unlike_signed(line, self._tree)
        self._broken = fault
        if fault:
            return False
        self.seq, self._hash, self._at = line.seq, line.hash, line.at
        if line.payload is None:
            if self._withheld and self._withheld[-1][1] == line.seq - 1:
                self._withheld[-1][1] = line.seq
            else:
                self._withheld.append([line.seq, line.seq])
        return True

    def finish(self, head: Any) -> Found:
        """What came of it, held against the head that is kept apart from the lines (None: there is none)."""
        broken = self._broken or self._fault_of_end(head)
        faults = [broken] if broken else []
        bare = [(a, b) for a, b in self._withheld for a, b in self._uncovered(a, b)]
        if bare:
            faults.insert(0, (bare[0][0], f"line {bare[0][0]} has no payload beside it"))
        missing, withheld = (sum(b - a + 1 for a, b in each) for each in (bare, self._withheld))
        return Found(
            ok=not faults,
            lines=broken[0] - 1 if broken else self.seq,
            head=None if broken or not self.seq else Head(self.seq, self._hash, self._at),
            bad_seq=min(seq for seq, _ in faults) if faults else None,
            reason="; ".join(words for _, words in faults) or None,
            withheld=missing,
            erased=withheld - missing,
        )

    def _taken(self, line: Any) -> tuple[int, str] | None:
        """The number to blame and why; None where the line is the next one."""
        commitment = self._quick(line)
        if commitment is None:
            event = self._fault(line, self.seq)
            if isinstance(event, tuple):
                return event
            commitment = event["commitment"]
        spoilt = None if line.payload is None else spoilt_payload(line, commitment)
        return (line.seq, f"line {line.seq}: {spoilt}") if spoilt else None

    def _quick(self, line: Any) -> str | None:
        """The commitment of a line of which all holds that `_fault` asks, told without reading it as JSON; else None.

        Its text is put together as the canonical form has it, of its columns, the hash before, and a caller and an
        outcome that were read before; where the parts are the whole, nothing is left that could say otherwise.
        """
        text, at, turn, conversation = line.line, line.at, line.turn, line.conversation
        start = f'{{"at":"{at}","caller":"'
        told = f',"turn":"{turn}","v":1}}' if turn is not None else ',"v":1}'
        end = f',"prev":"{self._hash}","seq":{self.seq + 1},"tenant":"{self._tenant}"{told}'
        caller, mark, rest = text[len(start) : -len(end)].partition('","commitment":"')
        where = "" if conversation is None else f',"conversation":"{conversation}"'
        middle = f'"{where},"kind":"{line.kind}","outcome":'
        commitment, outcome = rest[:64], rest[64 + len(middle) :]
        whole = (
            line.seq == self.seq + 1
            and outcome in self._known
            and caller in self._known
            and at >= self._at
            and _BOTH.fullmatch(at + commitment)
            and (turn is None or _is_plain(turn))
            and (conversation is None or _is_plain(conversation))
            and line.kind in _COMMON
            and text == f"{start}{caller}{mark}{commitment}{middle}{outcome}{end}"
            and hashlib.sha256(text.encode()).hexdigest() == line.hash
        )
        return commitment if whole else None

    def _fault(self, line: Any, last: int) -> tuple[int, str] | dict[str, Any]:
        """The event, or the number to blame and why."""
        if line.seq < 1:
            strayed = event_of(line)
            seq = 1 if isinstance(strayed, str) else strayed["seq"]
            return seq, f"a line lies under number {line.seq}, where none can"
        if line.seq > last + 1:
            return last + 1, f"line {last + 1} is missing: line {line.seq} comes after line {last}"
        if line.seq <= last:
            return max(line.seq, 1), f"line {line.seq} comes again after line {last}"
        event = event_of(line)
        if isinstance(event, str):
            return line.seq, f"line {line.seq} {event}"
        if event["seq"] <= last:
            return event["seq"], f"two lines were sealed as number {event['seq']}"
        other = differing(line, event, self._tenant)
        if other:
            return line.seq, f"line {line.seq}: its {other!r} is not what was sealed"
        if event["prev"] != self._hash:
            # the line before is the one that nothing vouches for: this one was sealed after another
            return max(last, 1), f"line {line.seq} was sealed after another line than the one that lies before it"
        if event["at"] < self._at:
            return line.seq, f"line {line.seq} is older than the line before it"
        if event["kind"] == "erased":
            self._erased += [(a, b, line.seq) for a, b in _ranges(event["outcome"].get("lines"))]
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known |= {_canonical(event["outcome"]), _canonical(event["caller"])[1:-1]}
        return event

    def _fault_of_end(self, head: Any) -> tuple[int, str] | None:
        last = self.seq
        if self._anchors:  # what is left was never reached
            signed = self._anchors[-1].checkpoint
            return last + 1, f"line {last + 1} is missing: the checkpoint of {signed.at} signed {signed.size} lines"
        if head is None:
            return (last, "the head is missing, so that a cut tail would not show") if last else None
        if not last or last < head.seq:
            return last + 1, f"line {last + 1} is missing: the trail was cut before its head, line {head.seq}"
        if last > head.seq:
            return max(head.seq, 0) + 1, f"line {max(head.seq, 0) + 1} lies past the trail's head, line {head.seq}"
        if (self._hash, self._at) != (head.hash, head.at):
            return last, f"line {last} is not the line that the trail's head names"
        return None

    def _unlike_signed(self, line: Any, tree: MerkleTree) -> tuple[int, str] | None:
        """The first line that is not one of those which a checkpoint signed, once all of those were taken."""
        leaf = leaf_of(line.line.encode())
        if self._other is None and leaf != (self._kept[32 * tree.size : 32 * tree.size + 32] or leaf):
            self._other = line.seq
        tree.add_leaf(leaf)
        while self._anchors and self._anchors[0].checkpoint.size == tree.size:
            signed = self._anchors.pop(0).checkpoint
            if signed.root == tree.root():
                self._sound = tree.size
                continue
            said = f"the checkpoint of {signed.at} signed {signed.size} lines, and other ones than these"
            if self._other:
                return self._other, f"line {self._other} is not the line that was signed: {said}"
            first = self._sound + 1
            return first, f"lines {first} to {signed.size} are not all as they were signed: {said}"
        return None

    def _uncovered(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Of these lines without a payload, those that no later `erased` line speaks of."""
        at = first
        for a, b in sorted((a, b) for a, b, said in self._erased if said > last):
            if b >= at and a <= last:
                if a > at:
                    yield at, a - 1
                at = b + 1
        if at <= last:
            yield at, last


def event_of(line: Any) -> dict[str, Any] | str:
    """The event as sealed, or what is wrong with its text."""
    try:
        if hashlib.sha256(line.line.encode()).hexdigest() != line.hash:
            return "was changed: its text does not have its hash"
        said = json.loads(line.line)
        if isinstance(said, dict) and said.get("v") != 1:
            return f"has the form v={said.get('v')!r}, which is unknown here; verify with a newer Emma"
        if not _is_event(said):
            return "cannot be read as an event"
        return said if _canonical(said) == line.line else "is not in its canonical form"
    except (ValueError, RecursionError):
        return "cannot be read as an event"


def _is_event(said: Any) -> bool:
    if not isinstance(said, dict) or not FIELDS - ABSENT <= said.keys() <= FIELDS or type(said["v"]) is not int:
        return False
    texts = all(isinstance(said[name], str) for name in said.keys() - {"v", "seq", "outcome"})
    return (
        texts
        and type(said["seq"]) is int
        and said["seq"] >= 1
        and isinstance(said["outcome"], dict)
        and said["kind"] in KINDS
        and all(
            pattern.fullmatch(said[name])
            for name, pattern in (("at", _AT), ("commitment", _HASH), ("prev", _HASH), ("tenant", _TENANT))
        )
    )


def differing(line: Any, event: dict[str, Any], tenant: str) -> str | None:
    """The first name under which the line says something else than its sealed text."""
    if event["tenant"] != tenant:
        return "tenant"
    names = ("seq", "kind", "at", "turn", "conversation")
    return next((name for name in names if getattr(line, name) != event.get(name)), None)


def spoilt_payload(line: Any, commitment: str) -> str | None:
    """What is wrong with a payload that is there."""
    if line.payload is None:
        return None
    try:
        kept = bytes.fromhex(line.payload.salt) + line.payload.body.encode()
        if len(line.payload.salt) != 64 or hashlib.sha256(kept).hexdigest() != commitment:
            return "its payload is not the one that was committed to"
        subject = json.loads(line.payload.body)["subject"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "its payload cannot be read"
    return None if subject == line.payload.subject else "its payload's 'subject' is not the one that was committed to"


def _sound(anchor: Anchor) -> bytes:
    """The leaf hashes of an anchor, where its root is over them; else none."""
    tree = MerkleTree()
    for start in range(0, len(anchor.leaves), 32):
        tree.add_leaf(anchor.leaves[start : start + 32])
    return anchor.leaves if tree.root() == anchor.checkpoint.root else b""


def _ranges(said: Any) -> list[tuple[int, int]]:
    """The ranges of numbers that an `erased` line names, both ends in; what is none names nothing."""
    pairs = said if isinstance(said, list) else []
    return [(a, b) for a, b in (pair for pair in pairs if _is_pair(pair)) if a <= b]


def _is_plain(said: str) -> bool:
    """Whether JSON says a text as it stands, between quotes."""
    return said.isprintable() and '"' not in said and "\\" not in said


def _is_pair(said: Any) -> bool:
    return isinstance(said, list) and len(said) == 2 and all(type(each) is int for each in said)


def _canonical(said: Any) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
