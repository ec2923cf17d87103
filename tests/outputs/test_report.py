"""Gap report: complete content, escaped text, and no external files."""

import csv
import io
import itertools
import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import Need
from pipelines.declarations.problem_sql import parse_select
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY
from pipelines.observations.reconciliation import RECONCILIATION
from pipelines.outputs import page_templates as templates
from pipelines.outputs.charts import format_total as waterfall_figure
from pipelines.outputs.report import (
    cells_csv,
    credited_cells,
    encode_parquet,
    format_percent,
    legend_rows,
    render_html,
    report_json,
    shade_name,
)
from pipelines.outputs.report_changes import NO_BREAKS, Breaks, newest_totals
from pipelines.outputs.report_summary import grave_findings, is_web_link, list_requests, summarise_report
from pipelines.outputs.report_tables import (
    describe_age_limits,
    format_bounds,
    format_figure,
    list_highest,
    measure_headings,
    period_table,
    place_table,
    runs_path,
    title_column,
)
from pipelines.outputs.warehouse import TABLE_MEANING
from tests.report_sample import FORMULA, HARM, MEASURES, NAMES, of_estimates, sample

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "rect"}


class Page(HTMLParser):
    """Parsed page: tags with their attributes, and texts with their enclosing tags."""

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


def test_page_is_well_formed_and_ids_are_unique(html: str) -> None:
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


def test_page_needs_no_network_and_two_scripts_beside_it(html: str) -> None:
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "img", "object")]
    assert [attrs["src"] for tag, attrs in page.tags if tag == "script"] == ["search.js", "table.js"]
    assert not [tag for tag, attrs in page.tags if tag != "script" and {"src", "onclick", "onload"} & set(attrs)]
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {"#hatch", "#paper", "#dots"}


def test_malicious_name_is_escaped(html: str) -> None:
    assert HARM not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_page_has_the_structure_for_screen_readers(html: str) -> None:
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


def test_missing_figure_shows_its_reason_and_bounds_and_never_zero() -> None:
    page = Page(render_html(sample()))
    texts = [text for _, text in page.texts]
    assert "Suppressed to protect confidentiality, or negligible" in texts
    assert "between 1 and 4" in texts
    cells = [text for tag, text in page.texts if tag == "td"]
    # Three of five districts have zero households, which is a figure. The other two show a gap reason.
    assert cells.count("0") == 3
    assert texts.count("Not known to be collected") >= len(NAMES)


def test_every_place_has_one_row() -> None:
    report = sample()
    page = Page(render_html(report))
    links = [text for tag, text in page.texts if tag == "a"]
    assert set(NAMES.values()) <= set(links)


def test_summary_counts_places_and_cells() -> None:
    result = summarise_report(sample())
    assert (result.places, result.whole, result.part, result.none) == (5, 3, 2, 0)
    assert (result.needed, result.known, result.wanted) == (10, 8, 5)


def test_requests_count_each_place_and_its_residents_once() -> None:
    by_month = {row["measure"]: row for row in list_requests(sample("month"))}
    assert by_month["vacancies"]["cells"] == 15
    assert (by_month["vacancies"]["places"], by_month["vacancies"]["people"]) == (5, 5_000.0)
    assert (by_month["households"]["places"], by_month["households"]["people"]) == (2, 2_000.0)
    order = [row["people"] for row in list_requests(sample())]
    assert order == sorted(order, reverse=True)


def test_unknown_population_is_not_counted_as_zero() -> None:
    report = sample()
    none = report._replace(people=report.people.clear())
    assert {row["people"] for row in json.loads(report_json(none))["shopping_list"]} == {None}
    assert "not known" in render_html(none)


def test_partly_known_population_is_shown_as_a_minimum() -> None:
    report = sample()
    some = report._replace(people=report.people.head(2))
    result = next(row for row in list_requests(some) if row["measure"] == "vacancies")
    assert (result["people"], result["people_known"], result["places"]) == (2_000.0, 2, 5)
    assert "or more: population not known for 3 places" in render_html(some)


def test_requests_are_split_by_data_owner_in_a_fixed_order() -> None:
    report = sample()
    two = report.cells.with_columns(
        pl.when(pl.col("place_code") == "W06000001").then(pl.lit("Another")).otherwise("data_owner").alias("data_owner")
    )
    asked = [(row["measure"], row["data_owner"], row["places"]) for row in list_requests(report._replace(cells=two))]
    assert ("vacancies", "Another", 1) in asked and ("vacancies", "The publisher", 4) in asked
    for seed in range(5):
        mixed = report._replace(cells=two.sample(fraction=1, shuffle=True, seed=seed))
        assert [(row["measure"], row["data_owner"], row["places"]) for row in list_requests(mixed)] == asked


def test_gap_takes_the_data_owner_and_remedy_of_its_reason() -> None:
    report = sample()
    bare = report.cells.with_columns(
        pl.lit(None, pl.String).alias("data_owner"), pl.lit(None, pl.String).alias("remedy")
    )
    result = next(row for row in list_requests(report._replace(cells=bare)) if row["reason"] == "not_collected")
    assert (result["data_owner"], result["remedy"]) == (
        "the body that could collect it",
        "Send the request to the body named.",
    )


def test_highest_figures_are_in_descending_order() -> None:
    lists = list_highest(sample())
    assert [name for name, *_ in lists[0]["rows"]][:2] == ["Ynys Môn", "City of London"]
    assert [text for _, text, _ in lists[0]["rows"]] == ["6.5", "5.5", "4.5", "3.5", "2.5"]


def test_highest_estimates_are_not_numbered_and_state_similar_places() -> None:
    actual = list_highest(of_estimates())[0]
    assert not actual["ordered"] and list_highest(sample())[0]["ordered"]
    assert [note for *_, note in actual["rows"]] == [
        "statistically similar to 1 other", "statistically similar to 2 others", "statistically similar to 2 others",
        "statistically similar to 2 others", "statistically similar to 1 other",
    ]  # fmt: skip
    assert "1.8 to 3.2" in render_html(of_estimates())


def test_computed_column_is_as_uncertain_as_its_inputs() -> None:
    report = of_estimates()
    computed = report.view.select("place_code", pl.lit(1.5).alias("twice"), pl.lit("normal").alias("twice_status"))
    select = parse_select("select c.place_code, 2 * c.value as twice from lad_2023.claimant_rate c", "sample.sql")
    actual = list_highest(report._replace(view=computed, select=select))[0]
    assert actual["doubtful"] and not actual["ordered"]
    sure = list_highest(sample()._replace(view=computed, select=select))[0]
    assert sure["ordered"] and not sure["doubtful"]


def test_table_shows_the_interval_of_an_estimate_and_marks_its_heading() -> None:
    notes = {row["place_code"]: row["cells"][0]["note"] for row in place_table(of_estimates())}
    assert notes["E06000001"].startswith("95 % interval 1.8 to 3.2")
    assert "estimate with a 95 % interval" in measure_headings(of_estimates())[0]["note"]
    assert "interval" not in place_table(sample())[0]["cells"][0]["note"]


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [(2.5, "claimant_rate", "2.5"), (3.0, "claimant_rate", "3.0"), (12345.0, "households", "12,345"),
     (-0.04, "claimant_rate", "0.0"), (12345.67, "households", "12,345.7")],
)  # fmt: skip
def test_figures_have_the_decimals_of_their_rounding(value: float, measure: str, text: str) -> None:
    assert format_figure(value, MEASURES[measure]) == text


@pytest.mark.parametrize(
    ("value", "rounding", "text"),
    [(7.5, 2.5, "7.5"), (15.0, 5.0, "15"), (12.25, 0.25, "12.25"), (0.034, None, "0.034"), (0.0, None, "0")],
)
def test_small_figure_does_not_round_to_zero(value: float, rounding: float | None, text: str) -> None:
    measure = Measure(title="t", unit="u", kind="stock", rounding=rounding)
    assert format_figure(value, measure) == text


def test_large_computed_figure_has_no_exponent() -> None:
    report = sample()
    computed = report.view.select(
        "place_code", (pl.lit(1_234_567.5)).alias("per_head"), pl.lit("normal").alias("per_head_status")
    )
    lists = list_highest(report._replace(view=computed))
    assert lists[0]["rows"][0][1] == "1,234,567.5"


def test_figures_of_several_periods_state_their_period() -> None:
    report = sample()
    assert all("2025" not in cell["note"] for row in place_table(report) for cell in row["cells"])
    older = pl.when(pl.col("place_code") == "E06000001").then(pl.lit(date(2024, 12, 31))).otherwise("reference_end")
    apart = place_table(report._replace(cells=report.cells.with_columns(older.alias("reference_end"))))
    assert apart and all("2025" in cell["note"] for row in apart for cell in row["cells"] if cell["known"])


def test_latest_figure_states_its_own_period_and_not_the_requested_month() -> None:
    rows = {row["place_code"]: row["cells"] for row in period_table(sample("month"))}
    assert rows["E06000001"][0]["count"] == "3 of 3"
    assert rows["E06000001"][0]["last"] == "2.5, of 2025"
    assert rows["E06000002"][1]["count"] == "0 of 3" and rows["E06000002"][1]["path"] == ""
    assert rows["E06000002"][1]["reasons"] == ["Suppressed to protect confidentiality, or negligible (3)"]


@pytest.mark.parametrize(
    ("known", "path"),
    [([True, True], "M0 0h8v10h-8z"), ([False, True, False, True], "M4 0h4v10h-4zM12 0h4v10h-4z"), ([False], "")],
)
def test_a_strip_has_one_bar_for_each_run_of_periods(known: list[bool], path: str) -> None:
    assert runs_path(known) == path


def test_one_sided_bounds_are_not_shown() -> None:
    assert format_bounds({"lower_bound": 1.0, "upper_bound": None}, MEASURES["households"]) == ""


def test_page_lists_some_findings_and_counts_all() -> None:
    html = render_html(sample())
    assert "250 findings" in html and "lists the first 50" in html
    assert html.count(": Place not in the register</td>") == 50


def test_empty_fields_are_not_printed_as_none() -> None:
    report = sample()
    blank = [
        pl.lit(None, pl.String).alias(name) for name in ("evidence", "file", "data_owner", "remedy", "place_label")
    ]
    bare = report._replace(
        findings=report.findings.with_columns(blank),
        places=report.places.with_columns(pl.lit(None, pl.String).alias("region")),
        releases=report.releases.with_columns(pl.lit(None, pl.String).alias("label")),
    )
    html = render_html(bare)
    assert not re.search(r"\bNone\b", html)
    assert "reported by the check c" in html and "the maintainer of the source declaration" in html


def test_problem_without_stored_data_has_a_report() -> None:
    nothing = sample()._replace(releases=pl.DataFrame(schema={"release": pl.String}))
    assert "no file has been added" in render_html(nothing)
    assert json.loads(report_json(nothing))["sources"][0]["releases"] == []


def test_findings_cover_the_latest_file_and_the_file_in_use() -> None:
    report = sample()
    days = [date(2024, 1, 1), date(2025, 1, 1), date(2026, 1, 1)]
    releases = pl.concat([report.releases] * 3).with_columns(
        pl.Series("release", ["old", "used", "broken"]), pl.Series("released_at", days),
        pl.Series("usable", [True, True, False]),
    )  # fmt: skip
    findings = report.findings.head(4).with_columns(pl.Series("release", ["old", "used", "broken", None]))
    actual = grave_findings(report._replace(releases=releases, findings=findings))
    assert set(actual["release"]) == {"used", "broken", None}


def test_older_releases_are_counted() -> None:
    report = sample()
    html = render_html(report._replace(releases=pl.concat([report.releases] * 9)))
    assert "and 3 older" in html


@pytest.mark.parametrize("page", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", " javascript:alert(1)"])
def test_script_address_is_not_a_link(page: str) -> None:
    report = sample()
    source = report.sources["sample_source"].model_copy(update={"page": page})
    links = [attrs["href"] for tag, attrs in Page(render_html(report._replace(sources={"sample_source": source}))).tags
             if tag == "a"]  # fmt: skip
    assert page not in links and not is_web_link(page)


def test_page_states_the_period_rule_and_attribution_of_each_need() -> None:
    html = render_html(sample("month"))
    assert "the same month; for a measure counted on a day" in html and "no older figure" in html
    latest = render_html(sample())
    assert "the latest that ends by the day of the build" in latest and "<td>two years</td>" in latest
    assert "any age" not in html + latest
    assert "Source: A publisher, Sample, licensed under the OGL v3.0." in html


def test_figure_carried_forward_has_its_own_period() -> None:
    report = sample("month")
    assert {row["cells"][0]["last"][-9:] for row in period_table(report)} == {", of 2025"}
    caveat = pl.lit("rounded,carried_forward").alias("caveats")
    carried = report._replace(cells=report.cells.with_columns(caveat))
    last = [row["cells"][0]["last"] for row in period_table(carried)]
    assert last and all(item.endswith(", of 2025, carried forward") for item in last)
    needs = {**report.header.needs, "households": Need(carry="2 years")}
    allowed = describe_age_limits(report._replace(header=report.header.model_copy(update={"needs": needs})))
    assert allowed == {"claimant_rate": "no older figure", "households": "carried forward up to 2 years, with a caveat"}


def test_report_on_all_districts_by_month_is_small() -> None:
    report = sample("month")
    places = report.places.head(1).drop("place_code").join(
        pl.DataFrame({"place_code": [f"E07{n:06}" for n in range(361)]}), how="cross"
    )  # fmt: skip
    cells = report.cells.filter(pl.col("place_code") == "E06000001").drop("place_code")
    months = cells.join(pl.DataFrame({"again": range(32)}), how="cross").join(places.select("place_code"), how="cross")
    large = report._replace(cells=months.select(report.cells.columns), places=places.select(report.places.columns))
    html = render_html(large)
    assert large.cells.height == 361 * 3 * 96
    assert len(html.encode()) < 2_000_000


@pytest.mark.parametrize(("met", "name"), [(0, "none"), (1, "few"), (2, "half"), (3, "most"), (4, "all")])
def test_shades_cover_every_share_of_needs_met(met: int, name: str) -> None:
    assert shade_name(met, 4) == name
    assert legend_rows({"x": (met, 4)})[0]["shade"] == name


@pytest.mark.parametrize(
    ("met", "asked", "text"), [(0, 5, "0%"), (1, 300, "under 1%"), (299, 300, "99%"), (5, 5, "100%"), (0, 0, "0%")]
)
def test_percentage_never_rounds_to_zero_or_a_hundred(met: int, asked: int, text: str) -> None:
    assert format_percent(met, asked) == text


def test_csv_leaves_out_cells_that_no_need_asks_for_and_parquet_has_them() -> None:
    report = sample()
    need = pl.when(pl.col("place_code") == "W06000001").then(pl.lit(NOT_NEEDED)).otherwise("need").alias("need")
    scoped = report._replace(cells=report.cells.with_columns(need))
    rows = list(csv.DictReader(io.StringIO(cells_csv(credited_cells(scoped)).decode())))
    kept = {(row["place_code"], row["measure"]) for row in rows}
    assert kept == set(scoped.asked_cells.select("place_code", "measure").iter_rows())
    assert len(rows) < credited_cells(scoped).height == report.cells.height


def test_csv_defuses_formulas_and_keeps_numbers() -> None:
    table = list(csv.DictReader(io.StringIO(cells_csv(credited_cells(sample())).decode())))
    assert len(table) == 15
    names = {row["place_name"] for row in table}
    assert "'" + FORMULA in names and FORMULA not in names
    assert not [text for row in table for text in row.values() if text.startswith(("=", "+", "@"))]
    assert {row["licence"] for row in table} == {"OGL v3.0"}
    assert {row["attribution"] for row in table} == {"Source: A publisher, Sample, licensed under the OGL v3.0."}
    assert {float(row["value"]) for row in table if row["value"]} >= {0.0, 2.5}
    missing = [row for row in table if row["reason"]]
    assert missing and all(row["value"] == "" for row in missing)


def test_parquet_has_every_cell_and_is_reproducible() -> None:
    cells = pl.read_parquet(encode_parquet(credited_cells(sample())))
    assert cells.columns[: len(CELL_COLUMNS)] == list(CELL_COLUMNS) and cells["cell_id"].is_sorted()
    assert cells.height == 15 and (cells["value"].is_null() == cells["reason"].is_not_null()).all()
    assert FORMULA in set(cells["place_name"]) and set(cells["licence"]) == {"OGL v3.0"}
    assert json.loads(report_json(sample()))["cells"] == "sample.cells.parquet"
    mixed = sample()._replace(cells=sample().cells.sample(fraction=1, shuffle=True, seed=1))
    assert report_json(sample()) == report_json(mixed)
    assert cells_csv(credited_cells(sample())) == cells_csv(credited_cells(mixed))
    assert encode_parquet(credited_cells(sample())) == encode_parquet(credited_cells(mixed))
    assert render_html(sample()) == render_html(sample())


def test_page_shows_verdicts_and_their_reasons() -> None:
    result = " ".join(text for _, text in Page(render_html(sample())).texts)
    assert "places: answerable; 3,000 people" in result and "places: not answerable; 2,000 people" in result
    assert "Reasons for caveats and for missing answers" in result


def test_page_shows_changes_acceptances_and_revisions() -> None:
    texts = [text for _, text in Page(render_html(sample())).texts]
    result = " ".join(texts)
    assert "Since the build of 25 October 2026: 1 closed, 5 new; 7 open." in result
    assert "The oldest gap has been open since 25 October 2026." in result
    assert {
        "Gaps that changed",
        "Closed",
        "New",
        "a figure was published",
        "Gaps accepted until a date",
    } <= set(texts)
    assert "Figures available: from 70.0% on 25 October 2026 to 53.3% on 24 November 2026." in result
    assert any("Revisions in the latest release" in text for text in texts)


def test_draft_letter_is_text_under_its_data_owner() -> None:
    page = Page(render_html(sample()))
    assert next(text for tag, text in page.texts if tag == "summary") == f"Letter to {HARM}"
    assert next(text for tag, text in page.texts if tag == "pre") == HARM


def test_page_states_if_there_are_no_discontinuities() -> None:
    result = " ".join(text for _, text in Page(render_html(sample())).texts)
    assert "No boundary has a figure on one side only" in result
    assert "No published total in the store differs from the sum of its places." in result


def test_discontinuities_are_drawn_and_listed_with_escaped_text() -> None:
    report = sample()
    first, last = report.cells["period_start"].min(), report.cells["period_end"].max()
    line = {"problem": "sample", "measure": "households", "period_start": first, "period_end": last,
            "kind": "known_unknown", "place_a": "E06000001", "place_b": "E06000002", "evidence": HARM}  # fmt: skip
    page = render_html(
        report._replace(breaks=Breaks(table_from_records([line], BOUNDARY_DISCONTINUITY), NO_BREAKS.totals))
    )
    assert Page(page).open == [] and 'class="border-lines"' in page
    assert HARM not in page and "There is 1 discontinuity between neighbours" in page


def test_totals_are_of_the_latest_release_with_the_largest_difference_first() -> None:
    days = [date(2024, 1, 1), date(2025, 1, 1)]
    item = [{"measure": "m", "place_code": code, "place_name": code, "period_start": day, "period_end": day,
             "released_at": day, "unit": "people", "total": 10.0, "sum_of_places": 10.0 - gap, "remainder": gap,
             "evidence": ""}
            for day in days for code, gap in (("a", 1.0), ("b", -5.0), ("c", 0.0))]  # fmt: skip
    actual = newest_totals(table_from_records(item, RECONCILIATION))
    assert actual.select("place_code", "period_end").rows() == [("b", days[1]), ("a", days[1])]


def test_zero_part_of_a_total_has_no_sign() -> None:
    assert waterfall_figure(-0.0) == "0"


def test_every_table_that_a_page_names_is_in_the_file() -> None:
    files = sorted((Path(templates.__file__).parent / "templates").glob("report*.html"))
    template = "".join(path.read_text(encoding="utf-8") for path in files)
    sentences = re.findall(r"[^.]*<code>\w+</code>[^.]* of commonground\.duckdb", template)
    named = {name for sentence in sentences for name in re.findall(r"<code>(\w+)</code>", sentence)}
    assert len(named) >= 5 and named <= set(TABLE_MEANING)


def test_need_with_a_proxy_is_not_met_and_is_requested() -> None:
    report = sample()
    known = report.cells.filter(pl.col("value").is_not_null(), pl.col("need") == "needed").row(0, named=True)
    is_proxied = pl.col("cell_id") == known["cell_id"]
    proxied = report._replace(
        cells=report.cells.with_columns(
            pl.when(is_proxied).then(pl.lit("other")).otherwise("proxy_measure").alias("proxy_measure"),
            pl.when(is_proxied).then(pl.lit("suppressed")).otherwise("other_reasons").alias("other_reasons"),
        )
    )
    before, after = summarise_report(report), summarise_report(proxied)
    assert after.known == before.known - 1 and after.needed == before.needed
    requested = [
        sum(row["cells"] for row in list_requests(version) if row["reason"] == "suppressed")
        for version in (report, proxied)
    ]
    assert requested[1] == requested[0] + 1


def test_welsh_name_of_a_place_is_marked_as_welsh() -> None:
    report = sample()
    welsh = pl.when(pl.col("place_code") == "E09000001").then(pl.lit("Dinas Llundain")).alias("place_name_welsh")
    html = render_html(report._replace(places=report.places.with_columns(welsh)))
    assert html.count('<span lang="cy">') == 1 and '<span lang="cy">Dinas Llundain</span>' in html


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("universal_credit_households_per_1000_residents_16_64",
         "Universal Credit households per 1,000 residents 16 to 64"),
        ("deaths_2025", "Deaths 2025"),
        ("share_of_nhs_beds", "Share of NHS beds"),
    ],
)  # fmt: skip
def test_computed_column_has_a_title_and_no_name_of_a_column(name: str, title: str) -> None:
    assert title_column(name, ["Households on Universal Credit", "Beds of the NHS"]) == title
