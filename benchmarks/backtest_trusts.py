"""Back-tests of NHS trust catchments: Covid-19 patients of 2020, known by trust and by district.

The figures are apportioned by the catchment shares of 2019. A table gives the shares of patients both ways, without
numbers. The numbers follow from the shares, up to a common factor.
"""

from datetime import date
from pathlib import Path

import polars as pl

from benchmarks.backtest_fit import (
    DAY,
    SYSTEMS,
    Trial,
    TrialFigures,
    compare_with_truth,
    pair_systems,
    require_enough_places,
)
from pipelines.geography.catchments import Shares
from pipelines.geography.crosswalk import PlaceData, build_crosswalk

TRUST, DISTRICT = "trust_2021", "lad_2019"
COVID, CAUGHT = "Covid-19 admissions", "residents of catchments"
ELSEWHERE = ("health_board_2019",)
"""Geographies without any trust of England."""
_COLUMNS = {
    COVID: ("trust_ltla_covid_admissions_mapping_2020.csv", ("trust_code", "geo_code", "p_trust", "p_geo")),
    CAUGHT: (
        "trust_lad19_shares_both_ways.csv.gz", ("trust_code", "lad_code", "trust_prop_by_lad", "lad_prop_by_trust")
    ),
}  # fmt: skip
_SHARES = ("trust_code", "place_code", "of_trust", "of_place")


def with_salford_alone(geography: PlaceData) -> PlaceData:
    """Map Pennine Acute to Salford alone, as the table does; in 2021 it was split between two trusts."""
    other = (pl.col("from_code") == "RW6") & (pl.col("to_code") == "R0A")
    return geography._replace(places=geography.places._replace(changes=geography.places.changes.filter(~other)))


def run_trust_trials(folder: Path, geography: PlaceData) -> TrialFigures:
    """Apportion patients of trusts to every geography of whole districts, and those of districts to trusts.

    `geography` has the trusts of the table (`with_salford_alone`).
    """
    covid = patient_flows(folder, COVID)
    trials = {}
    for system in [pair_systems(base_system, DISTRICT)[0] for base_system in SYSTEMS if base_system not in ELSEWHERE]:
        drawn = build_crosswalk(geography, TRUST, system, "all_ages", DAY)
        tests = compare_with_truth(
            _known_figures(covid, "trust_code", drawn), drawn, _true_figures(covid, geography, system)
        )
        trials[Trial(TRUST, system, "all_ages", (COVID,))] = require_enough_places(tests, drawn)
    drawn = build_crosswalk(geography, DISTRICT, TRUST, "all_ages", DAY)
    tests = compare_with_truth(
        _known_figures(covid, "place_code", drawn), drawn, _sum_people(covid, "trust_code", "truth")
    )
    trials[Trial(DISTRICT, TRUST, "all_ages", (COVID,))] = tests
    return {trial: tests for trial, tests in trials.items() if tests.height}


def patient_flows(folder: Path, figure: str) -> pl.DataFrame:
    """Read shares both ways; return people up to a common factor: measure, trust_code, place_code, people."""
    file, columns = _COLUMNS[figure]
    raw = pl.read_csv(folder / "geo/nhs" / file).select(
        pl.col(column).alias(name) for column, name in zip(columns, _SHARES, strict=True)
    )
    joined = raw.join(solve_trust_numbers(raw), on="trust_code")
    measure = pl.lit(figure).alias("measure")
    return joined.select(measure, "trust_code", "place_code", (pl.col("of_trust") * pl.col("number")).alias("people"))


def solve_trust_numbers(raw: pl.DataFrame) -> pl.DataFrame:
    """Compute the people of trusts from shares both ways, up to a common factor: trust_code, number.

    The people from one district at one trust are a share of each. So the number of one gives the number of the
    other. Trusts that share no district with others are left out.
    """
    shares = [(trust, place, own / other) for trust, place, own, other in raw.select(_SHARES).iter_rows()]
    number_of: dict[str, float] = {str(raw["trust_code"].mode().sort()[0]): 1.0}
    previous_count = 0
    while len(number_of) > previous_count:
        previous_count = len(number_of)
        for trust, place, ratio in shares:
            if trust in number_of:
                number_of.setdefault(place, number_of[trust] * ratio)
            elif place in number_of:
                number_of[trust] = number_of[place] / ratio
    trusts = sorted(set(raw["trust_code"]) & set(number_of))
    return pl.DataFrame({"trust_code": trusts, "number": [number_of[trust] for trust in trusts]})


def by_other_shares(folder: Path, geography: PlaceData) -> str:
    """Describe the error of the same figures with another table of shares, which pools several years."""
    raw = pl.read_csv(folder / "geo/nhs/trust22_lad21_catchment_share.csv.gz")
    table = raw.select(
        pl.col("nhs_trust22_code").alias("from_code"), pl.col("ltla21_code").alias("to_code"),
        pl.col("proportion_trust_came_from_ltla").alias("share"),
    )  # fmt: skip
    pooled = Shares("pooled catchments", "trust_2022", "lad_2021", date(2021, 12, 31), "people of several years", table)
    system = pair_systems("lad_2021", DISTRICT)[0]
    drawn = build_crosswalk(geography._replace(shares=(pooled,)), TRUST, system, "all_ages", DAY)
    people = build_crosswalk(geography, TRUST, system, "all_ages", DAY)
    errors = {}
    for figure in _COLUMNS:
        flows_of_figure = patient_flows(folder, figure)
        tests = compare_with_truth(
            _known_figures(flows_of_figure, "trust_code", drawn),
            drawn,
            _true_figures(flows_of_figure, geography, system),
            people,
        )
        errors[figure] = tests.filter(pl.col("estimate") > 0).select((pl.col("truth") / pl.col("estimate") - 1).abs())
    (covid,), (caught,) = (figure.mean().row(0) for figure in errors.values())
    return (
        "Other shares give other errors. A table that pools several years apportions Covid-19 admissions to\n"
        f"councils with a mean error of {covid:.1%}, and the residents of the first table's trusts with one "
        f"of {caught:.1%}."
    )


def trust_regions(geography: PlaceData) -> dict[str, str]:
    """Return the region of most people of each district, trust and larger place."""
    regions: dict[str, str] = {}
    for system in (TRUST, *(pair_systems(row, DISTRICT)[0] for row in SYSTEMS[3:-2] if row not in ELSEWHERE)):
        most = build_crosswalk(geography, system, "region_2021", "all_ages", DAY).drop_nulls(["from_code", "to_name"])
        regions |= dict(most.sort("weight", nulls_last=False).select("from_code", "to_name").iter_rows())
    return regions


def _sum_people(people: pl.DataFrame, end: str, name: str) -> pl.DataFrame:
    return people.group_by("measure", pl.col(end).alias("place_code")).agg(pl.col("people").sum().alias(name))


def _known_figures(people: pl.DataFrame, end: str, drawn: pl.DataFrame) -> pl.DataFrame:
    """Add people up to the source places of a crosswalk, zero where there are none.

    Returns measure, place_code and value.
    """
    places = drawn.select(pl.col("from_code").alias("place_code")).drop_nulls().unique()
    rows = people.select("measure").unique().join(places, how="cross").join(
        _sum_people(people, end, "value"), on=["measure", "place_code"], how="left"
    )  # fmt: skip
    return rows.with_columns(pl.col("value").fill_null(0.0)).sort("place_code")


def _true_figures(people: pl.DataFrame, geography: PlaceData, system: str) -> pl.DataFrame:
    """Add people up to places of whole districts that all have some: measure, place_code, truth."""
    nested = build_crosswalk(geography, DISTRICT, system, "all_ages", DAY).drop_nulls("to_code")
    rows = nested.join(
        _sum_people(people, "place_code", "truth").rename({"place_code": "from_code"}), on="from_code", how="left"
    )
    whole = (pl.col("weight") == 1) & pl.col("truth").is_not_null() & pl.col("from_code").is_not_null()
    sums = rows.group_by(pl.col("to_code").alias("place_code")).agg(
        pl.col("measure").drop_nulls().first(), pl.col("truth").sum(), whole.all().alias("sure")
    )
    return sums.filter("sure").drop("sure")
