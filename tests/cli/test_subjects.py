"""Shows and forgets a person at the command line, and holds each bad word to one line and exit 2."""

from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

ASK = ("ask", "loan_officer", "At 47% debt-to-income? <b>canary-4c1d</b>", "--subject", "borrower-7")


def test_a_person_is_shown_what_is_held_and_then_forgotten(emma, store, tmp_path):
    assert emma(*ASK).code == 1
    assert emma("ask", "loan_officer", "At 41%?", "--subject", "somebody-else").code == 1

    shown = emma("tenants", "export", "default", "out", "--subject", "borrower-7")
    assert shown.code == 0 and "2 events" in shown.out
    said = json.loads((tmp_path / "out" / "subject.json").read_text())
    assert [each["kind"] for each in said["events"]] == ["judged", "answered"]
    assert {each["kind"] for each in said["documents"]} == {"override", "turn_telemetry"}
    page = (tmp_path / "out" / "subject.html").read_text()
    assert "&lt;b&gt;canary-4c1d&lt;/b&gt;" in page and "<b>canary" not in page and "somebody-else" not in page
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {0o600} and stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700

    gone = emma("tenants", "erase", "default", "--subject", "borrower-7", "--yes", "--proof", "gone.json")
    assert gone.code == 0 and "That person is forgotten" in gone.out and "#1-#2" in gone.out
    assert max(map(len, gone.out.splitlines())) <= 80
    proof = json.loads((tmp_path / "gone.json").read_text())
    assert proof["sha256"] in "".join(gone.out.split())
    assert set(proof["after"].values()) == {0} and proof["before"]["payloads"] == 2
    again = emma("tenants", "erase", "default", "--subject", "borrower-7", "--yes", "--format", "json")
    assert again.code == 0 and again.json["erasure"] == proof["erasure"]
    nothing = emma("tenants", "export", "default", "more", "--subject", "borrower-7")
    assert nothing.code == 2 and "nothing is held of such a person" in nothing.err
    assert not any(b"canary-4c1d" in path.read_bytes() for path in store.parent.iterdir())
    assert emma("tenants", "export", "default", "other", "--subject", "somebody-else").code == 0


def test_every_proof_made_before_an_erasure_still_holds_also_where_emma_is_not(emma, tmp_path):
    turn = emma(*ASK, "--format", "json").json["id"]
    key = emma("audit", "key").out.strip()
    assert emma("audit", "checkpoint", "-o", "kept.txt").code == 0
    assert emma("audit", "prove", turn, "-o", "proof.json").code == 0
    assert emma("audit", "verifier", "verify.pyz").code == 0

    assert emma("tenants", "erase", "default", "--subject", "borrower-7", "--yes").code == 0
    here = emma("audit", "verify", "--checkpoint", "kept.txt", "--format", "json")
    assert emma("audit", "export", "trail.jsonl").code == 0
    taken = emma("tenants", "export", "default", "out", "--format", "json")

    def alone(*given: str) -> str:
        command = [sys.executable, "-I", "-S", "verify.pyz", *given, "--key", key]
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60).stdout

    assert here.code == 0 and here.json["erased"] == 2
    assert alone("proof.json").startswith("ok: line 1 is one of 2")
    assert alone("trail.jsonl", "--checkpoint", "kept.txt").startswith("ok: ")
    assert "canary-4c1d" not in (tmp_path / "trail.jsonl").read_text()
    assert taken.code == 0 and not any("canary-4c1d" in path.read_text() for path in (tmp_path / "out").glob("*.json*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("erase", "default", "--subject", "borrower-7"), "say --yes"),
        (("erase", "default", "--subject", "nobody", "--yes"), "nothing is held of such a person"),
        (("erase", "nope", "--subject", "borrower-7", "--yes"), "No tenant 'nope'"),
        (("erase", "default", "--subject", " ", "--yes"), "No person is named"),
        (("erase", "default", "--subject", "borrower-7", "--yes", "--proof", "here"), "is there already"),
        (("erase", "default", "--yes"), "--subject"),
        (("export", "default", "here", "--subject", "borrower-7"), "is there already"),
        (("export", "default", "no/such/place", "--subject", "borrower-7"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_all_as_it_was(emma, tmp_path, arguments, words):
    emma(*ASK)
    (tmp_path / "here").mkdir()

    said = emma("tenants", *arguments)

    assert said.code == 2 and words in said.err and said.out == ""
    assert "Traceback" not in said.err
    assert emma("audit", "verify").code == 0


def test_a_master_key_is_needed_once_it_was_used_and_can_be_changed(emma, monkeypatch):
    old, new = "11" * 32, "22" * 32
    emma(*ASK)
    first = emma("db", "encrypt")
    monkeypatch.setenv("EMMA_MASTER_KEY", old)
    wrapped = emma("db", "encrypt")
    monkeypatch.delenv("EMMA_MASTER_KEY")
    locked = emma("audit", "show")
    monkeypatch.setenv("EMMA_MASTER_KEY", f"{new}, {old}")
    changed = emma("db", "encrypt", "--format", "json")
    monkeypatch.setenv("EMMA_MASTER_KEY", new)
    whole = emma("audit", "verify")
    monkeypatch.setenv("EMMA_MASTER_KEY", "no-32-bytes-at-all")
    wrong = emma("audit", "verify")

    assert "nothing lay open" in first.out and "2 keys wrapped" in wrapped.out
    assert locked.code == 2 and "EMMA_MASTER_KEY" in locked.err and old not in locked.err
    assert [each["keys"] for each in changed.json] == [2]
    assert whole.code == 0
    assert wrong.code == 2 and "32 random bytes" in wrong.err and "no-32-bytes-at-all" not in wrong.err
