"""Holds the house to its walls: what may lean on what, what a file may be, and what is never written down."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import emma_core
from emma_core import errors

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["id"]: contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}

# One line each that its contract must refuse: the contract, the file it is planted in, the line.
PLANTED = [
    ("layers", "emma_core/nouns/values.py", "import emma_core.settings"),
    ("layers", "emma_core/settings.py", "import emma_core.hookspecs"),
    ("layers", "emma_core/overrides.py", "import emma_core.retrieval"),
    ("layers", "emma_core/unplaced.py", "import json"),
    ("industry", "emma_core/settings.py", "import emma_mortgage"),
    ("face", "plugins/mortgage/emma_mortgage/__init__.py", "from emma_core.nouns import Rule"),
    ("face", "plugins/real_estate/emma_real_estate/__init__.py", "from emma_core import settings"),
    ("packs", "plugins/mortgage/emma_mortgage/__init__.py", "import emma_real_estate"),
    ("vendors", "emma_core/settings.py", "import sqlite3"),
    ("vendors", "emma_core/canonical.py", "from azure.cosmos import CosmosClient"),
    ("langchain", "emma_core/settings.py", "def late() -> None: from langchain.agents import create_agent"),
]

NOT_A_NOUN = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
LONGEST_FILE = 400
LONGEST_FUNCTION = 40

# Words of a trade. The core's code may not say them; its docstrings may, as examples for whoever reads.
TRADE = re.compile(
    r"(?<![a-z])(mortgage|loan|lend(?:er|ing)|borrower|underwriter|escrow|dti|hmda|realtor|real[ _-]estate|listing"
    r"|brokerage|reso)s?(?![a-z])",
    re.IGNORECASE,
)
TRADE_ALLOWED: dict[str, str] = {}

HEAVY = set(
    [
        "alembic",
        "azure",
        "dbos",
        "jinja2",
        "langchain",
        "langchain_core",
        "langgraph",
        "openai",
        "polars",
        "pydantic_settings",
        "sqlalchemy",
    ]
)

# Written with brackets so that this file does not hold what it looks for.
MOCKS = re.compile(r"unittest\.moc[k]|Magic[M]ock|\bmocke[r]\b|pytest[_-]moc[k]")
UNSAID = re.compile(
    r"pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.org|artifactor[y]|--(?:extra-)?index-ur[l]|--find-link[s]"
    r"|(?<![\w.])/(?:wor[k]|roo[t]|hom[e]|op[t]|User[s])/\w"
)


def tracked(*suffixes: str) -> list[Path]:
    """The files of the repository, those not committed yet among them."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    paths = [ROOT / name for name in sorted(set(names)) if name.endswith(suffixes or "")]
    return [path for path in paths if path.is_file()]


def modules() -> list[Path]:
    """The modules that ship: the core's and the packs'."""
    return [path for path in tracked(".py") if re.match(r"emma_core/|plugins/[^/]+/emma_", short(path))]


def short(path: Path) -> str:
    """The path as it reads from the root."""
    return path.relative_to(ROOT).as_posix()


def run(*command: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """The finished command, with what it said."""
    return subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False)


def lint_imports(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the import contracts say of a tree."""
    roots = [tree, tree / "plugins/mortgage", tree / "plugins/real_estate"]
    say = "from importlinter.cli import lint_imports_command as lint; lint(prog_name='lint-imports')"
    return run(
        *(sys.executable, "-c", say, "--no-logo", "--no-cache", *arguments),
        cwd=tree,
        PYTHONPATH=os.pathsep.join(map(str, roots)),
    )


def test_every_import_contract_holds() -> None:
    found = lint_imports(ROOT)

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED)
def test_an_import_contract_breaks_on_a_planted_violation(contract: str, file: str, line: str, tmp_path: Path) -> None:
    for folder in ("emma_core", "plugins"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as planted:
        planted.write(f"\n{line}\n")

    found = lint_imports(tmp_path, "--contract", contract)

    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{CONTRACTS[contract]} BROKEN" in found.stdout


def test_every_import_contract_has_a_planted_violation() -> None:
    assert {contract for contract, _, _ in PLANTED} == set(CONTRACTS)


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {short(path): len(path.read_text().splitlines()) for path in tracked(".py")}

    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def test_no_function_that_ships_is_longer_than_a_screen() -> None:
    sizes = {
        f"{short(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_every_module_that_ships_says_in_a_sentence_why_it_exists() -> None:
    docs = {short(path): ast.get_docstring(ast.parse(path.read_text())) or "" for path in modules()}

    assert [name for name, doc in docs.items() if not doc.partition("\n\n")[0].endswith((".", "?", "!"))] == []


def test_every_module_is_named_after_a_noun_or_a_step() -> None:
    names = [path for path in tracked(".py") if path.stem in NOT_A_NOUN or path.parent.name in NOT_A_NOUN]

    assert [short(path) for path in names] == []


def test_nothing_is_mocked() -> None:
    assert [short(path) for path in tracked(".py", ".toml") if MOCKS.search(path.read_text())] == []


def test_the_core_says_no_word_of_a_trade() -> None:
    said = {
        short(path): words
        for path in modules()
        if short(path).startswith("emma_core/") and (words := set(trade_words(path.read_text())))
    }

    assert {name: words for name, words in said.items() if name not in TRADE_ALLOWED} == {}
    assert set(TRADE_ALLOWED) <= set(said), "allowed, and no longer needed"


def trade_words(source: str) -> Iterator[str]:
    """The trade's words in a module's names and values, docstrings left out."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        texts = [getattr(node, field, None) for field in ("id", "name", "attr", "arg", "module")]
        if isinstance(node, ast.Constant) and id(node) not in docs:
            texts.append(node.value)
        for text in texts:
            if isinstance(text, str):
                yield from (match.group().lower() for match in TRADE.finditer(text))


def test_no_registry_and_no_path_of_a_machine_is_written_down() -> None:
    said = {}
    for path in tracked():
        text = path.read_bytes().decode(errors="replace")
        if found := [match.group() for match in UNSAID.finditer(text)]:
            said[short(path)] = found

    assert said == {}


def test_the_constraints_are_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    strays = [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)]
    assert strays == []
    assert not any(line.lower().replace("_", "-").startswith("emma-") for line in lines)


def test_the_makefile_has_at_most_eight_recipes_and_the_first_is_test() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

    assert targets[0] == "test"
    assert len(targets) <= 8


def test_the_packs_are_built_by_the_same_hook_and_under_the_same_licence() -> None:
    for name, copies in {"hatch_build.py": tracked("hatch_build.py"), "LICENSE": tracked("LICENSE")}.items():
        texts = {path.read_text() for path in copies}
        assert len(texts) == 1, f"{name!r} differs between {[short(path) for path in copies]}"


def test_the_drawing_of_the_errors_is_the_classes() -> None:
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+)", inspect.getdoc(errors) or "", flags=re.MULTILINE)
    above: list[str] = ["Exception"]
    parents = {}
    for indent, name in drawn:
        depth = 1 + len(indent) // 4
        parents[name] = above[depth - 1]
        above[depth:] = [name]

    classes = {name: kind.__mro__[1].__name__ for name, kind in vars(errors).items() if inspect.isclass(kind)}
    assert parents == classes


def test_the_face_is_sorted_and_every_name_of_it_is_there_and_described() -> None:
    assert emma_core.__all__ == sorted(emma_core.__all__)
    assert dir(emma_core) == emma_core.__all__
    assert [name for name in emma_core.__all__ if not described(name)] == []


def described(name: str) -> bool:
    """True where the public name has words of its own: a docstring, or one under its assignment."""
    value = getattr(emma_core, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return bool(value.__doc__)
    body = [node for path in modules() for node in ast.parse(path.read_text()).body]
    return any(
        isinstance(node, ast.Assign)
        and [target.id for target in node.targets if isinstance(target, ast.Name)] == [name]
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
        for node, words in pairwise(body)
    )


def test_the_face_says_the_same_to_a_type_checker_as_to_python() -> None:
    tree = ast.parse((ROOT / "emma_core/__init__.py").read_text())
    checked = [
        name.asname or name.name
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    ]

    assert sorted(checked) == emma_core.__all__


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import emma_core", id="import"),
        pytest.param("from emma_core.cli import main; sys.argv = ['emma', '--help']; main()", id="help"),
    ],
)
def test_what_is_asked_for_at_start_loads_nothing_heavy(code: str, tmp_path: Path) -> None:
    loaded = tmp_path / "loaded.json"
    watch = f"import atexit, json, pathlib, sys; p = pathlib.Path({str(loaded)!r}); "
    watch += "atexit.register(lambda: p.write_text(json.dumps(sorted(sys.modules))))"

    done = run(sys.executable, "-c", f"{watch}\n{code}", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert HEAVY & {name.partition(".")[0] for name in json.loads(loaded.read_text())} == set()


def test_a_word_of_a_trade_is_found_in_code_and_forgiven_in_a_docstring() -> None:
    source = '"""Such as a mortgage."""\nloan_limits = {"k": "The borrower"}\n"""Of a lender."""\n'

    assert sorted(trade_words(source)) == ["borrower", "loan"]
