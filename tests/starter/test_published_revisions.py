"""A definition change in published files: COVID-19 cases in England rose by half on 2 July 2020.

Laboratories outside the NHS were counted for the first time that day, back to the spring. The tests use the last file
without them, and a file collated by others after it. The tests are skipped where these files are absent.
"""

from datetime import date

import polars as pl
import pytest

from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.observations.caveats import add_declared_caveats
from tests.observations.compared import compare_releases
from tests.starter.test_published import PUBLISHED, cells, project, pytestmark
from tests.starter.test_published_totals import declared

__all__ = ["project", "pytestmark"]

COVID = "indicators/covid_cases_testing"
LAST_OF_PILLAR_1 = f"{COVID}/phe_coronavirus_cases_latest_2020-07-01.csv"
BOTH_PILLARS = """
geography: utla_2019
coverage: [England]
filter: {Country: [England]}
columns: {place: AreaCode, label: Area, period: Date}
period_kind: day
measures:
  cases_so_far_pillar_1: {title: Cases so far, unit: cases, kind: stock, column: TotalCases}
totals: {Unknown: unallocated}
breaks: [{from: 2020-07-02, text: Tests of all laboratories are counted (Public Health England)}]
"""
OLD, NEW = date(2020, 7, 1), date(2020, 7, 2)


def both_pillars(project: Project) -> tuple[Source, pl.DataFrame]:
    """Read the collated file under the earlier name of the measure, as a refresh would do."""
    content = (PUBLISHED / f"{COVID}/uk_cases_by_utla_and_health_board.csv").read_bytes()
    return declared(content, "collated.csv", BOTH_PILLARS, project)


def england(day: date) -> int:
    """Return the cumulative cases in England on a day, from the collated file of the nations."""
    every = pl.read_csv(PUBLISHED / f"{COVID}/uk_indicators_long.csv", infer_schema=False)
    mine = every.filter(pl.col(every.columns[0]) == str(day), pl.col("Country") == "England")
    return int(mine.filter(pl.col("Indicator") == "ConfirmedCases")["Value"].item())


def released(read: pl.DataFrame, order: int, day: date) -> pl.DataFrame:
    """Return the figures for councils from 1 July; earlier days are by specimen date in one of the files."""
    sound = read.filter(pl.col("fault").is_null(), pl.col("value").is_not_null(), pl.col("period_start") >= OLD)
    known = {"source": "phe_cases", "release": f"file {order}", "released_at": day}
    result = sound.with_columns(pl.lit(value).alias(name) for name, value in known.items())
    return conform_table(result, OBSERVATION_COLUMNS).with_columns(pl.lit(order, pl.Int64).alias("order"))


def test_england_cases_rose_by_half_between_files_and_little_between_days() -> None:
    before = pl.read_csv(PUBLISHED / LAST_OF_PILLAR_1, infer_schema=False).row(0, named=True)
    assert (before["Area name"], before["Cumulative lab-confirmed cases"]) == ("England", "160764")
    assert (england(OLD), england(NEW)) == (244_920, 245_480)
    assert england(OLD) / 160_764 == pytest.approx(1.523, abs=0.001)
    assert england(NEW) / england(OLD) == pytest.approx(1.002, abs=0.001)


def test_revision_report_shows_the_change_and_suspects_a_new_definition(project: Project) -> None:
    """On the same day, all 115 councils in the collated file have higher figures."""
    before, after = cells(project, "phe_cases", LAST_OF_PILLAR_1), both_pillars(project)[1]
    actual = compare_releases(pl.concat([released(before, 0, OLD), released(after, 1, NEW)]))
    summary = actual[1].row(0, named=True)
    assert (summary["cells_in_both"], summary["changed"], summary["median_ratio"]) == (115, 115, pytest.approx(1.52))
    assert "; in 1 of 1 periods most figures changed, with a median ratio" in summary["suspicion"]
    assert summary["suspicion"].endswith("furthest from 1 in July 2020: 1.52")


def test_every_later_figure_has_a_definition_caveat(project: Project) -> None:
    source, after = both_pillars(project)
    stored = Snapshot("here", "x", NEW, "", "", "", "collated.csv", 1, "")
    result = add_declared_caveats(after.filter(pl.col("fault").is_null()), source, stored)
    broken = result.group_by("period_start").agg(pl.col("caveats").eq_missing("definition_break").mean())
    by_day = dict(broken.iter_rows())
    assert (by_day[OLD], by_day[NEW]) == (0.0, 1.0)
