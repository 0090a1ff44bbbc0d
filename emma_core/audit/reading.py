"""Reads a tenant's whole trail from its store, a page at a time, to verify it, tell it or write it out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, TextIO

from emma_core.audit import export
from emma_core.audit.verifier import Anchor, differing, event_of, spoilt_payload
from emma_core.audit.verify import Verification, Verifier
from emma_core.errors import TrailError
from emma_core.nouns import AuditEvent, TrailKind, TrailLine
from emma_core.ports import TenantStore

PAGE = 100
"""Lines held in memory at once; a payload may be large."""


def read(line: TrailLine) -> AuditEvent:
    """The event that the line's text says. Raises `TrailError` where it says none."""
    try:
        return AuditEvent.model_validate_json(line.line)
    except ValueError as error:
        raise TrailError(f"Line {line.seq} cannot be read as an event; run: emma audit verify") from error


def as_sealed(lines: Sequence[TrailLine], *, tenant: str) -> Sequence[TrailLine]:
    """The same lines, each with its text and, where it still exists, its payload as it was sealed for that tenant.

    It looks at each line by itself, which a turn can afford. Raises `TrailError` naming the first that was changed.
    """
    for line in lines:
        event = event_of(line)
        if isinstance(event, str):
            spoilt: str | None = event
        else:
            other = differing(line, event, tenant)
            spoilt = f"its {other!r} is not what was sealed" if other else spoilt_payload(line, event["commitment"])
        if spoilt:
            raise TrailError(f"Line {line.seq} of the trail: {spoilt}; run: emma audit verify")
    return lines


async def decision(trail: TenantStore, *, conversation: str, override: str) -> dict[str, Any] | None:
    """The payload of the last sealed decision on an override; None where there is none, or its payload was erased.

    Raises `TrailError` where a decision is not as it was sealed.
    """
    async for line in _of_conversation(trail, conversation, "decided"):
        if read(line).outcome.get("override") == override:
            said: dict[str, Any] | None = json.loads(line.payload.body) if line.payload else None
            return said
    return None


async def suggestion(trail: TenantStore, *, conversation: str, override: str) -> tuple[dict[str, Any] | None, set[str]]:
    """An override as the first turn that met it sealed it, and every user whose turn did; None where none has.

    Raises `TrailError` where a line is not as it was sealed.
    """
    first: dict[str, Any] | None = None
    askers: set[str] = set()
    async for line in _of_conversation(trail, conversation, "judged"):
        kept = json.loads(line.payload.body).get("overrides", ()) if line.payload else ()
        for said in (said for said in kept if said["id"] == override):
            first = said
            askers.add(read(line).caller)
    return first, askers


async def _of_conversation(trail: TenantStore, conversation: str, kind: TrailKind) -> AsyncIterator[TrailLine]:
    """Its lines of that kind as they were sealed, the newest first."""
    before = 0
    while page := await trail.lines(conversation=conversation, after=before, limit=PAGE, newest_first=True):
        for line in as_sealed([line for line in page if line.kind == kind], tenant=trail.tenant):
            yield line
        before = page[-1].seq


async def verify_trail(trail: TenantStore, anchors: Sequence[Anchor] = ()) -> Verification:
    """Whether the tenant's trail holds, also while it is being written to; `anchors` as for `verify()`."""
    verifier, last = Verifier(trail.tenant, anchors), 0
    while True:
        # before the page: where that turns out empty, this head is the last line's or the trail does not hold
        head = await trail.head()
        page = await trail.lines(after=last, limit=PAGE)
        if not page and not last and head is None and await trail.query("override", limit=1):
            lost = "the trail is empty, and documents speak of turns that were on it"
            return Verification(ok=False, tenant=trail.tenant, lines=0, bad_seq=1, reason=lost)
        if not page or not all(verifier.take(line) for line in page):
            return verifier.finish(head)
        last = page[-1].seq


async def export_trail(trail: TenantStore, out: TextIO) -> int:
    """How many lines `out` now holds as an export: those up to the head of this moment."""
    head = await trail.head()
    out.write(export.manifest(trail.tenant, head))
    written, last, end = 0, 0, head.seq if head else 0
    while last < end and (page := await trail.lines(after=last, limit=min(PAGE, end - last))):
        for line in page:
            out.write(export.row(line))
        written, last = written + len(page), page[-1].seq
    return written
