"""Gathers all that is held of a person, as one value that a program can read and a page can be made of."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, JsonValue

from emma_core.errors import TrailError
from emma_core.nouns import AuditEvent, Document, Noun
from emma_core.subjects import finding
from emma_core.subjects.erasing import TELEMETRY
from emma_core.subjects.finding import Watch
from emma_core.subjects.store import SubjectTenantStore


class Said(Noun):
    """One sealed event with what lies beside it of the person."""

    seq: int
    kind: str
    at: str
    turn: str | None = None
    conversation: str | None = None
    caller: str
    """The user who acted."""
    outcome: dict[str, JsonValue]
    """What the sealed line says came of it."""
    payload: dict[str, JsonValue]
    """The person's words, facts and values, and what was found and said to them."""
    line: str
    """The sealed bytes."""
    hash: str
    salt: str
    """With the payload's canonical JSON it shows that this is what was sealed."""


class Held(Noun):
    """All that is held of a person."""

    format: str = "emma-subject"
    v: int = 1
    tenant: str
    subject: str
    exported_at: AwareDatetime
    events: tuple[Said, ...]
    """Oldest first."""
    documents: tuple[dict[str, JsonValue], ...]
    """What is kept beside the trail to work with: kind, id, group, body, and until when."""


async def gather(
    handle: SubjectTenantStore, subject: str, *, at: datetime, watch: Watch = lambda what, done, of: None
) -> Held:
    """All that is held of that person; of nobody known it is nothing. Raises `TrailError` for a line that says none."""
    name, persons = await finding.person(handle, subject)
    found = (await finding.find(handle, persons, [name], watch))[name]
    events = []
    for seq in found.lines:
        [line] = await handle.lines(after=seq - 1, limit=1)
        if line.seq != seq or line.payload is None:
            continue  # forgotten meanwhile
        try:
            event = AuditEvent.model_validate_json(line.line)
            said: Any = json.loads(line.payload.body)
        except ValueError as error:
            raise TrailError(f"Line {seq} cannot be read as an event; run: emma audit verify") from error
        events.append(
            Said(
                seq=seq,
                kind=event.kind,
                at=event.at,
                turn=event.turn,
                conversation=event.conversation,
                caller=event.caller,
                outcome=event.outcome,
                payload=said,
                line=line.line,
                hash=line.hash,
                salt=line.payload.salt,
            )
        )
    named = [*found.documents, *((TELEMETRY, turn) for turn in sorted(found.turns))]
    kept = [document for kind, id in named if (document := await handle.get(kind, id)) is not None]
    return Held(
        tenant=handle.tenant,
        subject=subject,
        exported_at=at,
        events=tuple(events),
        documents=tuple(_told(each) for each in kept),
    )


def _told(document: Document) -> dict[str, JsonValue]:
    return document.model_dump(mode="json", exclude={"etag", "subject"})
