"""The search of places in a real browser, from a file and without scripts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pipelines.core.store import output_path
from pipelines.declarations.project import Project
from pipelines.outputs.site import publish_pages
from tests.browser.test_report_page import CHROMIUM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]


@pytest.fixture(scope="module")
def home(starter: Project) -> Path:
    publish_pages(starter)
    return starter.home


@pytest.fixture(params=["index.html", "places/N09000003.html", "jobs_recovery.html"])
def page(browser: Browser, home: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    opened.goto(output_path(home, request.param).as_uri())
    yield opened
    context.close()


@pytest.mark.parametrize(
    ("typed", "name", "note"),
    [
        ("merton", "Merton", "London borough"),
        ("allerdale", "Cumberland", "name: Allerdale"),
        ("caerdydd", "Cardiff", "Caerdydd"),
        ("e09000024", "Merton", "London"),
        ("sw19 3rt", "Merton", "postcodes of SW19"),
        ("ab10", "Aberdeen City", "all postcodes of AB10"),
    ],
)
def test_place_is_found_and_its_page_opened_by_keyboard(page: Page, typed: str, name: str, note: str) -> None:
    page.get_by_role("searchbox").fill(typed)
    item = page.locator("#find li", has=page.get_by_role("link", name=name, exact=True)).first
    assert note in item.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/places/*.html")
    assert page.locator("h1").inner_text() == name


def test_unknown_text_is_answered_with_no_place(page: Page) -> None:
    page.get_by_role("searchbox").fill("qqqq")
    assert page.locator("#find [role=status]").inner_text() == "No places."
    assert page.locator("#find li").count() == 0
    page.get_by_role("searchbox").fill("BT1")
    assert "Northern Ireland" in page.locator("#find [role=status]").inner_text()


def test_without_scripts_the_box_is_hidden_and_links_remain(browser: Browser, home: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(output_path(home, "index.html").as_uri())
    assert not page.locator("#find").is_visible()
    assert page.get_by_role("link", name="Merton", exact=True).is_visible()
    context.close()
