"""Puts a pack that is not installed on a path of its own, where another process finds it before the installed one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, version
from pathlib import Path

from emma_core.errors import CallerError, OperatorError

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+]+)")
_EMMA = "import sys; from emma_core.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Candidate:
    """A pack that is not installed: its name, its version, and the folder that holds it."""

    name: str
    version: str
    folder: Path

    @property
    def pinned(self) -> str:
        """Its name and version, as a requirement says them."""
        return f"{self.name}=={self.version}"

    def emma(self, *arguments: str) -> list[str]:
        """The command that is `emma` with these arguments."""
        return [sys.executable, "-P", "-c", _EMMA, *arguments]  # -P: a module of the folder one stands in shadows none

    def environment(self) -> dict[str, str]:
        """The environment in which that command finds this pack first."""
        more = os.environ.get("PYTHONPATH")
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(self.folder), *([more] if more else [])])}


@contextmanager
def at(said: str) -> Iterator[Candidate]:
    """The pack of `NAME==VERSION`, a wheel, or a folder that holds one; what was unpacked is gone afterwards.

    Raises `CallerError` where it names none, `OperatorError` where it cannot be fetched or needs what is not here.
    """
    with tempfile.TemporaryDirectory(prefix="emma-pack-", ignore_cleanup_errors=True) as made:
        folder, path = Path(made), Path(said)
        if path.is_file():
            _unpack(path, folder)
        elif path.is_dir() and any(path.glob("*.dist-info")):
            folder = path.resolve()
        elif path.is_dir() and not (path / "pyproject.toml").is_file():
            raise CallerError(f"--pack: {said!r} holds no pack and no project; name a wheel, or NAME==VERSION")
        elif path.is_dir() or _PINNED.fullmatch(said):
            _fetch(str(path.resolve()) if path.is_dir() else _distribution(said), folder)
        else:
            raise CallerError(f"--pack: {said!r} is no file, no folder and no NAME==VERSION; name the pack's wheel")
        found = _found(folder, said)
        _fits(found, said)
        name = next(point.name for point in found.entry_points if point.group == "emma")
        yield Candidate(name, found.version, folder)


def _unpack(wheel: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, OSError) as error:
        raise CallerError(f"--pack: {str(wheel)!r} is no wheel that can be read: {error}") from error


def _distribution(pinned: str) -> str:
    """The distribution of the pack that is named, where it is an installed pack's name and not its distribution's."""
    from emma_core import packs

    name, _, wanted = pinned.partition("==")
    installed = packs.find().by_name.get(name)
    return f"{installed.distribution if installed else name}=={wanted}"


def _fetch(what: str, folder: Path) -> None:
    """pip puts it there, without what it needs: that stays as it is installed."""
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.strip()]
        raise OperatorError(f"--pack: pip cannot fetch {what!r}: {(said or ['no reason'])[-1]}; name the pack's wheel")


def _found(folder: Path, said: str) -> Distribution:
    found = [PathDistribution(path) for path in sorted(folder.glob("*.dist-info"))]
    with_packs = [each for each in found if any(point.group == "emma" for point in each.entry_points)]
    if len(with_packs) != 1:
        count = "no pack" if not with_packs else f"{len(with_packs)} packs"
        raise CallerError(f"--pack: {said!r} brings {count} (entry points of the group 'emma'); name one pack")
    return with_packs[0]


def _fits(found: Distribution, said: str) -> None:
    """What the pack needs is installed here. Raises `OperatorError` naming what is not."""
    from packaging.requirements import Requirement

    for each in map(Requirement, found.requires or ()):
        if each.marker and not each.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(each.name)
        except PackageNotFoundError:
            there = ""
        if not there or not each.specifier.contains(there, prereleases=True):
            has = f"{there} is installed" if there else "it is not installed"
            raise OperatorError(
                f"--pack: {said!r} needs {str(each)!r}, and {has}; try the pack where both are installed"
            )
