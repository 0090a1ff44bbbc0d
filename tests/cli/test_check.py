"""Holds `emma check` to what it says: the formats, the exit codes, a file that is whole or not there, and Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import polars as pl
import pytest

from benchmarks import lar_rows

RULES = ("--rules", "mortgage/lender_policy")
DAY = ("--as-of", "2026-11-23")
HEADER = "id,dti,reserves_months\n"


@pytest.fixture
def loans(store, tmp_path):
    """A file of loans: one clear, one that a person may lift, one that lacks a fact, one that is no record."""
    path = tmp_path / "loans.csv"
    path.write_text(HEADER + "a,0.40,3\nb,0.47,2\nc,,3\nd,0.40\n")
    return path


def lines(said):
    return [json.loads(line) for line in said.out.splitlines()]


def test_json_lines_are_one_line_for_each_finding_that_is_not_passed(emma, loans):
    said = emma("check", str(loans), *RULES, *DAY, "--format", "jsonl")

    assert said.code == 1
    assert [(each["record"], each.get("key"), each["rule"], each["outcome"]) for each in lines(said)] == [
        (2, "b", "mortgage.lender_policy.dti_max", "failed"),
        (3, "c", "mortgage.lender_policy.dti_max", "undetermined"),
        (4, None, "global.file.fields", "failed"),
    ]
    assert "Verdict" in said.err and "blocked" in said.err


def test_people_see_the_findings_the_counts_and_the_verdict(emma, loans):
    said = emma("check", str(loans), *RULES, *DAY)

    assert said.code == 1
    assert "12 CFR 1026.43" in said.out
    assert "loans.csv, 4 records" in said.out
    assert "mortgage/lender_policy@" in said.out
    assert "blocked: a rule does not hold, and nobody may lift it" in said.out
    assert "checked" in said.out


@pytest.mark.parametrize(
    ("row", "arguments", "code"),
    [
        ("a,0.40,3", (), 0),
        ("a,0.47,3", (), 1),
        ("a,,3", (), 1),
        ("a,,3", ("--allow-undetermined",), 0),
        ("a,0.47,3", ("--limit", "0"), 1),
        ("a", (), 1),
    ],
)
def test_the_verdict_is_the_exit_code(emma, loans, row, arguments, code):
    loans.write_text(f"{HEADER}{row}\n")

    assert emma("check", str(loans), *RULES, *DAY, *arguments).code == code


def test_every_format_holds_the_same_findings(emma, loans, tmp_path):
    wanted = lines(emma("check", str(loans), *RULES, *DAY, "--format", "jsonl"))
    for name in ("out.jsonl", "out.json", "out.csv", "out.parquet", "out.html", "out.txt"):
        said = emma("check", str(loans), *RULES, *DAY, "--out", name)
        assert (said.code, said.out) == (1, "")
        assert "Verdict" in said.err

    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == wanted
    assert json.loads((tmp_path / "out.json").read_text())["findings"] == wanted
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    frame = pl.read_parquet(tmp_path / "out.parquet")
    for name in ("rule", "outcome", "message"):
        assert [row[name] for row in rows] == frame[name].to_list() == [each[name] for each in wanted]
    assert frame["record"].to_list() == [2, 3, 4]
    assert "lender_policy.dti_max" not in (tmp_path / "out.txt").read_text()
    assert "47%" in (tmp_path / "out.txt").read_text()
    assert not list(tmp_path.glob(".*.part"))


def test_a_limit_lists_some_and_counts_all(emma, loans):
    said = emma("check", str(loans), *RULES, *DAY, "--format", "json", "--limit", "1")

    assert (len(said.json["findings"]), said.json["found"]) == (1, 3)


class _Page(HTMLParser):
    """What a page refers to, and the scripts in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "srcset") and value]


def test_the_page_needs_nothing_else_and_runs_nothing_that_stood_in_the_file(emma, loans, tmp_path):
    loans.write_text('id,dti,reserves_months\n"</script><script>alert(1)</script>",0.47,"x""><img src=x>"\n')
    emma("check", str(loans), *RULES, *DAY, "--out", "out.html")

    text = (tmp_path / "out.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.links == []
    assert page.tags.count("script") == 1 and "img" not in page.tags
    assert "&lt;img src=x&gt;" in text
    assert page.tags.count("svg") == 2 or "None." in text
    assert "default-src 'none'" in text


def test_a_cell_is_no_formula(emma, loans, tmp_path):
    loans.write_text('id,dti,reserves_months\n"=1+1",0.47,3\n')
    emma("check", str(loans), *RULES, *DAY, "--out", "out.csv")

    assert "'=1+1" in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.csv", *RULES), "'nowhere.csv' cannot be read"),
        ((".", *RULES), "is a folder"),
        (("loans.csv",), "--rules"),
        (("loans.csv", "--rules", "mortgage/lender_polcy"), "did you mean"),
        (("loans.csv", *RULES, "--engine", "abacus"), "No engine answers to 'abacus'"),
        (("loans.csv", *RULES, "--format", "parquet"), "name a file with --out"),
        (("loans.csv", *RULES, "--out", "nowhere/out.csv"), "cannot be written"),
        (("loans.csv", *RULES, "--table", "census"), "write it as census=census.csv"),
        (("loans.csv", *RULES, "--table", "census=nowhere"), "--table census"),
        (("loans.csv", *RULES, "--limit", "-1"), "--limit"),
        (("loans.csv", *RULES, "--as-of", "soon"), "--as-of"),
        (("loans.csv", *RULES, "--tenant", "acme"), "No tenant 'acme'"),
    ],
)
def test_what_cannot_be_read_or_done_is_one_line_and_exit_2_and_leaves_nothing(
    opened, loans, tmp_path, arguments, words
):
    said = opened("check", *arguments)

    assert (said.code, said.out) == (2, "")
    [line] = said.err.splitlines()
    assert words in line
    assert opened("audit", "show", "--format", "json").json == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loans.csv", "store"]


def test_a_check_that_fails_leaves_the_file_that_was_there(emma, loans, tmp_path):
    (tmp_path / "out.csv").write_text("mine")

    emma("check", "nowhere.csv", *RULES, "--out", "out.csv")

    assert (tmp_path / "out.csv").read_text() == "mine"


def test_a_check_stands_on_the_trail_and_the_trail_verifies(emma, loans):
    emma("check", str(loans), *RULES, *DAY)

    [event] = emma("audit", "show", "--format", "json").json
    assert (event["kind"], event["outcome"]["verdict"]) == ("checked", "blocked")
    assert "checked" in emma("audit", "show").out
    assert emma("audit", "verify").code == 0


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.json", "out.html"])
def test_control_c_leaves_a_report_that_says_it_is_partial(loans, tmp_path, name):
    rows = "".join(f"k{number},0.4{number % 10},3\n" for number in range(400_000))
    loans.write_text(HEADER + rows)
    command = [sys.executable, "-c", "import sys; from emma_core.cli import main; sys.exit(main())"]
    command += ["check", str(loans), *RULES, *DAY, "--engine", "closures", "--out", name]

    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # the part is opened right before the first record is looked at
        for _ in range(600):
            if list(tmp_path.glob(f".{name}.*.part")):
                break
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 130, err
    text = (tmp_path / name).read_text()
    if name == "out.json":
        report = json.loads(text)
        assert report["partial"] is True and report["records"] < 400_000
    else:
        assert "PARTIAL: stopped after" in text
    assert b"PARTIAL" in err
    assert not list(tmp_path.glob(".*.part"))


def test_control_c_amid_a_large_register_leaves_what_was_found_until_then(tmp_path):
    lar_rows.write(tmp_path / "lar.txt", 60_000, wrong=1)
    command = [sys.executable, "-c", "import sys; from emma_core.cli import main; sys.exit(main())"]
    command += ["check", "lar.txt", "--rules", "mortgage/hmda@2024", "--out", "out.jsonl"]

    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for _ in range(1_200):  # findings are written as they come
            if [part for part in tmp_path.glob(".out.jsonl.*.part") if part.stat().st_size]:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 130, err
    *found, last = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert last["outcome"] == "partial"
    assert found and {each["outcome"] for each in found} == {"failed"}
    assert max(each["record"] for each in found) < 60_000
