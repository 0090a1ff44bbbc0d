"""Backs up, follows, restores and drills at the command line, and holds each bad word to one line and exit 2."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from emma_core.backups import Drilled

RUN = "import sys; from emma_core.cli import main; sys.exit(main())"


def test_a_backup_is_gone_on_from_and_restored_to_a_moment(opened, store, tmp_path):
    opened("ask", "loan_officer", "Can we approve at 47% debt-to-income?")
    made = opened("backup", "b", "--format", "json")
    assert made.json["parts"].keys() == {"store", "blobs", "jobs"} and len(made.json["sha256"]) == 64
    moment = datetime.now(UTC).isoformat()
    opened("ask", "loan_officer", "And at 41%?")
    again = opened("backup", "b")
    assert again.code == 0 and "b holds this installation" in again.out and made.json["sha256"] in again.out

    refused = opened("restore", "b", "--to", moment)
    assert refused.code == 2 and "2 of tenant 'default'; say --over-newer" in refused.err
    beside = opened("restore", "b", "--to", moment, "--into", "beside", "--format", "json")
    assert (beside.code, beside.json["ok"], beside.json["tenants"][0]["lines"]) == (0, True, 2)
    assert (tmp_path / "beside" / "emma.db").exists()
    done = opened("restore", "b", "--to", moment, "--over-newer")

    assert done.code == 0 and "trail #2" in done.out and "2 later lines of the trail are lost" in done.out
    assert "2 lines" in opened("audit", "verify").out
    assert {path.name for path in store.parent.iterdir()} == {"emma.db"}


def test_what_is_followed_is_lost_with_no_more_than_the_last_moment(opened, store, tmp_path):
    opened("ask", "loan_officer", "Can we approve at 47% debt-to-income?")
    following = subprocess.Popen(
        [sys.executable, "-c", RUN, "backup", "b", "--follow", "--every", "0.1"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert following.stderr is not None and "Following into b" in following.stderr.readline()
        opened("ask", "loan_officer", "And at 41%?")
        opened("ask", "loan_officer", "And at 45%?")
        following.send_signal(signal.SIGTERM)
        assert following.wait(timeout=30) == 0
    finally:
        following.kill()
        following.communicate()

    for path in store.parent.iterdir():
        path.unlink()
    assert opened("restore", "b").code == 0
    assert "6 lines" in opened("audit", "verify").out


def test_a_trail_that_does_not_hold_is_restored_and_said(opened, store):
    import sqlite3
    from contextlib import closing

    opened("ask", "loan_officer", "Can we approve at 47% debt-to-income?")
    with closing(sqlite3.connect(store, isolation_level=None)) as forging:
        forging.execute("UPDATE lines SET line = replace(line, 'local', 'other') WHERE seq = 1")
    opened("backup", "b")

    done = opened("restore", "b")

    assert done.code == 1 and "does not hold: line 1 was changed" in done.out


def test_what_cannot_be_backed_up_or_restored_is_one_line(opened, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("x")
    opened("backup", "b")
    for arguments, words in (
        (("backup", "file"), "'file' is no whole backup"),
        (("backup", "file/b"), "'file/b' cannot be written"),
        (("backup", "there"), "'there' is no whole backup"),
        (("backup", "b", "--every", "0"), "--every: 0.0 is too short"),
        (("restore", "nowhere"), "'nowhere' is no whole backup"),
        (("restore", "file"), "'file' is no whole backup"),
        (("restore", "b", "--to", "yesterday"), "--to: 'yesterday' is no moment"),
        (("restore", "b", "--to", "2026-11-27T10:00:00"), "has no zone; write 2026-11-27T10:00:00Z"),
        (("restore", "b", "--to", "2020-01-01T00:00:00Z"), "is before the first moment"),
        (("restore", "b", "--to", "2199-01-01T00:00:00Z"), "is after the last moment"),
        (("restore", "b", "--into", "there"), "--into: 'there' is there already"),
        (("drill", "--rpo", "0"), "--rpo: 0.0 is no time"),
        (("drill", "--seconds", "nan"), "--seconds: nan is no time"),
        (("drill", "--scratch", "nowhere"), "--scratch: 'nowhere' cannot be used"),
    ):
        said = opened(*arguments)
        assert said.code == 2 and said.out == "", arguments
        [line] = said.err.splitlines()
        assert line.startswith("emma: ") and words in line


def test_nothing_is_backed_up_or_drilled_where_there_is_no_store(emma, store):
    for command in (("backup", "b"), ("drill",)):
        said = emma(*command)
        assert said.code == 2 and "There is no store" in said.err
    assert not store.exists()


def test_a_full_disk_ends_a_backup_with_one_line_and_leaves_nothing(opened, tmp_path):
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
    )
    done = subprocess.run([sys.executable, "-c", limited + RUN, "backup", "b"], capture_output=True, text=True)

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert re.search(r"b\.part/.*(make room|check the file and its disk)", line), line
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.part").exists()


def test_a_drill_loses_little_comes_back_soon_and_leaves_the_store_as_it_was(opened, store, tmp_path):
    opened("ask", "loan_officer", "Can we approve at 47% debt-to-income?")
    before = {path.name: path.read_bytes() for path in store.parent.iterdir() if path.suffix == ".db"}
    (tmp_path / "scratch").mkdir()

    done = opened("drill", "--rpo", "30", "--rto", "240", "--seconds", "1", "--every", "0.3", "--scratch", "scratch",
                  "--format", "json")  # fmt: skip

    assert done.code == 0, done
    assert done.json["ok"] and done.json["acknowledged"] > 0
    assert done.json["lost"] < done.json["acknowledged"]
    assert not list((tmp_path / "scratch").iterdir())
    assert {path.name: path.read_bytes() for path in store.parent.iterdir() if path.suffix == ".db"} == before
    said = {name: value for name, value in done.json.items() if name != "ok"}
    assert not Drilled(**{**said, "rto_limit": said["rto"] / 2}).ok
    assert not Drilled(**{**said, "rpo": 30.1}).ok


@pytest.mark.prove
def test_the_drill_on_sqlite_at_full_size(opened, proof, store):
    opened("ask", "loan_officer", "Can we approve at 47% debt-to-income?")

    done = opened("drill", "--rpo", "5", "--rto", "60", "--seconds", "60", "--format", "json")

    assert done.code == 0, done
    said = done.json
    proof(
        f"sqlite: {said['acknowledged']} turns acknowledged in 60 s, then everything killed (-9) and the disk lost:"
        f" {said['lost']} turns lost, RPO {said['rpo']:.1f} s (limit 5), RTO {said['rto']:.1f} s (limit 60);"
        " every trail verifies"
    )
