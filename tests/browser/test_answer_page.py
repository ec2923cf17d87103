"""The first screen of a problem's page: sentence, map and order, and the table sorted and filtered in place."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from pipelines.outputs.page_templates import render_page
from pipelines.outputs.report import render_html
from tests.browser.chromium import CHROMIUM, OpenPage
from tests.outputs.test_answer_trend import over_time
from tests.outputs.test_drawn_values import without_boundaries
from tests.report_sample import sample

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answer")
    (folder / "table.js").write_text(render_page("table.js"), encoding="utf-8")
    path = folder / "sample.html"
    path.write_text(render_html(sample()), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_sentence_and_map_begin_in_the_first_screen(
    open_file: OpenPage, page_file: Path, width: int, height: int
) -> None:
    page = open_file(page_file, width, height)
    lead, drawn = page.locator(".lead").bounding_box(), page.locator("figure.values svg").first.bounding_box()
    assert lead and lead["y"] + lead["height"] < height
    assert drawn and drawn["y"] < height * 0.6


def test_table_is_sorted_by_figure_with_gaps_last(open_file: OpenPage, page_file: Path) -> None:
    page = open_file(page_file, 1280, 900)
    page.get_by_role("button", name="Claimant rate").click()
    names = page.locator("table[data-sort] tbody th a").all_inner_texts()
    assert names[0] == "Ynys Môn" and names[-1] == "Hartlepool"
    page.get_by_role("button", name="Households").click()
    figures = page.locator("table[data-sort] tbody td:nth-of-type(3)").evaluate_all(
        "all => all.map(e => e.dataset.value)"
    )
    assert figures == ["0.0", "0.0", "0.0", "", ""]


def test_table_shows_only_places_with_the_letters_typed(open_file: OpenPage, page_file: Path) -> None:
    page = open_file(page_file, 1280, 900)
    page.get_by_label("Show only places with these letters").fill("london")
    shown = page.locator("table[data-sort] tbody tr:visible")
    assert shown.count() == 5 or shown.locator("th a").all_inner_texts() == ["City of London"]
    page.get_by_label("Show only places with these letters").fill("hartle")
    assert page.locator("table[data-sort] tbody tr:visible th a").all_inner_texts() == ["Hartlepool"]
    assert page.locator("#filter [role=status]").inner_text() == "1 of 5 rows"


def list_covered_labels(page: Page) -> list[tuple[list[float], list[float]]]:
    """Return the pairs of labels of one drawing that cover each other, as boxes."""
    covered = []
    for drawing in page.locator("svg.tc, figure.values svg[role]").all():
        boxes = drawing.evaluate(
            "svg => [...svg.querySelectorAll('text')].map(e => e.getBoundingClientRect())"
            ".map(b => [b.left, b.top, b.right, b.bottom])"
        )
        pairs = [(one, other) for n, one in enumerate(boxes) for other in boxes[n + 1 :]]
        covered += [(a, b) for a, b in pairs if a[0] < b[2] and b[0] < a[2] and a[1] + 3 < b[3] and b[1] + 3 < a[3]]
    return covered


@pytest.mark.parametrize("places", [5, 50])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_places_in_order_have_readable_labels_and_colours_of_the_legend(
    open_file: OpenPage, tmp_path: Path, width: int, height: int, places: int
) -> None:
    path = tmp_path / "in_order.html"
    path.write_text(render_html(without_boundaries(places)), encoding="utf-8")
    page = open_file(path, width, height)
    assert page.locator("figure.ranked svg[role] rect").count() == places and list_covered_labels(page) == []
    drawing = page.locator("figure.ranked svg[role]").bounding_box()
    assert drawing and drawing["x"] >= 0 and drawing["x"] + drawing["width"] <= width
    fills = [
        {tuple(pair) for pair in page.evaluate(
            f"() => [...document.querySelectorAll('figure.ranked {part} rect')].map(e => "
            "[e.getAttribute('class'), getComputedStyle(e).fill])"
        )}
        for part in ("svg[role]", ".key")
    ]  # fmt: skip
    assert fills[0] <= fills[1]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_no_label_of_a_chart_or_map_covers_another(
    open_file: OpenPage, tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "over_time.html"
    path.write_text(render_html(over_time()), encoding="utf-8")
    page = open_file(path, width, height)
    assert list_covered_labels(page) == []
    assert page.locator("svg.tc:not(.panel)").count() == 1 and page.locator("svg.panel").count() == 5


def test_colours_on_the_map_are_those_of_the_legend(open_file: OpenPage, page_file: Path) -> None:
    page = open_file(page_file, 1280, 900)
    colours = page.evaluate(
        "() => [...document.querySelectorAll('figure.values use[data-place]')].map(e => "
        "[e.getAttribute('class'), getComputedStyle(e).fill])"
    )
    keys = page.evaluate(
        "() => [...document.querySelectorAll('figure.values .key rect')].map(e => "
        "[e.getAttribute('class'), getComputedStyle(e).fill])"
    )
    assert len(colours) == 5 and set(map(tuple, colours)) == set(map(tuple, keys))
