"""Says how long a kind of blob is kept at least, and on which of Azure's access tiers it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast
from urllib.parse import parse_qsl

from emma_core.backends import checked
from emma_core.errors import CallerError, Conflict, OperatorError, StoreError
from emma_core.nouns import BlobKind, BlobRef

Tier = Literal["hot", "cool", "cold"]
LONGEST = 36_500
"""Days that a blob may be kept for."""
LARGEST = 256 * 1024 * 1024
"""Bytes of one blob: it is held in memory whole."""


@dataclass(frozen=True)
class Policy:
    """How one kind of blob is kept."""

    keep: int = 0
    """Days in which nobody may delete it, where `put` is not told another number; 0: it may be deleted at any time."""
    tier: Tier = "hot"


POLICIES: Mapping[BlobKind, Policy] = {
    "attachment": Policy(),
    "export": Policy(tier="cool"),
    "artifact": Policy(tier="cool"),
    "checkpoint": Policy(keep=35, tier="cool"),
    "overflow": Policy(),
}
"""By kind; an address changes them, such as `?keep_checkpoint=2555&tier_export=cold`."""


def policies(query: str) -> dict[BlobKind, Policy]:
    """The policies, with what an address's query says of them. Raises `OperatorError` for a value that cannot be."""
    found = dict(POLICIES)
    for name, value in parse_qsl(query, keep_blank_values=True):
        what, _, kind = name.partition("_")
        if what not in ("keep", "tier"):
            continue
        if kind not in checked.KINDS:
            raise OperatorError(f"EMMA_BLOBS: {name!r} names no kind; there are {list(checked.KINDS)}")
        key: BlobKind = kind
        if what == "keep" and value.isascii() and value.isdigit() and int(value) <= LONGEST:
            found[key] = replace(found[key], keep=int(value))
        elif what == "tier" and value in ("hot", "cool", "cold"):
            found[key] = replace(found[key], tier=cast(Tier, value))
        else:
            fits = f"days from 0 to {LONGEST}" if what == "keep" else "one of hot, cool, cold"
            raise OperatorError(f"EMMA_BLOBS: {name}={value!r} does not fit; write {fits}")
    return found


def ref(data: bytes, kind: BlobKind, name: str, days: int | None, policy: Policy, now: datetime) -> BlobRef:
    """What the content is called, and until when it is kept. Raises `CallerError` where it cannot be put."""
    if not isinstance(data, bytes):
        raise CallerError(f"A blob is bytes, and this is {type(data).__name__}")
    if len(data) > LARGEST:
        raise CallerError(f"The content has {len(data):,} bytes; {LARGEST:,} is the most: send it in pieces")
    if any("\ud800" <= character <= "\udfff" for character in name) or len(name) > 500:
        raise CallerError(f"Blob {name!r:.100}: its name is no Unicode of 500 characters at most; give another")
    kept = policy.keep if days is None else days
    if not 0 <= kept <= LONGEST:
        raise CallerError(f"days={kept} cannot be; keep a blob for 0 to {LONGEST} days")
    # to the second, upwards: every backend can say it, and nothing is kept for shorter than was promised
    until = (now + timedelta(days=kept, seconds=1)).replace(microsecond=0) if kept else None
    sha256 = hashlib.sha256(data).hexdigest()
    return BlobRef(kind=checked.kind(kind), sha256=sha256, size=len(data), name=name, keep_until=until)


def hold(blob: BlobRef, now: datetime) -> None:
    """The blob may go. Raises `Conflict` while it is to be kept."""
    if blob.keep_until is not None and blob.keep_until > now:
        raise Conflict(
            f"Blob {blob.sha256[:12]!r} of kind {blob.kind!r} is kept until {blob.keep_until.isoformat()};"
            " it cannot be deleted before"
        )


def intact(data: bytes, kind: BlobKind, sha256: str) -> bytes:
    """The content as read. Raises `StoreError` where it is not what its hash says."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(f"Blob {sha256[:12]!r} of kind {kind!r} is damaged: it is not what its hash says; restore it")
    return data


def moment() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
