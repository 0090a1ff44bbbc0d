"""Lets one writer of a folder after the other: threads and processes alike, and none once its holder is gone."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_PROCESS = threading.Lock()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else is between these two lines with the same file."""
    with _IN_PROCESS:
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(held)
            yield
        finally:
            os.close(held)  # which gives it back


def hold(path: Path) -> int | None:
    """The lock of that file, held until `os.close()` or the end of this process; None where another holds it."""
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take_now(held)
    except OSError:
        os.close(held)
        return None
    return held


if sys.platform == "win32":
    import msvcrt

    def _take(held: int) -> None:
        msvcrt.locking(held, msvcrt.LK_LOCK, 1)

    def _take_now(held: int) -> None:
        msvcrt.locking(held, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(held: int) -> None:
        fcntl.flock(held, fcntl.LOCK_EX)

    def _take_now(held: int) -> None:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
