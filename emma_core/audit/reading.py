"""Reads a tenant's whole trail from its store, a page at a time, to verify it, tell it or write it out."""

from __future__ import annotations

from typing import TextIO

from emma_core.audit import export
from emma_core.audit.verify import Verification, Verifier
from emma_core.errors import TrailError
from emma_core.nouns import AuditEvent, TrailLine
from emma_core.ports import TenantStore

PAGE = 100
"""Lines held in memory at once; a payload may be large."""


def read(line: TrailLine) -> AuditEvent:
    """The event that the line's text says. Raises `TrailError` where it says none."""
    try:
        return AuditEvent.model_validate_json(line.line)
    except ValueError as error:
        raise TrailError(f"Line {line.seq} cannot be read as an event; run: emma audit verify") from error


async def verify_trail(trail: TenantStore) -> Verification:
    """Whether the tenant's trail holds, also while it is being written to."""
    verifier, last = Verifier(trail.tenant), 0
    while True:
        # before the page: where that turns out empty, this head is the last line's or the trail does not hold
        head = await trail.head()
        page = await trail.lines(after=last, limit=PAGE)
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
