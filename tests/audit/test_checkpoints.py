"""Holds a trail of a thousand lines to an earlier checkpoint: whatever is done to it, the first line is named."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emma_core import audit, canonical
from emma_core.audit import verifier
from emma_core.backends import ed25519_key
from emma_core.errors import OperatorError
from emma_core.nouns import Head, TrailLine

LENGTH, SIGNED = 1000, 900
AT = "2026-11-24T00:00:00Z"


def sign(tmp_path: Path, lines: list[TrailLine], tenant: str = "a", name: str = "emma") -> tuple[str, str, bytes]:
    """The note over these lines, the public key, and the hashes of the lines."""
    signer = ed25519_key.open_signer(f"file:{tmp_path}/{name}.key", name)
    tree, leaves = verifier.MerkleTree(), [verifier.leaf_of(line.line.encode()) for line in lines]
    for leaf in leaves:
        tree.add_leaf(leaf)
    last = Head(seq=len(lines), hash=lines[-1].hash, at=lines[-1].at)
    note = audit.note(signer, tenant=tenant, tree=tree, last=last, at=AT)
    return note, audit.public_key(signer), b"".join(leaves)


def chained(lines: list[TrailLine], start: int = 0) -> tuple[list[TrailLine], Head]:
    """The lines from a place on sealed anew, each after the one before: what somebody with the whole store can do."""
    made = list(lines[:start])
    for place in range(start, len(lines)):
        at = max(lines[place].at, made[-1].at if made else "")
        prev = made[-1].hash if made else "0" * 64
        said = {**json.loads(lines[place].line), "seq": place + 1, "at": at, "prev": prev}
        text = canonical.text(said)
        hash = hashlib.sha256(text.encode()).hexdigest()
        made.append(lines[place].model_copy(update={"seq": place + 1, "at": at, "line": text, "hash": hash}))
    return made, Head(seq=len(made), hash=made[-1].hash, at=made[-1].at)


def other(line: TrailLine) -> TrailLine:
    """The line with another verdict."""
    said = json.loads(line.line)
    text = canonical.text({**said, "outcome": {**said["outcome"], "verdict": "blocked"}})
    return line.model_copy(update={"line": text, "hash": hashlib.sha256(text.encode()).hexdigest()})


Lines = list[TrailLine]
# What is done to a trail, and the first line that is not as it was: without and with all later lines sealed anew.
DEEDS: dict[str, tuple[Callable[[Lines], Lines], int, int]] = {
    "edit": (lambda t: [*t[:499], other(t[499]), *t[500:]], 499, 500),
    "delete": (lambda t: [*t[:499], *t[500:]], 500, 500),
    "insert": (lambda t: [*t[:499], t[10], *t[499:]], 11, 500),
    "swap": (lambda t: [*t[:499], t[500], t[499], *t[501:]], 500, 500),
    "truncate": (lambda t: t[:800], 801, 801),
    "rewrite": (lambda t: [other(line) for line in t], 1, 1),
    "fork": (lambda t: [*t[:700], *(other(line) for line in t[700:])], 700, 701),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_done_to_a_signed_trail_is_named_by_its_line(trail_of: Any, tmp_path: Path, deed: str) -> None:
    lines, head = trail_of(LENGTH)
    note, key, leaves = sign(tmp_path, lines[:SIGNED])
    anchor = verifier.Anchor(verifier.read_note(note, key), note, leaves)
    change, _, sealed_anew = DEEDS[deed]

    rough = audit.verify(change(lines), tenant="a", head=head, anchors=[anchor])
    skilled, moved = chained(change(lines))
    caught = audit.verify(skilled, tenant="a", head=moved, anchors=[anchor])

    assert audit.verify(lines, tenant="a", head=head, anchors=[anchor]).ok
    assert audit.verify(skilled, tenant="a", head=moved).ok  # the chain by itself sees nothing
    assert not rough.ok and rough.bad_seq is not None and rough.bad_seq <= sealed_anew
    assert (caught.ok, caught.bad_seq) == (False, sealed_anew), caught.reason


def test_without_the_hashes_of_lines_the_stretch_between_two_checkpoints_is_named(
    trail_of: Any, tmp_path: Path
) -> None:
    lines, _ = trail_of(LENGTH)
    notes = [sign(tmp_path, lines[:size]) for size in (300, 600, 900)]
    anchors = [verifier.Anchor(verifier.read_note(note, key), note) for note, key, _ in notes]
    forked, head = chained([*lines[:400], *(other(line) for line in lines[400:])], 400)

    caught = audit.verify(forked, tenant="a", head=head, anchors=anchors)

    assert caught.bad_seq == 301
    assert "lines 301 to 600 are not all as they were signed" in str(caught.reason)


def test_line_hashes_that_are_not_those_signed_are_not_believed(trail_of: Any, tmp_path: Path) -> None:
    lines, _ = trail_of(20)
    note, key, leaves = sign(tmp_path, lines)
    forked, head = chained([*lines[:9], *(other(line) for line in lines[9:])], 9)
    spoilt = bytes(32) + leaves[32:]

    caught = audit.verify(
        forked, tenant="a", head=head, anchors=[verifier.Anchor(verifier.read_note(note, key), note, spoilt)]
    )

    assert (caught.ok, caught.bad_seq) == (False, 1)


def test_a_note_that_anybody_else_wrote_is_refused(trail_of: Any, tmp_path: Path) -> None:
    lines, _ = trail_of(5)
    note, key, _ = sign(tmp_path, lines)
    _, another, _ = sign(tmp_path, lines, name="mallory")

    for spoilt in (note.replace("\n5\n", "\n6\n"), note.replace("emma/a", "emma/b"), note[:-6] + "AAAA=\n", "", "x"):
        with pytest.raises(ValueError):
            verifier.read_note(spoilt, key)
    with pytest.raises(ValueError, match="not signed with the key of 'mallory'"):
        verifier.read_note(note, another)
    with pytest.raises(ValueError, match="it is of 'emma/a' and not of 'emma/b'"):
        verifier.of_tenant(verifier.read_note(note, key), key, "b")


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = ed25519_key.open_signer(f"file:{tmp_path}/deep/signing.key", "emma")
    second = ed25519_key.open_signer(f"file:{tmp_path}/deep/signing.key", "emma")

    assert first.public == second.public
    assert (tmp_path / "deep" / "signing.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["signing.key"]


@pytest.mark.parametrize(
    ("address", "name", "words"),
    [
        ("abc", "emma", "EMMA_SIGNING_KEY holds no key"),
        ("file:/", "emma", "cannot be read or made"),
        ("file:k", "two words", "can sign nothing"),
    ],
)
def test_a_key_that_is_none_is_one_clear_error(address: str, name: str, words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        ed25519_key.open_signer(address, name)


def alone(*given: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The verifier as one file, in an environment that has nothing."""
    command = [sys.executable, "-I", "-S", cwd / "verify.pyz", *given]
    return subprocess.run(list(map(str, command)), cwd=cwd, env={}, capture_output=True, text=True, timeout=60)


@pytest.fixture
def elsewhere(tmp_path: Path, trail_of: Any) -> Path:
    """A folder with the verifier, an export, a checkpoint with the hashes of its lines, a proof and the key."""
    from emma_core.cli import proving

    lines, head = trail_of(50)
    note, key, leaves = sign(tmp_path, lines[:40])
    place = tmp_path / "elsewhere"
    place.mkdir()
    proving.verifier(place / "verify.pyz")
    with (place / "trail.jsonl").open("w") as out:
        audit.write_export(lines, head, tenant="a", out=out)
    (place / "checkpoint").write_text(note)
    (place / "checkpoint.leaves").write_bytes(leaves)
    (place / "key").write_text(key)
    path = audit.checkpoints.included([leaves[32 * n : 32 * n + 32] for n in range(40)], 6)
    proof = audit.Proof(seq=7, line=lines[6].line, size=40, path=tuple(each.hex() for each in path), checkpoint=note)
    (place / "proof").write_text(json.dumps(proof.plain()))
    return place


def test_the_verifier_runs_where_nothing_else_is(elsewhere: Path) -> None:
    whole = alone("trail.jsonl", "--checkpoint", "checkpoint", "--key", "key", cwd=elsewhere)
    proof = alone("proof", "--key", "key", cwd=elsewhere)

    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.startswith("ok: 50 lines of tenant a as sealed, as 1 checkpoint(s) signed; head 50 ")
    assert (proof.returncode, proof.stderr) == (0, "")
    assert proof.stdout == f"ok: line 7 is one of 40 that emma/a signed at {AT}\n"


def test_the_verifier_names_what_does_not_hold_and_refuses_what_it_cannot_read(elsewhere: Path) -> None:
    def changed(name: str, was: str, now: str) -> str:
        (elsewhere / "spoilt").write_text((elsewhere / name).read_text().replace(was, now, 1))
        return "spoilt"

    def said(*given: str) -> tuple[int, str]:
        came = alone(*given, cwd=elsewhere)
        return came.returncode, (came.stdout + came.stderr).strip()

    key, rest = ("--key", "key"), ("--checkpoint", "checkpoint", "--key", "key")
    assert said(changed("trail.jsonl", "line 12 ", "line 13 "), *rest)[0] == 1
    assert said(changed("proof", r"\"number\":7", r"\"number\":8"), *key) == (
        1,
        "broken: line 7 is not among the 40 lines that were signed",
    )
    assert said(changed("trail.jsonl", '"tenant":"a"', '"tenant":"b"'), *rest)[0] == 2
    assert said("trail.jsonl", "--checkpoint", "checkpoint")[1].endswith("add --key")
    assert said("proof", "--key", "emma+x")[0] == 2
    assert said("nowhere", *key)[0] == 2
    cut = (elsewhere / "trail.jsonl").read_text()
    (elsewhere / "cut").write_text(cut[: len(cut) // 2])
    assert said("cut")[0] == 2
    (elsewhere / "short").write_text("".join(cut.splitlines(keepends=True)[:31]))
    assert "line 31 is missing" in said("short", *rest)[1]
