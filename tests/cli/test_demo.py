"""Holds `emma demo` to its story: real, whole, offline, and gone afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_the_demo_tells_one_turn_in_five_scenes(emma):
    said = emma("demo")

    assert said.code == 0
    scenes = ["What was asked", "Which rules apply", "What each rule compared", "Who may lift it", "The proof"]
    places = [said.out.index(scene) for scene in scenes]
    assert places == sorted(places)
    assert max(map(len, said.out.splitlines())) <= 80


def test_the_demo_shows_what_really_happened(emma):
    said = " ".join(emma("demo").out.split())

    for words in (
        "at [47%] debt-to-income",
        "mortgage.qualified_mortgage.dti_43: in force 2014-01-10 to 2022-09-30",
        "policy: 12 CFR 1026.43(c)(2)(vii)",
        "user 'ana' may not decide it",
        "✗ lifted",
        "clear: no mandatory rule stands against it",
        "ok: 5 lines",
        "broken at #1",
    ):
        assert words in said


def test_the_demo_in_json_is_its_two_turns(emma):
    first, second = emma("demo", "--format", "json").json

    schema = json.loads((SCHEMAS / "turn.json").read_text())
    for turn in (first, second):
        jsonschema.validate(turn, schema)
    assert (first["verdict"], second["verdict"]) == ("needs_override", "clear")


def test_the_demo_leaves_nothing_behind_and_touches_no_store_of_yours(process, store, tmp_path):
    (tmp_path / "tmp").mkdir()

    said = process("demo", TMPDIR=str(tmp_path / "tmp"), EMMA_MODEL="azure_openai:gpt-4o")

    assert said.code == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not store.exists()


def test_the_demo_opens_no_connection(store):
    watch = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(event)
sys.addaudithook(refuse)
from emma_core.cli import main
sys.exit(main(["demo"]))
"""

    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_without_colours_means_without_any_escape(process):
    assert "\x1b" in process("demo", FORCE_COLOR="1", TERM="xterm-256color").out
    assert "\x1b" not in process("demo", "--plain", FORCE_COLOR="1", TERM="xterm-256color").out
