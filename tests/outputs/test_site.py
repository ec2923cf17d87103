"""Place pages and index page: complete content, escaped text, and updates of changed pages only."""

import re
from calendar import month_name
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from pipelines.app.steps import prepare_store
from pipelines.core.output_files import write_outputs
from pipelines.core.periods import format_period
from pipelines.core.store import output_path, read_table, state_path, table_key, write_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import is_open, read_ledger, write_ledger
from pipelines.gaps.ledger import add_build, empty_ledger
from pipelines.gaps.verdicts import build_verdicts
from pipelines.outputs.charts import draw_trend
from pipelines.outputs.freshness import pages_are_fresh, place_page_name, place_page_path
from pipelines.outputs.place_context import NO_CONTEXT
from pipelines.outputs.place_pages import collect_page_rows, compose_pages, describe_cause, split_causes
from pipelines.outputs.place_render import render_place_page
from pipelines.outputs.publish import report_problem
from pipelines.outputs.site import build_overview, publish_pages
from tests.command import ROOT
from tests.gaps.test_ledger import cells as gap_cells
from tests.gaps.test_ledger import story
from tests.outputs.test_report import Page
from tests.report_sample import HARM, of_estimates, sample


@pytest.fixture(scope="module")
def paged(starter: Project) -> Project:
    publish_pages(starter)
    return starter


def texts(path: Path) -> str:
    return " ".join(text for _, text in Page(path.read_text(encoding="utf-8")).texts)


def test_every_requested_place_has_a_page_linked_from_the_index(paged: Project) -> None:
    codes = {
        code
        for name in paged.catalogue.problems
        for kind in ("cell", "partnership_cell")
        for code in read_table(state_path(paged.home, kind, name))["place_code"]
    }
    pages = {path.stem for path in output_path(paged.home, "places").glob("*.html")}
    assert pages == codes and len(codes) >= 361
    index = Page(output_path(paged.home, "index.html").read_text(encoding="utf-8"))
    links = {attrs["href"] or "" for tag, attrs in index.tags if tag == "a"}
    assert {f"places/{code}.html" for code in codes} <= links
    assert {f"{name}.html" for name in paged.catalogue.problems} <= links


def test_page_of_a_partnership_has_its_members_and_no_rank(paged: Project) -> None:
    path = place_page_path(paged.home, "partnership-south-london")
    result = texts(path)
    assert "South London Partnership" in result and "5 members" in result
    assert not re.search(r"rank \d|between rank", result)
    links = {attrs["href"] for tag, attrs in Page(path.read_text(encoding="utf-8")).tags if tag == "a"}
    members = paged.catalogue.partnerships["south_london"].members
    assert {f"{code}.html" for code in members} <= links
    merton = place_page_path(paged.home, members[2]).read_text(encoding="utf-8")
    assert 'href="partnership-south-london.html"' in merton
    assert '"partnership-south-london"' in output_path(paged.home, "search.js").read_text(encoding="utf-8")


def test_every_link_has_a_target_page(paged: Project) -> None:
    out = output_path(paged.home, "")
    for path in [out / "index.html", place_page_path(paged.home, "E06000063")]:
        page = Page(path.read_text(encoding="utf-8"))
        ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
        for target in (attrs["href"] or "" for tag, attrs in page.tags if tag == "a"):
            if target.startswith("#"):
                assert target[1:] in ids
            elif target.endswith(".html"):
                assert (path.parent / unquote(target)).resolve().is_file(), target


def test_page_shows_figures_gaps_and_data_owners(paged: Project) -> None:
    result = texts(place_page_path(paged.home, "E06000063"))
    assert "Cumberland" in result and "41,200" in result
    assert "Data owner: HM Revenue and Customs" in result and "Cannot be recomputed for the merged area" in result
    assert "between 24 and 36" in result
    belfast = texts(place_page_path(paged.home, "N09000003"))
    assert "Data owner: Department for Communities (Northern Ireland)" in belfast
    assert "The series does not cover this nation".lower() in belfast.lower()


def test_missing_figure_is_not_a_number_on_a_page(paged: Project) -> None:
    judged = read_table(state_path(paged.home, "verdict", "jobs_recovery"))
    cells = read_table(state_path(paged.home, "cell", "jobs_recovery"))
    pages = compose_pages(paged.catalogue, collect_page_rows(paged.catalogue, [cells], judged, NO_LEDGER))
    for page in pages:
        mine = cells.filter(pl.col("place_code") == page.code)
        assert len(page.rows) == mine["value"].count()
        gaps = [*page.elsewhere, *(row for _, rows in page.missing for row in rows)]
        assert sum(row["cells"] for row in gaps) == mine["reason"].count()


NO_LEDGER = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date})


@pytest.mark.parametrize("name", ["index.html", "places/E06000063.html"])
def test_page_is_well_formed_and_runs_scripts_of_its_folder_alone(paged: Project, name: str) -> None:
    html = output_path(paged.home, name).read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    tags = [tag for tag, _ in page.tags]
    # A description of the data is no script: browsers do not run it.
    run = [attrs for tag, attrs in page.tags if tag == "script" and attrs.get("type") != "application/ld+json"]
    scripts = [(attrs["src"] or "").rpartition("/")[2] for attrs in run]
    assert (
        scripts == (["search.js"] if name == "index.html" else ["search.js", "table.js"])
        and "script-src 'self'" in html
    )
    assert not {"link", "iframe", "img", "object", "form"} & set(tags)
    assert tags.count("h1") == tags.count("main") == 1 and dict(page.tags)["html"]["lang"] == "en-GB"
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert "default-src 'none'" in html and not re.search(r"\bNone\b", html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def sampled(project: Project, tmp_path: Path) -> Project:
    """Use a problem with malicious names of places and sources in the project."""
    report = sample()
    catalogue = project.catalogue
    problem = catalogue.problems["jobs_recovery"]._replace(name="sample", header=report.header)
    changed = catalogue._replace(
        problems={"sample": problem}, measures=report.measures, sources=report.sources,
        measure_source=report.measure_sources, acceptances={},
    )  # fmt: skip
    return Project(changed, tmp_path, date(2026, 11, 24))


def test_malicious_name_is_escaped(paged: Project, tmp_path: Path) -> None:
    report, project = sample(), sampled(paged, tmp_path)
    judged = build_verdicts(report.cells, report.header, report.people)
    pages = compose_pages(project.catalogue, collect_page_rows(project.catalogue, [report.cells], judged, NO_LEDGER))
    html = next(render_place_page(page, "people", project.catalogue, NO_CONTEXT) for page in pages if page.name == HARM)
    assert HARM not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    result = build_overview(
        project.catalogue,
        {"sample": report.cells},
        {"sample": judged},
        {"sample": empty_ledger()},
        report.places,
        ["sample"],
    )
    assert result.problems["places"].to_list() == [5] and result.places.height == 5


def test_only_changed_place_pages_are_rewritten(small: Project) -> None:
    project, home = small, small.home
    publish_pages(project)
    files = {path.stem: path for path in output_path(home, "places").glob("*.html")}
    for path in files.values():
        path.write_bytes(path.read_bytes() + b"<!-- old -->")
    cells = read_table(state_path(home, "cell", "jobs_recovery"))
    here = (pl.col("place_code") == "E09000024") & (pl.col("measure") == "claimant_rate")
    other = cells.with_columns(pl.when(here).then(pl.lit(99.0)).otherwise("value").alias("value"))
    path, done = state_path(home, "cell", "jobs_recovery"), state_path(home, "pages", "commonground")
    write_table(path, other, table_key(path) or "")
    write_table(done, read_table(done), "another")
    publish_pages(project)
    made = {code for code, path in files.items() if not path.read_bytes().endswith(b"<!-- old -->")}
    assert made == {"E09000024"}


def written(home: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time of writing and the content of each output file."""
    paths = [path for path in output_path(home, "").rglob("*") if path.is_file()]
    return {path.relative_to(home / "out").as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def test_next_day_rewrites_only_the_index(small: Project) -> None:
    today, home = small, small.home
    publish_pages(today)
    before = written(home)
    done = state_path(home, "pages", "commonground")
    write_table(done, read_table(done), "another")
    tomorrow = today._replace(as_of=today.as_of + timedelta(days=1))
    publish_pages(tomorrow)
    report_problem(tomorrow, "jobs_recovery")
    after = written(home)
    assert {name for name in after if after[name] != before.get(name)} == {"index.html"}
    old, new = (texts[1].decode() for texts in (before["index.html"], after["index.html"]))
    days = [format_period(project.as_of, project.as_of) for project in (today, tomorrow)]
    assert [day in new for day in days] == [True, True] and days[1] not in old


def test_another_build_of_a_ledger_composes_pages_only_where_a_gap_opened_or_closed(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, composed = "jobs_recovery", list[int]()
    publish_pages(small)
    later = small._replace(as_of=small.as_of + timedelta(days=1))
    cells = read_table(state_path(small.home, "cell", name))
    monkeypatch.setattr(
        "pipelines.outputs.site.compose_pages", lambda _, rows, *__: composed.append(rows.places.height)
    )

    def add_to_ledger(seen: pl.DataFrame, contents: str) -> None:
        ledger = add_build(read_ledger(small.home, name), seen, later.as_of, contents)
        write_ledger(small.home, name, ledger, "")
        assert not pages_are_fresh(later)

    add_to_ledger(cells, "the same gaps")
    publish_pages(later)
    assert pages_are_fresh(later) and not composed
    gap = cells.filter(is_open()).row(0, named=True)
    add_to_ledger(cells.filter(pl.col("cell_id") != gap["cell_id"]), "a gap less")
    with pytest.raises(TypeError):  # the replaced function returns no pages
        publish_pages(later)
    assert composed == [1]


def test_months_of_the_index_begin_with_a_capital(paged: Project) -> None:
    # May and March are also verbs.
    names = {name.lower() for name in month_name[1:]} - {"may", "march"}
    words = [word.strip(".,:;") for word in texts(output_path(paged.home, "index.html")).split()]
    months = [word for word in words if word.lower() in names]
    assert months and all(word[0].isupper() for word in months)


def test_deleted_page_is_restored_and_obsolete_page_is_removed(small: Project) -> None:
    project, home = small, small.home
    publish_pages(project)
    place_page_path(home, "E09000024").unlink()
    mine, before = (place_page_path(home, code) for code in ("E00000000", "E00000001"))
    mine.write_text("of a person")
    write_outputs(home, "pages", [], [(place_page_name("E00000001"), b"of before")])
    publish_pages(project)
    assert place_page_path(home, "E09000024").is_file()
    # A new build removes obsolete pages, but keeps files of a user and the index page.
    assert mine.read_text() == "of a person" and not before.exists()
    prepare_store(project)
    assert output_path(home, "index.html").is_file()


def test_verdict_reasons_have_titles_and_a_count_of_the_rest() -> None:
    catalogue = load_catalogue(ROOT)
    assert describe_cause("furlough_take_up: needs_parts (3 of 46)", catalogue).endswith(
        "for the merged area (3 of 46)"
    )
    assert split_causes("a: late; b: late; c: late", most=2) == ["a: late", "b: late", "and 1 more"]
    assert split_causes(None) == []


def test_trend_has_one_point_a_day_and_needs_two_days() -> None:
    assert draw_trend(story(gap_cells(a="late"))) is None
    drawn = draw_trend(story(gap_cells(a="late", b="late"), gap_cells(a=None, b="late"), gap_cells(a=None, b=None)))
    assert drawn and [row["share"] for row in drawn["rows"]] == ["0.0%", "50.0%", "100.0%"]
    assert drawn["path"] == "M0.0 24.0L60.0 12.0L120.0 0.0"


def test_page_shows_the_interval_of_an_estimate_and_similar_places() -> None:
    report = of_estimates()
    catalogue = load_catalogue(ROOT)
    problem = catalogue.problems["jobs_recovery"]._replace(name="sample", header=report.header)
    changed = catalogue._replace(
        problems={"sample": problem}, measures=report.measures, sources=report.sources,
        measure_source=report.measure_sources,
    )  # fmt: skip
    judged = build_verdicts(report.cells, report.header, report.people)
    pages = compose_pages(changed, collect_page_rows(changed, [report.cells], judged, NO_LEDGER))
    rate = next(row for row in pages[0].rows if row["title"] == "Claimant rate")
    assert (rate["interval"], rate["rank"]) == ("95 % interval 1.8 to 3.2", "statistically similar to 1 other")
