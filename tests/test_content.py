"""Holds the reader of content to plain words for what does not fit, and to passing over no file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emma_core import content, wording
from emma_core.errors import AuthorError

RULE: dict[str, Any] = {
    "id": "acme.house.small",
    "title": "Small enough",
    "text": "A parcel is small enough to carry.",
    "applies_to": ["ask"],
    "require": "weight <= 20",
    "severity": "error",
    "message": "It weighs {weight}.",
    "source": {"kind": "policy", "citation": "House rules 1", "read_on": "2026-11-01"},
    "examples": {"pass": [{"weight": 20}], "fail": [{"weight": 21}]},
}
FRONT = {"id": "acme.t", "title": "T", "granted_by": "[acme.boss]"}


def written(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def ruleset(**rule: Any) -> str:
    """A rule set file with one rule, changed as asked."""
    return json.dumps({"ruleset": "acme/house", "edition": "1", "facts": "acme.parcel", "rules": [{**RULE, **rule}]})


def index(name: str = "weight", model: str = "acme.parcel", **spec: Any) -> str:
    """An index with one fact, changed as asked."""
    return json.dumps({"facts": {model: {name: {"type": "text", "title": "Weight", **spec}}}})


def template(**front: str) -> str:
    """An override template, its front matter changed as asked."""
    return "\n".join(["---", *(f"{key}: {said}" for key, said in (FRONT | front).items()), "---", "Words"])


def complaint(folder: Path) -> str:
    """Why the folder does not read, in one line."""
    with pytest.raises(AuthorError) as raised:
        content.load(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"override-templates/t.md": template(expires="30 days")},
            "expires: '30 days' does not fit; write a number of",
        ),
        ({"override-templates/t.md": template(granted_by="[]")}, "granted_by: it is empty; write something"),
        ({"override-templates/t.md": template(four_eyes="maybe")}, "four_eyes: write true or false, and not 'maybe'"),
        ({"override-templates/t.md": template(title='""')}, "title: it is empty; write something"),
        (
            {"override-templates/t.md": template(id="Acme T")},
            "id: 'Acme T' does not fit; write lower-case words joined",
        ),
        ({"i.json": index("Amount")}, "facts.'acme.parcel'.Amount: 'Amount' does not fit; write lower-case letters"),
        ({"i.json": index(type="numbr")}, "type: 'numbr' is not known; did you mean 'number'?"),
        ({"i.json": index(title=7)}, "title: write a text, and not 7"),
        ({"i.json": '{"rulesets": "rules.json"}'}, "rulesets: write a list, and not 'rules.json'"),
        ({"i.json": '{"facts": []}'}, "facts: write keys with values, and not []"),
        ({"r.json": ruleset(source={"kind": "law", "citation": "x"})}, "source.read_on: the key is missing; write it"),
        ({"r.json": ruleset(source={**RULE["source"], "read_on": "2026-02-30"})}, "'2026-02-30' is no day; write one"),
        ({"r.json": ruleset(title="x" * 500, text=["y" * 500])}, "text: write a text, and not"),
        ({"r.json": ruleset(applies_to=[])}, "acme.house.small: rules.0.applies_to: it is empty"),
        ({"r.json": ruleset(applies_to=["ask", "ask"])}, "acme.house.small: applies_to: 'ask' stands twice"),
        ({"i.json": index("and")}, "keeps the word 'and' for itself"),
        ({"i.json": index("date")}, "keeps the word 'date' for itself"),
        ({"i.json": index(values=[])}, "values: an empty list lets nothing in"),
        ({"i.json": index(type="number", values=["7"])}, "values: only a text or a list has them"),
        ({"i.json": '{"facts": ' + "9" * 5_000 + "}"}, "i.json: a number in it is too long to be read"),
        ({"x.yaml": "limits: {seconds: " + "9" * 5_000 + "}"}, "x.yaml: a number in it is too long to be read"),
    ],
)
def test_what_does_not_fit_says_where_and_what_to_write(tmp_path: Path, files: dict[str, str], said: str) -> None:
    text = complaint(written(tmp_path, files))

    assert said in text
    assert text.startswith(next(iter(files)).rpartition("/")[2])
    assert len(text) < 250


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rules/orphan.json", "name it under 'rulesets' in an index"),
        ("rules/notes.txt", "see how content is laid out"),
        ("blueprints/x.yml", "see how content is laid out"),
        ("override-templates/more/t.md", "see how content is laid out"),
        ("x.yml", "call it .yaml"),
        ("t.md", "move it into 'override-templates'"),
        ("override_templates/t.md", "did you mean 'override-templates'?"),
        ("rule/x.json", "did you mean 'rules'?"),
    ],
)
def test_a_file_that_would_be_passed_over_is_named(tmp_path: Path, name: str, said: str) -> None:
    text = complaint(written(tmp_path, {name: "{}"}))

    assert said in text
    assert text.startswith(name.rpartition("/")[0] if "did you mean" in said else name)


def test_files_for_people_and_their_editors_are_left_alone(tmp_path: Path) -> None:
    files = ("README.md", "rules/README.md", "rules/.x.json.swp", "rules/x.json~", "stories/x.json", ".DS_Store")

    assert content.load(written(tmp_path, dict.fromkeys(files, "{}"))).rulesets == ()


def test_two_indexes_may_not_declare_one_role(tmp_path: Path) -> None:
    said = json.dumps({"roles": {"acme.boss": "Boss"}})

    assert "roles: 'acme.boss' is declared twice" in complaint(written(tmp_path, {"a.json": said, "b.json": said}))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{{ ''.__class__.__mro__ }}", "'__mro__' is nothing that words may name"),
        ("{{ rule['__class__'] }}", "'__class__' is nothing that words may name"),
        ("{{ rule._x }}", "'_x' is nothing that words may name"),
        ("{{ 1 < 'a' }}", "words: they cannot be rendered: TypeError"),
    ],
)
def test_words_that_reach_out_of_their_sandbox_or_cannot_be_rendered_do_not_load(words: str, said: str) -> None:
    with pytest.raises(AuthorError, match=r"t\.md: words") as raised:
        wording.check(words, content.WORDING_NAMES, where="t.md")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("{{ values.weight > 3 }}", {"values": {}}),
        ("{{ values.weight > 3 }}", {"values": {"weight": "heavy"}}),
    ],
)
def test_words_that_fail_over_the_values_of_a_turn_are_an_authors_error(words: str, values: dict[str, Any]) -> None:
    wording.check(words, content.WORDING_NAMES, where="t.md")

    with pytest.raises(AuthorError, match="cannot be rendered"):
        wording.render(words, values)
