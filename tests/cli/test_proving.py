"""Holds `emma audit checkpoint, prove, key, verifier` to proving a trail elsewhere, and to naming what is not so."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from emma_core import canonical


@pytest.fixture
def asked(emma):
    """A trail of two turns, and the first turn's id."""
    first = emma("ask", "loan_officer", "At 47% debt-to-income?", "--conversation", "c-1", "--format", "json").json
    emma("ask", "loan_officer", "At 41% debt-to-income?", "--conversation", "c-2")
    return first["id"]


def forge(store: Path, seq: int) -> None:
    """Somebody who can write all of the store makes a line say something else, and seals all that follow anew."""
    connection = sqlite3.connect(store)
    rows = connection.execute("SELECT seq, line, hash FROM lines ORDER BY seq").fetchall()
    prev = "0" * 64
    for number, line, hash in rows:
        if number >= seq:
            said = {**json.loads(line), "prev": prev}
            if number == seq:
                said["caller"] = "somebody"
            line = canonical.text(said)
            hash = hashlib.sha256(line.encode()).hexdigest()
            connection.execute("UPDATE lines SET line = ?, hash = ? WHERE seq = ?", (line, hash, number))
        prev = hash
    connection.execute("UPDATE heads SET hash = ?", (prev,))
    connection.commit()
    connection.close()


def test_a_trail_that_somebody_sealed_anew_is_caught_by_what_was_signed_before(emma, asked, store):
    signed = emma("audit", "checkpoint", "-o", "kept.txt")
    assert (signed.code, signed.err) == (0, "4 lines were signed in kept.txt\n")
    assert emma("audit", "verify", "--checkpoint", "kept.txt").out.startswith("ok: 5 lines of tenant default as sealed")

    forge(store, 3)
    by_itself = emma("audit", "verify")
    kept = emma("audit", "verify", "--checkpoint", "kept.txt")

    assert by_itself.code == kept.code == 1
    assert "lines 1 to 4 are not all as they were signed" in by_itself.out, "the blobs hold the note, and no hashes"
    assert kept.out.startswith("broken at #3: line 3 is not the line that was signed")
    refused = emma("audit", "checkpoint")
    assert refused.code != 0
    assert "is not signed: lines 1 to 4 are not all as they were signed" in refused.err


def test_a_turn_is_proved_to_somebody_who_has_only_the_proof_the_key_and_python(emma, asked, tmp_path):
    key = emma("audit", "key").out.strip()
    assert emma("audit", "prove", asked, "-o", "proof.json").code == 0
    assert emma("audit", "verifier", "verify.pyz").code == 0
    assert emma("audit", "export", "trail.jsonl").code == 0
    (tmp_path / "note.txt").write_text(json.loads((tmp_path / "proof.json").read_text())["checkpoint"])

    def alone(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "verify.pyz", *given, "--key", key]
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60)

    proof, trail = alone("proof.json"), alone("trail.jsonl", "--checkpoint", "note.txt")

    assert proof.stdout.startswith("ok: line 1 is one of 4 that emma/default signed at "), proof.stderr
    assert trail.stdout.startswith("ok: 5 lines of tenant default as sealed, as 1 checkpoint(s) signed"), trail.stderr
    assert emma("audit", "verify", "--export", "trail.jsonl", "--checkpoint", "note.txt", "--key", key).code == 0
    assert emma("audit", "prove", "2", "--checkpoint", "note.txt").json["seq"] == 2


def test_a_checkpoint_stands_on_the_trail_and_among_the_blobs(emma, asked, tmp_path):
    note = emma("audit", "checkpoint").out
    event = emma("audit", "show", "--limit", "1", "--format", "jsonl").json

    assert event["kind"] == "checkpointed"
    assert event["outcome"]["size"] == 4
    assert event["outcome"]["note"] == hashlib.sha256(note.encode()).hexdigest()
    assert event["outcome"]["key"] == emma("audit", "key").out.strip()
    assert note.splitlines()[:2] == ["emma/default", "4"]


def test_a_trail_is_signed_by_itself_after_so_many_lines(emma, monkeypatch):
    monkeypatch.setenv("EMMA_CHECKPOINT_LINES", "4")
    for _ in range(2):
        emma("ask", "loan_officer", "At 41% debt-to-income?")

    kinds = [event["kind"] for event in emma("audit", "show", "--format", "json").json]

    assert kinds == ["judged", "answered", "judged", "answered", "checkpointed"]


REFUSED = [
    (("prove", "t-nowhere"), "No turn 't-nowhere' is on this trail"),
    (("prove", "99"), "Line 99 is none of the 4 that were signed"),
    (("prove", "0"), "Line 0 is none of the"),
    (("prove", "1", "--checkpoint", "nowhere"), "'nowhere' cannot be read"),
    (("verify", "--checkpoint", "nowhere"), "'nowhere' cannot be read"),
    (("verify", "--export", "e", "--checkpoint", "c"), "--checkpoint beside --export needs --key"),
    (("verify", "--checkpoint", "other.txt"), "it is of 'emma/other' and not of 'emma/default'"),
    (("verify", "--checkpoint", "other.txt", "--key", "emma+0+x"), "--checkpoint, --key:"),
    (("checkpoint", "-o", "other.txt"), "'other.txt' is there already"),
    (("checkpoint", "-o", "no/such/folder/note"), "'no/such/folder/note.leaves' cannot be written"),
    (("verifier", "other.txt"), "'other.txt' is there already"),
]


def test_what_cannot_be_proved_is_one_clear_error(emma, asked):
    assert emma("tenants", "create", "other").code == 0
    emma("ask", "loan_officer", "At 41% debt-to-income?", "--tenant", "other")
    assert emma("audit", "checkpoint", "-o", "other.txt", "--tenant", "other").code == 0

    for given, words in REFUSED:
        said = emma("audit", *given)

        assert said.code not in (0, 1), given
        assert words in said.err, given
        assert said.err.count("\n") == 1, given


def test_a_checkpoint_of_another_key_is_refused_and_the_old_key_still_verifies_it(emma, asked, tmp_path):
    old = emma("audit", "key").out.strip()
    emma("audit", "checkpoint", "-o", "old.txt")
    (tmp_path / ".emma" / "signing.key").unlink()

    lost = emma("audit", "verify")
    found = emma("audit", "verify", "--key", old, "--checkpoint", "old.txt")

    assert lost.code not in (0, 1)
    assert "it is not signed with the key of 'emma'" in lost.err
    assert found.code == 0


def test_an_empty_trail_is_not_signed(opened):
    said = opened("audit", "checkpoint")

    assert said.code != 0
    assert "is not signed: it is empty" in said.err
