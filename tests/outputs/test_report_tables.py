"""Table of results by place: whole cells, strips of periods, headings, lists of the highest, and the texts of both."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import Need
from pipelines.declarations.problem_sql import ParsedSelect
from pipelines.declarations.source_parts import IntervalColumns
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_tables import (
    all_place_names,
    decimal_places,
    describe_age_limits,
    describe_uncertainty,
    format_bounds,
    format_figure,
    format_interval,
    list_highest,
    measure_headings,
    name_places,
    period_table,
    place_table,
    runs_path,
    title_column,
)
from tests.gaps.plain import measure_of
from tests.report_sample import HARM, MEASURES, NAMES, sample

RATE, STOCK = MEASURES["claimant_rate"], MEASURES["households"]
BLANK = {"known": True, "text": "", "note": "", "evidence": "", "value": ""}
SUPPRESSED = "Suppressed to protect confidentiality, or negligible"


def changed(report: Report, code: str, measure: str, **new: Any) -> Report:
    """Return the report with other entries in the cells of a place and measure."""
    is_meant = (pl.col("place_code") == code) & (pl.col("measure") == measure)
    entries = [pl.when(is_meant).then(pl.lit(value)).otherwise(name).alias(name) for name, value in new.items()]
    return report._replace(cells=report.cells.with_columns(entries))


def cells_of(report: Report, code: str) -> list[dict[str, Any]]:
    (cells,) = (row["cells"] for row in place_table(report) if row["place_code"] == code)
    return list(cells)


@pytest.mark.parametrize(
    ("value", "rounding", "places"),
    [(3.0, None, 0), (-3.0, None, 0), (0.0, None, 0), (1.5, None, 1), (-1.25, None, 1), (1.0000001, None, 1),
     (0.99, None, 2), (0.5, None, 2), (0.1, None, 2), (0.099, None, 3), (-0.034, None, 3), (0.0012, None, 4),
     (7.123, 1.0, 0), (7.123, 5.0, 0), (7.123, 0.1, 1), (7.123, 0.25, 2), (7.0, 0.125, 3), (7.0, 1e-11, 11),
     (7.0, 1e-13, 12)],
)  # fmt: skip
def test_decimals_are_of_the_rounding_or_show_two_digits_of_a_small_figure(
    value: float, rounding: float | None, places: int
) -> None:
    assert decimal_places(value, rounding) == places


def test_figures_have_separators_and_zero_has_no_sign() -> None:
    assert [format_figure(value, STOCK) for value in (1234567.0, -1234.5, -0.0, 0.25)] == [
        "1,234,567", "-1,234.5", "0", "0.25",
    ]  # fmt: skip
    assert [format_figure(value, RATE) for value in (1234.0, -0.04, -0.06)] == ["1,234.0", "0.0", "-0.1"]
    assert format_figure(1234.25, None) == "1,234.2"


def test_bounds_need_both_sides() -> None:
    assert format_bounds({"lower_bound": -1.0, "upper_bound": 4.0}, STOCK) == "between -1 and 4"
    for lower, upper in ((None, 4.0), (1.0, None), (None, None)):
        assert format_bounds({"lower_bound": lower, "upper_bound": upper}, STOCK) == ""


def test_interval_states_its_level_and_origin_unless_it_has_no_width() -> None:
    def interval(low: float | None, high: float | None, origin: str = "published", level: float = 95.0) -> str:
        return format_interval(dict(zip(INTERVAL_COLUMNS, (low, high, level, origin), strict=True)), RATE)

    assert set(INTERVAL_COLUMNS) == {"interval_lower", "interval_upper", "interval_level", "interval_source"}
    assert interval(-0.5, 2.0) == "95 % interval -0.5 to 2.0"
    assert interval(1.0, 2.0, "back-tests", 90.0) == "90 % interval 1.0 to 2.0 (from back-tests)"
    assert [interval(*ends) for ends in ((None, 2.0), (1.0, None), (None, None), (1.5, 1.5))] == [""] * 4


def test_uncertainty_of_an_estimate_has_its_level_or_says_that_none_is_published() -> None:
    limits = IntervalColumns(lower=("l",), upper=("u",), level=95)
    assert describe_uncertainty(RATE) == ""
    assert describe_uncertainty(RATE.model_copy(update={"uncertainty": limits})) == "estimate with a 95 % interval"
    assert describe_uncertainty(RATE.model_copy(update={"uncertainty": "estimate"})) == (
        "estimate, no interval published"
    )


def test_each_place_has_its_name_location_needs_met_and_verdict() -> None:
    report = sample()
    welsh = pl.Series("place_name_welsh", ["Hartlepool", None, "", "Dinas Llundain", "Ynys Môn"], pl.String)
    places = report.places.with_columns(
        welsh, pl.Series("region", ["North East", None, "England", "London", None], pl.String),
        pl.Series("nation", ["England", "England", "England", None, None], pl.String),
    )  # fmt: skip
    needs = pl.when(pl.col("place_code") == "W06000001").then(pl.lit("wanted")).otherwise("need").alias("need")
    table = place_table(report._replace(
        places=places.reverse(), cells=report.cells.reverse().with_columns(needs),
        history=report.history._replace(verdicts=report.history.verdicts.filter(pl.col("place_code") != "W06000001")),
    ))  # fmt: skip
    own = [{name: entry for name, entry in row.items() if name != "cells"} for row in table]
    assert [row["place_name"] for row in own] == sorted(NAMES.values())
    assert {row["place_code"]: row["place_name"] for row in own} == NAMES
    by_code = {row["place_code"]: row for row in own}
    assert by_code["W06000001"] == {
        "place_code": "W06000001", "place_name": "Ynys Môn", "welsh_name": "", "where": "W06000001",
        "met": "no needs", "verdict": "",
    }  # fmt: skip
    assert by_code["E09000001"]["welsh_name"] == "Dinas Llundain" and by_code["E06000001"]["welsh_name"] == ""
    assert by_code["E06000001"]["where"] == "North East, E06000001" and by_code["E06000001"]["met"] == "2 of 2"
    assert by_code["E06000002"]["where"] == "England, E06000002" and by_code["E06000002"]["met"] == "1 of 2"
    assert by_code["E06000002"]["verdict"] == "not answerable" and by_code["E06000001"]["verdict"] == "answerable"


def test_cells_have_figure_bounds_reason_evidence_and_exact_value() -> None:
    assert cells_of(sample(), "E06000002") == [
        {"known": True, "text": "3.5", "note": "provisional", "evidence": "", "value": "3.5"},
        {"known": False, "text": SUPPRESSED, "note": "between 1 and 4", "evidence": f"row 3 of {HARM}", "value": ""},
        {"known": False, "text": "Not known to be collected", "note": "", "evidence": f"row 3 of {HARM}", "value": ""},
    ]
    # Households have no stated rounding, so that their caveat is not in the heading.
    assert cells_of(sample(), "E06000001")[1] == {
        "known": True, "text": "0", "note": "rounded, provisional", "evidence": "", "value": "0.0",
    }  # fmt: skip
    bare = changed(sample(), "E06000001", "households", caveats=None, value=-12345.25)
    assert cells_of(bare, "E06000001")[1] == BLANK | {"text": "-12,345.2", "value": "-12345.25"}
    silent = changed(sample(), "E06000002", "households", evidence=None)
    assert cells_of(silent, "E06000002")[1]["evidence"] == ""


def test_cell_without_a_row_is_blank_and_a_note_has_interval_period_and_caveats_in_order() -> None:
    report = sample()
    assert cells_of(report._replace(cells=report.cells.clear()), "E06000001") == [BLANK] * 3
    one = report._replace(cells=report.cells.filter(pl.col("place_code") != "E06000002"))
    assert cells_of(one, "E06000002") == [BLANK] * 3
    full = changed(report, "E06000001", "claimant_rate", interval_lower=1.0, interval_upper=4.0, interval_level=95.0,
                   interval_source="published", reference_start=date(2024, 1, 1), reference_end=date(2024, 12, 31),
                   caveats="rounded,implausible,provisional")  # fmt: skip
    assert (
        cells_of(full, "E06000001")[0]["note"]
        == "95 % interval 1.0 to 4.0, 2024, outside its valid range, or far from comparable figures, provisional"
    )
    assert cells_of(full, "E06000002")[0]["note"] == "2025, provisional"
    # A column with one period has it in its heading.
    assert cells_of(full, "E06000001")[1]["note"] == "rounded, provisional"


def strip(report: Report, code: str, number: int) -> dict[str, Any]:
    (cells,) = (row["cells"] for row in period_table(report) if row["place_code"] == code)
    return dict(cells[number])


def test_strip_of_periods_has_runs_count_newest_figure_and_reasons() -> None:
    report = sample("month")
    gap = (pl.col("place_code") == "E06000001") & (pl.col("measure") == "claimant_rate")
    march, february = (pl.col("period_start") == date(2025, month, 1) for month in (3, 2))
    cells = report.cells.with_columns(
        pl.when(gap & march).then(None).otherwise("value").alias("value"),
        pl.when(gap & march).then(pl.lit("suppressed")).otherwise("reason").alias("reason"),
        pl.when(gap & february).then(pl.lit("rounded,carried_forward")).otherwise("caveats").alias("caveats"),
        pl.when(gap & february).then(1.0).otherwise("interval_lower").alias("interval_lower"),
        pl.when(gap & february).then(4.0).otherwise("interval_upper").alias("interval_upper"),
        pl.when(gap & february).then(95.0).otherwise("interval_level").alias("interval_level"),
        pl.when(gap & february).then(pl.lit("published")).otherwise("interval_source").alias("interval_source"),
    )
    assert strip(report._replace(cells=cells.reverse()), "E06000001", 0) == {
        "width": 12, "path": "M0 0h8v10h-8z", "count": "2 of 3", "value": "2.5", "reasons": [f"{SUPPRESSED} (1)"],
        "last": "2.5, of 2025, carried forward, 95 % interval 1.0 to 4.0",
    }  # fmt: skip
    assert strip(report, "E06000002", 1) == {
        "width": 12, "path": "", "count": "0 of 3", "last": "", "value": "", "reasons": [f"{SUPPRESSED} (3)"],
    }  # fmt: skip
    assert strip(report, "E06000001", 1) == {
        "width": 12, "path": "M0 0h12v10h-12z", "count": "3 of 3", "last": "0, of 2025", "value": "0.0", "reasons": [],
    }  # fmt: skip
    assert strip(report._replace(cells=report.cells.clear()), "E06000001", 0) == {
        "width": 0, "path": "", "count": "", "last": "", "value": "", "reasons": [],
    }  # fmt: skip


def test_newest_known_figure_may_have_no_caveat_and_comes_before_later_gaps() -> None:
    report = changed(sample("month"), "E06000001", "claimant_rate", caveats=None)
    values = pl.when(pl.col("period_start") == date(2025, 1, 1)).then(9.5).otherwise("value").alias("value")
    late = pl.col("period_start") > date(2025, 1, 1)
    cells = report.cells.with_columns(values).with_columns(
        pl.when(~late).then("value").alias("value"),
        pl.when(late).then(pl.lit("suppressed")).otherwise("reason").alias("reason"),
    )
    own = strip(report._replace(cells=cells), "E06000001", 0)
    assert (own["path"], own["count"], own["last"], own["value"]) == (
        "M0 0h4v10h-4z", "1 of 3", "9.5, of 2025", "9.5",
    )  # fmt: skip


def test_runs_begin_at_their_period() -> None:
    assert runs_path([]) == "" and runs_path([True]) == "M0 0h4v10h-4z"
    assert runs_path([False, False, True, True, False, True]) == "M8 0h8v10h-8zM20 0h4v10h-4z"


def test_highest_rates_are_numbered_where_every_rank_is_certain() -> None:
    report = sample()
    (actual,) = list_highest(report._replace(view=report.view.reverse()), most=2)
    assert actual == {
        "name": "claimant_rate", "title": "Claimant rate", "unit": "%", "known": 5, "ordered": True,
        "doubtful": False, "rows": [("Ynys Môn", "6.5", ""), ("City of London", "5.5", "")],
    }  # fmt: skip
    assert len(list_highest(report)[0]["rows"]) == 5
    assert list_highest(sample("month")) == []


def test_list_leaves_out_doubted_places_and_gaps_and_equal_figures_are_by_code() -> None:
    report = changed(sample(), "W06000001", "claimant_rate", caveats="rounded,implausible")
    view = report.view.with_columns(
        pl.when(pl.col("place_code") == "E09000001").then(None)
        .when(pl.col("place_code") == "E06000001").then(4.5).otherwise("claimant_rate").alias("claimant_rate")
    )  # fmt: skip
    same = changed(report, "E06000001", "claimant_rate", value=4.5, lower_bound=4.5, upper_bound=4.5)
    (actual,) = list_highest(same._replace(view=view.reverse()), most=2)
    assert [row[0] for row in actual["rows"]] == ["Hartlepool", NAMES["E07000008"]] and actual["known"] == 3
    nothing = report.view.with_columns(pl.lit(None, pl.Float64).alias("claimant_rate"))
    assert list_highest(report._replace(view=nothing)) == []


def test_uncertain_rank_is_stated_beside_each_place_and_the_list_is_not_numbered() -> None:
    wide = changed(sample(), "W06000001", "claimant_rate", lower_bound=5.0, upper_bound=7.0)
    (actual,) = list_highest(wide, most=3)
    assert actual["ordered"] is False and actual["doubtful"] is False
    assert actual["rows"] == [
        ("Ynys Môn", "6.5", "between rank 1 and 2 of 5"), ("City of London", "5.5", "between rank 1 and 2 of 5"),
        (NAMES["E07000008"], "4.5", "rank 3 of 5"),
    ]  # fmt: skip
    # The uncertain ranks are not among the places listed.
    low = changed(sample(), "E06000001", "claimant_rate", lower_bound=1.0, upper_bound=3.6)
    assert list_highest(low, most=3)[0]["ordered"] and not list_highest(low, most=4)[0]["ordered"]


def computed(report: Report, inputs: dict[str, tuple[str, ...]], **said: Any) -> Report:
    """Return the report with computed columns of the view, each of some inputs."""
    places = report.view.select("place_code")
    columns = [
        column for name in inputs
        for column in (pl.Series(name, [5.0, 1.0, 2.0, 4.0, 3.0]), pl.Series(f"{name}_status", ["normal"] * 5))
    ]  # fmt: skip
    view = places.with_columns(*columns, pl.Series("bare", [1.0] * 5), pl.Series("word", ["x"] * 5))
    view = view.with_columns(pl.Series("word_status", ["normal"] * 5))
    return report._replace(view=view, select=ParsedSelect("", (), inputs), **said)


def test_computed_columns_are_listed_unless_their_inputs_are_of_one_need() -> None:
    needs = {"claimant_rate": Need(), "either": Need(one_of=("households", "vacancies"))}
    report = sample()
    header = report.header.model_copy(update={"needs": needs, "unknowns": ()})
    inputs: dict[str, tuple[str, ...]] = {
        "per_head": ("claimant_rate", "households"), "of_need": ("either", "claimant_rate"),
        "of_both": ("households", "vacancies"), "of_more": ("households", "vacancies", "claimant_rate"),
    }  # fmt: skip
    lists = list_highest(computed(report, inputs, header=header))
    assert lists == [{
        "name": "per_head", "title": "Per head", "unit": "", "known": 5, "ordered": True, "doubtful": False,
        "rows": [("Hartlepool", "5", ""), ("City of London", "4", ""), ("Ynys Môn", "3", ""),
                 (NAMES["E07000008"], "2", ""), (HARM, "1", "")],
    }]  # fmt: skip


def test_column_of_estimates_has_no_order_and_a_doubted_input_leaves_its_place_out() -> None:
    estimate = RATE.model_copy(update={"uncertainty": "estimate"})
    report = sample()._replace(measures={**MEASURES, "claimant_rate": estimate})
    made = computed(report, {"per_head": ("claimant_rate", "households"), "of_stock": ("households",)})
    doubted = changed(made, "E06000001", "households", caveats="flagged")
    first, second = list_highest(doubted, most=1)
    assert (first["ordered"], first["doubtful"], first["rows"]) == (False, True, [("City of London", "4", "")])
    assert (second["ordered"], second["doubtful"], second["rows"]) == (True, False, [("City of London", "4", "")])
    elsewhere = changed(made, "E06000001", "vacancies", caveats="flagged")
    assert list_highest(elsewhere, most=1)[1]["rows"] == [("Hartlepool", "5", "")]


@pytest.mark.parametrize(
    ("name", "titles", "title"),
    [("a_b", (), "A b"), ("aged_16_64_of_65", (), "Aged 16 to 64 of 65"), ("per_999_of_1000", (), "Per 999 of 1000"),
     ("per_10000_people", (), "Per 10,000 people"), ("share_in_great_britain", ("Jobs in Great Britain",),
     "Share in Great Britain"), ("nhs_staff", ("Staff of the NHS",), "NHS staff"),
     ("a_place", ("A place", "Great"), "A place")],
)  # fmt: skip
def test_title_of_a_column_has_numbers_and_names_as_in_text(name: str, titles: tuple[str, ...], title: str) -> None:
    assert title_column(name, titles) == title


def test_codes_are_replaced_by_names_where_they_are_known() -> None:
    report = sample()._replace(names={"E06000001": "Former name", "S12000001": "Elsewhere"})
    assert name_places("", report) == "" and name_places("E09000001", report) == "City of London"
    assert name_places("S12000001, E06000001, X", report) == "Elsewhere, Hartlepool, X"
    assert all_place_names(report) == {**NAMES, "S12000001": "Elsewhere"}


def test_age_limit_of_each_need_is_in_words() -> None:
    report = sample()
    needs = {"claimant_rate": Need(until="2021-09"), "households": Need(max_age="3 years")}
    header = report.header.model_copy(update={"needs": needs})
    assert describe_age_limits(report._replace(header=header)) == {"claimant_rate": "none", "households": "3 years"}
    assert describe_age_limits(report) == {"claimant_rate": "two years", "households": "two years"}
    monthly = sample("month")
    carried = monthly.header.model_copy(
        update={"needs": {"claimant_rate": Need(carry="2 years"), "households": Need()}}
    )
    assert describe_age_limits(monthly._replace(header=carried)) == {
        "claimant_rate": "carried forward up to 2 years, with a caveat", "households": "no older figure",
    }  # fmt: skip


def test_heading_has_unit_common_period_rounding_and_uncertainty() -> None:
    report = changed(sample(), "E06000001", "households", reference_end=date(2024, 12, 31))
    assert measure_headings(report._replace(cells=report.cells.reverse())) == [
        {"name": "claimant_rate", "title": "Claimant rate", "note": "%, 2025, rounded to 0.1", "period": "2025"},
        {"name": "households", "title": "Households", "note": "households", "period": ""},
        {"name": "vacancies", "title": "Unfilled vacancies", "note": "vacancies, no publisher reports it",
         "period": ""},
    ]  # fmt: skip
    measures: dict[str, Measure] = {
        **MEASURES, "households": measure_of(title="Many", unit="", rounding=5_000.0, uncertainty="estimate"),
    }  # fmt: skip
    assert measure_headings(sample()._replace(measures=measures))[1]["note"] == (
        "2025, rounded to 5,000, estimate, no interval published"
    )
