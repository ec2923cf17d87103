"""The starter edition, end to end: the outputs of `make run`, compared with published figures."""

import csv
import gzip
import io
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from checks.periods import find_other_periods
from pipelines.app import steps
from pipelines.app.withdrawal import withdraw_outputs
from pipelines.core.manifest import read_manifest
from pipelines.core.store import list_state_files, output_path, read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem
from pipelines.gaps.reference_periods import instant_measures
from pipelines.observations import scan_observations
from pipelines.outputs.freshness import FILE_ENDINGS
from tests.breadth import cases, wide
from tests.command import ROOT, build_by_steps, run, surroundings
from tests.small import hash_outputs

BUCKINGHAMSHIRE = "E06000060"
NORTHERN_IRELAND = [f"N090000{n:02}" for n in range(1, 12)]
SOUTH_LONDON = {"Merton", "Sutton", "Kingston upon Thames", "Croydon", "Wandsworth", "Lambeth", "Richmond upon Thames"}


@pytest.fixture(scope="session")
def cells(starter: Project) -> pl.DataFrame:
    return read_table(state_path(starter.home, "cell", "jobs_recovery"))


@pytest.fixture(scope="session")
def warehouse(starter: Project) -> Path:
    return output_path(starter.home, "commonground.duckdb")


def one(cells: pl.DataFrame, place: str, measure: str) -> dict[str, object]:
    return cells.filter(pl.col("place_code") == place, pl.col("measure") == measure).row(0, named=True)


def ask(warehouse: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return con.sql(query).fetchall()


def test_every_district_of_2023_has_one_row(warehouse: Path) -> None:
    assert ask(warehouse, "select count(*), count(distinct place_code) from problem.jobs_recovery") == [(361, 361)]


def test_every_requested_cell_has_a_value_or_a_reason(warehouse: Path) -> None:
    wrong = "select count(*) from cells where (value is null) <> (reason is not null)"
    assert ask(warehouse, wrong) == [(0,)]
    assert ask(warehouse, "select count(*) from cells where problem = 'jobs_recovery'") == [(361 * 6,)]
    assert ask(warehouse, "select count(*) from cells where reason = 'unexplained'") == [(0,)]


def test_furlough_in_cumberland_is_the_sum_of_its_three_former_districts(cells: pl.DataFrame) -> None:
    cell = one(cells, "E06000063", "furloughed_employments")
    assert cell["value"] == 15_300 + 18_200 + 7_700
    assert (cell["derivation"], cell["source_areas"]) == ("merged", "E07000026,E07000028,E07000029")
    assert (cell["lower_bound"], cell["upper_bound"]) == (41_050.0, 41_350.0)


def test_furlough_rate_in_cumberland_is_a_gap(cells: pl.DataFrame) -> None:
    cell = one(cells, "E06000063", "furlough_take_up")
    assert (cell["value"], cell["reason"]) == (None, "needs_parts")
    # An average is within the range of its parts: 25 % to 36 %, each rounded to a whole per cent.
    assert (cell["lower_bound"], cell["upper_bound"]) == (24.5, 36.5)


@pytest.mark.parametrize("place", NORTHERN_IRELAND)
def test_universal_credit_in_northern_ireland_is_not_covered(cells: pl.DataFrame, place: str) -> None:
    cell = one(cells, place, "households_on_universal_credit")
    assert (cell["value"], cell["reason"]) == (None, "nation_not_covered")
    assert "Department for Communities" in f"{cell['data_owner']} {cell['remedy']}"


def test_buckinghamshire_is_a_gap_with_its_reason(cells: pl.DataFrame) -> None:
    cell = one(cells, BUCKINGHAMSHIRE, "furloughed_employments")
    assert (cell["value"], cell["reason"]) == (None, "not_available")
    assert "have the marker NA" in str(cell["evidence"])
    assert "E06000060" in str(cell["evidence"])


@pytest.mark.parametrize(
    ("place", "together"),
    [("E06000052", 83_400), ("E06000053", 83_400), ("E09000033", 27_800), ("E09000001", 27_800)],
)
def test_places_published_together_are_gaps_with_bounds(cells: pl.DataFrame, place: str, together: int) -> None:
    cell = one(cells, place, "furloughed_employments")
    assert (cell["value"], cell["reason"], cell["lower_bound"]) == (None, "combined_area", 0.0)
    assert cell["upper_bound"] == together + 50
    assert one(cells, place, "furlough_take_up")["reason"] == "combined_area"


def test_places_published_together_are_counted_once(warehouse: Path) -> None:
    query = "select sum(value) from observations where measure = 'furloughed_employments'"
    repeated = 83_400 + 27_800
    # The compiled table sums to 9,532,000 because it repeats both combined figures.
    assert ask(warehouse, query) == [(9_532_000 - repeated,)]


def test_vacancies_are_a_gap_because_they_are_not_collected(cells: pl.DataFrame) -> None:
    wanted = cells.filter(pl.col("measure") == "vacancies")
    assert wanted["need"].unique().to_list() == ["wanted"]
    assert wanted["reason"].unique().to_list() == ["not_collected"]
    assert wanted["data_owner"].null_count() == wanted["remedy"].null_count() == 0


def test_every_universal_credit_name_is_matched(starter: Project) -> None:
    finding = read_table(state_path(starter.home, "finding", "dwp_uc_households"))
    assert finding.filter(pl.col("reason") == "unmatched_place").is_empty()
    seen = scan_observations(starter, "dwp_uc_households").collect()
    assert seen["place_code"].n_unique() == 350


def test_ten_skipped_months_are_reported(starter: Project) -> None:
    finding = read_table(state_path(starter.home, "finding", "dwp_uc_households"))
    skipped = finding.filter(pl.col("reason") == "no_figure_for_period").select("period_start", "period_end").rows()
    assert skipped == [(date(2023, 1, 1), date(2023, 10, 31))]


def test_residents_sum_to_the_published_uk_total(cells: pl.DataFrame) -> None:
    residents = cells.filter(pl.col("measure") == "residents_16_64")
    result = gzip.decompress((ROOT / "sources" / "starter" / "ons_residents.csv.gz").read_bytes()).decode()
    kingdom = [row for row in csv.DictReader(io.StringIO(result)) if row["Area name"] == "UNITED KINGDOM"]
    columns = ("Mid-2022 population (Female)", "Mid-2022 population (Male)")
    assert residents["value"].sum() == sum(int(row[column]) for row in kingdom for column in columns)


def test_newest_of_three_releases_of_the_claimant_rate_is_used(starter: Project, cells: pl.DataFrame) -> None:
    release = read_table(state_path(starter.home, "release", "ons_claimant_rate"))
    assert release["usable"].to_list() == [True, True, True]
    newest = release.sort("released_at")["release"].to_list()[-1]
    assert cells.filter(pl.col("measure") == "claimant_rate")["release"].unique().to_list() == [newest]
    seen = scan_observations(starter, "ons_claimant_rate").collect()
    merton = seen.filter(pl.col("place_code") == "E09000024", pl.col("period_end") == date(2020, 12, 31))
    assert merton.sort("released_at")["value"].to_list()[:2] == [2.6, 5.8]


def test_every_total_equals_its_places_plus_the_remainder(warehouse: Path) -> None:
    parts = "sum_of_places + missing_places + suppressed + rounding + unallocated + retired_codes + remainder"
    assert ask(warehouse, f"select * from reconciliation where abs(total - ({parts})) > 1e-6") == []
    residents = "select count(*) from reconciliation where measure = 'residents_16_64' and remainder <> 0"
    assert ask(warehouse, residents) == [(0,)]
    assert ask(warehouse, "select count(*) > 100 from published_totals where role = 'total'") == [(True,)]


def test_rank_has_the_range_that_bounds_allow(warehouse: Path) -> None:
    assert (
        ask(warehouse, "select * from ranks where rank_lower_bound > rank_upper_bound or rank_upper_bound > places")
        == []
    )
    furlough = "from ranks where problem = 'jobs_recovery' and measure = 'furlough_take_up'"
    # A gap without bounds may have any rank.
    assert ask(warehouse, f"select distinct rank_lower_bound {furlough} and value is null and upper_bound is null") == [
        (1,)
    ]
    assert ask(
        warehouse, f"select count(*) > 0 {furlough} and rank_lower_bound < rank_upper_bound and value is not null"
    ) == [(True,)]


def test_border_of_an_uncovered_district_is_a_discontinuity(warehouse: Path) -> None:
    query = "select count(*) > 5 from boundary_discontinuities where place_b = 'E06000060' and kind = 'known_unknown'"
    assert ask(warehouse, query) == [(True,)]


def test_every_published_cell_is_accounted_for(warehouse: Path) -> None:
    lost = """
        select * from releases
        where cells_read <> cells_used + cells_of_other_tiers + cells_repeated + cells_set_aside
    """
    assert ask(warehouse, lost) == []


def test_every_bundled_observation_is_in_the_file_asked_for_or_not(starter: Project, warehouse: Path) -> None:
    bundled = {name for name, source in starter.catalogue.observation_sources().items() if source.releases}
    assert {name for (name,) in ask(warehouse, "select distinct source from observations")} == bundled
    assert warehouse.stat().st_size <= 150_000_000


def test_second_problem_is_a_monthly_subset(warehouse: Path) -> None:
    rows = ask(warehouse, "select place_name, count(*) from problem.jobs_south_london group by all")
    assert {name for name, _ in rows} == SOUTH_LONDON
    assert {months for _, months in rows} == {46}


def test_month_never_shows_a_later_figure(warehouse: Path) -> None:
    later = "select count(*) from cells where value is not null and reference_end > period_end"
    accepted = "list_contains(string_split(caveats, ','), 'coarser_period') is true"
    assert ask(warehouse, f"{later} and not ({accepted})") == [(0,)]
    longer = f"select distinct problem, measure from cells where {accepted} order by 1"
    assert ask(warehouse, longer) == [
        ("jobs_south_london", "furlough_take_up"), ("ventilators_2020", "general_acute_beds_available_overnight"),
    ]  # fmt: skip


def test_no_problem_shows_a_figure_for_another_period(starter: Project) -> None:
    known, wrong = 0, []
    for name, problem in starter.catalogue.problems.items():
        actual = read_table(state_path(starter.home, "cell", name))
        of_days = instant_measures(starter.catalogue, problem.measures)
        known += actual["value"].count() if problem.header.grain != "latest" else 0
        wrong += find_other_periods(actual, problem.header.grain, of_days)["cell_id"].to_list()
    assert wrong == [] and known > 30_000


def test_month_of_2020_does_not_show_an_annual_figure(warehouse: Path) -> None:
    merton = """
        select count(*), count(value), min(reason), max(reason), min(evidence) from cells
        where problem = 'jobs_south_london' and measure = 'claimant_rate' and place_code = 'E09000024'
    """
    (result,) = ask(warehouse, merton)
    assert result[:4] == (46, 0, "coarser_period", "coarser_period")
    assert str(result[4]).startswith(
        "ons_claimant_rate has no figure for April 2020; the nearest is for 2020; its value was "
    )


def test_mid_2022_residents_are_carried_forward_with_a_caveat(warehouse: Path) -> None:
    columns = "residents_16_64, residents_16_64_status, residents_16_64_period"
    result = ask(warehouse, f"""
        select period_start, {columns} from problem.jobs_south_london where place_code = 'E09000024'
        and period_start in (date '2022-05-01', date '2022-06-01', date '2023-12-01') order by 1
    """)  # fmt: skip
    assert [row[1] is None for row in result] == [True, False, False] and result[1][1] == result[2][1]
    assert [row[2] for row in result] == ["not_loaded", "normal", "carried_forward"]
    assert [row[3] for row in result] == [None, "30 June 2022", "30 June 2022"]


def test_every_figure_column_is_numeric_with_a_status_column(warehouse: Path) -> None:
    columns = dict(ask(warehouse, "select column_name, column_type from (describe problem.jobs_recovery)"))
    for measure in ("residents_16_64", "claimant_rate", "furloughed_employments", "vacancies"):
        assert columns[measure] == "DOUBLE"
        assert columns[f"{measure}_status"] == "VARCHAR"


def test_every_table_and_column_has_a_comment(warehouse: Path) -> None:
    bare = """
        select table_name, column_name from duckdb_columns()
        where not internal and coalesce(comment, '') = ''
    """
    assert ask(warehouse, bare) == []
    for kind in ("table", "view"):
        unnamed = f"select {kind}_name from duckdb_{kind}s() where coalesce(comment, '') = '' and not internal"
        assert ask(warehouse, unnamed) == []


def test_every_query_in_the_readme_returns_rows(warehouse: Path) -> None:
    queries = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) >= 4
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for query in queries:
            for statement in con.extract_statements(query):
                assert con.execute(statement).fetchone(), statement.query


def test_no_column_name_requires_quotes(warehouse: Path) -> None:
    reserved = """
        select table_name, column_name from duckdb_columns()
        where not internal and column_name in (
            select keyword_name from duckdb_keywords() where keyword_category = 'reserved'
        )
    """
    assert ask(warehouse, reserved) == []


def test_building_step_by_step_gives_the_same_tables_as_the_command(furlough: Project, tmp_path: Path) -> None:
    again = build_by_steps(furlough._replace(home=tmp_path / "again")).home
    for kind in ("cell", "view", "slice", "values/*", "finding", "release"):
        made = list_state_files(furlough.home, kind)
        assert made
        for path in made:
            assert read_table(path).equals(read_table(again / path.relative_to(furlough.home))), path
    names = sorted(path.name for path in output_path(furlough.home, "").glob("furlough.*"))
    assert {f"furlough.{form}" for form in (*FILE_ENDINGS, "csv", "xlsx")} <= set(names)
    for name in names:
        assert output_path(furlough.home, name).read_bytes() == output_path(again, name).read_bytes()


def jobs(project: Project) -> pl.DataFrame:
    return read_table(state_path(project.home, "cell", "jobs_recovery"))


def _rebuild(project: Project) -> None:
    """Read the declarations again, and build what they change."""
    build_by_steps(project._replace(catalogue=load_catalogue(project.catalogue.root)))


def answered(project: Project) -> pl.DataFrame:
    """Read the declarations again, and answer jobs_recovery from sources that changed, without pages and outputs."""
    project = project._replace(catalogue=load_catalogue(project.catalogue.root))
    steps.prepare_store(project)
    return answer_problem(project, "jobs_recovery")


def file_of(project: Project, source: str) -> Path:
    return project.catalogue.sources_dir / project.catalogue.sources[source].releases[-1].file


UNREADABLE = {
    "empty": b"", "a web page": b"<!DOCTYPE html><html><body>Sorry</body></html>",
    "a truncated gzip": b"\x1f\x8b\x08\x00broken", "other columns": b"a,b\n1,2\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", cases(["a truncated gzip", "other columns"], wide=UNREADABLE))
def test_unreadable_file_leaves_the_previous_release_and_other_measures(small: Project, kind: str) -> None:
    before = jobs(small)
    file_of(small, "hmrc_furlough").write_bytes(UNREADABLE[kind])
    after = answered(small)
    assert before.height == 361 * 6 and after.drop("release").equals(before.drop("release"))
    finding = read_table(state_path(small.home, "finding", "hmrc_furlough"))
    assert finding.filter(pl.col("reason") == "fetch_failed")["severity"].to_list() == ["error"]


@wide
def test_unreadable_source_is_a_gap_and_others_are_built(small: Project, tmp_path: Path) -> None:
    file_of(small, "hmrc_furlough").write_bytes(b"<html>Sign in</html>")
    after = answered(small._replace(home=tmp_path / "new"))
    furlough = after.filter(pl.col("measure") == "furloughed_employments")
    assert furlough["reason"].unique().to_list() == ["fetch_failed"]
    assert after.filter(pl.col("measure") == "residents_16_64")["value"].null_count() == 0


@wide
def test_removed_source_and_problem_leave_no_outputs(furlough: Project) -> None:
    copy, home = furlough.catalogue.root, furlough.home
    (copy / "sources" / "council_stock.yaml").write_text(
        "title: Stock\npublisher: A council\nlicence: OGL\npage: https://example.org\ngeography: lad_2023\n"
        "columns: {place: code, period: year}\nreleases: [{file: starter/stock.csv, released: 2024-01-01}]\n"
        "measures: {stock_on_hand: {title: Stock, unit: items, kind: stock, column: stock}}\n"
    )
    (copy / "sources" / "starter" / "stock.csv").write_text("code,year,stock\nE09000024,2025,7\n")
    (copy / "pipelines" / "problems" / "stock.sql").write_text(
        "/*\nquestion: q\ndecision: d\nowner: o\ngeography: lad_2023\ngrain: latest\nneeds:\n  stock_on_hand:\n*/\n"
        "select place.place_code, stock_on_hand.value as stock_on_hand\n"
        "from lad_2023.place join lad_2023.stock_on_hand using (place_code)\n"
    )
    _rebuild(furlough)
    path = output_path(home, "commonground.duckdb")
    assert ask(path, "select count(*) from problem.stock where stock_on_hand = 7") == [(1,)]
    for gone in ("sources/council_stock.yaml", "sources/starter/stock.csv", "pipelines/problems/stock.sql"):
        (copy / gone).unlink()
    _rebuild(furlough)
    tables = ("cells", "observations", "findings", "sources", "measures", "releases")
    for table in tables:
        assert ask(path, f"select count(*) from {table} t where t::varchar like '%stock_on_hand%'") == [(0,)], table
        assert ask(path, f"select count(*) from {table} t where t::varchar like '%council_stock%'") == [(0,)], table
    assert ask(path, "select count(*) from duckdb_tables() where table_name = 'stock'") == [(0,)]
    assert not list((home / "out").glob("stock.*"))


@wide
def test_build_killed_part_way_loses_nothing(built_furlough: Path, tmp_path: Path) -> None:
    project, whole = built_furlough / "project", hash_outputs(built_furlough / "store")
    command = [sys.executable, "-m", "pipelines.app.cli", "build"]
    for written in ("snapshots/*", "state/slice/*.parquet", "state/cell/*.parquet"):
        with subprocess.Popen(
            command, env=surroundings(tmp_path, project), cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            while not list(tmp_path.glob(written)):
                assert process.poll() is None, f"ended before it wrote {written}"
                time.sleep(0.01)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    done = run("build", store=tmp_path, project=project)
    assert done.returncode == 0, done.stderr
    assert hash_outputs(tmp_path) == whole
    assert not list(tmp_path.rglob(".making-*"))


def test_starter_edition_is_small() -> None:
    files = [path for path in (ROOT / "sources" / "starter").rglob("*") if path.is_file() and path.suffix != ".py"]
    assert sum(path.stat().st_size for path in files) <= 40_000_000
    assert max(path.stat().st_size for path in files) <= 4_000_000


def test_every_starter_file_has_its_provenance(starter: Project) -> None:
    provenance = pl.read_csv(ROOT / "sources" / "starter" / "PROVENANCE.csv", infer_schema=False)
    result = dict(provenance.select("file", "sha256").iter_rows())
    from pipelines.core.store import hash_bytes

    for source in starter.catalogue.sources.values():
        for release in source.releases:
            name = Path(release.file).name
            assert result[name] == hash_bytes((ROOT / "sources" / release.file).read_bytes()), name


def test_no_output_of_the_edition_is_withdrawn(starter: Project) -> None:
    manifest = read_manifest(starter.home)
    assert {"ons_icb_boundaries", "ons_lad_boundaries"} <= set(manifest["boundaries"].input_sources or ())
    assert withdraw_outputs(starter.catalogue, starter.home) == []
