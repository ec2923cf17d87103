"""The gap report: says what it must, harms nobody, and needs nothing but itself."""

import csv
import io
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from pipelines.report import as_json, cells_csv, legend, render_html, shade
from pipelines.report_map import draw
from pipelines.report_tables import bounds, figure, highest, shopping_list, summary
from tests.report_sample import FORMULA, HARM, MEASURES, NAMES, sample

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "rect"}


class Page(HTMLParser):
    """What of a page the tests look at: tags with their attributes, and texts by the tag around them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))


@pytest.fixture(scope="module", params=["latest", "month"])
def html(request: pytest.FixtureRequest) -> str:
    return render_html(sample(request.param))


def test_the_page_is_well_formed_and_every_id_is_there_once(html: str) -> None:
    page = Page(html)
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {
        (attrs.get("href") or "")[1:] for tag, attrs in page.tags if tag == "a" and (attrs["href"] or "")[0] == "#"
    }
    assert targets <= set(ids)
    labels = {ref for _, attrs in page.tags for ref in (attrs.get("aria-labelledby") or "").split()}
    assert labels <= set(ids)


def test_the_page_needs_no_network_and_no_script(html: str) -> None:
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "img", "object")]
    assert not [attrs for _, attrs in page.tags if {"src", "onclick", "onload"} & set(attrs)]
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {"#hatch"}


def test_a_name_that_means_harm_is_only_text(html: str) -> None:
    assert HARM not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_the_page_can_be_read_by_a_screen_reader(html: str) -> None:
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("main") == 1
    assert dict(page.tags)["html"]["lang"] == "en-GB"
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    regions = [attrs for _, attrs in page.tags if "scroll" in (attrs.get("class") or "")]
    assert all(attrs["tabindex"] == "0" and attrs["role"] == "region" and attrs["aria-label"] for attrs in regions)
    headings = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_a_missing_figure_shows_its_reason_and_its_bounds_and_never_a_nought() -> None:
    page = Page(render_html(sample()))
    texts = [text for _, text in page.texts]
    assert "Hidden to protect people, or negligible" in texts
    assert "between 1 and 4" in texts
    cells = [text for tag, text in page.texts if tag == "td"]
    # Three of five districts have nought households, which is a figure; the two that have none show the reason.
    assert cells.count("0") == 3
    assert texts.count("Nobody is known to collect it") >= len(NAMES)


def test_every_place_has_its_row() -> None:
    report = sample()
    page = Page(render_html(report))
    rows = [text for tag, text in page.texts if tag == "th"]
    assert set(NAMES.values()) <= set(rows)


def test_the_answer_in_numbers() -> None:
    told = summary(sample())
    assert (told.places, told.whole, told.part, told.none) == (5, 3, 2, 0)
    assert (told.needed, told.known, told.wanted) == (10, 8, 5)


def test_the_shopping_list_counts_each_place_and_its_people_once() -> None:
    by_month = {row["measure"]: row for row in shopping_list(sample("month"))}
    assert by_month["vacancies"]["cells"] == 15
    assert (by_month["vacancies"]["places"], by_month["vacancies"]["people"]) == (5, 5_000.0)
    assert (by_month["households"]["places"], by_month["households"]["people"]) == (2, 2_000.0)
    order = [row["people"] for row in shopping_list(sample())]
    assert order == sorted(order, reverse=True)


def test_people_that_are_not_known_are_not_counted_as_nobody() -> None:
    report = sample()
    some = report._replace(people=report.people.clear())
    assert "not known" in render_html(some)


def test_the_highest_are_the_highest() -> None:
    lists = highest(sample())
    assert [name for name, _ in lists[0]["rows"]][:2] == ["Ynys Môn", "City of London"]
    assert [text for _, text in lists[0]["rows"]] == ["6.5", "5.5", "4.5", "3.5", "2.5"]


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [(2.5, "claimant_rate", "2.5"), (3.0, "claimant_rate", "3.0"), (12345.0, "households", "12,345")],
)
def test_figures_have_the_decimals_of_their_rounding(value: float, measure: str, text: str) -> None:
    assert figure(value, MEASURES[measure]) == text


def test_half_known_bounds_are_no_bounds() -> None:
    assert bounds({"low": 1.0, "high": None}, MEASURES["households"]) == ""


def test_only_some_findings_are_printed_and_the_page_says_how_many_there_are() -> None:
    html = render_html(sample())
    assert "250 findings" in html and "the first 200 are here" in html


def test_the_map_has_each_place_once_with_its_share_in_words() -> None:
    report = sample()
    drawn = draw(report.boundaries, set(NAMES), subset=False)
    assert drawn is not None
    assert sorted(shape.code for shape in drawn.shapes) == sorted(NAMES)
    assert [shape.code for shape in drawn.inset] == ["E09000001"]
    assert "Hartlepool: 2 of 2 needs met" in render_html(report)


def test_the_map_of_a_subset_shows_its_neighbours_pale() -> None:
    only = ("E06000001", "E06000002")
    drawn = draw(sample().boundaries, set(only), subset=True)
    assert drawn is not None
    assert {shape.code for shape in drawn.shapes} == set(only)
    assert {shape.code for shape in drawn.background} & set(NAMES) - set(only)
    assert 'class="around"' in render_html(sample(only=only))


def test_a_report_without_boundaries_has_no_map_and_everything_else() -> None:
    html = render_html(sample()._replace(boundaries=None))
    assert "<figure" not in html and "Place by place" in html


@pytest.mark.parametrize(("met", "name"), [(0, "none"), (1, "few"), (2, "half"), (3, "most"), (4, "all")])
def test_shades(met: int, name: str) -> None:
    assert shade(met, 4) == name
    assert legend({"x": (met, 4)})[0]["shade"] == name


def test_csv_is_safe_to_open_in_a_spreadsheet_and_keeps_numbers() -> None:
    table = list(csv.DictReader(io.StringIO(cells_csv(sample()))))
    assert len(table) == 15
    names = {row["place_name"] for row in table}
    assert "'" + FORMULA in names and FORMULA not in names
    assert not [text for row in table for text in row.values() if text.startswith(("=", "+", "@"))]
    assert {row["licence"] for row in table} == {"OGL v3.0"}
    missing = [row for row in table if row["reason"]]
    assert missing and all(row["value"] == "" for row in missing)


def test_json_holds_every_cell_and_is_the_same_each_time() -> None:
    told = json.loads(as_json(sample()))
    assert len(told["cells"]) == 15
    assert all((cell["value"] is None) == (cell["reason"] is not None) for cell in told["cells"])
    assert as_json(sample()) == as_json(sample())
    assert render_html(sample()) == render_html(sample())
