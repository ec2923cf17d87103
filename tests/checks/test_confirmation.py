"""Low figures that stand, since a total or what came afterwards agrees with them; and those that still do not."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from checks.confirmation import LargerAreas
from checks.figures import flag_figures
from pipelines.core.schema import conform_table
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.totals import MEMBER_SCHEMA, TOTAL
from tests.checks.test_flags import COUNT, MONTHS, ONE, TENTH, Wrong, at, becomes, series, unchanged
from tests.gaps.test_cells import EVERYONE

ROOT = Path(__file__).resolve().parent.parent.parent
LONDON, INNER = "E12000007", "E13000001"
HALF = 33 // 2
MEMBERS = pl.DataFrame(
    [(LONDON, code) for code in EVERYONE] + [(INNER, code) for code in EVERYONE[:HALF]],
    schema=MEMBER_SCHEMA,
    orient="row",
)


def larger(observation: pl.DataFrame, order: int = 0, off: dict[str, float] | None = None) -> LargerAreas:
    """Give totals that are the sums of the places, but for what `off` adds to some."""
    of_places = observation.join(MEMBERS, on="place_code").group_by(*SLICE_KEY, "total_code")
    sums = of_places.agg(pl.col("value").sum()).rename({"total_code": "place_code"})
    more = pl.col("place_code").replace_strict(off or {}, default=0.0, return_dtype=pl.Float64)
    result = sums.with_columns(
        pl.col("value") + more, pl.lit("total").alias("role"), pl.lit("region").alias("tier"),
        pl.lit(order, pl.Int64).alias("order"),
    )  # fmt: skip
    return LargerAreas(conform_table(result, TOTAL), {"lad_2023": MEMBERS})


def observed(wrong: Wrong) -> pl.DataFrame:
    return series(wrong).with_columns(pl.lit("lad_2023").alias("geography"))


def reasons(observation: pl.DataFrame, totals: LargerAreas | None) -> list[str]:
    """Give the reasons for which figures are withheld."""
    actual = flag_figures(observation, {"figure": COUNT}, totals)
    return sorted(actual.filter("withheld")["reason"])


NOUGHT = observed(at(ONE, TENTH, becomes(0.0)))
HALVED = observed(at(ONE, TENTH, lambda value: round(value / 2)))


@pytest.mark.parametrize(
    ("figures", "totals", "withheld"),
    [
        (NOUGHT, None, ["suspected_zero"]),
        (NOUGHT, larger(NOUGHT), []),
        (NOUGHT, larger(NOUGHT, off={INNER: 900.0}), ["suspected_zero"]),
        (NOUGHT, larger(NOUGHT, off={LONDON: 900.0}), ["suspected_zero"]),
        (HALVED, larger(HALVED), ["partial_return"]),
        (HALVED, larger(HALVED, order=1), []),
        (HALVED, larger(HALVED, order=1, off={INNER: 200.0}), ["partial_return"]),
    ],
    ids=["no total", "totals agree", "the nearest total does not", "the widest does not", "a total of the same return",
         "a total published apart", "one published apart that disagrees"],
)  # fmt: skip
def test_total_confirms_a_zero_and_a_separate_total_any_figure(
    figures: pl.DataFrame, totals: LargerAreas | None, withheld: list[str]
) -> None:
    assert reasons(figures, totals) == withheld


def test_two_zeros_in_one_total_are_not_confirmed() -> None:
    silent = observed(at(range(4, 6), TENTH, becomes(0.0)))
    assert reasons(silent, larger(silent)) == ["suspected_zero"] * 2


def test_total_with_a_missing_place_confirms_no_figure() -> None:
    gone = NOUGHT.filter((pl.col("place_code") != EVERYONE[7]) | (pl.col("period_start") != MONTHS[10]))
    assert reasons(gone, larger(gone)) == ["suspected_zero"]


def test_zero_confirmed_by_a_total_has_a_caveat() -> None:
    actual = flag_figures(NOUGHT, {"figure": COUNT}, larger(NOUGHT))
    assert actual.select("place_code", "reason", "withheld").rows() == [(EVERYONE[4], "implausible", False)]


def from_month(first: int) -> Wrong:
    return at(ONE, range(first, 24), lambda value: round(value / 2))


def withheld_months(figures: pl.DataFrame, measures: dict[str, Measure]) -> set[int]:
    actual = flag_figures(figures, measures).filter("withheld", pl.col("measure") == "figure")
    return {MONTHS.index(day) for day in actual["period_start"]}


def test_confirmed_level_is_not_a_partial_return() -> None:
    assert withheld_months(series(from_month(18)), {"figure": COUNT}) == set()


def test_level_of_two_months_is_not_confirmed() -> None:
    assert withheld_months(series(from_month(22)), {"figure": COUNT}) == {22, 23}


def test_level_that_ends_is_not_confirmed() -> None:
    ended = at(ONE, range(10, 13), lambda value: round(value / 2))
    figures = series(ended)
    assert withheld_months(figures, {"figure": COUNT}) == {10, 11}
    after = flag_figures(figures, {"figure": COUNT}).filter(~pl.col("withheld"))
    assert after.select("period_start", "reason", "compared_with").rows() == [
        (MONTHS[12], "implausible", "the periods before a short return")
    ]


def test_half_a_return_before_missing_returns_is_not_a_level() -> None:
    silent = series(from_month(20)).filter(
        (pl.col("place_code") != EVERYONE[4]) | (pl.col("period_start") < MONTHS[22])
    )
    assert withheld_months(silent, {"figure": COUNT}) == {20, 21}


@pytest.mark.parametrize(("other", "due"), [(unchanged, {23}), (from_month(22), {22, 23})], ids=["whole", "half too"])
def test_two_months_suffice_if_the_rest_of_the_return_is_complete(other: Wrong, due: set[int]) -> None:
    """The three Essex constituencies: their police recorded half the anti-social behaviour, and crimes as before."""
    both = pl.concat([series(from_month(22)), series(other).with_columns(pl.lit("other").alias("measure"))])
    assert withheld_months(both, {"figure": COUNT, "other": COUNT}) == due


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


def withheld_of(project: Project, source: str, *wanted: Any) -> dict[tuple[str, int], str]:
    """Return the withheld figures of a real source, by label and year."""
    actual = load_source_tables(project, source).doubt.filter("withheld", *wanted)
    rows = actual.select("place_label", pl.col("period_start").dt.year(), "reason").iter_rows()
    return {(label, year): reason for label, year, reason in rows}


def test_maidstone_counted_zero_in_2022_and_both_totals_confirm_it(project: Project) -> None:
    seen = load_source_tables(project, "mhclg_rough_sleeping")
    year = pl.col("period_start") == date(2022, 1, 1)
    kept = dict(seen.total.filter(year).select("place_code", "value").iter_rows())
    assert (kept["E92000001"], kept["E12000008"]) == (3_069, 572)
    observed = scan_observations(project, "mhclg_rough_sleeping")
    actual = observed.filter(year, pl.col("place_code") == "E07000110").collect()
    assert actual.select("value", "caveats").rows() == [(0.0, None)]
    # Three low counts are in England's totals too: corrections keep them.
    assert set(withheld_of(project, "mhclg_rough_sleeping")) == {
        ("Bedford", 2022),
        ("Haringey", 2014),
        ("Hounslow", 2022),
    }


def test_essex_has_a_figure_and_forces_with_partial_returns_do_not(project: Project) -> None:
    behaviour = withheld_of(project, "police_uk_crimes", pl.col("measure") == "recorded_anti_social_behaviour")
    essex = {"Clacton", "Southend East and Rochford", "Southend West and Leigh"}
    assert {label for label, _ in behaviour} & essex == set()
    assert behaviour["Crewe and Nantwich", 2018] == "partial_return"
    crimes = withheld_of(project, "police_uk_crimes", pl.col("measure") == "recorded_crimes")
    assert crimes["Birmingham Ladywood", 2021] == crimes["Congleton", 2022] == "partial_return"
    assert crimes["Altrincham and Sale West", 2021] == "near_zero_leak"
    assert crimes["Belfast East", 2024] == "suspected_zero"
