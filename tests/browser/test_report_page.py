"""The report in a real browser, with scripts off: wide, on a phone, and printed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.outputs.report import render_html
from tests.breadth import cases
from tests.browser.chromium import CHROMIUM, OpenPage
from tests.report_sample import sample

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]


@pytest.fixture(scope="module", params=["latest", "month"])
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(sample(request.param)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", cases([320], wide=[1280, 375]))
def test_page_never_scrolls_horizontally(open_file: OpenPage, page_file: Path, width: int) -> None:
    page = open_file(page_file, width, 900, java_script_enabled=False)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sections = page.locator("main > section").all()
    assert len(sections) == 9
    assert all(section.is_visible() for section in sections)


def test_place_names_remain_visible_when_a_table_is_scrolled(open_file: OpenPage, page_file: Path) -> None:
    page = open_file(page_file, 375, 800, java_script_enabled=False)
    region = page.get_by_role("region", name="Table: results by place")
    region.evaluate("each => { each.scrollLeft = 120 }")
    place, around = region.locator("tbody th").first.bounding_box(), region.bounding_box()
    assert place and around
    assert abs(place["x"] - around["x"]) <= 2


def test_report_works_without_scripts_or_network(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(page_file.as_uri())
    assert asked == [page_file.as_uri()]
    assert dialogs == []
    for heading in ("Missing data, and who to ask", "What to request, and from whom", "Results by place", "Sources"):
        assert page.get_by_role("heading", name=heading).is_visible()
    context.close()


def test_tables_are_scrollable_by_keyboard(open_file: OpenPage, page_file: Path) -> None:
    page = open_file(page_file, 375, 800)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    region = page.get_by_role("region", name="Table: what to request")
    region.focus()
    assert region.evaluate("each => each === document.activeElement")


def test_report_prints_within_the_page(open_file: OpenPage, page_file: Path) -> None:
    # The width of A4 at 96 dots per inch, within the margins that the page declares.
    page = open_file(page_file, 700, 1000, java_script_enabled=False)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.pdf(format="A4").startswith(b"%PDF")
