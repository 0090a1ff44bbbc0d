"""Makes the folder of a new pack out of a template: whole, or not at all."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
from datetime import date
from importlib.metadata import distributions, entry_points
from importlib.util import find_spec
from pathlib import Path

from emma_core.cli import schemas
from emma_core.errors import CallerError, OperatorError
from emma_core.hookspecs import PROJECT

TEMPLATE = Path(__file__).parent / "pack_template"
"""`shared` files, and those of a pack of `data` only or with `code`; each ends with `.in`."""
SCHEMAS = ["blueprint", "index", "override_template", "ruleset"]


def make(name: str, *, into: Path, code: bool) -> Path:
    """The folder of a new pack that works. Raises `CallerError` or `OperatorError`; then nothing is left behind."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name.endswith("_") or keyword.iskeyword(name):
        raise CallerError(f"Pack {name!r}: write a name of lower-case letters, digits and _, such as 'my_trade'")
    if taken := _taken(name):
        raise CallerError(f"Pack {name!r}: {taken}; choose another name")
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise CallerError(f"{str(folder)!r} is there already; choose another name or --into another folder")
    if not into.is_dir():
        raise CallerError(f"--into: there is no folder {str(into)!r}; make it first")
    try:
        begun = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=into))
    except OSError as error:
        raise OperatorError(f"{str(into)!r} cannot be written: {error.strerror}; name another folder") from error
    try:
        for part in ("shared", "code" if code else "data"):
            _write(TEMPLATE / part, begun, name)
        schemas.write(begun / "schemas", SCHEMAS)
        begun.chmod(0o755)
        begun.rename(folder)
    except OSError as error:
        raise OperatorError(f"{str(folder)!r} cannot be written: {error.strerror}; name another folder") from error
    finally:
        shutil.rmtree(begun, ignore_errors=True)  # gone already where it was renamed
    return folder


def _taken(name: str) -> str:
    """Who has the name already; installing a pack of it would put that out of work. Empty where nobody has."""
    points = {point.name: point for point in entry_points(group=PROJECT)}
    if point := points.get(name):
        return f"distribution {point.dist.name if point.dist else point.value!r} brings one of this name"
    dashed = re.compile(f"emma-{name.replace('_', '-')}")
    for each in distributions():
        if dashed.fullmatch(re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower()):
            return f"distribution {each.metadata['Name']!r} is installed, and the pack's would replace it"
    if find_spec(f"emma_{name}") is not None:
        return f"module 'emma_{name}' is installed, and the pack's would stand beside it"
    return ""


def _write(source: Path, target: Path, name: str) -> None:
    title = name.replace("_", " ").capitalize()
    for file in sorted(source.rglob("*.in")):
        # TEST: no wheel of Emma carries a file that a test runner would collect
        named = file.relative_to(source).as_posix().removesuffix(".in").replace("NAME", name).replace("TEST", "test")
        path = target / named
        path.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text(encoding="utf-8")
        for mark, said in {
            "@name@": name,
            "@title@": title,
            "@dashed@": name.replace("_", "-"),
            "@today@": date.today().isoformat(),
        }.items():
            text = text.replace(mark, said)
        path.write_text(text, encoding="utf-8")
