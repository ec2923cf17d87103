"""Releases in another geography than their source: each is read and apportioned by its own."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.gaps.returns_load import load_returns
from pipelines.observations.access import load_source_tables, scan_observations

ROOT = Path(__file__).resolve().parent.parent.parent
NAME, BUCKINGHAMSHIRE = "mhclg_rough_sleeping", "E06000060"


def upto(releases: int) -> Catalogue:
    """Return the catalogue with only the first releases of the rough sleeping snapshot."""
    whole = load_catalogue(ROOT)
    source = whole.sources[NAME].model_copy(update={"releases": whole.sources[NAME].releases[:releases]})
    said = {**whole.declaration_hashes, NAME: f"only {releases}"}
    return whole._replace(sources={**whole.sources, NAME: source}, declaration_hashes=said)


def answered(catalogue: Catalogue, home: Path) -> tuple[Project, pl.DataFrame]:
    project = Project(catalogue, home, date(2026, 11, 24))
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "rough_sleeping")
    return project, cells.filter(pl.col("measure") == "people_sleeping_rough", pl.col("nation") == "England")


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, pl.DataFrame]:
    return answered(load_catalogue(ROOT), tmp_path_factory.mktemp("now"))


def test_every_release_is_read_with_the_codes_of_its_vintage(now: tuple[Project, pl.DataFrame]) -> None:
    seen = load_source_tables(now[0], NAME)
    assert seen.set_aside.is_empty() and seen.release["cells_set_aside"].sum() == 0
    observed = scan_observations(now[0], NAME).collect()
    places = observed.group_by("geography").agg(pl.col("place_code").n_unique()).sort("geography")
    assert places.rows() == [
        ("lad_2016", 326),
        ("lad_2017", 326),
        ("lad_2019", 317),
        ("lad_2022", 309),
        ("lad_2025", 296),
    ]


def test_older_release_matches_the_publishers_recast_figures(now: tuple[Project, pl.DataFrame], tmp_path: Path) -> None:
    """Compare 317 districts of 2019, converted to 2023 by code changes, with the release of 2023."""
    then = answered(upto(3), tmp_path)[1]
    year = pl.col("period_start") == date(2019, 1, 1)
    both = then.filter(year).join(now[1].filter(year), on="place_code", suffix="_now")
    assert both.height == 296 and both["value"].null_count() == 0
    assert both.filter(pl.col("value") != pl.col("value_now")).is_empty()
    merged = both.filter(pl.col("place_code") == BUCKINGHAMSHIRE).row(0, named=True)
    assert (merged["derivation"], merged["derivation_now"]) == ("merged", "observed")
    assert merged["source_areas"] == "E07000004,E07000005,E07000006,E07000007"
    # A figure that the release lacks is due and missing.
    assert set(then.filter(pl.col("period_start") == date(2022, 1, 1))["reason"]) == {"late"}


def test_roll_comes_from_the_places_of_the_newest_release(now: tuple[Project, pl.DataFrame]) -> None:
    due = load_returns(now[0], NAME).filter(pl.col("period_start") == date(2010, 1, 1))
    assert due.filter(pl.col("place_code") == "E07000004").is_empty()
    assert due.filter(pl.col("state") == "not_returned").is_empty()
