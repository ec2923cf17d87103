"""Catchments of NHS trusts: their populations, their mergers and splits, and their intervals."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.apportionment.counts import apportion_counts
from pipelines.apportionment.error_model import add_interval, load_error_model, slice_unevenness
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.crosswalk import PlaceData, build_crosswalk
from pipelines.geography.load import load_place_data

ROOT = Path(__file__).resolve().parent.parent.parent
DAY = date(2020, 6, 30)
ENGLAND = 56_550_138
"""Residents of England in mid-2020."""


@pytest.fixture(scope="module")
def place_data(edition: Project) -> PlaceData:
    return load_place_data(edition, load_places(edition))


def leading(place_data: PlaceData, start: str, end: str) -> pl.DataFrame:
    return build_crosswalk(place_data, start, end, "all_ages", DAY)


@pytest.mark.parametrize(
    ("start", "end"),
    [("trust_2020", "lad_2019"), ("trust_2020", "lad_2021"), ("trust_2020", "icb_2022"), ("lad_2019", "trust_2020")],
)
def test_every_resident_of_england_is_in_one_catchment(place_data: PlaceData, start: str, end: str) -> None:
    actual = leading(place_data, start, end)
    assert actual.drop_nulls("to_code")["weight_population"].sum() == pytest.approx(ENGLAND)
    assert set(actual.filter(pl.col("weight_population").is_null())["kind"]) <= {"lost"}


def test_catchment_population_is_a_share_of_residents(place_data: PlaceData) -> None:
    actual = leading(place_data, "trust_2020", "lad_2019")
    brighton = actual.filter(pl.col("to_code") == "E06000043")
    table = place_data.shares[1].table.filter(pl.col("from_code") == "E06000043", pl.col("to_code") == "RXH")
    residents = brighton["weight_population"].sum()
    assert residents == pytest.approx(291_738)  # mid-2020
    assert brighton.filter(pl.col("from_code") == "RXH")["weight_population"].item() == pytest.approx(
        residents * table["share"].item()
    )


def test_merged_trust_has_the_patients_of_both(place_data: PlaceData) -> None:
    """Brighton and Sussex (RXH) merged into RYR in April 2021, with a quarter of its patients in Brighton."""
    before, after = leading(place_data, "trust_2020", "lad_2021"), leading(place_data, "trust_2022", "lad_2021")
    people = dict(before.group_by("from_code").agg(pl.col("weight_population").sum()).iter_rows())
    both = before.filter(pl.col("from_code").is_in(["RXH", "RYR"])).group_by("to_code").agg(
        (pl.col("weight") * pl.col("from_code").replace_strict(people, return_dtype=pl.Float64)).sum()
        / (people["RXH"] + people["RYR"])
    )  # fmt: skip
    merged = dict(after.filter(pl.col("from_code") == "RYR").select("to_code", "weight").iter_rows())
    assert merged == pytest.approx(dict(both.iter_rows()))
    assert merged["E06000043"] == pytest.approx(0.274, abs=0.001)
    assert dict(before.filter(pl.col("from_code") == "RYR").select("to_code", "weight").iter_rows())["E06000043"] < 0.03


@pytest.mark.parametrize("trust", ["RM3", "R0A"])
def test_trust_that_acquired_part_of_another_is_a_gap(place_data: PlaceData, trust: str) -> None:
    """Pennine Acute (RW6) was split between the two in October 2021; no source says which patients went where."""
    before, after = (leading(place_data, f"trust_{year}", "lad_2021") for year in (2020, 2022))
    assert before.filter(pl.col("from_code") == trust)["weight"].sum() == pytest.approx(1)
    split = after.filter(pl.col("from_code") == trust)
    assert set(split["kind"]) == {"split"} and split["weight"].null_count() == split.height


def test_merged_districts_use_the_trusts_of_their_predecessors(place_data: PlaceData) -> None:
    actual = leading(place_data, "lad_2021", "trust_2020").filter(pl.col("from_code") == "E06000062")
    assert actual["weight"].sum() == pytest.approx(1)
    west = place_data.areas[-1].table.filter(pl.col("lad_2021") == "E06000062")["residents_mid_2020__all_ages"].sum()
    assert actual["weight_population"].sum() == pytest.approx(west)


def test_patients_apportioned_to_councils_have_an_interval_around_the_figure(place_data: PlaceData) -> None:
    crosswalk = leading(place_data, "trust_2020", "lad_2021")
    figures = crosswalk.group_by(pl.col("from_code").alias("place_code")).agg(
        pl.col("weight_population").sum().alias("value")
    )
    # Patients per head of the catchment differ by half between trusts.
    uneven = figures.sort("place_code").with_row_index("n").select(
        "place_code", (pl.col("value") * (1 + 0.5 * (pl.col("n") % 2))).alias("value"),
        pl.lit("patients").alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"),
    )  # fmt: skip
    moved, spread = apportion_counts(uneven, crosswalk), slice_unevenness(uneven, crosswalk)
    assert 0.1 < spread["unevenness"].item() < 0.3
    with_intervals = add_interval(moved, spread, ("trust", "lad"), "all_ages", load_error_model()).filter(
        pl.col("value") > 0
    )
    assert (with_intervals.height, with_intervals["interval_lower"].null_count()) == (309, 0)
    assert with_intervals.select(
        (pl.col("interval_lower") <= pl.col("value")).all() & (pl.col("value") <= pl.col("interval_upper")).all()
    ).item()
    assert (
        with_intervals.select(((pl.col("interval_upper") - pl.col("interval_lower")) / pl.col("value")).median()).item()
        > 0.1
    )
