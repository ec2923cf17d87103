"""Reading a source from the store: the figures in use and a lazy view of all, by slice."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.slices import SLICE_KEY, newest_slices
from pipelines.core.store import list_release_tables
from pipelines.core.table_cache import find_kept, forget_tables
from pipelines.declarations.project import Project
from pipelines.observations import scan
from pipelines.observations.access import (
    load_source_tables,
    read_current,
    read_current_batches,
    scan_observations,
)
from pipelines.observations.scan import OBSERVATION_SCHEMA

NAME, MEASURE = "mhclg_rough_sleeping", "people_sleeping_rough"
YEAR = pl.col("period_start") == date(2022, 1, 1)


@pytest.fixture(scope="module")
def project(bundled: Project) -> Project:
    return bundled


def test_current_figures_are_those_of_the_newest_release(project: Project) -> None:
    every = scan_observations(project, NAME).collect()
    assert read_current(project, NAME).equals(newest_slices(every).sort(*SLICE_KEY, "place_code"))
    assert read_current(project, NAME, []).schema == OBSERVATION_SCHEMA


def test_current_figures_of_one_geography_ignore_other_releases(project: Project) -> None:
    actual = read_current(project, NAME, [MEASURE], "lad_2016")
    assert actual["geography"].unique().to_list() == ["lad_2016"]
    assert actual.height > read_current(project, NAME).filter(pl.col("geography") == "lad_2016").height


def test_batches_have_the_current_figures_of_one_geography_each(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "ROWS_PER_BATCH", 300)
    batches = list(read_current_batches(project, NAME, [MEASURE]))
    assert len(batches) > 2 and all(
        batch.observation["geography"].unique().item() == batch.geography for batch in batches
    )
    stacked = pl.concat([batch.observation for batch in batches]).sort(*SLICE_KEY, "place_code")
    assert stacked.equals(read_current(project, NAME, [MEASURE]))
    assert pl.concat([batch.slices for batch in batches])["rows"].sum() == stacked.height
    (nothing,) = read_current_batches(project, NAME, [])
    assert nothing.observation.is_empty() and nothing.geography == ""


@pytest.mark.parametrize(
    "query",
    [
        lambda frame: frame.filter(YEAR),
        lambda frame: frame.filter(YEAR, pl.col("value") > 20).select("place_code", "release"),
        lambda frame: frame.select("file_column", "interval_source", "order"),
        lambda frame: frame.head(7),
        lambda frame: frame.group_by("measure").agg(pl.col("value").sum()),
        lambda frame: frame.filter(pl.col("place_code") == "nowhere"),
    ],
)
def test_view_answers_as_the_whole_table_does(project: Project, query: object) -> None:
    assert callable(query)
    every = scan_observations(project, NAME).collect()
    assert query(scan_observations(project, NAME)).collect().equals(query(every))


def test_filter_on_the_period_reads_only_its_slices(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_tables()  # the step that reads a release keeps its figures
    view, slices = scan_observations(project, NAME), load_source_tables(project, NAME).slice
    assert view.filter(YEAR).collect().height == slices.filter(YEAR)["rows"].sum()
    others = slices.filter(~YEAR)["values_file"].unique().to_list()
    keep = set(slices.filter(YEAR)["values_file"])
    monkeypatch.setattr(pl, "scan_parquet", only(keep))
    assert set(others) - keep and view.filter(YEAR).collect().height
    with pytest.raises(AssertionError, match="another slice"):
        view.collect()


def test_figures_that_the_reading_step_keeps_are_those_of_the_file(small: Project) -> None:
    name = "ons_claimant_rate"
    slices = load_source_tables(small, name).slice
    for path in list_release_tables(small.home, name):
        path.unlink()
    forget_tables()
    load_source_tables(small, name)
    values = [path for path in list_release_tables(small.home, name) if path.parent.parent.name == "values"]
    kept = {path: find_kept(path) for path in values}
    assert len(kept) == slices["values_file"].n_unique() and not forget_tables()
    for path, table in kept.items():
        assert table is not None and find_kept(path) is None
        assert table.schema == (stored := pl.read_parquet(path)).schema and table.equals(stored)


def only(names: set[str]) -> object:
    """Return a scan that refuses every other file."""
    scan = pl.scan_parquet

    def refuse(path: Path) -> pl.LazyFrame:
        if path.name not in names:
            raise AssertionError("another slice")
        return scan(path)

    return refuse
