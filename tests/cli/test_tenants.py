"""Leads a tenant through its life at the command line, and holds each bad word to one line and exit 2."""

from __future__ import annotations

import json

import pytest

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"


def test_a_tenant_from_its_first_day_to_the_proof_that_nothing_is_left(emma, tmp_path, monkeypatch):
    made = emma("tenants", "create", "acme", "--title", "Acme", "--region", "westeurope", "--format", "json")
    assert (made.json["state"], made.json["region"]) == ("active", "westeurope")
    assert emma("ask", "loan_officer", QUESTION, "--tenant", "acme").code == 1

    shown = emma("tenants", "show", "acme")
    assert "1 turns" in shown.out and "store: " in shown.out
    used = emma("report", "usage", "--tenant", "acme", "--format", "json")
    assert {each["counter"]: each["amount"] for each in used.json if each["amount"]} == {"answers": 1, "turns": 1}
    assert len({each["tenant"] for each in emma("report", "usage", "--all", "--format", "json").json}) == 1

    assert "is suspended" in emma("tenants", "suspend", "acme").out
    refused = emma("ask", "loan_officer", QUESTION, "--tenant", "acme")
    assert refused.code == 2 and "emma tenants resume acme" in refused.err
    assert emma("audit", "verify", "--tenant", "acme").code == 0

    taken = emma("tenants", "export", "acme", "out", "--format", "json")
    assert taken.json["counts"]["trail"] == {"lines": 2, "payloads": 2} and len(taken.json["sha256"]) == 64
    assert emma("audit", "verify", "--export", "out/trail.jsonl").code == 0

    assert "destroys it from" in emma("tenants", "offboard", "acme").out
    assert "is offboarded" in emma("overrides", "list", "--tenant", "acme").err
    assert "kept until" in emma("db", "retain").out
    monkeypatch.setenv("EMMA_RETAIN_OFFBOARDED_DAYS", "0")
    dry = emma("db", "retain", "--dry-run")
    assert "would be destroyed" in dry.out and "2 lines" in dry.out
    (tmp_path / "proofs").mkdir()
    gone = emma("db", "retain", "--proofs", "proofs")
    assert gone.code == 0 and "acme" in gone.out and "nothing" in gone.out
    [proof] = (tmp_path / "proofs").iterdir()
    kept = json.loads(proof.read_text())
    assert kept["sha256"] in "".join(gone.out.split()) and kept["head"]["seq"] == 2
    assert not any(count for place in kept["after"].values() for count in place.values())
    assert [each["id"] for each in emma("tenants", "list", "--format", "json").json] == ["default"]

    back = emma("tenants", "import", "out")
    assert back.code == 0 and "Tenant acme is here as it was there." in back.out
    assert taken.json["head"]["hash"] in "".join(back.out.split()) and taken.json["sha256"] in back.out
    assert emma("tenants", "resume", "acme").code == 0
    assert emma("audit", "verify", "--tenant", "acme").code == 0
    assert emma("db", "retain", "--format", "json").json["proofs"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "a/b"), "Tenant 'a/b' does not fit"),
        (("create", "🏠"), "does not fit"),
        (("create", "x" * 300), "does not fit"),
        (("create", "default"), "exists"),
        (("suspend", "acme"), "No tenant 'acme'"),
        (("resume", "a'b"), "a'b"),
        (("show", "nobody"), "No tenant 'nobody'"),
        (("offboard", "default"), "is in every installation"),
        (("offboard", "🏠" * 300), "🏠"),
        (("export", "nobody", "out"), "No tenant 'nobody'"),
        (("export", "default", "there"), "'there' is there already"),
        (("export", "default", "nowhere/out"), "'nowhere/out' cannot be made"),
        (("import", "there"), "holds no manifest.json"),
        (("import", "nowhere"), "holds no manifest.json"),
        (("import", "cut"), "cut off"),
    ],
)
def test_what_cannot_be_done_with_a_tenant_is_one_line_and_changes_nothing(opened, tmp_path, arguments, words):
    (tmp_path / "there").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "manifest.json").write_text('{"format": "emma-te')

    said = opened("tenants", *arguments)

    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1 and words in said.err
    assert [each["state"] for each in opened("tenants", "list", "--format", "json").json] == ["active"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("db", "retain", "--proofs", "nowhere"), "no folder 'nowhere'"),
        (("report", "usage", "--since", "yesterday"), "--since: 'yesterday' is no day"),
        (("report", "usage", "--since", "2026-02-01", "--until", "2026-01-01"), "turn them round"),
        (("report", "usage", "--tenant", "nobody"), "No tenant 'nobody'"),
    ],
)
def test_what_cannot_be_retained_or_told_is_one_line(opened, arguments, words):
    said = opened(*arguments)

    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1 and words in said.err


def test_a_store_that_is_not_there_is_not_made_to_be_looked_at(emma, store):
    for arguments in (("tenants", "show", "default"), ("db", "retain"), ("report", "usage"), ("tenants", "list")):
        assert emma(*arguments).code == 2
    assert not store.exists()
