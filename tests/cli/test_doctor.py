"""Holds `emma doctor` to seeing what is wrong, and saying what to do."""

from __future__ import annotations

import pytest


def states(said):
    """How each thing stands, by name."""
    return {each["what"]: each for each in said.json}


def test_a_sound_installation_is_told_part_by_part(emma):
    said = emma("doctor", "--format", "json")

    assert said.code == 0
    found = states(said)
    looked_at = {"python", "emma", "pack mortgage", "secrets", "blobs", "cache", "store", "tenants", "model"}
    assert looked_at <= set(found)
    assert {each["state"] for each in found.values()} <= {"ok", "warn"}
    assert "regulations" in found["blueprint loan_officer"]["said"]
    assert "empty" in found["blueprint loan_officer"]["said"]


def test_people_see_a_table_of_80_columns(emma):
    said = emma("doctor")

    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_variable_that_means_nothing_is_named_with_the_nearest_that_does(emma, monkeypatch):
    monkeypatch.setenv("EMMA_STOR", "sqlite:///x.db")

    assert states(emma("doctor", "--format", "json"))["variable EMMA_STOR"]["do"] == "did you mean EMMA_STORE?"


def test_what_is_bad_exits_1_and_says_what_to_do(emma, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EMMA_STORE", f"sqlite:///{tmp_path}/file/emma.db")
    monkeypatch.setenv("EMMA_BLUEPRINTS", str(tmp_path / "nowhere"))

    said = emma("doctor", "--format", "json")

    assert said.code == 1
    bad = {what: each for what, each in states(said).items() if each["state"] == "bad"}
    assert set(bad) == {"store", "blueprints"}
    assert all(each["do"] for each in bad.values())


def test_a_tenant_that_is_not_there_is_bad(emma, monkeypatch):
    monkeypatch.setenv("EMMA_TENANT", "acme")

    said = emma("doctor", "--format", "json")

    assert said.code == 1
    assert states(said)["tenants"]["do"] == "emma tenants create acme"


def test_a_pack_that_raises_is_bad_and_names_how_to_remove_it(process, site):
    folder = site("acme", "raise RuntimeError('no luck')")

    said = process("doctor", "--format", "json", PYTHONPATH=str(folder))

    assert said.code == 1
    assert states(said)["pack acme"]["do"].endswith("pip uninstall emma-acme")


def test_a_cache_that_is_away_is_a_warning_and_says_what_turns_do_meanwhile(emma, monkeypatch):
    monkeypatch.setenv("EMMA_CACHE", "redis://emma:canary-password@127.0.0.1:9/0")

    said = emma("doctor", "--format", "json")

    assert said.code == 0
    assert states(said)["cache"]["state"] == "warn"
    assert "turns go on without it" in states(said)["cache"]["do"]
    assert states(said)["store"]["state"] == "ok"
    assert "canary" not in said.out + said.err


@pytest.mark.parametrize(
    ("variable", "address", "what", "words"),
    [
        ("EMMA_BLOBS", "file:taken", "blobs", "is no folder"),
        ("EMMA_BLOBS", "azure-blob://127.0.0.1:9/a/c?key=Y2FuYXJ5a2V5&retries=0", "blobs", "it cannot be reached"),
        ("EMMA_BLOBS", "s3://bucket", "blobs", "No blobs answers to 's3://bucket'"),
        ("EMMA_CACHE", "{secret:nobody}", "secrets", "Secret 'nobody'"),
        ("EMMA_SECRETS", "env:nowhere.env", "secrets", "cannot be read"),
    ],
)
def test_blobs_and_secrets_that_cannot_be_used_are_bad_and_named(
    emma, tmp_path, monkeypatch, variable, address, what, words
):
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setenv(variable, address)

    said = emma("doctor", "--format", "json")

    assert said.code == 1
    assert states(said)[what]["state"] == "bad"
    assert words in states(said)[what]["said"]
    assert states(said)["store"]["said"].startswith("not looked at")
    assert "Y2FuYXJ5" not in said.out + said.err
