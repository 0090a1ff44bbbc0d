"""Holds the command line as a whole to its promises: help with examples, completion, quiet ends, honest crashes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from emma_core.cli.app import app

RUN = "import sys; from emma_core.cli import main; sys.exit(main())"


def commands(group, path=()):
    """Every command, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield pytest.param((*path, name), command, id="-".join((*path, name)))


@pytest.mark.parametrize(("path", "command"), list(commands(typer.main.get_command(app))))
def test_every_command_has_a_help_with_an_example(emma, path, command):
    said = emma(*path, "--help")

    assert said.code == 0
    assert f"emma {' '.join(path)}" in command.help.partition("Example")[2]
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_version_is_told(emma):
    assert emma("--version").out.startswith("emma 0.")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("emma ask l", "loan_officer"),
        ("emma rules show mortgage.lender", "mortgage.lender_policy.dti_max"),
        ("emma packs show m", "mortgage"),
        ("emma schema aud", "audit_event"),
        ("emma ask loan_officer hi --role mortgage.s", "mortgage.senior_underwriter"),
    ],
)
def test_a_shell_completes_names(words, found):
    variables = {"_EMMA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}

    done = subprocess.run(
        [sys.executable, "-c", RUN], env=os.environ | variables, capture_output=True, text=True, check=False
    )

    assert found in done.stdout.split()


def test_a_reader_that_leaves_early_ends_it_quietly(store):
    read, write = os.pipe()
    os.close(read)

    done = subprocess.run(
        [sys.executable, "-c", RUN, "rules", "list"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)

    assert done.stderr == b""


def test_an_error_nobody_expected_keeps_its_traceback_and_is_no_verdict(process, site):
    folder = site("acme", "")
    (folder / "yaml.py").write_text("raise ZeroDivisionError('planted')")

    said = process("packs", "list", PYTHONPATH=str(folder))

    assert said.code == 70
    assert "ZeroDivisionError: planted" in said.err


def test_a_terminal_that_cannot_show_a_character_gets_its_number(process):
    said = process("ask", "loan_officer", "At 47% DTI?", PYTHONIOENCODING="ascii")

    assert said.code == 1
    assert "failed" in said.out
    assert process("ask", "loan_officer", "naïve 41% DTI?", "--format", "json", PYTHONIOENCODING="ascii").json


def test_no_command_at_all_is_the_help(emma):
    said = emma()

    assert said.code == 2
    assert "Begin with emma demo" in said.out
    assert said.err == ""
