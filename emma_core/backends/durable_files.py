"""Writes files that are on the disk once that is said, whole or not at all, and for their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """The file holds these bytes: it is the old one or the new one, whatever happens."""
    written = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        write(written, data)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def write(path: Path, data: bytes) -> None:
    """The new file is on the disk, for its owner only."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """The folder is there, for its owner only, and known to be in the one above it."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """What the folder lists is on the disk."""
    if os.name == "nt":  # a folder cannot be opened there, and its listing is journalled
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def give(folder: Path, like: Path) -> None:
    """Whoever is root leaves everything in the folder to the owner of another one: not all programs run as root."""
    if os.name == "nt" or os.geteuid() != 0:
        return
    to = like.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, to.st_uid, to.st_gid, follow_symlinks=False)
