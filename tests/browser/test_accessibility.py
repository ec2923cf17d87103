"""Keyboard, zoom, forced colours, print and downloads, on pages of a build."""

import re
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page

from pipelines.core.store import output_path, read_table, state_path
from tests.breadth import cases
from tests.browser.chromium import CHROMIUM, OpenPage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]
PAGES = cases(["index.html", "jobs_south_london.html", "places/E09000024.html"], wide=["jobs_recovery.html"])
ACTIVE = "(e => (e.id || '') + (e.className || '') + (e.getAttribute('href') || e.tagName))(document.activeElement)"
KEYS = "new Set([...document.querySelectorAll('figure.values .key rect')].map(e => getComputedStyle(e).fill)).size"


@pytest.fixture
def open_page(open_file: OpenPage, built_small: Path) -> OpenPage:
    def open_one(name: str, *size: int, **options: object) -> Page:
        return open_file(output_path(built_small / "store", name), *size, **options)

    return open_one


@pytest.mark.parametrize("name", PAGES)
def test_keyboard_reaches_every_part_and_leaves_each(open_page: OpenPage, name: str) -> None:
    page = open_page(name)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(ACTIVE))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", seen[-1]
    assert seen[0].startswith("skip") and len(set(seen)) > 20


def test_map_has_a_summary_and_a_table_that_the_keyboard_reaches(open_page: OpenPage) -> None:
    page = open_page("jobs_recovery.html")
    drawn = page.locator("figure.values svg[role=img]")
    named = drawn.get_attribute("aria-labelledby")
    assert named
    said = " ".join(page.locator(f"#{part}").text_content() or "" for part in named.split())
    assert "Highest figures in Birmingham" in said and "Places by class" in said
    link = page.get_by_role("link", name="Table of this map (CSV)")
    link.focus()
    assert link.evaluate("e => e === document.activeElement")
    region = page.get_by_role("region", name="Table: results by place")
    region.focus()
    page.keyboard.press("PageDown")
    # The policy of the page admits no evaluated text, so the page is asked again and again.
    tries = iter(range(50))
    while next(tries, None) is not None and not page.evaluate("document.activeElement.scrollTop"):
        page.wait_for_timeout(100)
    assert page.evaluate("document.activeElement.scrollTop") > 0


def test_table_is_sorted_from_the_keyboard_and_says_so(open_page: OpenPage) -> None:
    page = open_page("jobs_recovery.html")
    button = page.locator("table[data-sort] thead button", has_text="Claimants of")
    button.focus()
    page.keyboard.press("Enter")
    head = button.locator("xpath=..")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("table[data-sort] tbody th a").first.inner_text() == "Birmingham"
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.locator("table[data-sort] tbody th a").first.inner_text() == "Isles of Scilly"


@pytest.mark.parametrize("name", PAGES)
def test_page_at_twice_the_size_needs_no_sideways_scrolling(open_page: OpenPage, name: str) -> None:
    # A window of 1280 pixels at 200 % has 640, and text of 16 points more.
    page = open_page(name, 640, 450, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    cut = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, p, dd, dt, figcaption')].filter(e => e.offsetParent && "
        "getComputedStyle(e).overflow === 'hidden' && !e.closest('.away') && e.scrollWidth > e.clientWidth + 1).length"
    )
    assert cut == 0


@pytest.mark.parametrize("name", PAGES)
def test_forced_colours_keep_lines_borders_and_focus(open_page: OpenPage, name: str) -> None:
    page = open_page(name, forced_colors="active")
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    hidden = page.evaluate(
        "[...document.querySelectorAll('svg.tc g[data-values] > path')].filter(e => "
        "getComputedStyle(e).stroke === getComputedStyle(document.body).backgroundColor).length"
    )
    assert hidden == 0
    fills = page.evaluate(KEYS)
    assert fills == len(page.locator("figure.values .key rect").all())


@pytest.mark.parametrize("name", PAGES)
def test_page_prints_without_controls(open_page: OpenPage, name: str) -> None:
    page = open_page(name, 700, 1000)
    page.emulate_media(media="print")
    for control in (".find", ".filter", ".get", "nav"):
        assert not any(part.is_visible() for part in page.locator(control).all()), control
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


def test_table_of_a_chart_of_a_place_has_the_figures_drawn(
    open_page: OpenPage, built_small: Path, tmp_path: Path
) -> None:
    page = open_page("places/E09000024.html")
    figure = page.locator("#t-claimant_rate")
    with page.expect_download() as started:
        figure.get_by_role("link", name="Table of this chart (CSV)").click()
    assert started.value.suggested_filename == "claimant_rate.csv"
    started.value.save_as(tmp_path / "chart.csv")
    table = pl.read_csv(tmp_path / "chart.csv", schema_overrides={"period": pl.String})
    own = table.filter(pl.col("line") == "Merton")["value"].to_list()
    history = read_table(state_path(built_small / "store", "history", "jobs_recovery"))
    stored = history.filter(pl.col("measure") == "claimant_rate", pl.col("place_code") == "E09000024")
    assert own == stored.sort("period_end")["value"].to_list() and len(own) > 10
    assert {"London", "England"} <= set(table["line"])


def test_without_scripts_the_tables_of_map_and_chart_are_links(open_page: OpenPage, built_small: Path) -> None:
    page = open_page("jobs_recovery.html", java_script_enabled=False)
    for text, name in (("Table of this map (CSV)", "map.csv"), ("Table of this chart (CSV)", "trend.csv")):
        address = page.get_by_role("link", name=text).first.get_attribute("href")
        assert address == f"jobs_recovery.{name}"
        assert output_path(built_small / "store", address).is_file()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_label_of_a_small_chart_covers_another(open_page: OpenPage, width: int) -> None:
    page = open_page("jobs_recovery.html", width)
    assert page.locator("svg.panel").count() == 12
    boxes = page.locator("svg.panel").first.evaluate(
        "svg => [...svg.querySelectorAll('text')].map(e => e.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) == 4
    for n, a in enumerate(boxes):
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] + 2 < b[3] and b[1] + 2 < a[3] for b in boxes[n + 1 :])
    band = page.locator("svg.panel use").first.evaluate("e => getComputedStyle(e).fill")
    drawn = page.evaluate("getComputedStyle(document.querySelector('svg.panel path.band')).fill")
    assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", drawn) and drawn != "rgb(0, 0, 0)" and band
