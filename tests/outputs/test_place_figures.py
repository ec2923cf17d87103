"""What a place page begins with: figures of the store, compared only with those of the same measure and period."""

import re
from datetime import date

import polars as pl
import pytest

from pipelines.core.store import output_path, read_table, state_path
from pipelines.declarations.project import Project
from pipelines.gaps import rank_places
from pipelines.geography import load_nearest_neighbours, load_places
from pipelines.outputs.place_context import PlaceContext, load_place_context
from pipelines.outputs.place_figures import NOT_KNOWN, figure_row, key_numbers, newest_figures, summarise_places
from pipelines.outputs.report_tables import format_figure
from pipelines.outputs.site import place_page_path, publish_pages
from tests.outputs.test_report import Page

MERTON, HIGHLAND, BELFAST, CARDIFF = "E09000024", "S12000017", "N09000003", "W06000015"


@pytest.fixture(scope="module")
def paged(starter: Project) -> Project:
    publish_pages(starter)
    return starter


@pytest.fixture(scope="module")
def context(paged: Project) -> PlaceContext:
    history = read_table(state_path(paged.home, "history", "jobs_recovery"))
    codes = set(read_table(state_path(paged.home, "cell", "jobs_recovery"))["place_code"])
    return load_place_context(paged, ["lad_2023"], history, codes)


def html_of(project: Project, code: str) -> str:
    return place_page_path(project.home, code).read_text(encoding="utf-8")


def words_of(project: Project, code: str) -> str:
    return " ".join(text for _, text in Page(html_of(project, code)).texts)


def test_page_begins_with_known_figures(paged: Project) -> None:
    for code in (MERTON, HIGHLAND, BELFAST):
        html = html_of(paged, code)
        ids = re.findall(r'<h2 id="([a-z]+)"', html)
        assert ids[:1] == ["known"] and ids.index("known") < ids.index("answers") < ids.index("missing")


def test_row_has_figure_region_nation_neighbours_and_similar(paged: Project, context: PlaceContext) -> None:
    cells = read_table(state_path(paged.home, "cell", "jobs_recovery"))
    newest = newest_figures(paged.catalogue, cells).filter(pl.col("measure") == "claimant_rate")
    row = newest.row(by_predicate=pl.col("place_code") == MERTON, named=True)
    line = figure_row(row, paged.catalogue, context)
    history = read_table(state_path(paged.home, "history", "jobs_recovery")).filter(
        pl.col("measure") == "claimant_rate", pl.col("period_start") == row["reference_start"],
        pl.col("period_end") == row["reference_end"],
    )  # fmt: skip
    values = dict(history.select("place_code", "value").iter_rows())
    measure = paged.catalogue.measures["claimant_rate"]
    assert line["text"] == format_figure(values[MERTON], measure)
    assert line["region"] == (format_figure(values["E12000007"], measure), ("weighted average of its places",))
    assert line["nation"] == (format_figure(values["E92000001"], measure), ("published",))
    near = sorted(values[code] for code in context.facts[MERTON].neighbours)
    assert format_figure(near[0], measure) in line["neighbours"].notes[1]
    assert format_figure(near[-1], measure) in line["neighbours"].notes[1]
    assert line["similar"].notes[0] == "median of all 20"
    assert [ref.role for ref in line["lines"]] == ["own", "region", "nation"]


def test_rank_of_a_newest_figure_is_among_all_figures_of_its_period(paged: Project) -> None:
    cells = read_table(state_path(paged.home, "cell", "jobs_by_month"))
    ranks = rank_places(cells, paged.catalogue.measures)
    newest = newest_figures(paged.catalogue, cells)
    key = ["problem", "measure", "place_code"]
    last = ranks.drop_nulls("value").sort("period_end").unique(key, keep="last")
    joined = newest.join(last, on=key, how="left", suffix="_of_ranks")
    assert newest.height and joined["places"].is_not_null().any()
    for name in ("value", "rank", "rank_lower_bound", "rank_upper_bound", "places"):
        assert joined[name].equals(joined[f"{name}_of_ranks"], null_equal=True), name
    counted = cells.group_by(key).agg(pl.col("value").count().alias("known"))
    assert newest.join(counted, on=key)["known"].sum() == newest["count"].sum() == cells["value"].count()
    assert newest_figures(paged.catalogue, cells, is_ranked=False)["places"].null_count() == newest.height


def test_chart_has_the_figures_of_the_store(paged: Project) -> None:
    history = read_table(state_path(paged.home, "history", "jobs_recovery")).filter(
        pl.col("measure") == "claimant_rate", pl.col("place_code") == MERTON
    )
    figure = re.search(r'<figure id="t-claimant_rate">.*?</figure>', html_of(paged, MERTON), re.DOTALL)
    assert figure
    drawn = re.search(r'data-name="Merton" data-periods="([^"]*)" data-values="([^"]*)"', figure[0])
    assert drawn
    expected = history.sort("period_end")["value"].to_list()
    assert [None if text == "-" else float(text) for text in drawn[2].split()] == expected
    assert len(drawn[1].split()) == len(expected)


def test_figure_of_another_period_is_not_compared(context: PlaceContext, paged: Project) -> None:
    measure = paged.catalogue.measures["claimant_rate"]
    figures = context.figures.get(("claimant_rate", date(1990, 1, 1), date(1990, 12, 31)), {})
    assert summarise_places(context.facts[MERTON].neighbours, figures, measure, context) == NOT_KNOWN


def test_doubted_figure_is_not_compared(paged: Project) -> None:
    history = read_table(state_path(paged.home, "history", "jobs_recovery"))
    doubted = pl.when(pl.col("place_code") == "E09000029").then(pl.lit("implausible")).otherwise("caveats")
    changed = load_place_context(
        paged, ["lad_2023"], history.with_columns(doubted.alias("caveats")), {MERTON, "E09000029"}
    )
    assert all("E09000029" not in figures for figures in changed.figures.values())
    assert any(MERTON in figures for figures in changed.figures.values())


def test_first_numbers_are_rates_newest_first() -> None:
    rows = [{"problem": problem, "kind": kind, "ends": date(year, 1, 1), "measure": f"{problem}{kind}"}
            for problem, kind, year in [("a", "count", 2024), ("a", "rate", 2020), ("b", "rate", 2023),
                                        ("b", "rate", 2025)]]  # fmt: skip
    assert [row["ends"].year for row in key_numbers(rows)] == [2023, 2020]
    assert [row["ends"].year for row in key_numbers(rows[:1])] == [2024]


def test_place_shows_no_measure_of_another_nation(paged: Project) -> None:
    for code in (HIGHLAND, BELFAST):
        html = html_of(paged, code)
        before, *_ = html.partition("<h3>Series of other nations</h3>")
        assert "people sleeping rough" not in html.lower() and "England (2025)" not in before
        assert "The series does not cover this nation" not in before.partition('id="missing"')[2]
    assert "Households on Universal Credit" in html_of(paged, BELFAST).partition("Series of other nations")[2]


def test_names_link_to_their_pages(paged: Project) -> None:
    html = html_of(paged, MERTON)
    for code in ("E09000029", "E09000032"):
        assert f'<a href="{code}.html">' in html
    assert 'href="../jobs_recovery.html">' in html and 'id="t-claimant_rate"' in html


def test_welsh_name_has_its_language(paged: Project) -> None:
    assert '<span lang="cy">Caerdydd</span>' in html_of(paged, CARDIFF)


def test_similar_districts_are_those_of_the_bundled_lists(context: PlaceContext, paged: Project) -> None:
    table = load_nearest_neighbours()
    assert table.height == 3 * 361 and table["place_code"].n_unique() == 361
    similar = {code: dict(facts.similar) for code, facts in context.facts.items()}
    assert len(similar) == 361 and all(len(near) == 20 for models in similar.values() for near in models.values())
    published = table.row(by_predicate=(pl.col("place_code") == MERTON) & (pl.col("model") == "global"))[2].split()
    assert similar[MERTON]["global"] == tuple(published)
    # Barnsley and Sheffield have new codes in the lists of 2026.
    assert similar["E08000016"] and load_places(paged).names["E08000016"] == "Barnsley"


def test_pages_have_no_repeated_identifier(paged: Project) -> None:
    for path in list(output_path(paged.home, "places").glob("*.html"))[:40]:
        page = Page(path.read_text(encoding="utf-8"))
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids)) and page.open == []
