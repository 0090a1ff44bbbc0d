"""Starts, lists, shows, cancels and does jobs from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("dti\n0.5\n0.4\n")
    return path


def test_what_is_started_for_later_is_done_by_a_worker_and_told(opened, rows: Path, tmp_path: Path) -> None:
    checked = opened("check", rows.name, "--rules", "mortgage/lender_policy", "--out", "r.csv", "--later")
    exported = opened("tenants", "export", "default", "taken", "--later", "--format", "json")
    retained = opened("db", "retain", "--later")
    waiting = opened("jobs", "list").out
    done = opened("jobs", "work", "--until-idle")
    listed = opened("jobs", "list", "--format", "json")
    own = opened("jobs", "list", "--installation", "--format", "jsonl")
    id = re.search(r"Job (\S+) waiting; `emma jobs work` does it\.", checked.out)
    assert id is not None
    shown = opened("jobs", "show", id[1][:8])

    assert (checked.code, exported.code, retained.code, done.code) == (0, 0, 0, 0), done.err
    assert waiting.count("waiting") == 2 and max(map(len, waiting.splitlines())) <= 80
    assert {each["kind"]: each["state"] for each in listed.json} == {"check": "done", "export": "done"}
    assert json.loads(own.out)["kind"] == "retain" and json.loads(own.out)["state"] == "done"
    assert {path.name for path in tmp_path.iterdir()} >= {"r.csv", "taken"}
    assert (tmp_path / "taken" / "manifest.json").exists()
    assert json.loads(exported.out)["state"] == "waiting"
    assert shown.code == 0 and "2/2" in shown.out and "verdict: needs_override" in shown.out
    assert opened("audit", "verify").code == 0


def test_a_job_that_failed_says_why_and_exits_with_1(opened, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    told = json.dumps({"folder": str(tmp_path / "taken")})
    started = opened("jobs", "start", "export", "--input", told, "--id", "once")
    again = opened("jobs", "start", "export", "--input", told, "--id", "once")
    worked = opened("jobs", "work", "--until-idle")
    shown = opened("jobs", "show", "once")
    late = opened("jobs", "cancel", "once")

    assert (started.code, again.out) == (0, started.out)
    assert (worked.code, worked.err) == (0, "Jobs are taken up.\n")
    assert shown.code == 1 and "is there already" in " ".join(shown.out.split())
    assert late.code == 2 and "is over already: it is failed" in late.err


def test_a_waiting_job_is_cancelled_and_never_done(opened, tmp_path: Path) -> None:
    opened("jobs", "start", "export", "--input", json.dumps({"folder": str(tmp_path / "taken")}), "--id", "one")
    cancelled = opened("jobs", "cancel", "one", "--format", "json")
    opened("jobs", "work", "--until-idle")

    assert cancelled.json["state"] == "cancelled"
    assert opened("jobs", "show", "one", "--format", "json").json["state"] == "cancelled"
    assert not (tmp_path / "taken").exists()


def test_a_schedule_is_made_listed_and_taken_away(opened) -> None:
    made = opened("jobs", "schedule", "nightly", "0 6 * * 1-5", "export", "--input", '{"folder": "/out/{at}"}')
    listed = opened("jobs", "schedules")
    gone = opened("jobs", "unschedule", "nightly")

    assert (made.code, gone.code) == (0, 0)
    assert "nightly" in listed.out and "0 6 * * 1-5" in listed.out
    assert opened("jobs", "schedules", "--format", "json").json == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jobs", "show", "nothing"], "No job 'nothing'"),
        (["jobs", "cancel", "nothing"], "No job 'nothing'"),
        (["jobs", "list", "--tenant", "nobody"], "No tenant 'nobody'"),
        (["jobs", "list", "--tenant", "a", "--installation"], "--installation and --tenant"),
        (["jobs", "start", "exprot"], "no kind of job 'exprot'"),
        (["jobs", "start", "export", "--input", "{"], "--input"),
        (["jobs", "start", "export", "--input", '{"folder": "here"}'], "from the root on"),
        (["jobs", "schedule", "n", "every day", "export", "--input", '{"folder": "/x"}'], "'every day' is no cron"),
        (["jobs", "unschedule", "nothing"], "No schedule 'nothing'"),
        (["check", "nothing.csv", "--rules", "mortgage/*", "--later"], "'nothing.csv' cannot be read"),
        (["check", "rows.csv", "--rules", "mortgage/*", "--later", "--as", "ana"], "leave out --as and --role"),
        (["db", "retain", "--later", "--dry-run"], "--later and --dry-run"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(opened, rows: Path, arguments: list[str], said: str) -> None:
    done = opened(*arguments)

    assert (done.code, done.out) == (2, "")
    assert said in done.err and done.err.count("\n") == 1 and "Traceback" not in done.err


def test_a_worker_ends_in_order_when_it_is_told_to(store: Path, opened) -> None:
    command = [sys.executable, "-c", "import sys; from emma_core.cli import main; sys.exit(main())", "jobs", "work"]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert worker.stderr is not None
    first = worker.stderr.readline()
    worker.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    _, rest = worker.communicate(timeout=30)

    assert (first, rest, worker.returncode) == ("Jobs are taken up.\n", "", 0)
    assert time.monotonic() - begun < 10
    assert list(store.with_name("emma.jobs.db-workers").iterdir()) == []
