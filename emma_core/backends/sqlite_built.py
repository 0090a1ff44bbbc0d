"""Builds a SQLite file of a copy as it was at a moment, beside the one that is there, and puts it in its place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from emma_core.backends import copied_steps, durable_files
from emma_core.backends.copied_steps import Step
from emma_core.backends.sqlite_file import explained
from emma_core.backends.sqlite_log import Commit
from emma_core.errors import CallerError, Conflict, StoreError

BASE = "base.db"
"""The file of a copy as it was when the copy was begun."""
_ALONE_SECONDS = 2.0
_BESIDE = ("", "-wal", "-shm", "-journal")


class Built:
    """The file that is built, `NAME.restored` beside the one that it is to replace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.restored")

    def make(self, folder: Path, begun: str, to: datetime | None) -> None:
        """It stands there as it was at that moment. Raises `Conflict` where the other is in use, `StoreError`."""
        self._let_go()
        self.discard()
        try:
            durable_files.make_folder(self.path.parent)
            os.close(os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            shutil.copyfile(folder / BASE, self.part)
            with self.part.open("r+b") as file:
                for step in copied_steps.steps(folder, begun):
                    if to is not None and step.at > to:
                        self._up_to(file, step, to)
                        break
                    for commit in commits(step):
                        _write(file, commit)
                file.flush()
                os.fsync(file.fileno())
            if self.part.stat().st_size:
                self._check()
            else:
                self.discard()  # there was no file then
        except OSError as error:
            self.discard()
            raise StoreError(
                f"Store '{self.part}' cannot be written ({error.strerror}); make room, or name another store"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            self.discard()
            raise CallerError(
                f"Backup: {str(folder)!r} holds a step that is none ({error}); restore another"
            ) from error
        except BaseException:
            self.discard()
            raise

    def put(self) -> None:
        """It has taken the place of the other, whose log is gone. Raises `Conflict` where that is in use."""
        self._let_go()
        if not self.part.exists():
            return  # there was no file then
        if self.path.exists():
            shutil.copymode(self.path, self.part)
        for end in _BESIDE[1:]:
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        self.part.replace(self.path)
        durable_files.sync(self.path.parent)

    def discard(self) -> None:
        """It is gone."""
        _remove(self.part)

    def lose(self) -> None:
        """What was put is gone."""
        _remove(self.path)

    def _let_go(self) -> None:
        """Nobody has the file that is there open, and its log is folded into it; one that is no database is left."""
        if not self.path.exists():
            return
        with contextlib.closing(sqlite3.connect(self.path, timeout=_ALONE_SECONDS, isolation_level=None)) as other:
            try:
                other.execute("PRAGMA journal_mode = DELETE").fetchone()  # only who is alone may give up the log
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise explained(error, self.path) from error
                raise Conflict(f"Store '{self.path}' is open in another process; end that first") from error
            except sqlite3.DatabaseError:
                return  # damaged: what a restore is for

    def _up_to(self, file: BinaryIO, step: Step, to: datetime) -> None:
        """Of a step that reaches past the moment: its commits up to the last one that sealed a line no later."""
        moment = to.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        undo: list[Commit] = []
        last = self._sealed(file)
        for commit in commits(step):
            undo.append(_replaced(file, commit))
            _write(file, commit)
            sealed = self._sealed(file)
            if sealed > moment:
                break
            if sealed > last:
                last, undo = sealed, []
        for each in reversed(undo):
            _write(file, each)

    def _sealed(self, file: BinaryIO) -> str:
        """When the newest line of any trail was sealed; empty where there is none."""
        file.flush()
        with contextlib.closing(sqlite3.connect(f"{self.part.as_uri()}?immutable=1", uri=True)) as built:
            try:
                return str(built.execute("SELECT coalesce(max(at), '') FROM heads").fetchone()[0])
            except sqlite3.OperationalError:  # a file without trails
                return ""

    def _check(self) -> None:
        with contextlib.closing(sqlite3.connect(self.part)) as built:
            said = built.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise CallerError(f"Backup: what it makes is no sound database ({said}); restore another backup")


def _remove(path: Path) -> None:
    for end in _BESIDE:
        path.with_name(path.name + end).unlink(missing_ok=True)


def told(commits: Sequence[Commit]) -> tuple[str, bytes]:
    """The commits as a step says them: which pages, in words, and what is in them."""
    page = len(next(iter(commits[0].pages.values())))
    said = {"page": page, "commits": [{"size": each.size, "pages": list(each.pages)} for each in commits]}
    return json.dumps(said, separators=(",", ":")), b"".join(data for each in commits for data in each.pages.values())


def commits(step: Step) -> Iterator[Commit]:
    """The commits of a step."""
    said, start = json.loads(step.said), 0
    for each in said["commits"]:
        pages = {}
        for number in each["pages"]:
            pages[number] = step.data[start : start + said["page"]]
            start += said["page"]
        yield Commit(each["size"], pages)


def _write(file: BinaryIO, commit: Commit) -> None:
    page = len(next(iter(commit.pages.values())))
    for number, data in commit.pages.items():
        file.seek((number - 1) * page)
        file.write(data)
    file.truncate(commit.size * page)


def _replaced(file: BinaryIO, commit: Commit) -> Commit:
    """What has to be written to undo a commit that is about to be."""
    page = len(next(iter(commit.pages.values())))
    size = file.seek(0, os.SEEK_END) // page
    numbers = {*commit.pages, *range(commit.size + 1, size + 1)}
    pages = {}
    for number in sorted(each for each in numbers if each <= size):
        file.seek((number - 1) * page)
        pages[number] = file.read(page)
    return Commit(size, pages or {1: commit.pages[1]})
