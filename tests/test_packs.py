"""Holds the pack loader to its promise: one bad pack is named and brings nothing, and the others go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emma_core import Emma, Function, NotFound, PackError, Settings, content_of, hookimpl
from emma_core import packs as loader

RULE: dict[str, Any] = {
    "id": "acme.house.small",
    "title": "Small enough",
    "text": "A parcel is small enough to carry.",
    "applies_to": ["ask"],
    "require": "weight <= 20",
    "severity": "error",
    "message": "It weighs {weight}; 20 is the most.",
    "source": {"kind": "policy", "citation": "House rules 1", "read_on": "2026-11-01"},
    "examples": {"pass": [{"weight": 20}], "fail": [{"weight": 21}], "undetermined": [{}]},
}


def content(folder: Path, *, index: dict[str, Any] | None = None, **rule: Any) -> Path:
    """A content folder of the pack `acme` with one rule, changed as asked."""
    folder.mkdir()
    ruleset = {"ruleset": "acme/house", "edition": "1", "facts": "acme.parcel", "rules": [{**RULE, **rule}]}
    said = index or {
        "rulesets": ["house.json"],
        "facts": {"acme.parcel": {"weight": {"type": "number", "title": "Weight", "unit": "kg"}}},
    }
    (folder / "validation-rules.json").write_text(json.dumps(said))
    (folder / "rules").mkdir()
    (folder / "rules" / "house.json").write_text(json.dumps(ruleset))
    if index is None:
        (folder / "validation-rules.json").write_text(json.dumps({**said, "rulesets": ["rules/house.json"]}))
    return folder


class Acme:
    """A pack of content, with whatever else a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def register_content(self) -> Path:
        return self.folder


def problem(plugin: object) -> str:
    """Why the pack `acme` is unhealthy, once it was seen that the others are not."""
    found = loader.find({"acme": plugin})
    assert {pack.name for pack in found.healthy()} >= {"global", "mortgage", "real_estate"}
    pack = found.by_name["acme"]
    assert pack.problem is not None, "the pack loaded"
    assert (pack.rulesets, pack.blueprints, dict(pack.roles)) == ((), (), {})
    with pytest.raises(PackError, match="unhealthy"):
        found.need("acme")
    return pack.problem


def test_a_pack_of_data_is_found_stamped_and_asked(tmp_path: Path) -> None:
    found = loader.find({"acme": Acme(content(tmp_path / "content"))})
    pack = found.need("acme")

    assert found.rule("acme.house.small").rule.title == "Small enough"
    assert [one.ruleset.ruleset for one in found.rulesets("acme/*")] == ["acme/house"]
    assert len(pack.stamp.hash) == 64


def test_the_hash_of_a_pack_is_stable_and_moves_with_its_content(tmp_path: Path) -> None:
    first = loader.find({"acme": Acme(content(tmp_path / "a"))}).need("acme").hash
    again = loader.find({"acme": Acme(tmp_path / "a")}).need("acme").hash
    other = loader.find({"acme": Acme(content(tmp_path / "b", title="Smaller"))}).need("acme").hash

    assert first == again != other


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"require": "wieght <= 20"}, "did you mean 'weight'"),
        ({"require": "heavy(weight)"}, "heavy"),
        ({"require": "weight <= 'x'"}, "require: line 1"),
        ({"examples": {"pass": [{"weight": 99}], "fail": [{"weight": 21}]}}, "examples"),
        ({"message": "{wieght}"}, "wieght"),
        ({"override_template": "acme.nope"}, "acme.nope"),
        ({"severty": "error"}, "did you mean 'severity'"),
        ({"id": "other.house.small"}, "other.house.small"),
        ({"source": {"kind": "rumour", "citation": "x", "read_on": "2026-11-01"}}, "source.kind"),
        ({"source": {"kind": "policy", "citation": "x", "read_on": "2026-02-30"}}, "read_on"),
    ],
)
def test_a_rule_that_does_not_hold_names_file_and_rule(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    text = problem(Acme(content(tmp_path / "content", **change)))

    assert said in text
    assert "house.json" in text
    assert str(change.get("id", "acme.house.small")) in text


def test_a_pack_that_raises_is_named_with_its_hook(tmp_path: Path) -> None:
    class Raises:
        @hookimpl
        def register_roles(self) -> dict[str, str]:
            raise RuntimeError("no roles\n\ntoday")

    assert problem(Raises()) == "Pack 'acme', hook 'register_roles': RuntimeError: no roles today"


def test_a_misspelt_hook_is_named_with_the_nearest(tmp_path: Path) -> None:
    class Misspelt:
        @hookimpl
        def register_contents(self) -> Path:
            return tmp_path

    assert "'register_contents'" in problem(Misspelt())
    assert "did you mean 'register_content'" in problem(Misspelt())


def test_a_hook_with_other_arguments_is_refused_and_says_which_it_takes(tmp_path: Path) -> None:
    class Curious:
        @hookimpl
        def register_content(self, tenant: str) -> Path:
            return tmp_path

    said = "hook 'register_content' takes no arguments, and this one asks for 'tenant'; leave it out"
    assert problem(Curious()) == f"Pack 'acme': {said}"


def test_a_pack_without_a_hook_says_how_to_mark_one() -> None:
    class Silent:
        def register_content(self) -> Path:
            return Path()

    assert "@hookimpl" in problem(Silent())


@pytest.mark.parametrize(
    ("hook", "returned", "said"),
    [
        ("register_content", "content", "pathlib.Path"),
        ("register_content", Path("/nowhere/at/all"), "no such folder"),
        ("register_roles", ["acme.boss"], "mapping"),
        ("register_roles", {"boss": "Boss"}, "must start with the pack's name"),
        ("register_functions", [len], "Function"),
        ("register_functions", None, "it must return a sequence of emma_core.Function values, and returned None"),
        ("register_content", None, "pathlib.Path"),
        ("register_extractors", None, "it must return a sequence of functions that read words, and returned None"),
        ("register_extractors", len, "a sequence of functions"),
        ("register_extractors", "amounts", "returned 'amounts'"),
        ("register_extractors", [len, "amounts"], "one is 'amounts'"),
        ("register_roles", {"acme.boss": None}, "role 'acme.boss': a role's id and its title are text"),
        ("register_roles", {7: "Boss"}, "role 7: a role's id and its title are text"),
        ("register_backends", {"store": 3}, "port 'store': it must be a mapping of schemes to factories, and is 3"),
        ("register_backends", {"stor": {}}, "no port 'stor'; did you mean 'store'?"),
        ("register_backends", {"store": {"acme": "x"}}, "port 'store': scheme 'acme' must be text with a factory"),
    ],
)
def test_a_hook_that_returns_something_else_is_named(hook: str, returned: Any, said: str) -> None:
    def answer(self: object) -> Any:
        return returned

    answer.__name__ = hook
    text = problem(type("Wrong", (), {hook: hookimpl(answer)})())

    assert hook in text and said in text


def test_a_function_whose_example_does_not_hold_is_refused() -> None:
    class Wrong:
        @hookimpl
        def register_functions(self) -> list[Function]:
            body: Callable[[str], str] = lambda text: text  # noqa: E731
            return [Function("twice", ("text",), "text", body, ((("a",), "aa"),), "The text twice.")]

    assert "twice" in problem(Wrong())


def test_a_function_may_not_take_the_place_of_a_built_in() -> None:
    class Taking:
        @hookimpl
        def register_functions(self) -> list[Function]:
            return [Function("length", ("text",), "number", len, ((("a",), 1),), "The length.")]

    assert "'length' is there already" in problem(Taking())


@pytest.mark.parametrize(
    "extractor", [lambda words: [][0], lambda words: sys.exit(0), lambda words: ["x"], lambda words: None]
)
async def test_an_extractor_that_fails_leaves_its_facts_missing_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, extractor: Callable[[str], Any]
) -> None:
    class Reading(Acme):
        @hookimpl
        def register_extractors(self) -> list[Callable[[str], Any]]:
            return [extractor]

    folder = content(tmp_path / "content")
    (folder / "acme_bot.yaml").write_text("id: acme_bot\ntitle: B\ninstructions: A\nrules: {use: [acme/house]}\n")
    chosen = Settings(store=f"sqlite:///{tmp_path}/emma.db")
    async with Emma.open(chosen, plugins={"acme": Reading(folder)}) as emma:
        turn = await emma.tenant("default").ask("acme_bot", "It weighs 3 kg")

    assert turn.verdict == "needs_facts"
    assert "pack 'acme': an extractor raised" in caplog.text


async def test_a_function_that_leaves_is_a_broken_rule_and_no_exit(tmp_path: Path) -> None:
    def leave(weight: Any) -> Any:
        return weight if weight < 30 else sys.exit(0)

    class Leaving(Acme):
        @hookimpl
        def register_functions(self) -> list[Function]:
            return [Function("scaled", ("number",), "number", leave, (((Decimal(1),), Decimal(1)),), "The weight.")]

    folder = content(tmp_path / "content", require="scaled(weight) <= 20")
    (folder / "acme_bot.yaml").write_text("id: acme_bot\ntitle: B\ninstructions: A\nrules: {use: [acme/house]}\n")
    chosen = Settings(store=f"sqlite:///{tmp_path}/emma.db")
    async with Emma.open(chosen, plugins={"acme": Leaving(folder)}) as emma:
        turn = await emma.tenant("default").ask("acme_bot", "Fine?", facts={"weight": 31})

    assert turn.verdict == "broken"
    assert [finding.outcome for finding in turn.findings] == ["broken"]


@pytest.mark.parametrize("name", ["../outside.json", "missing.json", "rules"])
def test_an_index_names_files_of_its_own_folder_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.json").write_text("{}")
    folder = content(tmp_path / "content", index={"rulesets": [name], "facts": {}})

    assert "is no file of this folder" in problem(Acme(folder))


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (b'{"facts": {}, "facts": {}}', "'facts' stands twice"),
        (b'{"facts": }', "line 1 col 11"),
        (b'{"facts": {"acme.x": {"a": {"type": "number", "title": "\xff"}}}}', "not UTF-8"),
        (b'{"facts": NaN}', "NaN is no number"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_does_not_read_names_its_place(tmp_path: Path, bytes_: bytes, said: str) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "validation-rules.json").write_bytes(bytes_)

    text = problem(Acme(folder))
    assert said in text and "validation-rules.json" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("no front matter", "front matter"),
        ("---\nid: acme.t\ntitle: T\ngranted_by: [acme.boss]\n---\n{{ 'a' * 9 }}", "Mul is not allowed"),
        (
            "---\nid: acme.t\ntitle: T\ngranted_by: [acme.boss]\n---\n{% for x in values %}{% endfor %}",
            "For is not allowed",
        ),
        ("---\nid: acme.t\ntitle: T\ngranted_by: [acme.boss]\n---\n{{ secret }}", "no name 'secret'"),
        ("---\nid: acme.t\ntitle: T\ngranted_by: [acme.bos]\n---\nWords", "did you mean 'acme.boss'"),
        ("---\nid: acme.t\ntitle: T\ngranted_by: [acme.boss]\nexpires: soon\n---\nWords", "expires"),
    ],
)
def test_an_override_template_that_does_not_hold_is_named(tmp_path: Path, words: str, said: str) -> None:
    class Roles(Acme):
        @hookimpl
        def register_roles(self) -> dict[str, str]:
            return {"acme.boss": "Boss"}

    folder = content(tmp_path / "content")
    (folder / "override-templates").mkdir()
    (folder / "override-templates" / "t.md").write_text(words)

    assert said in problem(Roles(folder))


def test_what_is_not_there_names_the_nearest() -> None:
    found = loader.find()

    with pytest.raises(NotFound, match="did you mean 'mortgage/lender_policy@2026'"):
        found.rulesets("mortgage/lender_polcy")
    with pytest.raises(NotFound, match=r"did you mean 'mortgage\.lender_policy\.dti_max'"):
        found.rule("mortgage.lender_policy.dti_mx")
    with pytest.raises(PackError, match="did you mean 'mortgage'"):
        found.rulesets("mortgag/x")


def test_content_beside_the_package_comes_before_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    file = str(tmp_path / "package" / "__init__.py")
    register = content_of(file, checkout="../elsewhere")

    assert register() == tmp_path / "elsewhere"
    (tmp_path / "package" / "content").mkdir()
    assert register() == tmp_path / "package" / "content"
