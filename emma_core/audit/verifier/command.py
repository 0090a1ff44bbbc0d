"""Verifies an exported trail, held to checkpoints, or a proof; exits 0, 1 where it does not hold, 2 for bad input."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .signed import Checkpoint, leaf_of, read_key, read_note, root_of
from .trail import Anchor, Walk, event_of

_NEEDED = {"seq": int, "kind": str, "at": str, "line": str, "hash": str}
_KNOWN = {**_NEEDED, "turn": str, "conversation": str, "payload": dict}


class Payload(NamedTuple):
    """What lies beside a line."""

    subject: str
    salt: str
    body: str


class Line(NamedTuple):
    """A line of an export."""

    seq: int
    kind: str
    at: str
    line: str
    hash: str
    turn: str | None = None
    conversation: str | None = None
    payload: Payload | None = None


class Refused(Exception):
    """What was given is no input to verify; the words say what to do."""


def main(given: Sequence[str] | None = None) -> int:
    """What the command exits with."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: verify.pyz trail.jsonl --checkpoint c --key K"
    )
    parser.add_argument(
        "file", type=Path, help="a trail that `emma audit export` wrote, or a proof of `emma audit prove`"
    )
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="a checkpoint kept elsewhere")
    parser.add_argument("--key", help="the public key, as `emma audit key` prints it, or a file that holds it")
    asked = parser.parse_args(given)
    try:
        key = None if asked.key is None else _key(asked.key)
        if key is None and (asked.checkpoint or _is_proof(asked.file)):
            raise Refused("a checkpoint is worth no more than its signature; add --key")
        held, words = _proof(asked.file, key or "") if _is_proof(asked.file) else _trail(asked, key or "")
    except (OSError, ValueError, KeyError, Refused) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    print(words)
    return 0 if held else 1


def read_anchor(path: Path, key: str, tenant: str) -> Anchor:
    """The checkpoint of a file, with the leaf hashes beside it. Raises `ValueError` naming what is wrong with it."""
    leaves = path.with_name(f"{path.name}.leaves")
    try:
        note = path.read_text(encoding="utf-8")
        checkpoint = of_tenant(read_note(note, key), key, tenant)
    except ValueError as error:
        raise ValueError(f"checkpoint '{path}': {error}") from error
    return Anchor(checkpoint, note, leaves.read_bytes() if leaves.is_file() else b"")


def of_tenant(checkpoint: Checkpoint, key: str, tenant: str) -> Checkpoint:
    """The checkpoint, which is this tenant's. Raises `ValueError` naming whose it is."""
    wanted = f"{read_key(key)[0]}/{tenant}"
    if checkpoint.origin != wanted:
        raise ValueError(f"it is of {checkpoint.origin!r} and not of {wanted!r}; name one of this trail")
    return checkpoint


def proven(proof: dict[str, Any], key: str) -> Checkpoint:
    """The checkpoint under which a proof's line stands. Raises `ValueError` naming what does not hold."""
    checkpoint = read_note(proof["checkpoint"], key)
    event = event_of(Line(0, "", "", proof["line"], _sha(proof["line"])))
    if isinstance(event, str):
        raise ValueError(f"its line {event}")
    of_tenant(checkpoint, key, event["tenant"])
    if event["seq"] != proof["seq"] or proof["size"] != checkpoint.size:
        raise ValueError("its numbers are not those of its line and its checkpoint")
    path = [bytes.fromhex(each) for each in proof["path"]]
    if root_of(leaf_of(proof["line"].encode()), proof["seq"] - 1, checkpoint.size, path) != checkpoint.root:
        raise ValueError(f"line {proof['seq']} is not among the {checkpoint.size} lines that were signed")
    return checkpoint


def _trail(asked: argparse.Namespace, key: str) -> tuple[bool, str]:
    rows = _rows(asked.file)
    first = next(rows, None)
    if not isinstance(first, dict) or first.get("format") != "emma-trail" or first.get("v") != 1:
        raise Refused(f"'{asked.file}' is no export of a trail that this verifier reads")
    tenant, head = first["tenant"], first["head"] and Line(kind="", line="", **first["head"])
    anchors = [read_anchor(path, key, tenant) for path in asked.checkpoint]
    walk = Walk(tenant, anchors)
    for row in rows:
        if not walk.take(_line(row)):
            break
    found = walk.finish(head)
    if not found.ok:
        return False, f"broken at line {found.bad_seq}: {found.reason}"
    beside = f", {found.erased} with erased payloads" if found.erased else ""
    signed = f", as {len(anchors)} checkpoint(s) signed" if anchors else ""
    last = f"; head {found.head.seq} {found.head.hash}" if found.head else ""
    return True, f"ok: {found.lines} lines of tenant {tenant} as sealed{signed}{beside}{last}"


def _proof(path: Path, key: str) -> tuple[bool, str]:
    proof = json.loads(path.read_text(encoding="utf-8"))
    try:
        checkpoint = proven(proof, key)
    except ValueError as error:
        return False, f"broken: {error}"
    return (
        True,
        f"ok: line {proof['seq']} is one of {checkpoint.size} that {checkpoint.origin} signed at {checkpoint.at}",
    )


def _is_proof(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return '"format"' not in file.readline(400)


def _rows(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            try:
                yield json.loads(text)
            except (ValueError, RecursionError) as error:
                raise Refused(f"'{path}': line {number} is not whole JSON, so the file is cut off") from error


def _line(row: Any) -> Line:
    if (
        not isinstance(row, dict)
        or not _NEEDED.keys() <= row.keys() <= _KNOWN.keys()
        or any(type(value) is not _KNOWN[name] for name, value in row.items())
    ):
        raise Refused("a row is no line of a trail; export the trail again")
    payload = row.get("payload")
    return Line(**{**row, "payload": payload and Payload(**{name: str(payload[name]) for name in Payload._fields})})


def _key(said: str) -> str:
    path = Path(said)
    key = path.read_text(encoding="utf-8").strip() if "+" not in said and path.is_file() else said
    read_key(key)
    return key


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
