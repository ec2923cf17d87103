"""Intervals of figures that were shared out: fitted by trials, and tested on figures that did not fit them."""

from datetime import date

import polars as pl
import pytest

from benchmarks.backtest_figures import CREDIT, family
from benchmarks.backtest_fit import FEW, TRIALS, Trial, inside, peers, result_of
from benchmarks.backtest_page import chance
from pipelines.certainty import FEWEST, errors_by_share, held_certainty

DAY = date(2020, 6, 30)


def trials(places: int, errors: dict[str, float], split: float = 0.5) -> pl.DataFrame:
    """Make trials whose truth is off by a given error, the same at every place, or of either sign by turns."""
    rows = [
        (figure, f"E0{place:03}", split, 100.0, 100.0 * (1 + error * (-1) ** place), 0.0, None)
        for figure, error in errors.items()
        for place in range(places)
    ]
    schema = ["measure", "place_code", "split_share", "value", "truth", "low", "high"]
    told = pl.DataFrame(rows, schema=schema, orient="row", schema_overrides={"high": pl.Float64})
    return told.with_columns(
        pl.lit(DAY).alias("period_start"), pl.lit(DAY).alias("period_end"), estimate="value", unevenness=1.0
    )


def trial(to_system: str, *figures: str) -> Trial:
    return Trial("lad_2021", to_system, "all_ages", figures)


def test_a_kind_of_figure_is_tested_by_an_interval_that_it_did_not_fit() -> None:
    mine = trial("ttwa_2011", "tame", "calm", "wild")
    found = {mine: trials(FEW, {"tame": 0.1, "calm": 0.1, "wild": 0.5})}
    tests = result_of(mine, found).tests
    told = dict(tests.group_by("measure").agg(pl.col("inside").mean()).iter_rows())
    assert told == {"tame": 1.0, "calm": 1.0, "wild": 0.0}


def test_figures_of_one_thing_at_several_times_are_left_out_together() -> None:
    mine = trial("ttwa_2011", "aged 1", *CREDIT)
    found = {mine: trials(FEW, {"aged 1": 0.1, **dict.fromkeys(CREDIT, 0.5)})}
    told = result_of(mine, found).tests.filter(pl.col("measure") != "aged 1")
    assert len({family(figure) for figure in CREDIT}) == 1
    assert told.height == FEW * len(CREDIT)
    assert not told["inside"].any()


def test_every_figure_fits_the_interval_that_is_kept() -> None:
    mine = trial("ttwa_2011", "tame", "wild")
    kept = result_of(mine, {mine: trials(FEW, {"tame": 0.1, "wild": 0.5})}).certainty
    assert kept.select("from_kind", "to_kind", "weighed_by", "trials").rows() == [("lad", "ttwa", "all_ages", 2 * FEW)]
    assert kept.select("low", "high").row(0) == pytest.approx((-0.5, 0.5))


def test_a_pair_with_few_places_borrows_of_its_kin_before_it_borrows_of_all() -> None:
    board, part, work = trial("icb_2022", "a"), trial("sub_icb_2022", "a"), trial("ttwa_2011", "a")
    few = {board: trials(14, {"a": 0.1}), part: trials(FEW - 14, {"a": 0.2}), work: trials(150, {"a": 0.9})}
    assert peers(board, few).height == FEW
    assert peers(work, few).height == 150
    fewer = {**few, part: trials(FEW - 15, {"a": 0.2})}
    assert peers(board, fewer).height == 150 + FEW - 1


def test_places_that_nothing_cuts_are_no_trials() -> None:
    whole = trials(FEW, {"a": 0.0}, split=0.0)
    assert errors_by_share(whole).is_empty()
    assert inside(trial("ttwa_2011", "a"), whole, trials(FEW, {"a": 0.1})).is_empty()


@pytest.mark.parametrize(("places", "classes"), [(FEWEST - 1, 1), (FEWEST, 2)])
def test_a_class_of_shares_needs_figures_of_enough_places_however_many_they_are(places: int, classes: int) -> None:
    figures = {f"aged {age}": 0.1 for age in range(20)}
    told = pl.concat([trials(places, figures, split=0.05), trials(FEW, figures, split=0.9)])
    assert errors_by_share(told).height == classes


def test_an_interval_holds_its_figure_also_where_every_truth_lay_above() -> None:
    above = trials(FEW, {"a": 0.1}).with_columns(truth=pl.lit(110.0))
    assert errors_by_share(above).select("low", "high").row(0) == (0.0, pytest.approx(0.1))


def test_the_errors_that_travel_with_the_project_tell_every_pair_and_hold_their_figure() -> None:
    held = held_certainty()
    told = set(held.select("from_kind", "to_kind", "weighed_by").iter_rows())
    assert told == {(*each.kinds, each.group) for each in TRIALS}
    assert held.filter((pl.col("low") > 0) | (pl.col("high") < 0)).is_empty()


def test_few_places_can_not_tell_nine_in_ten_from_seven() -> None:
    assert chance(14) == pytest.approx((10 / 14, 1.0))
    low, high = chance(309)
    assert 0.86 < low < 0.88 < 0.92 < high < 0.94
