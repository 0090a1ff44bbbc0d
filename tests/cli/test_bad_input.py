"""Holds every command to one line on stderr and exit 2 for what cannot be read or done, with nothing left behind."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

ASK = ("ask", "loan_officer", "hi")


def complaint(said):
    """The one line of a complaint."""
    assert said.code == 2, said
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("emma: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "loan_oficer", "hi"), "No blueprint 'loan_oficer'; did you mean 'loan_officer'?"),
        (("ask", "loan_officer", ""), "empty"),
        (("ask", "loan_officer", " \n"), "empty"),
        (("ask", "loan_officer", "a" * 1_000_000), "32,000 is the most"),
        ((*ASK, "--tenant", "acme"), "No tenant 'acme'"),
        ((*ASK, "--tenant", "A B"), "'A B'"),
        ((*ASK, "--facts", '{"dti": true}'), "Fact 'dti': True is no number"),
        ((*ASK, "--facts", '{"dti": "0.4"}'), "Fact 'dti'"),
        ((*ASK, "--facts", '{"dti": NaN}'), "NaN is no number"),
        ((*ASK, "--facts", '{"dti": 1e999}'), "Fact 'dti'"),
        ((*ASK, "--facts", '{"dti": ' + "9" * 5000 + "}"), "too long"),
        ((*ASK, "--facts", '{"application_date": "2024-02-30"}'), "there is no 30 February 2024"),
        ((*ASK, "--facts", '{"dtii": 1}'), "did you mean 'dti'?"),
        ((*ASK, "--facts", '{"dti": 1, "dti": 2}'), "stands twice"),
        ((*ASK, "--facts", "[1]"), "an object"),
        ((*ASK, "--facts", "{"), "line 1 col 2"),
        ((*ASK, "--facts", "nowhere.json"), "'nowhere.json' cannot be read"),
        ((*ASK, "--facts", '{"loan_type": "\\ud800"}'), "half of a character"),
        ((*ASK, "--as-of", "2019-02-30"), "--as-of: '2019-02-30' is no day"),
        ((*ASK, "--as-of", "20190201"), "is no day"),
        ((*ASK, "--as-of", "1700-01-01"), "'1700-01-01' is out of range; write a day from 1800-01-01 to 2199-12-31"),
        ((*ASK, "--as-of", "9999-12-31"), "is out of range"),
        ((*ASK, "--tenant", ""), "--tenant: the name is empty"),
        ((*ASK, "--role", ""), "--role: no pack registered a role ''"),
        ((*ASK, "--role", "mortgage.senior_underwritr"), "did you mean 'mortgage.senior_underwriter'?"),
        ((*ASK, "--conversation", ""), "--conversation: the name is empty"),
        ((*ASK, "--as", ""), "No caller ''"),
        ((*ASK, "--formt", "json"), "--formt"),
        (("ask",), "see `emma ask --help`"),
        (("askk",), "Did you mean 'ask'?"),
        (("chat", "loan_oficer"), "did you mean 'loan_officer'?"),
        (("rules", "list", "zzz"), "No rule fits 'zzz'"),
        (("rules", "show", "mortgage.lender_policy.dti_mx"), "did you mean 'mortgage.lender_policy.dti_max'?"),
        (("rules", "explain", "mortgage.lender_policy.dti_max", "--facts", '{"loan": 1}'), "Fact 'loan'"),
        (("packs", "show", "mortgag"), "did you mean 'mortgage'?"),
        (("packs", "check", "mortgag"), "did you mean 'mortgage'?"),
        (("packs", "new", "9x"), "Pack '9x'"),
        (("packs", "new", "class"), "Pack 'class'"),
        (("packs", "new", "core"), "Pack 'core': distribution 'emma-core' is installed"),
        (("packs", "new", "mortgage"), "Pack 'mortgage': distribution 'emma-mortgage' brings one of this name"),
        (("packs", "new", "real_estate"), "distribution 'emma-real-estate' brings one of this name"),
        (("packs", "new", "acme", "--into", "nowhere"), "no folder 'nowhere'"),
        (("blueprints", "show", "loan_oficer"), "did you mean 'loan_officer'?"),
        (("overrides", "grant", "abc"), "at least 6 characters"),
        (("overrides", "grant", "abcdef123456", "--field", "x"), "'x' lacks '=' and the text after it; write it as"),
        (("overrides", "grant", "abcdef123456", "--field", "x="), "'x' lacks the text after '='"),
        (("overrides", "grant", "abcdef123456", "--field", "=x"), "'=x' has no name"),
        (("audit", "show", "--turn", "nope"), "No turn 'nope' is on this trail"),
        (("audit", "show", "--conversation", "nope"), "No conversation 'nope' is on this trail"),
        (("audit", "show", "--turn", ""), "--turn: the name is empty"),
        (("tenants", "create", "A B"), "Tenant 'A B'"),
        (("tenants", "create", "default"), "exists"),
        (("audit", "verify", "--export", "nowhere"), "'nowhere' cannot be read"),
        (("audit", "export", "nowhere/trail.jsonl"), "cannot be written"),
        (("schema", "turnn"), "did you mean 'turn'?"),
        (("schema",), "No schema was named"),
    ],
)
def test_what_cannot_be_read_or_done_is_one_line_and_exit_2(opened, arguments, words):
    assert words in complaint(opened(*arguments))

    assert opened("audit", "show", "--format", "json").json == [], "something was written"


def test_a_file_that_is_not_utf_8_is_named_with_the_byte(emma, tmp_path):
    (tmp_path / "facts.json").write_bytes(b'{"dti": "\xe9"}')

    assert "facts.json: byte 10 is not UTF-8" in complaint(emma(*ASK, "--facts", "facts.json"))
    assert "stdin: byte 4 is not UTF-8" in complaint(emma("ask", "loan_officer", "-", stdin=b"caf\xe9"))


def test_arguments_that_are_not_utf_8_are_one_line_too(process):
    assert "not Unicode" in complaint(process("ask", "loan_officer", b"caf\xe9"))
    assert complaint(process("ask", "loan_officer", "hi", "--conversation", b"\xff"))


def test_a_store_that_cannot_be_written_is_one_line(process, tmp_path):
    (tmp_path / "file").write_text("no folder")

    said = process(*ASK, EMMA_STORE=f"sqlite:///{tmp_path}/file/emma.db")

    assert str(tmp_path / "file") in complaint(said)


def test_a_store_of_a_newer_version_is_left_as_it_is(process, store):
    store.parent.mkdir()
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = store.read_bytes()

    assert "newer" in complaint(process(*ASK))
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"EMMA_STORE": "mongo://x"}, "No store answers to 'mongo://x'"),
        ({"EMMA_STORE": ""}, "No store answers to ''"),
        ({"EMMA_TENANT": "acme"}, "No tenant 'acme'"),
        ({"EMMA_BLUEPRINTS": "nowhere"}, "there is no folder 'nowhere'"),
    ],
)
def test_a_setting_that_leads_nowhere_is_one_line(process, variables, words):
    assert words in complaint(process(*ASK, **variables))


def test_who_you_say_you_are_counts_on_an_embedded_store_only(process):
    said = process(*ASK, "--as", "sam", EMMA_STORE="mongo://x")

    assert "--as and --role" in complaint(said)


READING = [
    ("audit", "show"),
    ("audit", "verify"),
    ("audit", "export", "-"),
    ("overrides", "list"),
    ("overrides", "grant", "abcdef123456"),
    ("overrides", "refuse", "abcdef123456"),
    ("tenants", "list"),
]


@pytest.mark.parametrize("arguments", READING, ids="-".join)
def test_a_command_that_only_reads_makes_no_store(emma, store, arguments):
    assert f"There is no store '{store}'" in complaint(emma(*arguments))

    assert not store.parent.exists()


def test_output_that_cannot_be_written_is_one_line(process):
    full = "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
    run = f"import os, sys; {full}; from emma_core.cli import main; sys.exit(main())"

    for arguments in (("rules", "list"), ("ask", "loan_officer", "At 41% DTI?", "--format", "json")):
        done = subprocess.run([sys.executable, "-c", run, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        said = "emma: the output cannot be written: No space left on device; make room, or name another place"
        assert done.stderr.splitlines() == [said]


def test_a_backend_that_cannot_be_made_is_one_line_that_names_its_pack(process, site):
    folder = site(
        "acme",
        "from emma_core import hookimpl\n"
        "@hookimpl\n"
        "def register_backends():\n"
        "    return {'model': {'acme': lambda address: 1 // 0}}\n",
    )

    said = process(*ASK, EMMA_MODEL="acme:x", PYTHONPATH=str(folder))

    assert "Pack 'acme': its model for 'acme:x' cannot be made: ZeroDivisionError" in complaint(said)
