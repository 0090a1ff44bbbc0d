"""Puts payloads and documents into envelopes that only a person's key opens, and takes them out again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emma_core import canonical
from emma_core.backends.admission import built
from emma_core.errors import CallerError, StoreError
from emma_core.nouns import Document, Payload, TrailLine
from emma_core.ports import CLOSED
from emma_core.subjects.keys import Key
from emma_core.subjects.sealing import Changed

NO_SALT = "0" * 64
"""What stands where a salt stood: it is in the envelope."""
_BODY = "closed"


def close_payload(payload: Payload, key: Key, seq: int, tenant: str) -> Payload:
    """The payload as it may lie beside the line of that number."""
    text = bytes.fromhex(payload.salt) + payload.body.encode()
    return built(Payload, {"subject": key.id, "salt": NO_SALT, "body": key.cipher.close(text, _beside(tenant, seq))})


def opened_line(line: TrailLine, keys: Mapping[str, Key], tenant: str) -> TrailLine:
    """The line with its payload as it was sealed; without one where its key is not there.

    One that was changed stays as it lies there: it must reach the verifier.
    """
    payload = line.payload
    if payload is None or not payload.body.startswith(CLOSED):
        return line
    key = keys.get(payload.subject)
    if key is None:
        return built(TrailLine, {**line.__dict__, "payload": None})
    try:
        text = key.cipher.open(payload.body, _beside(tenant, line.seq))
        said = {"subject": key.subject, "salt": text[:32].hex(), "body": text[32:].decode()}
    except (Changed, UnicodeDecodeError):
        return line
    return built(TrailLine, {**line.__dict__, "payload": built(Payload, said)})


def is_closed(document: Document) -> bool:
    """Whether it is in an envelope."""
    said = document.body.get(_BODY)
    return isinstance(said, str) and said.startswith(CLOSED) and len(document.body) == 1 and document.subject != ""


def close(document: Document, key: Key, tenant: str) -> Document:
    """The document as it may be stored: its kind, id and group are as they were. Raises `CallerError` for no JSON."""
    try:
        text = canonical.text(document.body).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise CallerError(
            f"Document {document.id!r} of kind {document.kind!r} is no plain JSON ({error}); send one"
        ) from error
    body: dict[str, Any] = {_BODY: key.cipher.close(text, _place(document, tenant))}
    return document.model_copy(update={"subject": key.id, "body": body})


def opened(document: Document, key: Key, tenant: str) -> Document:
    """The document as it was put. Raises `StoreError` where it was changed."""
    try:
        body = json.loads(key.cipher.open(str(document.body[_BODY]), _place(document, tenant)))
    except (Changed, ValueError) as error:
        raise StoreError(
            f"Document {document.id!r} of kind {document.kind!r} is damaged; restore it from a backup"
        ) from error
    return built(Document, {**document.__dict__, "subject": key.subject, "body": body})


def _beside(tenant: str, seq: int) -> str:
    return f"{tenant} payload {seq}"


def _place(document: Document, tenant: str) -> str:
    return f"{tenant} document {len(document.kind)} {document.kind} {document.id}"
