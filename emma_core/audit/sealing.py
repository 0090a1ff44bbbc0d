"""Seals the next line of a trail: bytes that hold the line before, and a commitment to what lies beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from emma_core import canonical
from emma_core.errors import CallerError, TrailError
from emma_core.nouns import AuditEvent, Head, Payload, TrailKind, TrailLine
from emma_core.ports import Seal

FIRST = "0" * 64
"""What stands for the hash of the line before a tenant's first one."""
_LARGEST = 2**53 - 1


def sealing(
    *,
    tenant: str,
    kind: TrailKind,
    caller: str,
    outcome: Mapping[str, Any],
    payload: Mapping[str, Any],
    subject: str,
    turn: str | None = None,
    conversation: str | None = None,
    now: datetime,
    salt: bytes,
) -> Seal:
    """A pure function that seals this event after whichever line turns out to be the last.

    `now` must be aware, `salt` 32 fresh random bytes. The payload's body gets the subject as its key `subject`, so
    that it stands under the commitment too. Raises `TypeError` or `ValueError` for what a line cannot hold (floats,
    None, numbers beyond 2^53), and `CallerError` for text that is no Unicode.
    """
    _check_line(outcome, "outcome")
    for name, text in (("caller", caller), ("turn", turn), ("conversation", conversation)):
        _check_line(text or "", name)
    kept = _payload(payload, subject, salt)
    draft = AuditEvent(
        tenant=tenant,
        seq=1,
        at=_stamp(now),
        kind=kind,
        turn=turn,
        conversation=conversation,
        caller=caller,
        outcome=dict(outcome),
        commitment=commitment(kept),
        prev=FIRST,
    )
    return _Sealing(draft, kept)


def commitment(payload: Payload) -> str:
    """SHA-256 over the payload's salt (32 bytes) and then its body's UTF-8 bytes, in hex."""
    return hashlib.sha256(bytes.fromhex(payload.salt) + payload.body.encode()).hexdigest()


@dataclass(frozen=True)
class _Sealing:
    """Seals one event after whichever line is the last."""

    draft: AuditEvent
    payload: Payload

    @property
    def subject(self) -> str:
        """The person whose data the payload holds, known before anything is sealed."""
        return self.payload.subject

    def __call__(self, head: Head | None) -> TrailLine:
        return _sealed(self.draft, self.payload, head)


def _sealed(draft: AuditEvent, payload: Payload, head: Head | None) -> TrailLine:
    # a clock that jumped back does not let a line be older than the one before it
    after = {"seq": head.seq + 1, "at": max(draft.at, head.at), "prev": head.hash} if head else {}
    try:
        event = AuditEvent(**{**dict(draft), **after})
    except ValidationError as error:
        raise TrailError(
            f"The head of the trail of tenant {draft.tenant!r} is damaged, so nothing may follow it; "
            "run: emma audit verify"
        ) from error
    line = canonical.text(event.plain())
    return TrailLine(
        seq=event.seq,
        kind=event.kind,
        at=event.at,
        turn=event.turn,
        conversation=event.conversation,
        line=line,
        hash=hashlib.sha256(line.encode()).hexdigest(),
        payload=payload,
    )


def _payload(payload: Mapping[str, Any], subject: str, salt: bytes) -> Payload:
    if len(salt) != 32:
        raise ValueError(f"A payload's salt is 32 random bytes, not {len(salt)}; use secrets.token_bytes(32)")
    if payload.get("subject", subject) != subject:
        raise ValueError("A payload's key 'subject' names the person whose data it is; leave it out, it is set here")
    body = canonical.text({**payload, "subject": subject})
    _encodable(body, "payload")
    return Payload(subject=subject, salt=salt.hex(), body=body)


def _stamp(now: datetime) -> str:
    if now.tzinfo is None:
        raise ValueError("A line is sealed at an aware time; pass datetime.now(UTC)")
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _check_line(value: Any, where: str) -> None:
    """The value reads the same for everybody: text, exact integers, booleans, and lists and objects of these."""
    if isinstance(value, str):
        _encodable(value, where)
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            raise ValueError(f"A sealed line's {where!r} holds {value}, which not every reader can; seal it as text")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_line(item, f"{where}[{position}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise TypeError(f"A sealed line's {where!r} has the key {key!r}; keys are ASCII text")
            _check_line(item, f"{where}.{key}")
    else:
        raise TypeError(
            f"A sealed line's {where!r} holds {value!r} ({type(value).__name__}); seal text, an integer, a boolean, "
            "or lists and objects of these, and leave out what there is not"
        )


def _encodable(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CallerError(f"The {where} holds half a character (a lone surrogate); send whole Unicode text") from error
