"""Complete published files on housing, crime, emissions and jobs, read by the declarations of the starter edition."""

from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from pipelines.declarations.project import Project
from tests.starter.test_published import cells, project, pytestmark

__all__ = ["project", "pytestmark"]
ROUGH = "indicators/rough_sleeping"
SNAPSHOTS = (
    ("Rough_Sleeping_Autumn_2016_Final_Tables.xls", 2016, 326, 4_134),
    ("Rough_sleeping_statistics_England_autumn_2017.xlsx", 2017, 326, 4_751),
    ("2019_Rough_Sleeping_Snapshot_Tables.xlsx", 2019, 317, 4_266),
    ("Rough_sleeping_2022_exported_from_Numbers.xlsx", 2022, 309, 3_069),
)


@pytest.mark.parametrize(("file", "year", "councils", "england"), SNAPSHOTS)
def test_rough_sleeping_snapshot_is_read_completely_from_every_workbook(
    project: Project, file: str, year: int, councils: int, england: int
) -> None:
    read = cells(project, "mhclg_rough_sleeping", f"{ROUGH}/{file}").filter(pl.col("period_start").dt.year() == year)
    # Codes of councils that have merged since are not in the geography of the newest release.
    own = read.filter(pl.col("fault").is_null() | (pl.col("fault") == "retired_code"))
    assert own["place_code"].n_unique() == own.height == councils
    assert own["value"].sum() == england


def test_publisher_revised_only_merged_councils(project: Project) -> None:
    key = ["place_code", "period_start"]
    reads = [cells(project, "mhclg_rough_sleeping", f"{ROUGH}/{file}") for file, *_ in SNAPSHOTS]
    for old, new in pairwise(reads):
        # Codes of councils that have merged since are not in the geography of the newest release.
        own = pl.col("fault").is_null() | (pl.col("fault") == "retired_code")
        sound = [entry.filter(own).select(*key, "value") for entry in (old, new)]
        both = sound[0].join(sound[1], on=key, suffix="_new")
        assert both.height > 2_000
        assert both.filter(pl.col("value") != pl.col("value_new")).height == 0


def test_homelessness_of_20_missing_councils_is_only_in_the_england_total(project: Project) -> None:
    read = cells(project, "mhclg_homelessness", "indicators/homelessness/Detailed_LA_202212.ods")
    sound = read.filter(pl.col("fault").is_null())
    assert (sound.height, sound.filter(pl.col("obs_status") == "not_available").height) == (309, 20)
    england = read.filter(pl.col("place_code") == "E92000001")["value"].item()
    assert (sound["value"].sum(), england) == (63_448, 69_230)


def test_small_bed_and_breakfast_counts_have_bounds_and_are_not_zero(project: Project) -> None:
    read = cells(project, "mhclg_temporary_accommodation", "indicators/homelessness/Detailed_LA_202212.ods")
    hidden = read.filter(pl.col("obs_status") == "confidential")
    assert (hidden.height, set(hidden["measure"])) == (78, {"families_in_bed_and_breakfast"})
    assert hidden.select("value", "lower_bound", "upper_bound").unique().rows() == [(None, 0.0, 4.0)]


EXPLORE = Path("indicators/ons_explore_local_statistics")


@pytest.mark.parametrize(
    ("name", "file", "status", "count"),
    [
        ("desnz_gas_consumption", "domestic-gas-consumption", "not_applicable", 43),
        ("dfe_apprenticeships", "apprenticeships", "confidential", 4),
        ("ons_homicide", "homicide-offences", "not_available", 9),
        ("ons_modelled_unemployment", "modelled-unemployment", "not_available", 192),
    ],
)
def test_blank_figure_takes_the_status_of_its_row(
    project: Project, name: str, file: str, status: str, count: int
) -> None:
    read = cells(project, name, str(EXPLORE / f"{file}.csv.gz"))
    hidden = read.filter(pl.col("value").is_null())
    assert set(hidden["obs_status"]) == {status}
    assert hidden.height == count
