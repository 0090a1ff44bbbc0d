"""Holds `emma db` to bringing every database to its form, and to saying what it did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from services import Addresses

FIXTURE = Path(__file__).parents[1] / "backends" / "fixtures" / "store_v1.db"


def test_a_file_of_an_earlier_release_works_after_the_command_that_the_error_names(emma, store):
    store.parent.mkdir()
    shutil.copy(FIXTURE, store)

    refused = emma("tenants", "list")
    done = emma("db", "upgrade")
    listed = emma("tenants", "list", "--format", "json")

    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert refused.err.endswith("back it up, then run: emma db upgrade\n")
    assert done.code == 0
    assert f"{store} went from revision 0001 to 0002" in done.out
    assert [each["id"] for each in listed.json] == ["acme", "default"]
    assert emma("audit", "verify", "--tenant", "acme").code == 0


def test_a_downgrade_goes_back_and_says_so(emma, store):
    made = emma("db", "upgrade", "--format", "json")
    back = emma("db", "downgrade", "0001")
    unknown = emma("db", "downgrade", "7")

    assert made.json["done"][0] == f"{store} was made at revision 0002"
    assert back.code == 0
    assert f"{store} went from revision 0002 to 0001" in back.out
    assert unknown.code == 2
    assert "There is no revision '7'; there are ['0001', '0002']" in unknown.err


def test_a_new_folder_needs_no_command(emma, store):
    assert emma("tenants", "create", "acme").code == 0

    assert store.is_file()
    assert "revision 0002 already" in emma("db", "upgrade").out


@pytest.fixture
def server(database: Addresses, monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """An empty database that the environment names, for the registry and the store."""
    for variable in ("EMMA_DATABASE", "EMMA_STORE"):
        monkeypatch.setenv(variable, database.app)
    monkeypatch.setenv("EMMA_DATABASE_OWNER", database.owner)
    return database


def test_an_empty_postgresql_is_refused_until_it_is_upgraded(emma, server):
    before = emma("tenants", "list")
    done = emma("db", "upgrade")
    after = emma("tenants", "list", "--format", "json")

    assert before.code == 2
    assert before.err.endswith("holds no tables of Emma yet; run: emma db upgrade\n")
    assert done.code == 0
    assert done.out.count("was made at revision 0002") == 1
    assert [each["id"] for each in after.json] == ["default"]
    assert emma("tenants", "create", "acme").code == 0
    assert emma("ask", "loan_officer", "Can we approve?", "--facts", '{"dti": 0.4}', "--tenant", "acme").code == 0
    assert emma("db", "downgrade", "0001").code == 0
    assert "is of an earlier Emma" in emma("tenants", "list").err


def test_only_the_owner_changes_the_tables_of_postgresql(emma, server, monkeypatch):
    monkeypatch.delenv("EMMA_DATABASE_OWNER")
    missing = emma("db", "upgrade")
    monkeypatch.setenv("EMMA_DATABASE_OWNER", server.app)
    same = emma("db", "upgrade")
    monkeypatch.setenv("EMMA_DATABASE_OWNER", server.owner.rpartition("/")[0] + "/postgres")
    elsewhere = emma("db", "upgrade")
    monkeypatch.setenv("EMMA_DATABASE_OWNER", "sqlite:///x.db")
    embedded = emma("db", "upgrade")

    assert [each.code for each in (missing, same, elsewhere, embedded)] == [2, 2, 2, 2]
    assert "put that role's address in EMMA_DATABASE_OWNER" in missing.err
    assert "names no other role than 'emma_app'" in same.err
    assert "name the same database" in elsewhere.err
    assert "put that role's address in EMMA_DATABASE_OWNER" in embedded.err


def test_the_doctor_lints_the_database_and_is_bad_where_there_is_a_way_around(emma, server, monkeypatch):
    emma("db", "upgrade")
    clean = emma("doctor", "--database", "--format", "json")
    monkeypatch.setenv("EMMA_DATABASE", server.superuser)
    bad = emma("doctor", "--database", "--format", "json")
    refused = emma("tenants", "list")

    assert (clean.code, [each["state"] for each in clean.json]) == (0, ["ok"])
    assert bad.code == 1
    assert ("EMMA_DATABASE", "role 'postgres' is a superuser") in [(each["what"], each["said"]) for each in bad.json]
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "is a superuser and would see every tenant's rows" in refused.err


def test_the_doctor_finds_nothing_to_lint_in_a_file(emma, store):
    said = emma("doctor", "--database")

    assert said.code == 0
    assert "no way around it was found" in " ".join(said.out.split())
