"""Opens the evidence of a turn in a real browser: it verifies there, and says where it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from emma_core.audit import Evidence
from emma_core.cli import evidence_html

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="expected: there is no Chromium here; apt-get install chromium"
)
WORDS = "At 47% debt-to-income? </script><b>bold</b> \u202eeman & <!--"
MAKE = """
import contextlib, io, json, pathlib, sqlite3, sys
from emma_core.cli import main
def emma(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return out.getvalue() if not code or arguments[0] == "ask" else f"{code} {err.getvalue()}"
for number in range(3):
    emma("ask", "loan_officer", "At 41% debt-to-income?", "--conversation", f"before-{number}")
turn = json.loads(emma("ask", "loan_officer", sys.argv[1], "--conversation", "c-1", "--format", "json"))["id"]
[override] = json.loads(emma("overrides", "list", "--format", "json"))
reasons = ("--reason", "Reserves <i>of</i> a year", "--field", "compensating_factors=savings")
emma("overrides", "grant", override["id"], "--as", "sam", "--role", "mortgage.senior_underwriter", *reasons)
emma("ask", "loan_officer", "At 41% debt-to-income?", "--conversation", "after")
said = [emma("audit", "evidence", turn, "-o", "evidence.html")]
said += [emma("audit", "evidence", turn, "-o", "bare.html", "--no-values")]
other = json.loads(emma("audit", "show", "--conversation", "after", "--format", "json"))[0]["turn"]
said += [emma("audit", "evidence", other, "-o", "other.html")]
said += [emma("audit", "evidence", "t-nope", "-o", "x.html"), emma("audit", "evidence", turn, "-o", "bare.html")]
pathlib.Path("note.txt").write_text("no note")
said += [emma("audit", "evidence", turn, "-o", "x.html", "--checkpoint", "note.txt")]
with sqlite3.connect("emma.db") as connection:
    connection.execute("UPDATE payloads SET body = substr(body, 1, 40) || lower(substr(body, 41)) WHERE seq = 7")
connection.close()
said += [emma("audit", "evidence", turn, "-o", "x.html")]
print(json.dumps(said))
"""
Open = Callable[[str], Page]


@dataclass(frozen=True)
class Made:
    """A turn between others, on which somebody decided, and its evidence with and without values."""

    folder: Path
    errors: list[str]
    """What was said of an unknown turn, a file that is there, what is no checkpoint, and a line that was changed."""
    whole: str
    bare: str
    other: str
    """Of another turn."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Made in a process of its own: a browser's loop runs in this one."""
    folder = tmp_path_factory.mktemp("made")
    environment = {**os.environ, "EMMA_STORE": f"sqlite:///{folder}/emma.db"}
    done = subprocess.run(
        [sys.executable, "-c", MAKE, WORDS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said[:3] == ["", "", ""]
    pages = [(folder / f"{name}.html").read_text() for name in ("evidence", "bare", "other")]
    return Made(folder, said[3:], *pages)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a text from disk, once it has verified itself; a complaint or a request fails the test."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("file:") else None)

    def open_(text: str) -> Page:
        (tmp_path / "opened.html").write_text(text, encoding="utf-8")
        page.goto((tmp_path / "opened.html").as_uri())
        page.wait_for_selector("html[data-done]", state="attached")
        return page

    yield open_
    page.close()
    assert complaints == []


def held(text: str) -> Evidence:
    """What a page holds."""
    found = re.search(r'<script type="application/json" id="evidence">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return Evidence.model_validate_json(found[1])


@in_a_browser
def test_evidence_verifies_in_a_browser_and_tells_the_turn(made, opened):
    page = opened(made.whole)

    assert page.inner_text("#banner").startswith("Verified in this browser.")
    told = page.inner_text("#page")
    assert "needs_override" in told
    assert "Debt-to-income is 47%; the limit is 45%." in told
    assert "dti = 0.47 from the words" in told
    assert "Reserves <i>of</i> a year" in told and "as mortgage.senior_underwriter" in told
    assert "At 47% debt-to-income? </script><b>bold</b> \\u202eeman & <!--" in told
    assert page.locator("#page b:text-is('bold'), #page i").count() == 0
    page.fill("#given", held(made.whole).key)
    assert page.inner_text("#same").startswith("✓")
    page.fill("#given", "emma+00000000+AAAA")
    assert "another key" in page.inner_text("#same")


@in_a_browser
def test_evidence_without_values_verifies_and_holds_no_word(made, opened):
    page = opened(made.bare)

    assert page.inner_text("#banner").startswith("Verified in this browser.")
    assert not any(said in made.bare for said in ("47%", "debt-to-income", "Reserves"))
    assert "are not in this file" in page.inner_text("#page")


def flipped(text: str, place: int) -> str:
    """The text with one character changed into another of its kind."""
    old = text[place]
    new = {"0": "1", "a": "b", "A": "B"}.get(old) or ("0" if old.isdigit() else "a" if old.islower() else "A")
    assert new != old and old.isalnum()
    return text[:place] + new + text[place + 1 :]


def change(evidence: Evidence, what: str) -> Evidence:
    """The evidence with one byte changed in a part of it."""
    said = json.loads(evidence.model_dump_json(exclude_none=True))
    line = said["lines"][0]
    note = said["checkpoint"]
    if what == "line":
        line["line"] = flipped(line["line"], line["line"].index('"outcome":"failed"') + 11)
    elif what in ("body", "salt"):
        line["payload"][what] = flipped(line["payload"][what], 20)
    elif what == "hash":
        line["hash"] = flipped(line["hash"], 7)
    elif what == "path":
        line["path"][0] = flipped(line["path"][0], 5)
    elif what == "root":
        said["checkpoint"] = flipped(note, note.index("\n", note.index("\n") + 1) + 5)
    elif what == "time":
        said["checkpoint"] = flipped(note, note.index("\ntime ") + 8)
    elif what == "signature":
        said["checkpoint"] = flipped(note, len(note) - 20)
    elif what == "key":
        said["key"] = flipped(said["key"], len(said["key"]) - 9)
    elif what == "tenant":
        said["tenant"] = "defauIt".lower()
    elif what == "turn":
        said["turn"] = flipped(said["turn"], 5)
    return Evidence.model_validate_json(json.dumps(said))


@in_a_browser
@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("line", "line 7: its text does not have its hash"),
        ("hash", "line 7: its text does not have its hash"),
        ("body", "line 7: what lies beside it"),
        ("salt", "line 7: what lies beside it"),
        ("path", "line 7: its path does not lead to the signed root"),
        ("root", "the checkpoint: its signature is not that of its text"),
        ("time", "the checkpoint: its signature is not that of its text"),
        ("signature", "the checkpoint: "),
        ("key", "the checkpoint: the public key is damaged"),
        ("tenant", "the checkpoint: it is of "),
        ("turn", "line 7: it is of another turn"),
    ],
)
def test_one_byte_that_was_changed_is_said_with_its_place(made, opened, what, where):
    evidence = held(made.whole)

    page = opened(evidence_html.page(change(evidence, what)))

    banner = page.inner_text("#banner")
    assert banner.startswith("This file does not verify.")
    assert where in banner
    assert "Verified" not in banner
    assert "Nothing, as it stands" in page.inner_text("#page")


@in_a_browser
def test_lines_that_are_left_out_or_moved_are_missed(made, opened):
    evidence = held(made.whole)

    missing = opened(evidence_html.page(evidence.model_copy(update={"lines": evidence.lines[1:]})))
    assert "the line that holds the verdict is missing" in missing.inner_text("#banner")
    moved = opened(evidence_html.page(evidence.model_copy(update={"lines": evidence.lines[::-1]})))
    assert "not in their order" in moved.inner_text("#banner")


@in_a_browser
def test_a_decision_on_another_turn_is_no_decision_on_this_one(made, opened):
    turn, other = held(made.whole), held(made.other)
    assert [json.loads(each.line)["kind"] for each in (*turn.lines, *other.lines)] == [
        *("judged", "answered", "decided"),
        *("judged", "answered"),
    ]

    page = opened(evidence_html.page(other.model_copy(update={"lines": (turn.lines[2], *other.lines)})))

    assert "line 9: it decides on nothing that this turn found" in page.inner_text("#banner")


@in_a_browser
def test_a_page_whose_script_or_data_was_changed_is_not_verified(made, browser, tmp_path):
    text = made.whole
    cases = {"script": text.replace("utf8 = new", "utf8  = new"), "data": text.replace('{"format"', '{"format', 1)}

    for what, changed in cases.items():
        assert changed != text
        (tmp_path / "changed.html").write_text(changed)
        page = browser.new_page()
        page.goto((tmp_path / "changed.html").as_uri())
        page.wait_for_timeout(300)
        said = page.inner_text("#banner")
        page.close()
        assert said.startswith("Not verified." if what == "script" else "This file does not verify.")


@in_a_browser
@pytest.mark.parametrize("width", [380, 1280])
def test_the_page_fits_its_window_and_prints_all_of_it(made, opened, width):
    page = opened(made.whole)
    page.set_viewport_size({"width": width, "height": 900})

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert len(page.pdf(format="A4")) > 10_000


def test_evidence_of_what_is_not_there_or_was_changed_is_one_error(made):
    unknown, taken, noted, changed = made.errors

    assert all(each.startswith("2 emma: ") and each.count("\n") == 1 for each in made.errors)
    assert "No turn 't-nope'" in unknown
    assert "'bare.html' is there already" in taken
    assert "The checkpoint proves nothing" in noted
    assert "Line 7 of the trail" in changed
    assert not list(made.folder.glob("x.html*"))
