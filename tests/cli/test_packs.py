"""Holds `emma packs new` to making packs that work, and the pack contract to catching those that do not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

import jsonschema
import pytest
import yaml

from emma_core import Extracted, Function, content
from emma_core.packs import Pack
from emma_core.testing import pack_contract
from emma_core.testing.pack_contract import CHECKS, installed_pack


def pack(**brought):
    """A pack made by hand."""
    return Pack("acme", "1", "acme", "0" * 64, **brought)


@pytest.mark.parametrize("name", ["global", "mortgage", "real_estate"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_installed_pack_keeps_the_contract(check, name):
    check(installed_pack(name))


@pytest.mark.parametrize("code", [False, True])
def test_a_new_pack_installs_is_found_used_and_removed(emma, process, tmp_path, code):
    made = emma("packs", "new", "my_trade", *(["--code"] if code else []))
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-build-isolation", "--target", site, tmp_path / "my_trade"], check=True)
    ask = ("ask", "my_trade_assistant", "May I order this for $620?", "--format", "json")
    facts = () if code else ("--facts", '{"amount": 620}')

    listed = process("packs", "list", PYTHONPATH=str(site))
    checked = process("packs", "check", "my_trade", "--format", "json", PYTHONPATH=str(site))
    asked = process(*ask, *facts, PYTHONPATH=str(site))
    removed = process(*ask, *facts)

    assert made.code == 0
    assert "my_trade" in listed.out
    assert [each for each in checked.json if not each["ok"]] == []
    assert len(checked.json) == len(CHECKS)
    assert asked.json["verdict"] == "needs_override"
    assert asked.json["overrides"][0]["granted_by"] == ["my_trade.manager"]
    assert asked.json["facts"][0]["basis"] == ("extracted" if code else "given")
    assert removed.code == 2
    assert "No blueprint 'my_trade_assistant'" in removed.err


@pytest.mark.parametrize("code", [False, True])
def test_the_tests_of_a_new_pack_pass(emma, process, tmp_path, code):
    emma("packs", "new", "my_trade", *(["--code"] if code else []))
    info = tmp_path / "my_trade" / "emma_my_trade-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: emma-my-trade\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[emma]\nmy_trade = emma_my_trade\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "tests"],
        cwd=tmp_path / "my_trade",
        env={"PYTHONPATH": str(tmp_path / "my_trade"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert f"{len(CHECKS)} passed" in done.stdout


@pytest.mark.parametrize("code", [False, True])
def test_the_files_of_a_new_pack_fit_the_schemas_they_point_at(emma, tmp_path, code):
    emma("packs", "new", "my_trade", *(["--code"] if code else []))
    content = tmp_path / "my_trade" / "emma_my_trade" / "content"

    files = sorted(content.rglob("*.json"))
    for file in files:
        said = json.loads(file.read_text())
        jsonschema.validate(said, json.loads((file.parent / said["$schema"]).read_text()))
    for file in (*content.rglob("*.yaml"), *content.rglob("*.md")):
        text = file.read_text().removeprefix("---\n").partition("\n---\n")[0]
        schema = text.partition("$schema=")[2].partition("\n")[0]
        jsonschema.validate(yaml.safe_load(text), json.loads((file.parent / schema).read_text()))
    assert len(files) == 2


def test_a_new_pack_is_made_whole_or_not_at_all(emma, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("no folder")

    assert emma("packs", "new", "taken").code == 2
    assert emma("packs", "new", "acme", "--into", "file").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
    assert list((tmp_path / "taken").iterdir()) == []


def test_a_pack_that_raises_is_named_and_the_others_work(process, site):
    folder = site("acme", "raise RuntimeError('no luck')")

    listed = process("packs", "list", PYTHONPATH=str(folder))
    checked = process("packs", "check", PYTHONPATH=str(folder), COLUMNS="200")
    asked = process("ask", "loan_officer", "At 41% debt-to-income?", PYTHONPATH=str(folder))

    assert listed.code == 0
    assert "Pack 'acme': RuntimeError: no luck" in " ".join(listed.out.split())
    assert checked.code == 1
    assert "no luck" in checked.out
    assert asked.code == 0


def acting(body):
    """A module of a pack that declares a fact, and reads words as the body says."""
    return (
        "import sys\nfrom pathlib import Path\nfrom emma_core import hookimpl\nprint('loaded')\n"
        f"def reader(words):\n    {body}\n"
        "@hookimpl\ndef register_extractors():\n    return [reader]\n"
    )


def test_an_extractor_that_leaves_fails_the_check_and_ends_nothing(process, site):
    folder = site("acme", acting("sys.exit(0)"))

    said = process("packs", "check", "acme", "--format", "json", PYTHONPATH=str(folder))

    assert said.code == 1
    [failed] = [each for each in said.json if not each["ok"]]
    assert "reader(''…) raised SystemExit: 0" in failed["said"]


def test_what_a_pack_prints_leaves_stdout_to_the_json(process, site):
    folder = site("acme", acting("print('reading'); return []"))

    listed = process("packs", "list", "--format", "json", PYTHONPATH=str(folder))
    checked = process("packs", "check", "acme", "--format", "json", PYTHONPATH=str(folder))

    assert [each["name"] for each in listed.json] == ["acme", "global", "mortgage", "real_estate"]
    assert listed.err == "loaded\n"
    assert all(each["ok"] for each in checked.json)


@pytest.mark.parametrize(
    ("rules", "packs", "words"),
    [
        ("global/nope", "{}", "No rule set 'global/nope'"),
        ("nope/all", "{}", "No pack 'nope' is installed"),
        ("global/*", "{global: newest}", "'newest' is no version range"),
    ],
)
def test_the_contract_catches_a_blueprint_that_could_not_be_asked(tmp_path, rules, packs, words):
    agent = f"id: bot\ntitle: T\npacks: {packs}\ninstructions: Help.\nrules: {{use: [{rules}]}}\n"
    (tmp_path / "bot.yaml").write_text(agent)

    with pytest.raises(AssertionError, match=words.replace("*", ".")):
        every = pack_contract.every_blueprint_finds_its_packs_and_rules
        every(pack(blueprints=(content.read_blueprint(tmp_path / "bot.yaml"),)))


def broken_at_odd_texts(words):
    """An extractor that does not expect an empty text."""
    return [Extracted(fact="acme.order.amount", value=words[0], start=0, end=1)]


def points_at_nothing(words):
    """An extractor whose span holds no word."""
    return [Extracted(fact="amount", value=1.0, start=0, end=0)]


def function(body, returns="number"):
    """A function whose examples hold."""
    return Function(name="f", params=("text",), returns=returns, body=body, examples=((("1",), 1),), doc="One.")


@pytest.mark.parametrize(
    ("check", "brought", "words"),
    [
        ("the_pack_is_healthy", {"problem": "no luck"}, "no luck"),
        ("every_extractor_survives_odd_texts", {"extractors": (broken_at_odd_texts,)}, "raised IndexError"),
        ("every_extractor_survives_odd_texts", {"extractors": (points_at_nothing,)}, "does not declare"),
        ("every_function_is_pure_and_never_raises", {"functions": (function(int),)}, "raised ValueError"),
        (
            "every_function_is_pure_and_never_raises",
            {"functions": (function(lambda text: 1 if text == "1" else "odd"),)},
            "gave 'odd'",
        ),
    ],
)
def test_the_contract_catches_a_pack_that_does_not_keep_it(check, brought, words):
    with pytest.raises(AssertionError, match=words):
        getattr(pack_contract, check)(pack(**brought))


def test_the_contract_catches_a_source_read_in_the_future():
    later = with_first_rule(source={"read_on": date.today() + timedelta(days=9)})

    with pytest.raises(AssertionError, match="has not come yet"):
        pack_contract.every_rule_names_a_source_that_was_read(later)


def test_the_contract_catches_a_rule_that_nothing_makes_fail_and_its_idle_override():
    idle = with_first_rule(examples={"fail": ()})

    with pytest.raises(AssertionError, match="none of its examples makes it fail"):
        pack_contract.every_rule_can_be_reached(idle)
    with pytest.raises(AssertionError, match="no rule of the pack names it and can fail"):
        pack_contract.every_override_can_be_read_and_granted(idle)


def test_the_contract_catches_an_example_that_does_not_hold():
    swapped = with_first_rule(examples={"pass_": ({"dti": 0.5},)})

    with pytest.raises(AssertionError, match="example 0 of 'passed' came out as 'failed'"):
        pack_contract.every_example_comes_out_as_it_says(swapped)


def with_first_rule(**changes):
    """The mortgage pack cut down to the first rule of its lender's policy, parts of which are changed."""
    mortgage = installed_pack("mortgage")
    ruleset = next(each for each in mortgage.rulesets if each.ruleset.ruleset == "mortgage/lender_policy")
    first = ruleset.rules[0]
    parts = {name: getattr(first.rule, name).model_copy(update=update) for name, update in changes.items()}
    changed = replace(first, rule=first.rule.model_copy(update=parts))
    return replace(mortgage, rulesets=(replace(ruleset, rules=(changed,)),))
