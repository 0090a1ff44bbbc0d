"""Opens the report of a check in a real browser and uses its filter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="expected: there is no Chromium here; apt-get install chromium"
)


@pytest.fixture
def page(emma, tmp_path) -> Iterator[Page]:
    """The report of some loans, two of which somebody lifted, opened from disk; a complaint of it fails the test."""
    loans = tmp_path / "loans.csv"
    loans.write_text("id,dti,reserves_months\na,0.40,3\nb,0.47,2\nc,0.48,0\nd,<b>,1\n")
    check = ("check", str(loans), "--rules", "mortgage/lender_policy", "--as", "ana")
    emma(*check, "--limit", "0")
    may = ("--as", "sam", "--role", "mortgage.senior_underwriter", "--reason", "r", "--field", "compensating_factors=c")
    emma("overrides", "grant", "--rule", "dti_max", *may)
    loans.write_text(loans.read_text() + "e,0.49,1\n")
    emma(*check, "--format", "html", "--out", "report.html")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("file:") else None)
        opened.goto((tmp_path / "report.html").as_uri())
        yield opened
        browser.close()
    assert complaints == []


def visible_rows(page: Page) -> int:
    return page.locator("#findings tbody tr:visible").count()


def test_the_filter_of_the_page_shows_what_was_asked_for(page: Page) -> None:
    every = visible_rows(page)
    assert every >= 4
    assert page.locator("#verdict").inner_text() in ("needs_override", "blocked")

    page.fill("#record", "3")
    assert 0 < visible_rows(page) < every
    assert page.locator("#shown").inner_text() == f"{visible_rows(page)} of {every} shown"

    page.fill("#record", "")
    page.fill("#words", "reserves")
    of_reserves = visible_rows(page)
    assert 0 < of_reserves < every
    page.fill("#words", "nothing says this")
    assert visible_rows(page) == 0


def test_a_bar_of_a_chart_filters_by_its_edit(page: Page) -> None:
    every = visible_rows(page)

    page.locator("[data-fill=edit]").first.click()

    assert 0 < visible_rows(page) <= every
    assert page.locator("#edit").input_value() != ""


def test_what_a_file_says_is_shown_and_never_run(page: Page) -> None:
    assert page.locator("#findings b").count() == 0


def test_what_somebody_lifted_is_told_and_found_by_its_weight(page: Page) -> None:
    page.select_option("#weight", "lifted")
    lifted = page.locator("#findings tbody tr:visible")

    assert lifted.count() == 2
    assert all("granted by sam" in said for said in lifted.all_inner_texts())
    page.select_option("#weight", "error, may be lifted")
    assert "override" in page.locator("#findings tbody tr:visible").first.inner_text()
    assert "emma overrides grant --report k-" in page.inner_text("pre")


def test_a_card_and_a_bar_of_a_field_filter_too(page: Page) -> None:
    every = visible_rows(page)

    page.locator(".card").first.click()
    assert 0 < visible_rows(page) < every
    page.locator("button[type=reset]").click()
    page.locator("[data-fill=field]").first.click()

    assert page.locator("#field").input_value() == "dti"
    assert 0 < visible_rows(page) <= every


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})

    assert page.evaluate("document.documentElement.scrollWidth") <= width
