"""The hall of proofs: a tenant's trail is held to what was signed of it, signed anew, and a line proved to be on it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC

from emma_core import audit
from emma_core.audit import verifier
from emma_core.backends import ed25519_key
from emma_core.errors import NotFound, TrailError
from emma_core.nouns import Caller, Head, Sealed
from emma_core.ports import Signer
from emma_core.runtime import House


class Proofs:
    """What one caller may have signed and proved at one tenant."""

    def __init__(self, house: House, caller: Caller, admitted: Callable[..., Awaitable[None]]) -> None:
        self._house = house
        self._caller = caller
        self._store = house.store.for_tenant(caller.tenant)
        self._blobs = house.blobs.for_tenant(caller.tenant)
        self._admitted = admitted

    def public_key(self) -> str:
        """The key with which anybody verifies this installation's checkpoints, as C2SP signed-note writes it."""
        return audit.public_key(self._signer())

    def due(self, sealed: Sequence[Sealed]) -> bool:
        """Whether one of these lines is the one after which the trail is signed by itself."""
        every = self._house.settings.checkpoint_lines
        return every > 0 and any(each.seq % every == 0 for each in sealed)

    async def checkpoint(self, *, leaves: bool = False) -> audit.Checkpointed:
        """The trail as it stands, signed; kept among the blobs, and a line on the trail says so.

        `leaves`: the hash of each line comes with it. Raises `TrailError` where the trail does not hold, is empty, or
        is not the one that was signed before; then nothing is signed.
        """
        await self._admitted(writing=True)
        signer, tenant = self._signer(), self._caller.tenant
        walk, tree = self._walk(tenant, leaves=leaves) or await self._first_walk(signer)
        kept = bytearray()
        found = await audit.walk_on(self._store, walk, kept if leaves else None)
        if not found.ok or found.head is None:
            self._house.walks.pop(tenant, None)
            raise TrailError(
                f"The trail of tenant {tenant!r} is not signed: {found.reason or 'it is empty'}; run: emma audit verify"
            )
        self._house.walks[tenant] = (walk, tree)
        now = self._house.clock()
        at = max(now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"), found.head.at[:19] + "Z")
        last = Head(seq=found.head.seq, hash=found.head.hash, at=found.head.at)
        note = audit.note(signer, tenant=tenant, tree=tree, last=last, at=at)
        ref = await self._blobs.put(note.encode(), kind="checkpoint", name=f"checkpoint-{tree.size}.txt")
        outcome = {"size": tree.size, "root": tree.root(), "note": ref.sha256, "key": self.public_key()}
        signed = audit.Checkpointed(size=tree.size, root=tree.root(), at=at, note=note, leaves=bytes(kept))
        seal = audit.sealing(
            tenant=tenant,
            kind="checkpointed",
            caller=self._caller.user,
            outcome=outcome,
            payload={"note": note},
            subject="",
            now=now,
            salt=secrets.token_bytes(32),
        )
        await self._store.append(seal)
        return signed

    async def verify(self, more: Sequence[verifier.Anchor] = (), *, key: str | None = None) -> audit.Verification:
        """Whether the trail holds, and is the one of which every checkpoint among the blobs was signed, and of `more`.

        `key`: with which those among the blobs are verified, where it is not this house's own.
        """
        await self._admitted()
        kept = await audit.anchors(self._blobs, key or self.public_key()) if await self._any() else []
        return await audit.verify_trail(self._store, [*kept, *more])

    async def prove(self, seq: int, *, checkpoint: str | None = None) -> audit.Proof:
        """The proof that a line was signed: by that checkpoint, or the first one past it; where none is, one is made.

        Raises `TrailError` where the line is none that was signed, or the trail is not the one that was.
        """
        await self._admitted()
        note = checkpoint or await self._note_past(seq)
        return await audit.prove(self._store, note, self.public_key(), seq)

    async def evidence(self, turn: str, *, values: bool = True, checkpoint: str | None = None) -> audit.Evidence:
        """What proves a turn to somebody who has no Emma: its lines and the decisions on it, under one checkpoint.

        `values`: with what lies beside the lines. Raises `NotFound` where this trail has no such turn, `TrailError` as
        `prove`, and where a line was changed.
        """
        await self._admitted()
        lines = await audit.lines_of(self._store, turn)
        if not lines:
            raise NotFound(f"No turn {turn!r} is on this trail; `emma audit show` tells those there are")
        note, key = checkpoint or await self._note_past(lines[-1].seq), self.public_key()
        proofs = await audit.prove_all(self._store, note, key, [line.seq for line in lines])
        return audit.evidence(
            lines,
            {each.seq: each.path for each in proofs},
            tenant=self._caller.tenant,
            turn=turn,
            checkpoint=note,
            key=key,
            made_at=self._house.clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            values=values,
        )

    async def _note_past(self, seq: int) -> str:
        for anchor in await audit.anchors(self._blobs, self.public_key()) if await self._any() else ():
            if anchor.checkpoint.size >= seq:
                return anchor.note
        return (await self.checkpoint()).note

    async def _any(self) -> bool:
        return bool(await self._blobs.list("checkpoint", limit=1))

    def _walk(self, tenant: str, *, leaves: bool) -> tuple[verifier.Walk, verifier.MerkleTree] | None:
        """The walk that this process made before, so that only what is new is read; none where all is asked for."""
        return None if leaves else self._house.walks.get(tenant)

    async def _first_walk(self, signer: Signer) -> tuple[verifier.Walk, verifier.MerkleTree]:
        tree = verifier.MerkleTree()
        kept = await audit.anchors(self._blobs, audit.public_key(signer))
        return verifier.Walk(self._caller.tenant, kept, tree=tree), tree

    def _signer(self) -> Signer:
        return ed25519_key.open_signer(self._house.signing_key, self._house.settings.signing_name)
