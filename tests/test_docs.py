"""Holds the documents to their promises: what they show runs, what they name is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from emma_core import hookimpl, hookspecs, packs

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith(("register_", "after_")))
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_of_the_documents_runs(block: str, tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "block.py").write_text(block)
    done = subprocess.run([sys.executable, "block.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_its_section_and_its_test(hook: str) -> None:
    assert re.search(rf"^## `{hook}\(.*\)`$", (ROOT / "docs" / "hooks.md").read_text(), re.MULTILINE)
    assert f"def test_hook_{hook}(" in (ROOT / "tests" / "test_hooks.py").read_text()


def test_a_line_of_the_changelog_is_short() -> None:
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]

    assert lines
    assert [line for line in lines if len(line[2:].split()) > 25] == []


def test_every_decision_says_question_decision_reason_and_alternative() -> None:
    for record in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        text = record.read_text()
        assert all(f"**{part}.**" in text for part in ("Question", "Decision", "Because", "Instead of")), record.name
        assert len(text.splitlines()) <= 40, record.name


def test_the_readme_shows_what_its_commands_print(tmp_path: Path) -> None:
    blocks = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    emma = str(Path(sys.executable).with_name("emma"))
    environment = {**os.environ, "COLUMNS": "80", "EMMA_STORE": f"sqlite:///{tmp_path}/emma.db", "NO_COLOR": "1"}

    assert [command.split()[:2] for command, _ in blocks] == [["make", "demo"], ["emma", "ask"]]
    for command, shown in blocks:
        said = [emma, *shlex.split(command.replace("make demo", "emma demo"))[1:]]
        done = subprocess.run(said, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        printed = iter(line.rstrip() for line in done.stdout.splitlines())
        for line in shown.splitlines():
            like = re.compile(".+".join(map(re.escape, line.split("…"))))
            assert any(like.fullmatch(other) for other in printed), f"not printed, or not in this order: {line!r}"


def test_the_decisions_are_listed_where_the_readme_leads() -> None:
    listed = re.findall(r"\]\((0[^)]+)\)", (ROOT / "docs" / "decisions" / "README.md").read_text())

    assert listed == sorted(path.name for path in (ROOT / "docs" / "decisions").glob("0*.md"))


def test_what_the_pages_show_of_a_pack_is_a_pack(tmp_path: Path) -> None:
    class Shown:
        @hookimpl
        def register_content(self) -> Path:
            return tmp_path

    page, readme = (ROOT / "docs" / "first_pack.md").read_text(), (ROOT / "README.md").read_text()
    (tmp_path / "rules").mkdir()
    (tmp_path / "override-templates").mkdir()
    (tmp_path / "validation-rules.json").write_text(fenced(page, "json"))
    (tmp_path / "rules" / "house_rules.json").write_text(fenced(readme, "json"))
    (tmp_path / "override-templates" / "larger_order.md").write_text(fenced(page, "markdown"))

    assert packs.find({"acme": Shown()}).by_name["acme"].problem is None


def fenced(page: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]
