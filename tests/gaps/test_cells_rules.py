"""A cell is a value or a gap with its reason: each rule on plain frames, whole rows asserted."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.periods import ReferencePeriod, whole_months
from pipelines.core.schema import CELL_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.source_parts import NationalEquivalent, PlaceNote
from pipelines.gaps.cells import Block, build_cells, group_slices, list_release_spans
from pipelines.gaps.remedies import find_remedy
from tests.gaps.plain import catalogue_of, measure_of, problem_of, source_of

DAY = date(2024, 6, 30)
YEAR, MARCH, FEBRUARY = whole_months(2023, 1, 12), whole_months(2024, 3, 1), whole_months(2024, 2, 1)
PLACES = table_from_records(
    [{"place_code": code, "place_name": name, "nation": nation, "kind": "lad"}
     for code, name, nation in (("E1", "East", "England"), ("E2", "West", "England"), ("W1", "Far", "Wales"))],
    PLACE_COLUMNS,
)  # fmt: skip
MEASURES = {
    "figure": measure_of(), "rate": measure_of("rate"), "people": measure_of(), "rounded": measure_of(rounding=5.0),
    "noisy": measure_of(uncertainty="perturbed"),
}  # fmt: skip
CATALOGUE = catalogue_of(a_source=source_of(measures=MEASURES), other=source_of("unheld", access="not_held"))
ASIDE = {"measure": pl.String, "to_code": pl.String, "period_start": pl.Date, "reason": pl.String,
         "evidence": pl.String}  # fmt: skip
MONTH: dict[str, Any] = {"grain": "month", "periods": {"start": "2024-03", "end": "2024-03"}}


def placed(value: float | None = 7.0, place: str = "E1", measure: str = "figure", of: ReferencePeriod = YEAR, **said: Any) -> dict[str, Any]:  # fmt: skip  # noqa: E501
    """Say what a release has for a place, as `placing` gives it."""
    about = {"measure": measure, "period_start": of.start, "period_end": of.end, "to_code": place, "value": value,
             "lower_bound": value, "upper_bound": value, "unit": "things", "obs_status": "normal",
             "derivation": "observed", "coverage": 1.0,
             "apportioned_share": 0.0, "source": "a_source", "release": "abc", "released_at": date(2024, 5, 1),
             "source_areas": place, "file": "f.csv", "file_rows": "2", "file_column": "x"}  # fmt: skip
    return {**about, **said}


def gap(reason: str, **said: Any) -> dict[str, Any]:
    about: dict[str, Any] = {"reason": reason, "evidence": "told", **said}
    return placed(None, **about)


def cells_of(
    *slices: dict[str, Any], problem: Problem | None = None, catalogue: Catalogue = CATALOGUE,
    aside: list[tuple[Any, ...]] | None = None, places: pl.DataFrame = PLACES, as_of: date = DAY,
) -> pl.DataFrame:  # fmt: skip
    asked = problem or problem_of(needs={"figure": {}})
    left = pl.DataFrame(aside or [], schema=ASIDE, orient="row")
    return build_cells(Block(asked, places, table_from_records(list(slices), MAPPED_FIGURE)), catalogue, left, as_of)


def cell_of(*slices: dict[str, Any], place: str = "E1", measure: str = "figure", **said: Any) -> dict[str, Any]:
    """Give the one cell of a place and measure."""
    actual = cells_of(*slices, **said).filter(pl.col("place_code") == place, pl.col("measure") == measure)
    assert actual.height == 1
    return actual.row(0, named=True)


def some(cell: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(cell[name] for name in names)


def test_value_has_all_columns_of_its_release() -> None:
    interval: dict[str, Any] = {
        "interval_lower": 6.0,
        "interval_upper": 8.0,
        "interval_level": 95.0,
        "interval_source": "published",
    }
    row = placed(
        7.0,
        lower_bound=6.5,
        upper_bound=7.5,
        published_marker="p",
        evidence="moved",
        apportioned_share=0.25,
        coverage=0.5,
        **interval,
    )
    expected = {
        "cell_id": "p/figure/E1/latest", "problem": "p", "need": "needed", "measure": "figure", "place_code": "E1",
        "place_name": "East", "nation": "England", "period_start": DAY, "period_end": DAY, "value": 7.0,
        "lower_bound": 6.5,
        "upper_bound": 7.5, **interval, "unit": "things", "obs_status": "normal", "published_marker": "p",
        "derivation": "observed",
        "coverage": 0.5, "apportioned_share": 0.25, "evidence": "moved", "source": "a_source", "release": "abc",
        "released_at": date(2024, 5, 1), "reference_start": YEAR.start, "reference_end": YEAR.end, "source_areas": "E1",
        "file": "f.csv", "file_rows": "2", "file_column": "x",
    }  # fmt: skip
    assert cell_of(row) == {**dict.fromkeys(CELL_COLUMNS), **expected}


def test_gap_has_a_reason_and_bounds_but_no_columns_of_a_value() -> None:
    interval: dict[str, Any] = {
        "interval_lower": 6.0,
        "interval_upper": 8.0,
        "interval_level": 95.0,
        "interval_source": "published",
    }
    row = gap(
        "suppressed",
        lower_bound=1.0,
        upper_bound=4.0,
        published_marker="c",
        obs_status="confidential",
        caveats="flagged",
        **interval,
    )
    expected = {
        "cell_id": "p/figure/E1/latest", "problem": "p", "need": "needed", "measure": "figure", "place_code": "E1",
        "place_name": "East", "nation": "England", "period_start": DAY, "period_end": DAY, "lower_bound": 1.0,
        "upper_bound": 4.0,
        "unit": "things", "obs_status": "confidential", "published_marker": "c", "coverage": 1.0,
        "reason": "suppressed",
        "severity": "info", "evidence": "told", "data_owner": "A publisher",
        "remedy": "Ask for larger areas or longer periods, or for access under agreement.", "source": "a_source",
        "release": "abc", "released_at": date(2024, 5, 1), "reference_start": YEAR.start, "reference_end": YEAR.end,
        "source_areas": "E1", "file": "f.csv", "file_rows": "2", "file_column": "x",
    }  # fmt: skip
    assert cell_of(row) == {**dict.fromkeys(CELL_COLUMNS), **expected}


def test_every_requested_cell_exists_in_order_whatever_the_input_order() -> None:
    problem = problem_of(needs={"rate": {}, "figure": {}}, unknowns=("unheld",))
    slices = [placed(n, place, measure) for n, (place, measure) in
              enumerate((p, m) for p in ("E1", "E2", "W1") for m in ("rate", "figure"))]  # fmt: skip
    actual = cells_of(*slices, problem=problem)
    assert actual.select("measure", "place_code", "need", "value", "reason").rows() == [
        ("figure", "E1", "needed", 1.0, None), ("figure", "E2", "needed", 3.0, None),
        ("figure", "W1", "needed", 5.0, None), ("rate", "E1", "needed", 0.0, None),
        ("rate", "E2", "needed", 2.0, None), ("rate", "W1", "needed", 4.0, None),
        *(("unheld", code, "wanted", None, "not_loaded") for code in ("E1", "E2", "W1")),
    ]  # fmt: skip
    assert_frame_equal(cells_of(*slices[::-1], problem=problem), actual)
    # An unrequested measure, an older year, and a place of another system change nothing.
    more = [placed(99.0, measure="noisy"), placed(98.0, of=whole_months(2022, 1, 12)), placed(97.0, "E9")]
    assert_frame_equal(cells_of(*more, *slices, problem=problem), actual)


def test_by_month_each_period_has_its_own_cell_and_figure() -> None:
    problem = problem_of("month", {"figure": {}}, periods={"start": "2024-02", "end": "2024-03"})
    actual = cells_of(placed(3.0, of=MARCH), placed(2.0, of=FEBRUARY), problem=problem, places=PLACES.head(1))
    assert actual.select("cell_id", "period_start", "value", "reference_start", "reference_end").rows() == [
        ("p/figure/E1/2024-02-01", FEBRUARY.start, 2.0, *FEBRUARY),
        ("p/figure/E1/2024-03-01", MARCH.start, 3.0, *MARCH),
    ]  # fmt: skip


AVERAGED: dict[str, Any] = {
    "measure": "rate",
    "partial": 5.0,
    "lower_bound": 1.0,
    "upper_bound": 9.0,
    "derivation": "aggregated",
    "evidence": "2 of 3",
}


@pytest.mark.parametrize(
    ("coverage", "need", "taken"),
    [(0.8, {"min_coverage": 0.8}, True), (0.799, {"min_coverage": 0.8}, False), (0.999, {}, False), (1.0, {}, True),
     (None, {"min_coverage": 0.0}, False)],
)  # fmt: skip
def test_partial_average_needs_the_minimum_coverage(coverage: float | None, need: dict[str, Any], taken: bool) -> None:
    row = gap("children_incomplete", coverage=coverage, **AVERAGED)
    actual = cell_of(row, measure="rate", problem=problem_of(needs={"rate": need, "figure": {"min_coverage": 0.1}}))
    names = ("value", "reason", "lower_bound", "upper_bound", "obs_status", "derivation", "caveats", "evidence")
    if taken:
        share = (coverage or 0) * 100
        assert some(actual, *names) == (
            5.0, None, None, None, "estimated", "rate_averaged", "estimated,incomplete_aggregate",
            f"2 of 3; rates cover {share} % of the place",
        )  # fmt: skip
    else:
        assert some(actual, *names) == (None, "children_incomplete", 1.0, 9.0, "normal", None, None, "2 of 3")


def test_wanted_measure_needs_full_coverage_of_the_place() -> None:
    problem = problem_of(needs={"figure": {}}, unknowns=("rate",))
    for coverage, value in ((1.0, 5.0), (0.99, None)):
        row = gap("children_incomplete", coverage=coverage, **AVERAGED)
        assert cell_of(row, measure="rate", problem=problem)["value"] == value


def test_no_average_is_taken_for_another_reason_or_where_there_is_none() -> None:
    problem = problem_of(needs={"rate": {"min_coverage": 0.1}})
    row = gap("needs_parts", coverage=0.9, **AVERAGED)
    assert some(cell_of(row, measure="rate", problem=problem), "value", "reason") == (None, "needs_parts")
    row = gap("children_incomplete", coverage=0.9, **{**AVERAGED, "partial": None})
    assert some(cell_of(row, measure="rate", problem=problem), "value", "reason") == (None, "children_incomplete")
    whole = placed(6.0, measure="rate", partial=5.0, coverage=0.9)
    assert some(cell_of(whole, measure="rate", problem=problem), "value", "caveats") == (6.0, None)
    row = gap("children_incomplete", coverage=0.876543, **AVERAGED)
    assert cell_of(row, measure="rate", problem=problem)["evidence"] == "2 of 3; rates cover 87.7 % of the place"


SHARED: dict[str, Any] = {"lower_bound": 10.0, "upper_bound": 200.0, "apportioned_share": 0.5,
                          "derivation": "apportioned", "interval_level": 90.0,
          "interval_source": "back-tests", "evidence": "shared out"}  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "share", "need", "withheld"),
    [
        (80.0, 120.0, 0.5, {"max_error": 0.2}, False), (79.0, 121.0, 0.5, {"max_error": 0.2}, True),
        (90.0, 130.0, 0.5, {"max_error": 0.2}, False), (90.0, 131.0, 0.5, {"max_error": 0.2}, True),
        (79.0, 121.0, 0.0, {"max_error": 0.2}, False), (79.0, 121.0, None, {"max_error": 0.2}, False),
        (0.0, 500.0, 0.5, {}, False), (None, None, 0.5, {}, False), (None, None, 0.5, {"max_error": 0.2}, True),
        (50.0, None, 0.01, {"max_error": 0.2}, True), (None, None, 0.0, {"max_error": 0.2}, False),
        (0.0, 400.0, 0.5, {"max_error": 2.0}, False), (0.0, 401.0, 0.5, {"max_error": 2.0}, True),
    ],
)  # fmt: skip
def test_apportioned_figure_above_the_error_limit_is_withheld_with_bounds(
    low: float | None, high: float | None, share: float | None, need: dict[str, Any], withheld: bool
) -> None:
    row = placed(100.0, **{**SHARED, "interval_lower": low, "interval_upper": high, "apportioned_share": share})
    problem = problem_of(needs={"figure": need, "rounded": {"max_error": 0.001}})
    actual = cell_of(row, problem=problem)
    assert some(actual, "lower_bound", "upper_bound") == (10.0, 200.0)
    if withheld:
        assert some(actual, "value", "reason", "interval_lower", "interval_upper") == (
            None,
            "too_uncertain",
            None,
            None,
        )
    else:
        assert some(actual, "value", "reason", "evidence") == (100.0, None, "shared out")
        assert some(actual, "interval_lower", "interval_upper", "apportioned_share") == (low, high, share)


def test_too_uncertain_figure_states_its_interval_and_the_limit() -> None:
    problem = problem_of(needs={"figure": {"max_error": 0.125}})
    rough = placed(100.0, **SHARED, interval_lower=50.456, interval_upper=150.0)
    assert cell_of(rough, problem=problem)["evidence"] == (
        "its 90 % interval is 50.46 to 150; the problem allows 12.5 % either way"
    )
    strict = problem_of(needs={"figure": {"max_error": 0.12345}})
    assert cell_of(rough, problem=strict)["evidence"].endswith("50.46 to 150; the problem allows 12.3 % either way")
    unknown = placed(100.0, **SHARED)
    assert cell_of(unknown, problem=problem)["evidence"] == (
        "its 90 % interval is unknown to unknown; the problem allows 12.5 % either way"
    )


def test_negative_figure_has_the_same_error_limit_as_a_positive_one() -> None:
    problem = problem_of(needs={"figure": {"max_error": 0.2}})
    for low, high, value in ((-120.0, -80.0, -100.0), (-121.0, -79.0, None)):
        assert (
            cell_of(placed(-100.0, **SHARED, interval_lower=low, interval_upper=high), problem=problem)["value"]
            == value
        )


def test_gap_is_never_too_uncertain() -> None:
    row = gap("suppressed", apportioned_share=0.5, interval_lower=0.0, interval_upper=99.0)
    problem = problem_of(needs={"figure": {"max_error": 0.1}})
    assert some(cell_of(row, problem=problem), "reason", "other_reasons") == ("suppressed", None)


def test_apportioned_zero_is_certain_only_if_its_interval_is() -> None:
    problem = problem_of(needs={"figure": {"max_error": 0.5}})
    about = {**SHARED, "lower_bound": 0.0, "interval_lower": 0.0}
    assert cell_of(placed(0.0, **about, interval_upper=0.0), problem=problem)["value"] == 0.0
    assert cell_of(placed(0.0, **about, interval_upper=1.0), problem=problem)["reason"] == "too_uncertain"


OLD = whole_months(2020, 1, 12)


def test_stale_figure_is_a_gap_that_states_it_without_bounds() -> None:
    actual = cell_of(placed(7.5, of=OLD))
    result = "the newest figure is for 2020; the problem allows two years, until 2 January 2023; its value was 7.5"
    assert some(actual, "value", "reason", "evidence", "other_reasons") == (None, "stale", result, None)
    assert some(actual, "lower_bound", "upper_bound", "derivation", "apportioned_share", "severity") == (
        None,
        None,
        None,
        None,
        "warn",
    )
    assert some(actual, "reference_start", "reference_end") == OLD


def test_first_reason_by_precedence_is_used_and_others_are_listed() -> None:
    hidden = cell_of(gap("suppressed", of=OLD, lower_bound=1.0, upper_bound=4.0))
    assert some(hidden, "reason", "other_reasons", "lower_bound", "upper_bound") == ("stale", "suppressed", None, None)
    assert "its value was" not in hidden["evidence"]
    source = source_of(measures={"figure": measure_of()}, coverage=("England",))
    actual = cell_of(gap("suppressed", of=OLD, place="W1"), place="W1", catalogue=catalogue_of(a_source=source))
    assert some(actual, "reason", "other_reasons", "evidence") == (
        "nation_not_covered", "stale,suppressed", "a_source covers England",
    )  # fmt: skip


@pytest.mark.parametrize("reason", ["not_returned", "withdrawn"])
@pytest.mark.parametrize("cadence", ["annual", "once"])
def test_place_without_a_row_has_no_old_figure(reason: str, cadence: str) -> None:
    catalogue = catalogue_of(a_source=source_of(measures=MEASURES, cadence=cadence))
    actual = cells_of(gap(reason, of=OLD), placed(3.0, "E2", of=OLD), catalogue=catalogue, places=PLACES.head(2))
    old = "after_series" if cadence == "once" else "stale"
    assert actual.select("place_code", "reason", "other_reasons").rows() == [("E1", reason, None), ("E2", old, None)]
    assert actual["evidence"][0] == "told"


def test_period_without_a_figure_names_the_nearest_without_showing_it() -> None:
    problem = problem_of(needs={"figure": {}}, **MONTH)
    actual = cells_of(placed(7.0), placed(8.0, of=OLD), gap("suppressed", place="E2"), problem=problem)
    result = "a_source has no figure for March 2024; the nearest is for 2023"
    assert actual.select("place_code", "value", "reason", "evidence", "reference_start").rows() == [
        ("E1", None, "no_figure_for_period", f"{result}; its value was 7", None),
        ("E2", None, "no_figure_for_period", result, None),
        ("W1", None, "no_figure_for_period", result, None),
    ]  # fmt: skip


def test_late_series_is_late_for_every_place() -> None:
    problem = problem_of(needs={"figure": {}}, **MONTH)
    actual = cells_of(placed(7.0, of=FEBRUARY), gap("not_returned", place="E2", of=FEBRUARY), problem=problem)
    assert actual["reason"].to_list() == ["late"] * 3


def test_uncovered_nation_is_reported_where_others_are_covered() -> None:
    source = source_of(measures={"figure": measure_of()}, coverage=("England", "Scotland"))
    actual = cells_of(placed(7.0), gap("not_returned", place="W1"), placed(6.0, "E2"), catalogue=catalogue_of(a=source))
    assert actual.select("place_code", "reason", "other_reasons", "evidence").rows() == [
        ("E1", None, None, None), ("E2", None, None, None),
        ("W1", "nation_not_covered", None, "a covers England, Scotland"),
    ]  # fmt: skip
    nobody = source_of("figure", access="not_collected", coverage=("England",))
    assert cells_of(catalogue=catalogue_of(a=nobody))["reason"].to_list() == ["not_collected"] * 3
    closed = source_of("figure", access="not_open", coverage=("England",))
    assert cells_of(catalogue=catalogue_of(a=closed)).select("reason", "other_reasons").rows() == [
        ("not_open", None), ("not_open", None), ("nation_not_covered", "not_open"),
    ]  # fmt: skip


def test_gap_without_a_known_reason_is_unexplained() -> None:
    actual = cells_of(placed(None), placed(2.0, "E2"))
    assert actual.select("reason", "evidence", "severity").rows() == [
        ("unexplained", "no check explains this gap", "error"), (None, None, None),
        ("unexplained", "no check explains this gap", "error"),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["not_returned", "withdrawn"])
def test_row_set_aside_takes_precedence_over_not_returned(reason: str) -> None:
    aside = [
        ("figure", "E1", YEAR.start, "unreadable", "row 2"), ("figure", "E1", YEAR.start, "duplicate", "row 3"),
        ("figure", "E2", OLD.start, "unreadable", "another year"), ("rate", "E2", YEAR.start, "unreadable", "a rate"),
    ]  # fmt: skip
    actual = cells_of(gap(reason), gap(reason, place="E2"), aside=aside, places=PLACES.head(2))
    assert actual.select("reason", "evidence", "other_reasons").rows() == [
        ("unreadable", "row 2", None), (reason, "told", None),
    ]  # fmt: skip


def test_row_set_aside_does_not_affect_a_place_with_a_figure() -> None:
    aside = [("figure", code, YEAR.start, "duplicate", "row 3") for code in ("E1", "E2")]
    actual = cells_of(placed(7.0), gap("suppressed", place="E2"), aside=aside, places=PLACES.head(2))
    assert actual.select("value", "reason", "other_reasons").rows() == [(7.0, None, None), (None, "suppressed", None)]


CARRIED = "figure for February 2024, carried forward to March 2024; the problem allows 1 month"


def test_figure_carried_forward_is_marked_and_a_carried_gap_has_no_bounds() -> None:
    problem = problem_of(needs={"figure": {"carry": "1 month"}}, **MONTH)
    actual = cells_of(
        placed(7.0, of=FEBRUARY, evidence="moved", caveats="flagged", caveat_evidence="doubted by A"),
        gap("suppressed", place="E2", of=FEBRUARY, lower_bound=1.0, upper_bound=4.0), placed(3.0, "W1", of=FEBRUARY),
        problem=problem,
    )  # fmt: skip
    assert actual.select("value", "lower_bound", "upper_bound", "reason", "caveats", "evidence").rows() == [
        (7.0, 7.0, 7.0, None, "carried_forward,flagged", f"{CARRIED}. moved. doubted by A"),
        (None, None, None, "suppressed", None, f"told. {CARRIED}"),
        (3.0, 3.0, 3.0, None, "carried_forward", CARRIED),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "measure", "caveats"),
    [
        ({}, "figure", None), ({"obs_status": None}, "figure", None), ({}, "rounded", "rounded"),
        ({}, "noisy", "perturbed"), ({"obs_status": "provisional"}, "rounded", "rounded,provisional"),
        ({"obs_status": "estimated"}, "figure", "estimated"), ({"obs_status": "forecast"}, "figure", "estimated"),
        ({"obs_status": "unreliable"}, "figure", "low_reliability"),
        ({"obs_status": "break"}, "figure", "definition_break"),
        ({"obs_status": "revised"}, "figure", None), ({"derivation": "moved_land"}, "figure", "extent_changed"),
        ({"derivation": "recoded", "caveats": "flagged,conflict"}, "figure", "flagged,conflict"),
        ({"obs_status": "break", "caveats": "definition_break,flagged"}, "figure", "definition_break,flagged"),
        ({"caveats": ""}, "figure", None),
    ],
)  # fmt: skip
def test_caveats_of_a_value_are_listed_once(said: dict[str, Any], measure: str, caveats: str | None) -> None:
    problem = problem_of(needs={name: {} for name in MEASURES})
    assert cell_of(placed(7.0, measure=measure, **said), measure=measure, problem=problem)["caveats"] == caveats


def test_blank_evidence_is_null_and_caveats_have_evidence() -> None:
    assert cell_of(placed(7.0, evidence="", caveat_evidence=""))["evidence"] is None
    assert cell_of(placed(7.0, evidence="", caveats="flagged", caveat_evidence="doubted"))["evidence"] == "doubted"


def test_each_gap_names_a_data_owner_even_without_a_nation() -> None:
    places = PLACES.with_columns(pl.when(pl.col("place_code") != "E1").then("nation").alias("nation"))
    actual = cells_of(gap("not_returned"), gap("suppressed", place="E2"), placed(1.0, "W1"), places=places)
    assert actual.select("data_owner", "remedy").rows() == [
        ("A publisher, or the provider that makes the return", "Ask why the place is missing."),
        ("A publisher", "Ask for larger areas or longer periods, or for access under agreement."), (None, None),
    ]  # fmt: skip


URL = {"url": "https://example.org/f.csv"}
WALES = {"Wales": NationalEquivalent(data_owner="StatsWales", request="Ask in Cardiff.")}
ENGLISH = {"coverage": ("England",), "elsewhere": WALES}
ASKED = {"request": "Send it.", "data_owner": "The holder"}
LEAVE = "Ask for permission to publish it, then declare access: open; or ask for publishable figures."
OWN_SERIES = ("the statistical authority of that nation", "Find the nation's own series and declare it as a source.")
BY_HAND = "Download a file from https://example.org, then run `commonground add a_source FILE --released DAY`"
ADMIN = "your Commonground administrator"


@pytest.mark.parametrize(
    ("reason", "nation", "said", "holder", "how"),
    [
        ("nation_not_covered", "Wales", ENGLISH, "StatsWales", "Ask in Cardiff."),
        ("nation_not_covered", "Scotland", ENGLISH, *OWN_SERIES),
        ("suppressed", "Wales", ENGLISH, "A publisher",
         "Ask for larger areas or longer periods, or for access under agreement."),
        ("nation_not_covered", "Wales", {"access": "not_open", **ASKED}, *OWN_SERIES),
        ("not_open", "England", {"access": "not_open", **ASKED}, "The holder", "Send it."),
        ("not_open", "England", {"access": "not_open"}, "A publisher", "Ask for it."),
        ("not_loaded", "England", {"access": "not_held", **ASKED}, ADMIN,
         "Send it. Then run `commonground add a_source FILE --released DAY`, which names the lines to declare."),
        ("not_returned", "England", ASKED, "The holder", "Send it."),
        ("not_returned", "England", {"request": "Send it."}, "A publisher", "Send it."),
        ("not_returned", "England", {"data_owner": "The holder"}, "The holder, or the provider that makes the return",
         "Ask why the place is missing."),
        ("not_available", "England", ASKED, "The holder", "Ask the publisher why."),
        ("not_open", "England", {"access": "private"}, "A publisher", LEAVE),
        ("not_open", "England", {"access": "private", **ASKED}, "The holder", "Send it."),
        ("not_loaded", "England", {"fetch": {"stat_xplore": {"database": "d", "measures": "m", "dimensions": "f"}}},
         ADMIN,
         "Set COMMONGROUND_STATXPLORE_KEY to your API key for the service, then run `commonground refresh a_source`."),
        ("fetch_failed", "England", URL, ADMIN, "Run `commonground refresh a_source`."),
        ("fetch_failed", "England", {}, ADMIN, f"{BY_HAND}."),
        ("not_loaded", "England", {}, ADMIN, f"{BY_HAND}."),
        ("late", "England", {}, "A publisher, or your Commonground administrator",
         f"{BY_HAND}; if that adds nothing, ask the publisher."),
        ("late", "England", {**URL, "data_owner": "The holder"}, "The holder, or your Commonground administrator",
         "Run `commonground refresh a_source`; if that adds nothing, ask the publisher."),
    ],
)  # fmt: skip
def test_gap_names_data_owner_and_remedy(reason: str, nation: str, said: dict[str, Any], holder: str, how: str) -> None:
    assert find_remedy(reason, nation, "a_source", source_of("figure", **said)) == (holder, how)


def test_note_is_added_only_to_gaps_of_its_places() -> None:
    noted = source_of(
        measures=MEASURES,
        notes=(
            PlaceNote(place_codes=("E1", "X9"), text="It moved."),
            PlaceNote(place_codes=("E2",), text="It is new."),
            PlaceNote(place_codes=("E7+E8",), text="One office."),
        ),
    )
    other = source_of("elsewhere")
    catalogue = catalogue_of(a_source=noted, other=other)
    problem = problem_of(needs={"figure": {}, "rate": {}, "elsewhere": {}})
    actual = cells_of(
        gap("suppressed", source_areas="E5,X9"), placed(5.0, "E2"),
        gap("suppressed", place="W1", source_areas="W1,E7+E8"),
        gap("suppressed", measure="rate"), gap("suppressed", place="E2", measure="rate"),
        gap("suppressed", measure="elsewhere"), problem=problem, catalogue=catalogue,
    ).filter((pl.col("measure") != "elsewhere") | (pl.col("place_code") == "E1"))  # fmt: skip
    assert actual.select("measure", "place_code", "evidence").rows() == [
        ("elsewhere", "E1", "told"),
        ("figure", "E1", "told. It moved."), ("figure", "E2", None), ("figure", "W1", "told. One office."),
        ("rate", "E1", "told. It moved."), ("rate", "E2", "told. It is new."),
        ("rate", "W1", "no check explains this gap"),
    ]  # fmt: skip


def test_scaling_every_figure_scales_the_cells_and_nothing_else() -> None:
    problem = problem_of(needs={"figure": {"max_error": 0.2}, "rate": {"min_coverage": 0.5}})
    numbers = ("value", "lower_bound", "upper_bound", "interval_lower", "interval_upper", "partial")
    slices = [
        placed(100.0, **SHARED, interval_lower=70.0, interval_upper=110.0),
        placed(100.0, "E2", **SHARED, interval_lower=90.0, interval_upper=110.0),
        gap("children_incomplete", coverage=0.6, **AVERAGED),
    ]  # fmt: skip
    scaled = [{k: v * 3 if k in numbers and v is not None else v for k, v in row.items()} for row in slices]
    one, three = cells_of(*slices, problem=problem), cells_of(*scaled, problem=problem)
    assert one["value"].drop_nulls().len() == 3
    assert_frame_equal(
        one.with_columns(pl.col(name) * 3 for name in numbers[:-1]).drop("evidence"), three.drop("evidence")
    )


def test_figure_is_stale_one_day_after_the_limit() -> None:
    last = YEAR.end + timedelta(days=2 * 366)
    assert cell_of(placed(7.0), as_of=last)["value"] == 7.0
    assert cell_of(placed(7.0), as_of=last + timedelta(days=1))["reason"] == "stale"


def test_each_place_has_its_first_reason_and_caveats_in_order() -> None:
    codes = [f"E{n}" for n in range(60)]
    places = table_from_records(
        [{"place_code": code, "place_name": code, "nation": "Wales"} for code in codes], PLACE_COLUMNS
    )
    english = catalogue_of(a_source=source_of(measures=MEASURES, coverage=("England",)))
    actual = cells_of(*(gap("suppressed", place=code, of=OLD) for code in codes), catalogue=english, places=places)
    assert actual.select("reason", "other_reasons").rows() == [("nation_not_covered", "stale,suppressed")] * 60
    caveats = "flagged,conflict,recalled,corrected,definition_break,repeated_value"
    actual = cells_of(*(placed(7.0, code, caveats=caveats) for code in codes), places=places)
    assert actual["caveats"].to_list() == [caveats] * 60
    aside = [("figure", code, YEAR.start, reason, reason) for reason in ("unreadable", "duplicate") for code in codes]
    actual = cells_of(*(gap("not_returned", place=code) for code in codes), aside=aside, places=places)
    assert actual.select("reason", "evidence").rows() == [("unreadable", "unreadable")] * 60


def test_measure_without_any_figure_of_an_unreadable_source_is_a_failed_fetch() -> None:
    asked = problem_of(needs={"figure": {}, "people": {}})
    figures = table_from_records([placed(measure="people")], MAPPED_FIGURE)
    nothing = pl.DataFrame(schema=ASIDE)

    def reasons(unreadable: dict[str, str]) -> dict[tuple[str, str], Any]:
        cells = build_cells(Block(asked, PLACES.head(1), figures), CATALOGUE, nothing, DAY, unreadable)
        return {row["measure"]: some(row, "reason", "evidence") for row in cells.iter_rows(named=True)}

    sound = reasons({})
    assert sound["figure"][0] == "not_loaded"
    assert reasons({"other": "found HTML"}) == sound
    assert reasons({"a_source": "found HTML, expected CSV"}) == {
        **sound, "figure": ("fetch_failed", "found HTML, expected CSV")
    }  # fmt: skip


def test_equal_reasons_keep_the_first_evidence_and_each_is_listed_once() -> None:
    aside = [("figure", "E1", YEAR.start, "unreadable", "row 5"), ("figure", "E1", YEAR.start, "unreadable", "row 3")]
    cell = cell_of(gap("not_returned"), placed(place="E2"), aside=aside)
    assert some(cell, "reason", "evidence", "other_reasons") == ("unreadable", "row 5", None)


def test_slices_and_spans_of_releases_are_listed_by_measure() -> None:
    years = [whole_months(year, 1, 12) for year in (2021, 2022, 2023)]
    rows = [placed(of=years[2], release="b"), placed(of=years[0], release="a"), placed(of=years[1], release="a"),
            placed(place="E2", of=years[1], release="a"), placed(measure="people", of=MARCH, release="c")]  # fmt: skip
    table = table_from_records(rows, MAPPED_FIGURE)
    assert group_slices(table) == {"figure": years, "people": [MARCH]}
    both = ReferencePeriod(years[0].start, years[1].end)
    assert list_release_spans(table) == {"figure": [both, years[2]], "people": [MARCH]}
