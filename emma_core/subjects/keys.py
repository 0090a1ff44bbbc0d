"""Keeps the keys of persons in their tenant's store, found by a name that says nobody."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from emma_core.errors import Conflict, StoreError
from emma_core.nouns import Document
from emma_core.ports import TenantStore
from emma_core.subjects.sealing import Changed, Cipher, Masters, pseudonym

INDEX = "subject_index"
"""The kind of the one document whose key makes a person's id into the name that stands for it."""
OPEN = "subject_key"
"""The kind of the documents that hold a key under which may be written."""
CLOSING = "subject_key_closing"
"""The kind of those that are being destroyed: nothing is written under them any more."""
ERASING = "subject_erasing"
"""The kind of the document that stands while a person is being forgotten."""
KINDS = frozenset({INDEX, OPEN, CLOSING, ERASING})
"""What the keys are kept in; nobody above them sees it."""
FRESH = 60.0
"""Seconds for which a key that was read is taken to be there still; whoever appends asks anew with the line."""
MOST = 20_000
"""Keys that a process holds."""
_AT_ONCE = 32


@dataclass(frozen=True)
class Key:
    """One key of one person."""

    id: str
    """The name that stands for the person, a dot, and what tells this key from another."""
    subject: str
    cipher: Cipher
    at: str
    """Since when something is held under it (UTC): what an erasure of a later moment takes."""
    since: float = field(default_factory=time.monotonic)


class Keys:
    """The keys of one tenant, as far as this process has met them."""

    def __init__(self, store: TenantStore, masters: Masters, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._masters = masters
        self._clock = clock
        self._by_id: OrderedDict[str, Key] = OrderedDict()
        self._by_subject: dict[str, str] = {}

    async def name(self, subject: str) -> str:
        """What stands for that person in this tenant's store. It is made where there is none yet."""
        return pseudonym(self.index_of(await self.index()), subject)

    async def find(self, subject: str) -> Key | None:
        """A key of that person under which may be written, or None."""
        known = self.known(self._by_subject.get(subject, ""))
        if known is not None:
            return known
        for document in await self.documents(await self.name(subject), OPEN):
            return self.keep(self.read(document))
        return None

    async def make(self, subject: str) -> Key:
        """A new key of that person; it is nowhere yet but here."""
        at = self._clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return Key(f"{await self.name(subject)}.{secrets.token_hex(8)}", subject, Cipher(os.urandom(32)), at)

    def known(self, id: str) -> Key | None:
        """The key of that id where this process read it not long ago."""
        known = self._by_id.get(id)
        return known if known is not None and known.since > time.monotonic() - FRESH else None

    async def several(self, ids: Iterable[str]) -> dict[str, Key]:
        """Those that are there of these keys, by id; also those that are being destroyed."""
        found: dict[str, Key] = {}
        missing: list[str] = []
        for id in set(ids):
            if (known := self.known(id)) is not None:
                found[id] = known
            else:
                missing.append(id)
        for start in range(0, len(missing), _AT_ONCE):
            read = await asyncio.gather(*(self._read(id) for id in missing[start : start + _AT_ONCE]))
            found |= {key.id: key for key in read if key is not None}
        return found

    async def there(self, id: str) -> bool:
        """Whether the key is there still, and may be written under; one that is not is forgotten here too."""
        if await self._store.get(OPEN, id) is not None:
            return True
        self.drop(id)
        return False

    async def documents(self, name: str, kind: str) -> list[Document]:
        """The documents that hold the keys of whom that name stands for."""
        found: list[Document] = []
        after = f"{name}."
        while page := await self._store.query(kind, after=after, limit=50):
            own = [each for each in page if each.id.startswith(f"{name}.")]
            found += own
            if len(own) < len(page):
                break
            after = page[-1].id
        return found

    def document(self, key: Key, *, kind: str = OPEN) -> Document:
        """What keeps the key."""
        place = self._place(key.id)
        wrapped = self._masters.wrap(key.cipher.key, place)
        whose = key.cipher.close(key.subject.encode("utf-8", "surrogatepass"), place)
        return Document(kind=kind, id=key.id, body={**wrapped, "subject": whose, "at": key.at})

    def rewrapped(self, document: Document) -> Document | None:
        """The document with its key under the first master key; None where it is. Raises `StoreError`."""
        if str(document.body.get("by", "")) == self._masters.first:
            return None
        key = self.index_of(document) if document.kind == INDEX else self.read(document).cipher.key
        wrapped = self._masters.wrap(key, self._place(document.id))
        return document.model_copy(update={"body": {**document.body, **wrapped}})

    def keep(self, key: Key) -> Key:
        """The key, held by this process for a while."""
        self._by_id[key.id] = key
        self._by_id.move_to_end(key.id)
        self._by_subject[key.subject] = key.id
        if len(self._by_id) > MOST:
            self.drop(next(iter(self._by_id)))
        return key

    def drop(self, id: str) -> None:
        """This process does not hold that key any more."""
        key = self._by_id.pop(id, None)
        if key is not None and self._by_subject.get(key.subject) == id:
            del self._by_subject[key.subject]

    def forget(self) -> None:
        """This process holds no key of this tenant any more."""
        self._by_id.clear()
        self._by_subject.clear()

    async def _read(self, id: str) -> Key | None:
        self.drop(id)
        for kind in (OPEN, CLOSING):
            document = await self._store.get(kind, id)
            if document is not None:
                return self.keep(self.read(document)) if kind == OPEN else self.read(document)
        return None

    def read(self, document: Document) -> Key:
        """The key that a document holds. Raises `StoreError` where it is damaged."""
        said = {name: str(value) for name, value in document.body.items()}
        place = self._place(document.id)
        try:
            cipher = Cipher(self._masters.unwrap(said, place))
            subject = cipher.open(said["subject"], place).decode("utf-8", "surrogatepass")
        except (Changed, KeyError, ValueError) as error:
            raise StoreError(
                f"Tenant {self._store.tenant!r}: the key {document.id[:12]!r} of a person is damaged; restore it"
            ) from error
        return Key(document.id, subject, cipher, said["at"])

    async def index(self) -> Document:
        """What holds the key of this tenant's names; read each time, for a tenant that was emptied gets another."""
        while (found := await self._store.get(INDEX, INDEX)) is None:
            wrapped = self._masters.wrap(os.urandom(32), self._place(INDEX))
            try:
                await self._store.put(Document(kind=INDEX, id=INDEX, body={**wrapped}), if_match="")
            except Conflict:
                continue  # another process was faster: theirs it is
        return found

    def index_of(self, document: Document) -> bytes:
        """The key of the names that the document holds. Raises `StoreError` where it is damaged."""
        try:
            said = {name: str(value) for name, value in document.body.items()}
            return self._masters.unwrap(said, self._place(INDEX))
        except (Changed, KeyError, ValueError) as error:
            raise StoreError(
                f"Tenant {self._store.tenant!r}: the index of its persons is damaged; restore it from a backup"
            ) from error

    def _place(self, id: str) -> str:
        return f"{self._store.tenant} key {id}"
