"""Holds what proves a turn to somebody who has no Emma: lines and what lies beside them, paths, checkpoint, key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from emma_core.nouns import Noun, Payload, Sha256, TenantId, TrailLine


class Exhibit(Noun):
    """A sealed line, and that it is among those that were signed."""

    seq: int
    line: str
    hash: Sha256
    path: tuple[str, ...]
    """From the line to the signed root (RFC 6962), in hex."""
    payload: Payload | None = None
    """What lies beside the line; None where it was erased, or left out of the evidence."""


class Evidence(Noun):
    """A turn, and what it takes to verify it anywhere."""

    format: Literal["emma-evidence"] = "emma-evidence"
    v: Literal[1] = 1
    tenant: TenantId
    turn: str
    made_at: str
    """UTC."""
    lines: tuple[Exhibit, ...]
    """The turn's, and the decisions on what it found, by number."""
    checkpoint: str
    """The signed note that is over all of them."""
    key: str
    """The public key, as C2SP signed-note writes it."""


def evidence(
    lines: Sequence[TrailLine],
    paths: Mapping[int, Sequence[str]],
    *,
    tenant: str,
    turn: str,
    checkpoint: str,
    key: str,
    made_at: str,
    values: bool = True,
) -> Evidence:
    """The evidence of a turn's lines; `values`: with what lies beside them."""
    return Evidence(
        tenant=tenant,
        turn=turn,
        made_at=made_at,
        lines=tuple(
            Exhibit(
                seq=line.seq,
                line=line.line,
                hash=line.hash,
                path=tuple(paths[line.seq]),
                payload=line.payload if values else None,
            )
            for line in lines
        ),
        checkpoint=checkpoint,
        key=key,
    )
