"""Makes documents and seals for tests of stores."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from pydantic import JsonValue

from emma_core import audit
from emma_core.nouns import Document
from emma_core.ports import Seal

STRANGE = [
    "it's",
    'a "quoted" one',
    "a/b/../c",
    "..",
    "%41 %00",
    "two\nlines\r\n",
    " ",
    "nul\0inside",
    "émoji 🏠🇩🇪",
    "e\u0301",
    "\u00e9",
    "עברית \u202e right to left",
    "'; DROP TABLE documents; --",
    "k" * 1000,
]
"""Names that a careless backend stumbles over."""
PREFIX_TENANTS = ["a", "aa", "a-a", "a_a", "aaa"]
"""Tenants whose ids begin alike, which a careless backend mixes up."""
NO_TENANTS = ["", "A", "-a", "a b", "a/b", "a\n", "ä", "a" * 64, "a'", "%", "../a", "a:b", "🏠"]
"""What can be no tenant's id."""


def sealing(
    tenant: str, number: int = 0, *, words: str = "", turn: str | None = None, conversation: str | None = None
) -> Seal:
    """A seal for some event of the tenant; its payload says the number."""
    return audit.sealing(
        tenant=tenant,
        kind="judged",
        caller="tester",
        outcome={"verdict": "clear", "number": number},
        payload={"number": number, "words": words or f"what {tenant} said"},
        subject=tenant,
        turn=turn,
        conversation=conversation,
        now=datetime.now(UTC),
        salt=secrets.token_bytes(32),
    )


def note(id: str = "one", *, kind: str = "note", group: str = "", **body: JsonValue) -> Document:
    """A document with that body."""
    return Document(kind=kind, id=id, body=body, group=group, subject="somebody")
