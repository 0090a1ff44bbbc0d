"""Finds what is held of persons: by their keys, and by their ids where something was written before there were keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emma_core.nouns import Document, TrailLine
from emma_core.ports import CLOSED, TenantStore
from emma_core.subjects.envelopes import is_closed
from emma_core.subjects.keys import CLOSING, KINDS, OPEN
from emma_core.subjects.store import SubjectTenantStore

_PAGE = 200
Watch = Callable[[str, int, int | None], None]
"""Told how far something has come: what it is doing, how many of it are done, and of how many."""


@dataclass(frozen=True)
class Persons:
    """Those who are looked for, each under the name that stands for them."""

    keys: Mapping[str, str]
    """By key's id, the name."""
    plain: Callable[[str, str | None], str | None]
    """The name that an id stands for which was written as it is, and when that was; None for anybody else."""

    def of_line(self, line: TrailLine) -> str | None:
        """Whose payload lies beside the line."""
        payload = line.payload
        if payload is None or not payload.subject:
            return None
        if payload.body.startswith(CLOSED):
            return self.keys.get(payload.subject)
        return self.plain(payload.subject, line.at)

    def of_document(self, document: Document) -> str | None:
        """Whose document it is, where nothing opened it."""
        if not document.subject:
            return None
        return self.keys.get(document.subject) if is_closed(document) else self.plain(document.subject, None)


@dataclass
class Found:
    """What is held of one person."""

    keys: int = 0
    lines: list[int] = field(default_factory=list)
    turns: set[str] = field(default_factory=set)
    documents: list[tuple[str, str]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How much of what."""
        return {"keys": self.keys, "payloads": len(self.lines), "documents": len(self.documents)}

    @property
    def ranges(self) -> list[list[int]]:
        """The numbers of the lines, first and last of each run."""
        runs: list[list[int]] = []
        for seq in self.lines:
            if runs and runs[-1][1] == seq - 1:
                runs[-1][1] = seq
            else:
                runs.append([seq, seq])
        return runs


async def person(handle: SubjectTenantStore, subject: str) -> tuple[str, Persons]:
    """The name that stands for this one person, and how to find what is theirs."""
    name = await handle.keys.name(subject)
    ids = [each.id for kind in (OPEN, CLOSING) for each in await handle.keys.documents(name, kind)]
    return name, Persons(dict.fromkeys(ids, name), lambda said, at: name if said == subject else None)


async def find(
    handle: SubjectTenantStore, persons: Persons, names: Iterable[str], watch: Watch = lambda what, done, of: None
) -> dict[str, Found]:
    """By name, what is held; one pass over the documents and one over the trail, whoever is looked for."""
    found = {name: Found() for name in names}
    for whose in persons.keys.values():
        if whose in found:
            found[whose].keys += 1
    async for document in documents(handle.inner):
        if (theirs := found.get(persons.of_document(document) or "")) is not None:
            theirs.documents.append((document.kind, document.id))
    head = await handle.head()
    async for line in lines(handle.inner):
        watch("lines", line.seq, head.seq if head else None)
        if (theirs := found.get(persons.of_line(line) or "")) is not None:
            theirs.lines.append(line.seq)
            theirs.turns |= {line.turn} if line.turn else set()
    return found


async def documents(store: TenantStore, kinds: Sequence[str] | None = None) -> AsyncIterator[Document]:
    """Every document as it lies there, by kind and id, but for those that hold keys."""
    for kind in await store.kinds() if kinds is None else kinds:
        after = ""
        while kind not in KINDS and (page := await store.query(kind, after=after, limit=_PAGE)):
            for document in page:
                yield document
            after = page[-1].id


async def lines(store: TenantStore) -> AsyncIterator[TrailLine]:
    """Every line as it lies there."""
    last = 0
    while page := await store.lines(after=last, limit=_PAGE):
        for line in page:
            yield line
        last = page[-1].seq
