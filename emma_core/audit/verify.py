"""Verifies a trail of the house's own lines, by the verifier that stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emma_core.audit import verifier
from emma_core.nouns import Head, Noun, TrailLine


class Verification(Noun):
    """Whether a trail holds, and where it does not."""

    ok: bool
    """True where every line is there as it was sealed, up to the head, and every payload too, unless it was erased."""
    tenant: str
    lines: int
    """How many lines from the first on hold."""
    head: Head | None = None
    """The last line, where the whole chain holds; noted elsewhere, it proves later that nothing before it changed."""
    bad_seq: int | None = None
    """The first line that is not as it was sealed."""
    reason: str | None = None
    """What is wrong with that line."""
    withheld: int = 0
    """How many lines have no payload beside them, and no later line says that it was erased."""
    erased: int = 0
    """How many lines have no payload beside them because a later line says that it was erased."""


def verify(
    lines: Iterable[TrailLine], *, tenant: str, head: Head | None, anchors: Sequence[verifier.Anchor] = ()
) -> Verification:
    """Whether the lines, read once and in the order of their numbers, are the tenant's whole trail up to its head.

    `anchors`: checkpoints whose signatures were checked; each must have signed these very lines.
    """
    found = Verifier(tenant, anchors)
    for line in lines:
        if not found.take(line):
            break
    return found.finish(head)


class Verifier:
    """A walk over one tenant's lines from the first one on; it holds no more than the last of them."""

    def __init__(self, tenant: str, anchors: Sequence[verifier.Anchor] = ()) -> None:
        self._tenant = tenant
        self._walk = verifier.Walk(tenant, anchors)
        self.take = self._walk.take

    def finish(self, head: Head | None) -> Verification:
        """What came of it, held against the head that is kept apart from the lines."""
        found = self._walk.finish(head)
        last = found.head and Head(seq=found.head.seq, hash=found.head.hash, at=found.head.at)
        return Verification(**{**found._asdict(), "head": last, "tenant": self._tenant})
