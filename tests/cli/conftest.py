"""Gives the tests of the command line a store of their own, and `emma` as a function and as a process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emma_core.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON that stands on stdout, and nothing else."""
        return json.loads(self.out)


Emma = Callable[..., Said]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a store that is not there yet; the environment names it."""
    path = tmp_path / "store" / "emma.db"
    monkeypatch.setenv("EMMA_STORE", f"sqlite:///{path}")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def emma(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Emma:
    """`emma` in this process, with `stdin` as bytes."""

    def run(*arguments: str, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def opened(emma: Emma, store: Path) -> Emma:
    """`emma` on a store that is there, and empty."""
    emma("doctor", "--format", "json")
    assert store.exists()
    return emma


@pytest.fixture
def process(store: Path) -> Emma:
    """`emma` in a process of its own, with arguments as text or bytes and variables by keyword."""

    def run(*arguments: str | bytes, stdin: bytes = b"", **variables: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from emma_core.cli import main; sys.exit(main())", *arguments],
            input=stdin,
            env=os.environ | variables,
            capture_output=True,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str, str], Path]:
    """Installs a pack of one module, the way pip leaves it behind, and gives the folder for PYTHONPATH."""

    def install(name: str, source: str) -> Path:
        folder = tmp_path / "site"
        info = folder / f"emma_{name}-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: emma-{name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[emma]\n{name} = emma_{name}\n")
        (folder / f"emma_{name}.py").write_text(source)
        return folder

    return install
