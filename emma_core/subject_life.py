"""The hall of persons: what is held of one is shown to them, and forgotten when they ask for it, for good."""

from __future__ import annotations

from collections.abc import Iterable

from emma_core import audit, subjects
from emma_core.audit.recording import OPEN
from emma_core.errors import CallerError, NotFound, StoreError
from emma_core.nouns import Document
from emma_core.runtime import House
from emma_core.subjects import Encrypted, Entry, Forgotten, Held, Places, Replayed, SubjectTenantStore, Watch


class SubjectLife:
    """What whoever runs this installation may do with what is held of a person."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._places = Places(
            registry=house.registry, store=house.store, blobs=house.blobs, cache=house.cache, clock=house.clock
        )
        self._trails = subjects.Trails(seal=audit.sealing, open_turn=OPEN, stop=self._stop, verify=audit.verify_trail)

    async def erase(
        self,
        tenant: str,
        subject: str,
        *,
        by: str = "local",
        reason: str = "",
        watch: Watch = lambda what, done, of: None,
    ) -> Forgotten:
        """Nothing is held of that person of that tenant, and a line of the trail and the ledger say so; the proof.

        `reason` stays and names nobody. Interrupted, the same again goes on. Raises `NotFound` for a tenant that is not
        there or a person of whom nothing was ever held, `StoreError` where something is left.
        """
        await self._known(tenant, subject)
        return await subjects.erase(
            self._places, tenant, subject, by=by, reason=reason, trails=self._trails, watch=watch
        )

    async def gather(self, tenant: str, subject: str, *, watch: Watch = lambda what, done, of: None) -> Held:
        """All that is held of that person of that tenant, opened. Raises `NotFound` where nothing is."""
        await self._known(tenant, subject)
        store = self._house.store.for_tenant(tenant)
        held = await subjects.gather(store, subject, at=self._house.clock(), watch=watch)
        if not held.events and not held.documents:
            raise NotFound(f"Tenant {tenant!r}: nothing is held of such a person")
        return held

    async def encrypt(self, *, watch: Watch = lambda what, done, of: None) -> list[Encrypted]:
        """What was written before persons had keys is closed in every tenant, and every key is under the first master
        key; what was done."""
        done = []
        for each in await self._house.registry.tenants():
            done.append(await subjects.encrypt(self._house.store.for_tenant(each.id), watch=watch))
            if await subjects.ledger.of_tenant(self._places, each.id):
                await self.replay_ledger(only=each.id)  # who was forgotten while their words were being closed
        return done

    async def ledger(self) -> list[Entry]:
        """Everybody who was forgotten, by a hash: read it before a store is replaced, and hand it to
        `replay_ledger` afterwards."""
        return await subjects.ledger.read(self._places)

    async def replay_ledger(
        self, entries: Iterable[Entry] = (), *, only: str | None = None, watch: Watch = lambda what, done, of: None
    ) -> list[Replayed]:
        """Whoever was forgotten is forgotten again, in all tenants or in one `only`: to be done after every restore.

        `entries`: the ledger as it was before, besides what the registry and the blobs know now. It may be done at any
        time, and again. Raises `StoreError` where it cannot be done: then the store is not to be used.
        """
        return await subjects.replay(self._places, entries, only=only, trails=self._trails, watch=watch)

    async def _stop(self, store: SubjectTenantStore, left: Document, reason: str) -> bool:
        """The turn is ended, unless its process did so meanwhile."""
        record = audit.TurnRecord(
            store,
            turn=left.id,
            caller=str(left.body["caller"]),
            conversation=left.group,
            subject="",
            clock=self._house.clock,
            judged=True,
        )
        try:
            return await record.stop(reason) is not None
        except StoreError:
            if await store.get(left.kind, left.id) is not None:
                raise
            return False

    async def _known(self, tenant: str, subject: str) -> None:
        if await self._house.registry.tenant(tenant) is None:
            raise NotFound(f"No tenant {tenant!r:.100}; `emma tenants list` shows those there are")
        if not subject.strip():
            raise CallerError("No person is named; name the subject as asks name it (`--subject`)")
