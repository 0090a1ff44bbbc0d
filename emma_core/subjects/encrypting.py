"""Closes what was written before persons had keys, and wraps every key under the first of the master keys."""

from __future__ import annotations

from emma_core.errors import Conflict
from emma_core.nouns import Noun, Payload
from emma_core.ports import CLOSED
from emma_core.subjects import finding
from emma_core.subjects.envelopes import is_closed
from emma_core.subjects.finding import Watch
from emma_core.subjects.keys import CLOSING, INDEX, OPEN
from emma_core.subjects.store import SubjectTenantStore

_TOGETHER = 100


class Encrypted(Noun):
    """What was closed of a tenant that lay open before."""

    tenant: str
    payloads: int
    documents: int
    keys: int
    """Wrapped anew."""


async def encrypt(handle: SubjectTenantStore, *, watch: Watch = lambda what, done, of: None) -> Encrypted:
    """Nothing of a person lies open in this tenant's store, and every key is under the first master key.

    It may be done while the store is in use, and again.
    """
    documents = 0
    async for raw in finding.documents(handle.inner):
        if raw.subject and not is_closed(raw):
            try:
                await handle.put(raw, if_match=raw.etag)
                documents += 1
            except Conflict:
                continue  # whoever changed it meanwhile has closed it
    payloads: dict[int, tuple[Payload, str]] = {}
    count, head = 0, await handle.head()
    async for line in finding.lines(handle.inner):
        watch("lines", line.seq, head.seq if head else None)
        payload = line.payload
        if payload is not None and payload.subject and not payload.body.startswith(CLOSED):
            payloads[line.seq] = (payload, line.at)
        if len(payloads) == _TOGETHER:
            count += await _closed(handle, payloads)
            payloads = {}
    count += await _closed(handle, payloads)
    return Encrypted(tenant=handle.tenant, payloads=count, documents=documents, keys=await _rewrapped(handle))


async def _closed(handle: SubjectTenantStore, payloads: dict[int, tuple[Payload, str]]) -> int:
    since: dict[str, str] = {}
    for payload, at in payloads.values():
        since.setdefault(payload.subject, at)
    await handle.replace_payloads({seq: payload for seq, (payload, _) in payloads.items()}, since=since)
    return len(payloads)


async def _rewrapped(handle: SubjectTenantStore) -> int:
    """How many keys lay as they were, or under another master key."""
    count = 0
    for kind in (INDEX, OPEN, CLOSING):
        after = ""
        while page := await handle.inner.query(kind, after=after, limit=200):
            for document in page:
                if (wrapped := handle.keys.rewrapped(document)) is not None:
                    await handle.inner.put(wrapped, if_match=document.etag)
                    count += 1
            after = page[-1].id
    return count
