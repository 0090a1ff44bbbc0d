"""Holds `emma audit replay` and `impact` to one list: what an upgrade changed is what was foreseen of it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from emma_core.audit import Difference, Replayed
from emma_core.cli import new_pack, replayed
from emma_core.cli.candidate import Candidate

AMOUNT = "acme.house_rules.amount_max"
RECORD = """
import asyncio, sys
from emma_core import Emma
async def ask(turns):
    async with Emma.open() as emma:
        desk = emma.tenant("default")
        for number in range(turns):
            facts = {"amount": 400 + number % 200, "rush": number % 7 == 0}
            await desk.ask("acme_assistant", "May I order this?", facts=facts, conversation=f"c-{number}")
asyncio.run(ask(int(sys.argv[1])))
"""
AFFECTED = [number for number in range(1_000) if 450 < 400 + number % 200 <= 500]
"""Of the recorded turns, those whose amount lies between the two limits."""
Site = Callable[..., Path]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Lays the pack of a version and a limit where pip would, and gives the folder."""
    tmp = tmp_path_factory.mktemp("packs")
    source = new_pack.make("acme", into=tmp, code=False) / "emma_acme"

    def install(version: str, limit: int = 500, *, needs: str = "emma-core>=0.1,<1") -> Path:
        folder = tmp / f"site-{version}"
        if folder.exists():
            return folder
        for path in (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            copy = folder / "emma_acme" / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text()
            if path.name == "house_rules.json":
                for was in ("amount <= {}", '"amount": {}\n'):
                    text = text.replace(was.format(500), was.format(limit))
            copy.write_text(text)
        info = folder / f"emma_acme-{version}.dist-info"
        info.mkdir()
        said = f"Metadata-Version: 2.1\nName: emma-acme\nVersion: {version}\nRequires-Dist: {needs}\n"
        (info / "METADATA").write_text(said)
        (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        (info / "entry_points.txt").write_text("[emma]\nacme = emma_acme\n")
        return folder

    return install


def wheel(folder: Path) -> Path:
    """The wheel of a folder that holds one distribution."""
    version = next(folder.glob("*.dist-info")).name.partition("-")[2].removesuffix(".dist-info")
    path = folder.parent / "dist" / f"emma_acme-{version}-py3-none-any.whl"
    path.parent.mkdir(exist_ok=True)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
        named = "".join(f"{file.relative_to(folder).as_posix()},,\n" for file in files)
        archive.writestr(f"emma_acme-{version}.dist-info/RECORD", named)
    return path


def record(folder: Path, turns: int, store: Path) -> None:
    """So many turns stand on the trail, asked with the pack of that folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "EMMA_STORE": f"sqlite:///{store}"}
    done = subprocess.run([sys.executable, "-c", RECORD, str(turns)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def trail(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which 60 turns were asked with the first version."""
    store = tmp_path_factory.mktemp("trail") / "emma.db"
    record(site("0.1.0"), 60, store)
    return store


@pytest.fixture
def recorded(trail: Path, store: Path) -> None:
    """The test's own copy of that store."""
    store.parent.mkdir()
    shutil.copy(trail, store)


def listed(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def held_to_one_list(process, first: Path, second: Path, turns: int) -> str:
    """What is foreseen of the second version is what is found once it is installed; gives what was counted."""
    affected = [number for number in AFFECTED if number < turns]

    now = process("audit", "replay", "--all", "--format", "jsonl", PYTHONPATH=str(first))
    foreseen = process("audit", "impact", "--pack", str(wheel(second)), "--format", "json", PYTHONPATH=str(first))
    after = process("audit", "replay", "--all", "--format", "jsonl", PYTHONPATH=str(second))

    assert now.code == 0, now.err
    assert [(each["result"], each["exact"]) for each in listed(now.out)] == [("same", True)] * turns
    found = [each for each in listed(after.out) if each["result"] != "same"]
    assert after.code == 1
    assert [each["conversation"] for each in found] == [f"c-{number}" for number in affected]
    assert all([one["rule"] for one in each["differences"]] == [AMOUNT] for each in found)
    assert all("the rule is another one" in each["differences"][0]["why"][0] for each in found)
    assert foreseen.code == 1, foreseen.err
    changed = foreseen.json["changed"]
    assert all(each["differences"][0].pop("predicate_then") == "amount <= 500" for each in changed)
    assert [{**each, "already": False} for each in found] == changed
    assert foreseen.json["turns"] == turns
    return f"{turns:,} turns: all the same; one limit changed: {len(found)} differ; impact foresaw those {len(changed)}"


def test_impact_foresees_what_a_replay_finds_after_the_upgrade(process, site, recorded):
    held_to_one_list(process, site("0.1.0"), site("0.2.0", 450), 60)


@pytest.mark.prove
def test_a_thousand_turns_are_replayed_and_the_impact_of_an_upgrade_foreseen(process, site, store, proof):
    record(site("0.1.0"), 1_000, store)

    proof(held_to_one_list(process, site("0.1.0"), site("0.2.0", 450), 1_000))


def test_a_turn_is_judged_again_with_a_pack_that_was_kept(process, site, recorded, store):
    with closing(sqlite3.connect(store)) as connection:
        [(turn,)] = connection.execute("SELECT turn FROM lines WHERE conversation = 'c-51' AND kind = 'judged'")

    upgraded = process("audit", "replay", turn, PYTHONPATH=str(site("0.2.0", 450)))
    kept = process("audit", "replay", turn, "--pack", str(wheel(site("0.1.0"))), PYTHONPATH=str(site("0.2.0", 450)))

    assert upgraded.code == 1
    assert "clear then, needs_override now" in upgraded.out
    assert "the one it was judged with is not installed" in " ".join(upgraded.out.split())
    assert max(map(len, upgraded.out.splitlines())) <= 80
    assert kept.code == 0, kept.out + kept.err
    assert "to the hash what they were" in kept.out


def test_a_pinned_version_is_fetched_by_pip_under_the_packs_own_name_and_told_in_words(process, site, recorded):
    found = wheel(site("0.2.0", 450))
    variables = {"PIP_NO_INDEX": "1", "PIP_FIND" + "_LINKS": str(found.parent), "PYTHONPATH": str(site("0.1.0"))}

    said = process("audit", "impact", "--pack", "acme==0.2.0", **variables)

    assert said.code == 1, said.err
    assert "With pack acme 0.2.0" in said.out
    assert "60 turns: 51 the same, 9 otherwise" in said.out
    told = " ".join(said.out.split())
    assert "it was amount <= 500" in told and "it is amount <= 450" in told
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_pack_that_does_not_load_or_needs_what_is_not_here_is_one_error(opened, site):
    broken = site("8") / "emma_acme" / "content" / "rules" / "house_rules.json"
    broken.write_text(broken.read_text().replace("amount <= 500", "amuont <= 500"))

    spoilt = opened("audit", "impact", "--pack", str(site("8")))
    needy = opened("audit", "impact", "--pack", str(site("9", needs="emma-core>=9")))

    assert spoilt.code == needy.code == 2 and spoilt.out == needy.out == ""
    assert "did you mean 'amount'?" in spoilt.err and spoilt.err.count("emma: ") == 1
    assert "needs 'emma-core>=9', and 0." in needy.err and needy.err.count("emma: ") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "Name one turn"),
        (["replay", "t-1", "--all"], "Name one turn"),
        (["replay", ""], "the name is empty"),
        (["replay", "t-1"], "There is no store"),
        (["replay", "--since", "yesterday"], "'yesterday' is no day"),
        (["impact", "--pack", "nowhere.whl"], "no file, no folder"),
        (["impact", "--pack", "text.whl"], "no wheel that can be read"),
        (["impact", "--pack", "empty"], "no pack and no project"),
        (["impact", "--pack", "packless"], "brings no pack"),
        (["impact", "--pack", "acme==7.7"], "pip cannot fetch"),
        (["replay", "t-1", "--pack", "nowhere.whl"], "no file, no folder"),
    ],
)
def test_what_cannot_be_replayed_is_one_error(emma, tmp_path, monkeypatch, arguments, words):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "text.whl").write_text("no wheel")
    (tmp_path / "empty").mkdir()
    (tmp_path / "packless" / "other-1.dist-info").mkdir(parents=True)
    said = "Metadata-Version: 2.1\nName: other\nVersion: 1\n"
    (tmp_path / "packless" / "other-1.dist-info" / "METADATA").write_text(said)

    found = emma("audit", *arguments)

    assert (found.code, found.out) == (2, "")
    assert words in found.err
    assert found.err.count("emma: ") == 1 and "Traceback" not in found.err


def test_what_a_turn_comes_to_already_is_no_merit_of_a_pack(tmp_path):
    difference = Difference(rule="a.b", was="passed", now="failed", hash_then="1" * 64, why=("another rule",))
    otherwise = Replayed(turn="t-1", seq=1, at="2026-01-01", result="differs", differences=(difference,))
    today = replayed.Kept()
    today.add(otherwise)
    today.predicates = {"1" * 64: "amount <= 500"}
    foreseen = replayed.Foreseen(Candidate("acme", "2", tmp_path), today)

    for each in (otherwise, otherwise.model_copy(update={"turn": "t-2"})):
        foreseen.add(each)

    assert [each["already"] for each in foreseen.plain()["changed"]] == [True, False]
    assert foreseen.plain()["changed"][0]["differences"][0]["predicate_then"] == "amount <= 500"
