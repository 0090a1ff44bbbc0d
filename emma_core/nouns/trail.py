"""What is kept: sealed events of a trail, their payloads, and documents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from emma_core.nouns.values import Noun, Sha256, TenantId, TrailKind


class AuditEvent(Noun):
    """One line of a tenant's trail: ids, hashes, outcomes and a salted commitment; no word of a person's data."""

    v: Literal[1] = 1
    """The version of the line's form; its bytes are frozen by test vectors."""
    tenant: TenantId
    seq: Annotated[int, Field(ge=1)]
    """1 for a tenant's first event; no gap."""
    at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
    """UTC, to the microsecond."""
    kind: TrailKind
    turn: str | None = None
    conversation: str | None = None
    caller: str
    """The user who acted."""
    outcome: dict[str, JsonValue]
    """What came of it: verdict, rule hashes, versions; text, integers, booleans, lists and objects of these."""
    commitment: Sha256
    """SHA-256 over the payload's salt (32 bytes) and then its bytes."""
    prev: Sha256
    """The hash of the line before; 64 zeros for the first."""


class Sealed(Noun):
    """Which line of the trail: its number, kind and hash."""

    seq: int
    kind: TrailKind
    at: str
    hash: Sha256


class Payload(Noun):
    """What lies beside a sealed line: a person's words, facts and values, so that they can be erased alone."""

    subject: str
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    body: str
    """Canonical JSON; the commitment is over its UTF-8 bytes."""


class TrailLine(Noun):
    """A line as stored: the sealed bytes as text, their hash, and the payload where it still exists."""

    seq: int
    kind: TrailKind
    at: str
    turn: str | None = None
    conversation: str | None = None
    line: str
    hash: Sha256
    """SHA-256 over the line's UTF-8 bytes."""
    payload: Payload | None = None


class Head(Noun):
    """The last line of a trail: its number and hash, kept apart so that a cut tail shows."""

    seq: int
    hash: Sha256
    at: str


class Document(Noun):
    """A value of one tenant, by kind and id."""

    kind: str
    id: str
    body: dict[str, JsonValue]
    group: str = ""
    """What it belongs to, such as a conversation; queries may name it."""
    subject: str = ""
    """The person whose data it holds; empty for none."""
    etag: str = ""
    """Set by the store at each write."""
    expires_at: float | None = None
    """Unix seconds; past it the document is gone."""
