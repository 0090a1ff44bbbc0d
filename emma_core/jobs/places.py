"""Holds a job's paths to what a worker elsewhere can find, and clears what a broken attempt left beside them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def _absolute(said: str) -> str:
    if not Path(said).is_absolute() or "\0" in said:
        raise ValueError("a worker stands in another folder: write a path from the root on")
    return said


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
"""A path from the root on, as the worker's machine has it."""


def beside(path: Path, job: str) -> Path:
    """Where an attempt at the job builds what will be there: whoever looks at `path` sees all of it or nothing."""
    return path.with_name(f".{path.name}.{job}")


def clear(path: Path, job: str) -> None:
    """Nothing that an attempt at the job built lies beside the path."""
    name = beside(path, job).name
    for left in [beside(path, job), *path.parent.glob(f".{_literal(name)}[-.]*")]:
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _literal(name: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
