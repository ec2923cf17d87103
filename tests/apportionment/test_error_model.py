"""Intervals of apportioned figures: fitted by back-tests, and tested on figures left out of the fit."""

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.backtest_figures import CREDIT, Truth, figure_family
from benchmarks.backtest_fit import (
    MIN_PLACES_CUT,
    PAIRS,
    PEOPLE,
    SYSTEMS,
    Trial,
    evaluate_interval,
    fit_result,
    pair_systems,
    pool_of_trial,
    rejected_pairs,
    require_enough_places,
    truths_at,
)
from pipelines.apportionment.error_model import (
    MIN_PLACES,
    MIN_SPREAD_PLACES,
    errors_by_share,
    load_error_model,
    slice_unevenness,
)
from pipelines.declarations.project import Project
from pipelines.geography.load import load_small_areas
from pipelines.geography.small_areas import Areas

ROOT = Path(__file__).resolve().parent.parent.parent

DAY = date(2020, 6, 30)


def trials(places: int, errors: dict[str, float], split: float = 0.5) -> pl.DataFrame:
    """Build trials with a given error of the truth, equal at every place or of alternating sign."""
    rows = [
        (figure, f"E0{place:03}", split, 100.0, 100.0 * (1 + error * (-1) ** place), 0.0, None)
        for figure, error in errors.items()
        for place in range(places)
    ]
    schema = ["measure", "place_code", "apportioned_share", "value", "truth", "lower_bound", "upper_bound"]
    result = pl.DataFrame(rows, schema=schema, orient="row", schema_overrides={"upper_bound": pl.Float64})
    return result.with_columns(
        pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"), estimate="value", unevenness=1.0
    )


def trial(to_system: str, *figures: str) -> Trial:
    return Trial("lad_2021", to_system, "all_ages", figures)


def test_kind_of_figure_is_tested_by_an_interval_fitted_on_others() -> None:
    mine = trial("ttwa_2011", "tame", "calm", "wild")
    actual = {mine: trials(MIN_PLACES_CUT, {"tame": 0.1, "calm": 0.1, "wild": 0.5})}
    tests = fit_result(mine, actual).tests
    result = dict(tests.group_by("measure").agg(pl.col("inside").mean()).iter_rows())
    assert result == {"tame": 1.0, "calm": 1.0, "wild": 0.0}


def test_figures_of_one_series_are_left_out_together() -> None:
    mine = trial("ttwa_2011", "aged 1", *CREDIT)
    actual = {mine: trials(MIN_PLACES_CUT, {"aged 1": 0.1, **dict.fromkeys(CREDIT, 0.5)})}
    result = fit_result(mine, actual).tests.filter(pl.col("measure") != "aged 1")
    assert len({figure_family(figure) for figure in CREDIT}) == 1
    assert result.height == MIN_PLACES_CUT * len(CREDIT)
    assert not result["inside"].any()


def test_stored_interval_is_fitted_on_every_figure() -> None:
    mine = trial("ttwa_2011", "tame", "wild")
    kept = fit_result(mine, {mine: trials(MIN_PLACES_CUT, {"tame": 0.1, "wild": 0.5})}).certainty
    assert kept.select("from_kind", "to_kind", "weighed_by", "trials").rows() == [
        ("lad", "ttwa", "all_ages", 2 * MIN_PLACES_CUT)
    ]
    assert kept.select("low", "high").row(0) == pytest.approx((-0.5, 0.5))


def test_pair_with_few_places_pools_similar_pairs_first() -> None:
    board, part, work = trial("icb_2022", "a"), trial("sub_icb_2022", "a"), trial("ttwa_2011", "a")
    few = {board: trials(14, {"a": 0.1}), part: trials(MIN_PLACES_CUT - 14, {"a": 0.2}), work: trials(150, {"a": 0.9})}
    assert pool_of_trial(board, few).height == MIN_PLACES_CUT
    assert pool_of_trial(work, few).height == 150
    fewer = {**few, part: trials(MIN_PLACES_CUT - 15, {"a": 0.2})}
    assert pool_of_trial(board, fewer).height == 150 + MIN_PLACES_CUT - 1


@pytest.mark.parametrize(("places", "expected"), [(MIN_SPREAD_PLACES - 1, False), (MIN_SPREAD_PLACES, True)])
def test_unevenness_needs_a_minimum_number_of_places(places: int, expected: bool) -> None:
    """One place alone would seem perfectly even, and its interval would be the figure itself."""
    codes = [f"P{n}" for n in range(places)]
    figures = pl.DataFrame({"place_code": codes, "value": [float(n + 1) for n in range(places)]}).with_columns(
        pl.lit("a").alias("measure"), pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end")
    )
    crosswalk = pl.DataFrame({"from_code": codes, "weight_population": [10.0] * places})
    assert slice_unevenness(figures, crosswalk)["unevenness"].is_not_null().all() is expected


def test_places_without_a_boundary_are_not_trials() -> None:
    whole = trials(MIN_PLACES_CUT, {"a": 0.0}, split=0.0)
    assert errors_by_share(whole).is_empty()
    assert evaluate_interval(trial("ttwa_2011", "a"), whole, trials(MIN_PLACES_CUT, {"a": 0.1})).is_empty()


@pytest.mark.parametrize(("places", "classes"), [(MIN_PLACES - 1, 1), (MIN_PLACES, 2)])
def test_class_of_shares_needs_enough_places(places: int, classes: int) -> None:
    figures = {f"aged {age}": 0.1 for age in range(20)}
    result = pl.concat([trials(places, figures, split=0.05), trials(MIN_PLACES_CUT, figures, split=0.9)])
    assert errors_by_share(result).height == classes


def test_interval_includes_its_figure_even_if_every_truth_is_higher() -> None:
    above = trials(MIN_PLACES_CUT, {"a": 0.1}).with_columns(truth=pl.lit(110.0))
    assert errors_by_share(above).select("low", "high").row(0) == (0.0, pytest.approx(0.1))


def test_kinds_with_shared_borders_count_once() -> None:
    board, same, part = trial("icb_2022", "a"), trial("stp_2021", "a"), trial("sub_icb_2022", "a")
    few = {
        board: trials(14, {"a": 0.1}),
        same: trials(MIN_PLACES_CUT, {"a": 0.9}),
        part: trials(MIN_PLACES_CUT - 14, {"a": 0.2}),
    }
    assert set(pool_of_trial(board, few)["truth"].round()) <= {110.0, 90.0, 120.0, 80.0}
    assert pool_of_trial(board, few).height == MIN_PLACES_CUT


def test_two_vintages_of_a_kind_have_one_interval_in_both_directions() -> None:
    there, back = (Trial(f"lsoa_{one}", f"lsoa_{two}", "all_ages", ("a",)) for one, two in ((2011, 2021), (2021, 2011)))
    both = {there: trials(MIN_PLACES_CUT, {"a": 0.4}), back: trials(MIN_PLACES_CUT, {"a": 0.1})}
    assert fit_result(there, both).certainty.equals(fit_result(back, both).certainty)
    assert fit_result(there, both).certainty["trials"].sum() == 2 * MIN_PLACES_CUT


def test_single_kind_of_figure_is_tested_by_holding_out_regions() -> None:
    mine = Trial("trust_2021", "lad_2021", "all_ages", ("a",))
    result = pl.concat(
        [
            trials(MIN_PLACES_CUT, {"a": 0.1}),
            trials(MIN_PLACES_CUT, {"a": 0.5}).with_columns(place_code="N" + pl.col("place_code")),
        ]
    )
    regions = {code: "wild" if code.startswith("N") else "calm" for code in result["place_code"]}
    tests = fit_result(mine, {mine: result}, regions).tests
    stored = dict(tests.group_by("left_out").agg(pl.col("inside").mean()).iter_rows())
    assert stored == {"calm": 1.0, "wild": 0.0}


def test_interval_with_low_coverage_is_rejected_given_enough_places() -> None:
    mine = trial("ttwa_2011", "tame", "wild")
    errors = {"tame": 0.1, "wild": 0.5}
    astray = fit_result(mine, {mine: trials(MIN_PLACES_CUT, errors)})
    sound = [
        fit_result(mine, {mine: trials(MIN_PLACES_CUT - 1, errors)}),
        fit_result(mine, {mine: trials(MIN_PLACES_CUT, dict.fromkeys(errors, 0.1))}),
    ]
    assert astray.narrow and not any(item.narrow for item in sound)
    others = [sound[0]._replace(trial=trial(system, "tame")) for system in ("icb_2022", "pcon_2024")]
    assert rejected_pairs([astray, *others]) == {("lad", "ttwa")}
    # Most pairs from such places have low coverage, so the others are rejected too.
    assert rejected_pairs([astray, others[0]._replace(cut=MIN_PLACES_CUT, tests=astray.tests), others[1]]) == {
        ("lad", "ttwa"), ("lad", "icb"), ("lad", "pcon")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "touched", "some"), [(MIN_PLACES_CUT, 500, True), (5, 10, True), (5, 11, False), (0, 0, False)]
)
def test_trial_with_few_true_figures_at_crossed_places_is_rejected(expected: int, touched: int, some: bool) -> None:
    drawn = pl.DataFrame({"to_code": [f"X{n}" for n in range(touched)], "kind": ["apportioned"] * touched},
                         schema={"to_code": pl.String, "kind": pl.String})  # fmt: skip
    assert (require_enough_places(trials(expected, {"a": 0.1}), drawn).height > 0) is some


def test_small_area_crossed_by_a_border_is_a_truth_only_by_parts() -> None:
    table = pl.DataFrame({"lsoa": ["A", "B", "B", "C"], "pcon": ["X", "X", "Y", "Y"], PEOPLE: [10.0, 30.0, 10.0, 20.0]})
    areas = Areas("made up", DAY, "", ("lsoa", "pcon"), frozenset(), (), table)
    truth = Truth("lsoa", pl.DataFrame({"place_code": ["A", "B", "C"], "a": [1.0, 8.0, 5.0]}))
    assert truths_at(truth, ["a"], areas, "pcon").is_empty()
    parts = truths_at(truth, ["a"], areas, "pcon", by_parts=True).sort("place_code")
    assert parts.select("place_code", "value").rows() == [("X", 7.0), ("Y", 7.0)]


def test_districts_have_the_nearest_vintage() -> None:
    assert pair_systems("lad_2021", "pcon_2024") == ("lad_2024", "pcon_2024")
    assert pair_systems("ttwa_2011", "lad_2021") == ("ttwa_2011", "lad_2021")
    assert {kind for pair in PAIRS for kind in pair} >= set(SYSTEMS) - {"lad_2021"}


def test_bundled_errors_cover_every_pair_and_include_the_figure(bundled: Project) -> None:
    *_, areas = load_small_areas(bundled)
    result = set(load_error_model().select("from_kind", "to_kind").unique().iter_rows())
    assert {Trial(*pair, "all_ages", ()).kinds for pair in PAIRS if _cuts(areas, *pair)} <= result
    assert {("trust", "lad"), ("trust", "icb"), ("lad", "trust"), ("utla", "icb"), ("lad", "nhs_region")} <= result
    # There are too few nations to measure unevenness within them.
    assert "nation" not in {start for start, _ in result}
    assert load_error_model().filter((pl.col("low") > 0) | (pl.col("high") < 0)).is_empty()


def test_docs_page_states_the_coverage_of_every_requested_pair() -> None:
    page = (ROOT / "docs" / "crosswalk-errors.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\|.*→.*\|.*(age|all)_", line)]
    for start, end in (("council", "ICB"), ("ICB", "council"), ("council", "travel-to-work area"),
                       ("travel-to-work area", "council"), ("LSOA", "LSOA"), ("NHS trust", "council"),
                       ("police force", "council")):  # fmt: skip
        own = [row for row in rows if re.fullmatch(rf"{start} \d+ → {end} \d+", row[0])]
        assert own and all(re.fullmatch(r"[\d,]+ of [\d,]+ \(\d+%\)", row[7]) for row in own)
        # About 90 %, where enough places are crossed to judge.
        enough = [
            int(row[7].split("(")[1].rstrip("%)")) for row in own if int(row[3].replace(",", "")) >= MIN_PLACES_CUT
        ]
        assert all(88 <= share <= 92 for share in enough)
    over_85 = next(line for line in page.splitlines() if line.startswith("| all_ages | 40 |"))
    mean, _, largest = (float(text.rstrip("%")) for text in over_85.strip("| ").split(" | ")[2:5])
    assert mean <= 0.12 and largest <= 1.11
    assert re.search(r"tobler [\d.]+ on the same task", page)


def _cuts(areas: Areas, one: str, other: str) -> bool:
    """Return whether a place of one geography is in several places of another, by their common small areas."""
    if not {one, other} <= set(areas.systems):
        return False
    pairs = areas.table.select(pl.col(one).alias("one"), pl.col(other).alias("other")).drop_nulls().unique()
    return not pairs["one"].is_unique().all()


def test_few_places_cannot_distinguish_90_from_70_percent() -> None:
    # This test alone needs the distributions of SciPy, and every worker imports every file of tests.
    from benchmarks.backtest_page import chance_interval

    assert chance_interval(14) == pytest.approx((10 / 14, 1.0))
    low, high = chance_interval(309)
    assert 0.86 < low < 0.88 < 0.92 < high < 0.94
