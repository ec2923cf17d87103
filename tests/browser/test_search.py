"""The search of places in a real browser, from a file and without scripts."""

from itertools import product
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pipelines.core.store import output_path
from pipelines.declarations.project import Project
from pipelines.outputs.site import publish_pages
from tests.breadth import cases
from tests.browser.chromium import CHROMIUM, OpenPage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]


@pytest.fixture(scope="module")
def home(starter: Project) -> Path:
    publish_pages(starter)
    return starter.home


PLACE, PROBLEM = "places/N09000003.html", "jobs_recovery.html"
FOUND = [
    ("merton", "Merton", "London borough"),
    ("allerdale", "Cumberland", "name: Allerdale"),
    ("caerdydd", "Cardiff", "Caerdydd"),
    ("e09000024", "Merton", "London"),
    ("sw19 3rt", "Merton", "postcodes of SW19"),
    ("ab10", "Aberdeen City", "all postcodes of AB10"),
    ("bcp", "Bournemouth, Christchurch and Poole", "short name: BCP (bcpcouncil.gov.uk)"),
]


@pytest.fixture
def page(open_file: OpenPage, home: Path, request: pytest.FixtureRequest) -> Page:
    return open_file(output_path(home, getattr(request, "param", "index.html")), 390, 844)


@pytest.mark.parametrize(
    ("page", "typed", "name", "note"),
    cases(
        [*(("index.html", *case) for case in FOUND), (PLACE, *FOUND[4]), (PROBLEM, *FOUND[1])],
        wide=[(start, *case) for start in (PLACE, PROBLEM) for case in FOUND],
    ),
    indirect=["page"],
)
def test_place_is_found_and_its_page_opened_by_keyboard(page: Page, typed: str, name: str, note: str) -> None:
    page.get_by_role("searchbox").fill(typed)
    item = page.locator("#find li", has=page.get_by_role("link", name=name, exact=True)).first
    assert note in item.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/places/*.html")
    assert page.locator("h1").inner_text() == name


@pytest.mark.parametrize("page", cases(["index.html"], wide=[PLACE, PROBLEM]), indirect=True)
def test_places_are_listed_by_kind_and_reached_with_the_arrow_keys(page: Page) -> None:
    box = page.get_by_role("searchbox")
    box.fill("birmingham")
    groups = page.locator("#find .group").all_inner_texts()
    assert groups[:2] == ["Councils", "Westminster constituencies"] and len(groups) == len(set(groups))
    assert page.get_by_role("list", name="Councils").get_by_role("link").all_inner_texts() == ["Birmingham"]
    box.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "Birmingham"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "find-text"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "find-text"


@pytest.mark.parametrize("page", cases([PLACE], wide=["index.html", PROBLEM]), indirect=True)
def test_unknown_text_is_answered_with_no_place(page: Page) -> None:
    page.get_by_role("searchbox").fill("qqqq")
    assert page.locator("#find [role=status]").inner_text() == "No places."
    assert page.locator("#find li").count() == 0
    page.get_by_role("searchbox").fill("BT1")
    assert "Northern Ireland" in page.locator("#find [role=status]").inner_text()


def test_without_scripts_the_box_is_hidden_and_links_remain(open_file: OpenPage, home: Path) -> None:
    page = open_file(output_path(home, "index.html"), java_script_enabled=False)
    assert not page.locator("#find").is_visible()
    assert page.get_by_role("link", name="Merton", exact=True).is_visible()
    for title in ("Councils", "NHS trusts", "Police forces"):
        assert page.get_by_role("heading", name=title).first.is_visible()
    page.goto(output_path(home, "places/N09000003.html").as_uri())
    page.get_by_role("link", name="List of all places").click()
    assert page.url.endswith("index.html#places")


@pytest.mark.parametrize(
    ("code", "width"),
    cases(
        [("E09000024", 1280), ("S12000017", 320), ("N09000003", 320), ("E06000063", 390), ("R0A", 320)],
        wide=product(["E09000024", "S12000017", "N09000003", "E06000063", "R0A"], [1280, 390, 320]),
    ),
)
def test_place_page_fits_its_width_and_prints(open_file: OpenPage, home: Path, code: str, width: int) -> None:
    page = open_file(output_path(home, f"places/{code}.html"), width, java_script_enabled=False)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = page.locator("dl.numbers.first dd").first.bounding_box()
    assert first and first["y"] < 900
    page.emulate_media(media="print")
    assert page.locator("table.known").is_visible() and not page.locator("nav").is_visible()
    # White links of the header would vanish on paper, and the cards of a phone would fill it.
    assert page.locator(".band a").first.evaluate("e => getComputedStyle(e).color") == "rgb(11, 12, 12)"
    assert page.locator("table.known tbody").first.evaluate("e => getComputedStyle(e).display") == "table-row-group"
