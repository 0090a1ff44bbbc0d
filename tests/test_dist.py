"""Builds the three distributions, installs them where there is no checkout, and asks for the demo there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each distribution: its folder, its package, and what its wheel carries beside code (from the root, to the wheel).
DISTRIBUTIONS = {
    "emma_core": (
        ".",
        {"blueprints": "emma_core/content/blueprints", "rag_content/global": "emma_core/content/global"},
    ),
    "emma_mortgage": ("plugins/mortgage", {"rag_content/industry/mortgage": "emma_mortgage/content"}),
    "emma_real_estate": ("plugins/real_estate", {"rag_content/industry/real-estate": "emma_real_estate/content"}),
}

# Says no to every connection, so that a demo which needs one ends in a traceback.
OFFLINE = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise OSError(f"no network here: {event} {arguments[1:]}")
sys.addaudithook(refuse)
sys.argv = ["emma", "demo"]
from emma_core.cli import main
sys.exit(main())
"""


def run(*command: str | Path, cwd: Path) -> str:
    """What a command printed; it ended well, with nothing of this checkout or its settings in reach."""
    alien = ("EMMA_", "PYTHON", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(alien)}
    env["COLUMNS"] = "200"  # so that no line of a story is broken within a citation
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def through_sdists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three sdists and of the wheels built from them."""
    folder = tmp_path_factory.mktemp("through_sdists")
    for source, _ in DISTRIBUTIONS.values():
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT / source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(through_sdists: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an empty environment that the three wheels went into."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    run(*pip, "-c", ROOT / "constraints.txt", *through_sdists.glob("*.whl"), cwd=home)
    return binaries


def wheel_names(folder: Path, package: str) -> set[str]:
    """What the one wheel of a package in a folder holds."""
    (wheel,) = folder.glob(f"{package}-*.whl")
    return set(ZipFile(wheel).namelist())


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_wheel_carries_the_content_of_the_checkout(package: str, through_sdists: Path) -> None:
    _, content = DISTRIBUTIONS[package]
    wanted = {
        f"{target}/{path.relative_to(ROOT / source).as_posix()}"
        for source, target in content.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file()
    }

    names = wheel_names(through_sdists, package)

    assert wanted
    assert {name for name in names if name.startswith(f"{package}/content/")} == wanted


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_wheel_of_the_tree_holds_what_a_wheel_of_the_sdist_holds(
    package: str, through_sdists: Path, tmp_path: Path
) -> None:
    source, _ = DISTRIBUTIONS[package]

    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT / source, cwd=tmp_path)

    assert wheel_names(tmp_path, package) == wheel_names(through_sdists, package)


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_wheel_brings_its_licence_and_no_test(package: str, through_sdists: Path) -> None:
    names = wheel_names(through_sdists, package)

    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert [name for name in names if "test_" in name or name.endswith("hatch_build.py")] == []


def test_the_demo_runs_from_wheels_in_an_empty_environment(installed: Path, tmp_path: Path) -> None:
    story = run(installed / "emma", "demo", cwd=tmp_path)

    assert "12 CFR 1026.43(c)(2)(vii)" in story


def test_the_demo_runs_with_the_network_cut(installed: Path, tmp_path: Path) -> None:
    story = run(installed / "python", "-c", OFFLINE, cwd=tmp_path)

    assert "12 CFR 1026.43(c)(2)(vii)" in story


def test_the_demo_runs_from_an_editable_install(tmp_path: Path) -> None:
    story = run(Path(sys.executable).parent / "emma", "demo", cwd=tmp_path)

    assert "12 CFR 1026.43(c)(2)(vii)" in story
