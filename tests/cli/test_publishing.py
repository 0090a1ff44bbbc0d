"""Publishes, labels and moves back at the command line, and holds each bad word to one line and exit 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

QUESTION = "Can we approve this at 47% debt-to-income on a conventional loan?"
MINE = """
id: mine
title: Mine
instructions: {words}
rules: {{use: [mortgage/lender_policy]}}
tests:
  - ask: Can we approve at 47% debt-to-income?
    expect: {{verdict: {verdict}}}
"""


def write(folder: Path, words: str = "Be brief.", verdict: str = "needs_override") -> str:
    file = folder / "mine.yaml"
    file.write_text(MINE.format(words=words, verdict=verdict))
    return str(file)


def test_a_file_is_published_labelled_asked_and_moved_back(emma, tmp_path):
    first = emma("blueprints", "publish", write(tmp_path), "--label", "stable", "--as", "ana", "--format", "json")
    second = emma("blueprints", "publish", write(tmp_path, "Be kind."), "--label", "stable")
    asked = emma("ask", "mine", QUESTION, "--format", "json")
    back = emma("blueprints", "rollback", "mine")
    again = emma("ask", "mine@stable", QUESTION, "--format", "json")
    listed = emma("blueprints", "list", "--published", "--format", "json")
    shown = emma("blueprints", "show", "mine@2")
    differs = emma("blueprints", "diff", "mine@1", "mine@2")
    same = emma("blueprints", "diff", "mine@2", write(tmp_path, "Be kind."))
    trail = emma("audit", "show", "--format", "json")

    assert first.json["published_by"] == "ana"
    assert "mine@2 is published, and mine@stable: sha256:" in second.out
    assert (asked.code, again.code, back.code) == (1, 1, 0)
    assert [each["labels"] for each in listed.json] == [["stable"], []]
    assert asked.json["blueprint_hash"] == listed.json[1]["hash"]
    assert again.json["blueprint_hash"] == first.json["hash"] == listed.json[0]["hash"]
    assert "mine@2: Mine" in shown.out and "Be kind." in shown.out
    assert "- Be brief." in differs.out and "+ Be kind." in differs.out
    assert same.out == "Nothing differs.\n"
    assert [each["outcome"]["action"] for each in trail.json if each["kind"] == "published"] == [
        *("published", "labelled", "published", "labelled", "rolled_back")
    ]
    told = emma("audit", "show")
    assert "published mine@1" in told.out and "rolled_back mine@stable to version 1" in told.out


def test_a_list_of_nothing_says_how_to_publish(opened):
    assert "emma blueprints publish" in opened("blueprints", "list", "--published").out


def test_the_tests_of_a_blueprint_are_run_and_nothing_is_left(emma, store, tmp_path):
    holds = emma("blueprints", "test", write(tmp_path))
    fails = emma("blueprints", "test", write(tmp_path, verdict="clear"), "--format", "json")
    shipped = emma("blueprints", "test", "listing_editor")
    fits = emma("blueprints", "lint", str(tmp_path / "mine.yaml"))

    assert holds.code == shipped.code == fits.code == 0
    assert fails.code == 1
    assert fails.json[0]["flaws"] == ["verdict: 'clear' was expected, and it is 'needs_override'"]
    assert "mine fits" in fits.out
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("publish", "loan_oficer"), "did you mean 'loan_officer'?"),
        (("publish", "nowhere.yaml"), "nowhere.yaml"),
        (("publish", "broken.yaml"), "broken.yaml"),
        (("publish", "mine.yaml"), "tests: 1: verdict: 'clear' was expected"),
        (("publish", "loan_officer", "--label", "3"), "Label '3' is a version's number"),
        (("publish", "loan_officer", "--label", ""), "--label: the name is empty"),
        (("publish", "loan_officer", "--tenant", "acme"), "No tenant 'acme'"),
        (("label", "loan_officer", "stable"), "names no version"),
        (("label", "loan_officer@9", "stable"), "No blueprint 'loan_officer' is published here"),
        (("rollback", "loan_officer"), "No label is 'loan_officer@stable'"),
        (("rollback", "loan_officer@3"), "name a label"),
        (("show", "loan_officer@1"), "No blueprint 'loan_officer' is published here"),
        (("diff", "loan_officer", "loan_officer@1"), "No blueprint 'loan_officer' is published here"),
        (("lint", "broken.yaml"), "broken.yaml"),
    ],
)
def test_what_cannot_be_published_is_one_line_and_leaves_nothing(opened, tmp_path, arguments, words):
    (tmp_path / "broken.yaml").write_text("id: [")
    write(tmp_path, verdict="clear")

    said = opened("blueprints", *arguments)

    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1 and words in said.err
    assert json.loads(opened("blueprints", "list", "--published", "--format", "json").out) == []
