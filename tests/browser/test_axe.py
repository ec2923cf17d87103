"""The accessibility checker axe finds no violation on any kind of page. Skipped where axe-core is not available.

COMMONGROUND_AXE names the file of axe-core; `.ci/run` installs it.
"""

import os
from pathlib import Path

import pytest

from pipelines.core.store import output_path
from pipelines.declarations.project import Project
from pipelines.outputs.report import render_html
from pipelines.outputs.site import publish_pages
from tests.breadth import cases
from tests.browser.chromium import CHROMIUM, OpenPage
from tests.report_sample import sample

AXE = Path(os.environ.get("COMMONGROUND_AXE", "axe.min.js"))
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
    pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: COMMONGROUND_AXE names no axe.min.js"),
]


@pytest.fixture(scope="module")
def pages(starter: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    publish_pages(starter)
    made = {
        name: output_path(starter.home, name)
        for name in ("index.html", "places/E06000063.html", "jobs_recovery.html", "jobs_south_london.html")
    }
    hostile = tmp_path_factory.mktemp("axe") / "sample.html"
    hostile.write_text(render_html(sample("month")), encoding="utf-8")
    return {**made, "sample": hostile}


@pytest.mark.parametrize(
    ("name", "width"),
    cases(
        [("index.html", 375), ("places/E06000063.html", 1280), ("jobs_south_london.html", 375), ("sample", 1280)],
        wide=[("index.html", 1280), ("places/E06000063.html", 375), ("jobs_south_london.html", 1280), ("sample", 375),
              ("jobs_recovery.html", 1280), ("jobs_recovery.html", 375)],
    ),
)  # fmt: skip
def test_axe_finds_no_violation(open_file: OpenPage, pages: dict[str, Path], name: str, width: int) -> None:
    # The page's content policy blocks all scripts, including this one; the test makes an exception.
    page = open_file(pages[name], width, bypass_csp=True)
    for letter in page.locator("details").all():
        letter.evaluate("each => { each.open = true }")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    actual = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    result = [(item["id"], item["nodes"][0]["html"][:200]) for item in actual["violations"]]
    assert result == []


@pytest.mark.parametrize("name", ["index.html", "places/E06000063.html"])
def test_first_tab_skips_the_header_and_every_table_is_reachable(
    open_file: OpenPage, pages: dict[str, Path], name: str
) -> None:
    page = open_file(pages[name], 375, 800)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for region in page.locator(".scroll").all():
        region.focus()
        assert region.evaluate("each => each === document.activeElement")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
