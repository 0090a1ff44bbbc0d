"""Holds whatever is handed to a store to what every store must refuse, before anything of it is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from emma_core import canonical
from emma_core.errors import CallerError, Conflict, StoreError, TrailError
from emma_core.nouns import AuditEvent, Document, Head, Noun, Payload, TrailLine
from emma_core.ports import CLOSED, SHELVES

_FIRST = "0" * 64
N = TypeVar("N", bound=Noun)
_set = object.__setattr__


def counted(name: str, number: int) -> int:
    """The number, where it counts something. Raises `CallerError` where it cannot."""
    if not 0 <= number < 2**63:
        raise CallerError(f"{name}={number} counts nothing; send 0 or more")
    return number


def body(document: Document) -> str:
    """The body as text. Raises `CallerError` for a document without a name, or one that JSON cannot say."""
    if not document.kind or not document.id:
        raise CallerError(f"Document {document.id!r} of kind {document.kind!r} needs both an id and a kind")
    try:
        return canonical.text(document.body)
    except (ValueError, TypeError, RecursionError) as error:
        raise CallerError(
            f"Document {document.id!r} of kind {document.kind!r} is no plain JSON ({error}); send one"
        ) from error


def document(row: Sequence[Any]) -> Document:
    """The document whose kind, id, group, subject, etag, end and body were read. Raises `StoreError` for no JSON."""
    kind, id, group, subject, etag, expires_at, text = row
    try:
        said = json.loads(text)
        if not isinstance(said, dict) or not (text.isascii() or text.encode()):
            raise ValueError("a body is a JSON object")
    except ValueError as error:
        raise StoreError(f"Document {id!r} of kind {kind!r} is damaged; restore it from a backup") from error
    return built(
        Document,
        {
            "kind": kind,
            "id": id,
            "body": said,
            "group": group,
            "subject": subject,
            "etag": etag,
            "expires_at": expires_at,
        },
    )


def line(row: Sequence[Any]) -> TrailLine:
    """The line as it lies there: not validated, for a line that was tampered with must reach the verifier."""
    seq, kind, at, turn, conversation, text, hash, subject, salt, kept = row
    payload = None if kept is None else built(Payload, {"subject": subject, "salt": salt, "body": kept})
    fields = {"seq": seq, "kind": kind, "at": at, "turn": turn, "conversation": conversation}
    return built(TrailLine, {**fields, "line": text, "hash": hash, "payload": payload})


def built(noun: type[N], fields: dict[str, Any]) -> N:
    """The noun with these fields, all of them, unasked: what was read is of its types, and `model_construct` takes
    longer than the read of a row."""
    made = noun.__new__(noun)
    _set(made, "__dict__", fields)
    _set(made, "__pydantic_fields_set__", set(fields))
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


def conflict(kind: str, id: str, *, found: str | None, wanted: str | None) -> Conflict:
    """What is said where a document's etag is not the one that was wanted; `found`: its etag, None for no document."""
    if wanted is None:
        state = "is not there any more"
    else:
        state = "does not exist" if found is None else "has changed since it was read" if wanted else "exists"
    return Conflict(f"Document {id!r} of kind {kind!r} {state}; read it again, then write")


def beside_the_trail(documents: Iterable[tuple[str, str]]) -> None:
    """These documents (kind, id) may go with a line. Raises `CallerError` for one that stands on a shelf."""
    for kind, id in documents:
        if kind in SHELVES:
            raise CallerError(
                f"Document {id!r} of kind {kind!r} stands on the shelf {SHELVES[kind]!r}, apart from the trail;"
                " write it by itself, not together with a line"
            )


def fitting(line: TrailLine, head: Head | None, tenant: str) -> Payload:
    """The payload of a line just sealed; the line is this tenant's next one. Raises `TrailError` where it is not."""
    expected = head.seq + 1 if head else 1
    if line.seq != expected:
        raise TrailError(f"Trail of tenant {tenant!r}: line {line.seq} was sealed where {expected} is next")
    if json.loads(line.line).get("tenant") != tenant:
        raise TrailError(f"Trail of tenant {tenant!r}: a line sealed for another tenant was refused")
    if line.payload is None:
        raise TrailError(f"Trail of tenant {tenant!r}: line {line.seq} was sealed without its payload")
    return line.payload


def following(lines: Sequence[TrailLine], head: Head | None, tenant: str) -> Head:
    """The head after these lines, each chained to the one before it. Raises `TrailError` for one that is not."""
    for line in lines:
        if said := _fault(line, head, tenant):
            raise TrailError(f"Trail of tenant {tenant!r}: line {line.seq} {said}, so nothing was imported")
        head = Head(seq=line.seq, hash=line.hash, at=line.at)
    if head is None:
        raise CallerError(f"Trail of tenant {tenant!r} is empty, and so is what was to be imported; send its lines")
    return head


def _fault(line: TrailLine, head: Head | None, tenant: str) -> str | None:
    expected = head.seq + 1 if head else 1
    if line.seq != expected:
        return f"comes where {expected} is next"
    if hashlib.sha256(line.line.encode()).hexdigest() != line.hash:
        return "does not have its hash"
    try:
        event = AuditEvent.model_validate_json(line.line)
    except ValueError:
        return "cannot be read as an event"
    said = (event.tenant, event.seq, event.kind, event.at, event.turn, event.conversation)
    if said != (tenant, line.seq, line.kind, line.at, line.turn, line.conversation):
        return "says something else than its sealed text"
    if event.prev != (head.hash if head else _FIRST):
        return "was sealed after another line than the one before it"
    if head and event.at < head.at:
        return "is older than the line before it"
    if line.payload is not None and not line.payload.body.startswith(CLOSED):
        kept = bytes.fromhex(line.payload.salt) + line.payload.body.encode()
        if hashlib.sha256(kept).hexdigest() != event.commitment:
            return "has another payload than the one it was sealed with"
    return None
