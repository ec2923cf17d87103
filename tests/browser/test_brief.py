"""The brief in print: one A4 page from its own address, without the rest of the page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipelines.outputs.brief import MAX_WORDS
from pipelines.outputs.page_templates import render_page
from pipelines.outputs.report import render_html
from tests.browser.chromium import CHROMIUM
from tests.report_sample import sample

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    (tmp_path / "table.js").write_text(render_page("table.js"), encoding="utf-8")
    path = tmp_path / "sample.html"
    path.write_text(render_html(sample()), encoding="utf-8")
    return path


def count_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_brief_alone_prints_on_one_page(browser: Browser, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(f"{page_file.as_uri()}#brief")
    page.emulate_media(media="print")
    assert page.locator("#brief").is_visible()
    assert not page.locator("#places").is_visible() and not page.locator("h1").is_visible()
    assert count_pages(page.pdf(prefer_css_page_size=True)) == 1
    assert len(page.locator("#brief").inner_text().split()) <= MAX_WORDS


def test_page_without_the_address_prints_whole(browser: Browser, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible() and page.locator("#brief").is_visible()
    assert count_pages(page.pdf(prefer_css_page_size=True)) > 1
