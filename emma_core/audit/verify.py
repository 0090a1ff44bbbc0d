"""Verifies a trail: every line is the one that was sealed, none is missing, none was added."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from emma_core import canonical
from emma_core.nouns import AuditEvent, Head, Noun, TrailLine

_FIRST = "0" * 64


class Verification(Noun):
    """Whether a trail holds, and where it does not."""

    ok: bool
    """True where every line and every payload is there as it was sealed, up to the head."""
    tenant: str
    lines: int
    """How many lines from the first on hold."""
    head: Head | None = None
    """The last line, where the whole chain holds; noted elsewhere, it proves later that nothing before it changed."""
    bad_seq: int | None = None
    """The first line that is not as it was sealed."""
    reason: str | None = None
    """What is wrong with that line."""
    withheld: int = 0
    """How many lines have no payload beside them."""


def verify(lines: Iterable[TrailLine], *, tenant: str, head: Head | None) -> Verification:
    """Whether the lines, read once and in the order of their numbers, are the tenant's whole trail up to its head."""
    verifier = Verifier(tenant)
    for line in lines:
        if not verifier.take(line):
            break
    return verifier.finish(head)


class Verifier:
    """A walk over one tenant's lines from the first one on; it holds no more than the last of them."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._last: Head | None = None
        self._broken: tuple[int, str] | None = None
        self._first_withheld: int | None = None
        self._withheld = 0

    def take(self, line: TrailLine) -> bool:
        """True while the chain holds; after False nothing more is to be taken."""
        self._broken = self._fault(line)
        if self._broken:
            return False
        self._last = Head(seq=line.seq, hash=line.hash, at=line.at)
        if line.payload is None:
            self._withheld += 1
            self._first_withheld = self._first_withheld or line.seq
        return True

    def finish(self, head: Head | None) -> Verification:
        """What came of it, held against the head that is kept apart from the lines."""
        broken = self._broken or self._fault_of_end(head)
        faults = [broken] if broken else []
        if self._first_withheld is not None:
            faults.insert(0, (self._first_withheld, f"line {self._first_withheld} has no payload beside it"))
        return Verification(
            ok=not faults,
            tenant=self._tenant,
            lines=broken[0] - 1 if broken else self._last.seq if self._last else 0,
            head=None if broken else self._last,
            bad_seq=min(seq for seq, _ in faults) if faults else None,
            reason="; ".join(words for _, words in faults) or None,
            withheld=self._withheld,
        )

    def _fault(self, line: TrailLine) -> tuple[int, str] | None:
        """The number to blame and why; None where the line is the next one."""
        last = self._last.seq if self._last else 0
        if line.seq < 1:
            strayed = event_of(line)
            seq = 1 if isinstance(strayed, str) else strayed.seq
            return seq, f"a line lies under number {line.seq}, where none can"
        if line.seq > last + 1:
            return last + 1, f"line {last + 1} is missing: line {line.seq} comes after line {last}"
        if line.seq <= last:
            return max(line.seq, 1), f"line {line.seq} comes again after line {last}"
        event = event_of(line)
        if isinstance(event, str):
            return line.seq, f"line {line.seq} {event}"
        if event.seq <= last:
            return event.seq, f"two lines were sealed as number {event.seq}"
        other = differing(line, event, self._tenant)
        if other:
            return line.seq, f"line {line.seq}: its {other!r} is not what was sealed"
        if event.prev != (self._last.hash if self._last else _FIRST):
            # the line before is the one that nothing vouches for: this one was sealed after another
            return max(last, 1), f"line {line.seq} was sealed after another line than the one that lies before it"
        if self._last and event.at < self._last.at:
            return line.seq, f"line {line.seq} is older than the line before it"
        spoilt = spoilt_payload(line, event)
        return (line.seq, f"line {line.seq}: {spoilt}") if spoilt else None

    def _fault_of_end(self, head: Head | None) -> tuple[int, str] | None:
        last = self._last
        if head is None:
            return (last.seq, "the head is missing, so that a cut tail would not show") if last else None
        if last is None or last.seq < head.seq:
            missing = last.seq + 1 if last else 1
            return missing, f"line {missing} is missing: the trail was cut before its head, line {head.seq}"
        if last.seq > head.seq:
            return max(head.seq, 0) + 1, f"line {max(head.seq, 0) + 1} lies past the trail's head, line {head.seq}"
        if last != head:
            return last.seq, f"line {last.seq} is not the line that the trail's head names"
        return None


def event_of(line: TrailLine) -> AuditEvent | str:
    """The event as sealed, or what is wrong with its text."""
    try:
        text = line.line.encode()
        if hashlib.sha256(text).hexdigest() != line.hash:
            return "was changed: its text does not have its hash"
        said: Any = json.loads(line.line)
        if isinstance(said, dict) and said.get("v") != 1:
            return f"has the form v={said.get('v')!r}, which is unknown here; verify with a newer Emma"
        event = AuditEvent.model_validate(said)
    except (ValueError, RecursionError):
        return "cannot be read as an event"
    return event if canonical.text(said) == line.line else "is not in its canonical form"


def differing(line: TrailLine, event: AuditEvent, tenant: str) -> str | None:
    """The first name under which the line says something else than its sealed text."""
    if event.tenant != tenant:
        return "tenant"
    names = ("seq", "kind", "at", "turn", "conversation")
    return next((name for name in names if getattr(line, name) != getattr(event, name)), None)


def spoilt_payload(line: TrailLine, event: AuditEvent) -> str | None:
    """What is wrong with a payload that is there."""
    if line.payload is None:
        return None
    try:
        kept = bytes.fromhex(line.payload.salt) + line.payload.body.encode()
        if len(line.payload.salt) != 64 or hashlib.sha256(kept).hexdigest() != event.commitment:
            return "its payload is not the one that was committed to"
        subject = json.loads(line.payload.body)["subject"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "its payload cannot be read"
    return None if subject == line.payload.subject else "its payload's 'subject' is not the one that was committed to"
