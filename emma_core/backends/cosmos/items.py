"""Turns documents and lines into items and back: exact text inside, short plain keys outside."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from emma_core import canonical
from emma_core.backends import admission
from emma_core.errors import CallerError, StoreError
from emma_core.nouns import Document, Head, Payload, TrailLine
from emma_core.ports import SHELVES

Item = dict[str, Any]
AUDIT = "audit"
CONTAINERS = (AUDIT, *sorted(set(SHELVES.values())))
STATE = "state"
"""The part of `audit` that changes: the head, the youngest lines, and the documents beside the trail."""
MANY = frozenset({"answer", "attachment", "turn_telemetry"})
"""Kinds of a shelf of which a tenant may have more than one part should hold."""
BUCKETS = 16
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_ETAG = re.compile(r"([A-Za-z0-9-]+)(?:~([0-9.e+-]+))?")
_ORDERED = 100


def home(kind: str, id: str) -> tuple[str, str]:
    """The container and the part that a document stands in."""
    shelf = SHELVES.get(kind)
    if shelf is None:
        return AUDIT, STATE
    if kind not in MANY:
        return shelf, kind
    return shelf, f"{kind}-{int(hashlib.sha256(_bytes(id)).hexdigest(), 16) % BUCKETS:02}"


def word(text: str) -> str:
    """The text where it is short and plain, else its hash: Cosmos forbids characters in ids, and bounds their length.

    Two texts never have the same word: a plain one has no '~'.
    """
    return text if _PLAIN.fullmatch(text) else "~" + hashlib.sha256(_bytes(text)).hexdigest()


def document_id(kind: str, id: str) -> str:
    """The id of a document's item."""
    return f"d~{word(kind)}~{word(id)}"


def line_id(seq: int) -> str:
    """The id of a line's item."""
    return f"l~{seq:012}"


def sort_key(id: str) -> str:
    """What sorts as the id's code points do, as far as it reaches; ids that start alike for longer have the same."""
    return _bytes(id)[:_ORDERED].hex()


def document_item(document: Document) -> Item:
    """The item of a document. Raises `CallerError` for one without a name, or that JSON cannot say."""
    body = admission.body(document)
    said = document.model_dump(exclude={"etag", "body"})
    text = canonical.text(said)
    try:
        (text + body).encode()
    except UnicodeEncodeError as error:
        raise CallerError(
            f"Document {document.id!r} of kind {document.kind!r} holds half a character; send whole Unicode text"
        ) from error
    item: Item = {
        "id": document_id(document.kind, document.id),
        "type": "document",
        "kind": word(document.kind),
        "in_group": word(document.group),
        "sort_key": sort_key(document.id),
        "document": text,
        "body": body,
        "write": secrets.token_hex(8),
    }
    if document.expires_at is not None:
        # Cosmos counts in whole seconds from the write; to the moment it is we who look
        item["ttl"] = max(1, min(2**31 - 1, int(document.expires_at - time.time()) + 1))
        item["expires_at"] = document.expires_at
    return item


def document_of(item: Mapping[str, Any], body: str) -> Document:
    """The document that an item and its body's text say."""
    try:
        said = json.loads(item["document"])
        return Document(**{**said, "body": json.loads(body), "etag": shown_etag(item)})
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"Item {item.get('id')!r} is no document that can be read; restore it from a backup"
        ) from error


def name_of(item: Mapping[str, Any]) -> str:
    """The document's own id."""
    try:
        return str(json.loads(item["document"])["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"Item {item.get('id')!r} is no document that can be read; restore it from a backup"
        ) from error


def expired(item: Mapping[str, Any]) -> bool:
    """Whether the item's time is over."""
    at = item.get("expires_at")
    return at is not None and float(at) <= time.time()


def shown_etag(item: Mapping[str, Any]) -> str:
    """The etag that callers see: Cosmos's own, and when the document expires, so that a write need not ask first."""
    etag = str(item["_etag"]).strip('"')
    return f"{etag}~{float(item['expires_at'])!r}" if item.get("expires_at") is not None else etag


def held_etag(shown: str) -> str | None:
    """Cosmos's own etag; None for what can be no document's, or one's whose time is over."""
    match = _ETAG.fullmatch(shown)
    if match is None:
        return None
    try:
        over = match[2] is not None and float(match[2]) <= time.time()
    except ValueError:
        return None
    return None if over else f'"{match[1]}"'


def head_item(head: Head, moved: int) -> Item:
    """The item of a trail's head, which also says up to which line the trail was moved out of `state`."""
    return {"id": "head", "type": "head", "seq": head.seq, "hash": head.hash, "at": head.at, "moved": moved}


def head_of(item: Mapping[str, Any]) -> tuple[Head, int]:
    """The head, and the last line that was moved."""
    head = Head.model_construct(seq=item["seq"], hash=item["hash"], at=item["at"])
    return head, int(item.get("moved", 0))


def line_item(line: TrailLine) -> Item:
    """The item of a line with its payload."""
    item: Item = {
        "id": line_id(line.seq),
        "type": "line",
        "seq": line.seq,
        "hash": line.hash,
        "line": canonical.text(line.model_dump(mode="json", exclude={"payload"})),
    }
    for name, said in (("turn", line.turn), ("conversation", line.conversation)):
        if said is not None:
            item[name] = word(said)
    if line.payload is not None:
        item["payload"] = True
        item["body"] = canonical.text(line.payload.model_dump(mode="json"))
    return item


def with_payload(item: Mapping[str, Any], payload: Payload | None) -> Item:
    """The item of a line with another payload, or with none."""
    kept = {name: value for name, value in item.items() if name not in ("payload", "body", "overflow")}
    if payload is None:
        return kept
    return {**kept, "payload": True, "body": canonical.text(payload.model_dump(mode="json"))}


def line_of(item: Mapping[str, Any], body: str | None) -> TrailLine:
    """The line as it lies there: not validated, for one that was tampered with must reach the verifier."""
    try:
        said = json.loads(item["line"])
        payload = None if body is None else Payload.model_construct(**json.loads(body))
        for name in ("turn", "conversation"):
            # what a search goes by; where it is not that of the line, the verifier must hear of it
            if item.get(name) != (None if said[name] is None else word(said[name])):
                said[name] = item.get(name)
        return TrailLine.model_construct(**{**said, "seq": item["seq"], "payload": payload})
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"Item {item.get('id')!r} is no line that can be read; restore it from a backup") from error


def _bytes(text: str) -> bytes:
    # half a character is refused where it is written; asking for it finds nothing
    return text.encode("utf-8", "surrogatepass")


def size(item: Mapping[str, Any]) -> int:
    """Bytes of the item as JSON."""
    return len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())
