"""Holds `emma chat` to what a conversation is: remembered, forgiving, and ended by its last verdict."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_answering_what_was_asked_settles_the_verdict(emma):
    first = emma("chat", "loan_officer", stdin=b"Can we approve this loan?\n")
    both = emma("chat", "loan_officer", stdin=b"Can we approve this loan?\n41%\n")

    assert first.code == 1
    assert "What is the debt-to-income ratio?" in first.out
    assert both.code == 0
    assert both.out.index("needs_facts") < both.out.index("clear")
    assert both.err == ""


def test_a_piped_conversation_in_json_is_one_turn_a_line(emma):
    said = emma("chat", "loan_officer", "--format", "json", stdin=b"Can we approve this loan?\n41%\n")

    turns = [json.loads(line) for line in said.out.splitlines()]
    for turn in turns:
        jsonschema.validate(turn, json.loads((SCHEMAS / "turn.json").read_text()))
    assert [turn["verdict"] for turn in turns] == ["needs_facts", "clear"]
    assert len({turn["ask"]["conversation"] for turn in turns}) == 1


def test_a_line_that_cannot_be_asked_does_not_end_the_conversation(emma):
    lines = b"\n\xff\xfe\n/nonsense\nCan we approve this at 41% debt-to-income?\n"

    said = emma("chat", "loan_officer", stdin=lines)

    assert said.code == 0
    assert "clear" in said.out
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["emma", "emma", "emma"]


def test_a_conversation_in_which_nothing_could_be_asked_exits_2(emma):
    assert emma("chat", "loan_officer", stdin=b"\n").code == 2
    assert emma("chat", "loan_officer", stdin=b"").code == 0


def test_commands_show_facts_and_trail_and_end_the_conversation(emma):
    lines = b"/facts\nAt 41% debt-to-income?\n/facts\n/trail\n/help\n/quit\nAt 47% debt-to-income?\n"

    said = emma("chat", "loan_officer", stdin=lines)

    assert said.code == 0
    assert "Nothing was asked yet." in said.out
    assert "mortgage.loan.dti  0.41" in said.out
    assert "#1 judged" in said.out
    assert "needs_override" not in said.out


def test_a_conversation_can_be_gone_on_with(emma):
    emma("chat", "loan_officer", "--conversation", "c-1", stdin=b"Can we approve this loan?\n")
    said = emma("chat", "loan_officer", "--conversation", "c-1", stdin=b"41%\n")

    assert said.code == 0


def test_a_person_is_prompted_and_leaves_with_control_c(store):
    seen, code = at_a_terminal("chat", "loan_officer", keys=["Can we approve this loan?\n", "\x03"])

    assert "What is the debt-to-income ratio?\r\n› " in seen
    assert "Traceback" not in seen
    assert code == 130


def test_a_person_leaves_with_control_d_and_the_last_verdict(store):
    seen, code = at_a_terminal("chat", "loan_officer", keys=["Is 41% debt-to-income fine?\n", "\x04"])

    assert "clear" in seen
    assert code == 0


def at_a_terminal(*arguments: str, keys: list[str]) -> tuple[str, int]:
    """What a person saw who types one key sequence at each prompt, and the exit code."""
    terminal, line = pty.openpty()
    run = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    run += "from emma_core.cli import main; sys.exit(main())"
    child = subprocess.Popen([sys.executable, "-c", run, *arguments], stdin=line, stdout=line, stderr=line)
    os.close(line)
    seen, waiting, typed, silences = b"", list(keys), "", 0
    while True:
        if not select.select([terminal], [], [], 3)[0]:  # a key typed while the prompt was being set up can get lost
            silences += 1
            if silences > 10:
                child.kill()
            os.write(terminal, typed.encode())
            continue
        try:
            read = os.read(terminal, 65_536)
        except OSError:  # the terminal's other end is closed
            break
        seen += read
        if waiting and seen.removesuffix(b"\x1b[?2004h").endswith("› ".encode()):
            typed = waiting.pop(0)
            os.write(terminal, typed.encode())
        if not read:
            break
    os.close(terminal)
    return seen.decode(errors="replace"), child.wait()
