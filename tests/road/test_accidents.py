"""Errors found in a year of publishing a deprivation index, each reproduced in a small test and detected."""

from datetime import date
from math import sin
from pathlib import Path

import polars as pl
import pytest

from checks.agreement import find_low_reach
from checks.figures import flag_figures
from pipelines.app import steps
from pipelines.apportionment import Crosswalk, list_parts, place_figures
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.measure import Measure
from pipelines.gaps import answer as answering
from pipelines.geography import Successor
from pipelines.observations.access import load_source_tables
from tests.apportionment.test_rates import MEASURES, PARTS, YEAR, cell, table
from tests.gaps.test_cells import CUMBERLAND, EVERYONE, MERTON, OLD, Case, cell_of, project_of, with_peers

COUNT = Measure(title="t", unit="people", kind="count", column=("people",))


def test_area_with_one_of_sixteen_practices_returned_is_a_gap() -> None:
    """Only one of sixteen practices has a return, so the area is a gap and not a sixteenth of its count."""
    practices = [f"P{n:02}" for n in range(16)]
    roll = Crosswalk(list_parts(dict.fromkeys(practices, Successor(("N",), "aggregated"))))
    actual = place_figures(table([cell("people", practices[0], 120.0)]), roll, MEASURES, table([])).row(0, named=True)
    assert (actual["value"], actual["reason"]) == (None, "children_incomplete")
    assert "1 of 16 parts have a figure" in actual["evidence"]


def forces(silent: range, left: float) -> pl.DataFrame:
    """Build ten years of monthly crimes for 43 forces, with one partial return for some months."""
    rows = [
        {"measure": "crimes", "place_code": f"F{force:02}", "period_start": date(2015 + month // 12, month % 12 + 1, 1),
         "period_end": date(2015 + month // 12, month % 12 + 1, 28), "release": "r", "source": "s",
         "value": float(round(left * (month % 3) if force == 7 and month in silent else
                              900 * (1 + force / 9) * (1 + 0.1 * sin(month / 2) + 0.03 * sin(5.0 * force + month))))}
        for force in range(43) for month in range(120)
    ]  # fmt: skip
    return conform_table(pl.DataFrame(rows), OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))


@pytest.mark.parametrize(("left", "reasons"), [(0.0, {"suspected_zero"}), (9.0, {"suspected_zero", "near_zero_leak"})])
def test_police_force_without_returns_is_flagged_in_all_77_months(left: float, reasons: set[str]) -> None:
    actual = flag_figures(forces(range(43, 120), left), {"crimes": COUNT})
    assert set(actual["reason"]) == reasons and set(actual["place_code"]) == {"F07"}
    assert (actual.height, actual["withheld"].all()) == (77, True)


def test_seven_registrations_for_1528_residents_give_a_gap_at_the_welsh_border() -> None:
    seen = table([cell("people", "A", 7.0), cell("people", "B", 5_200.0)])
    residents = table([cell("residents", "A", 1_528.0), cell("residents", "B", 5_000.0)])
    actual = find_low_reach(seen, residents)
    assert actual.select("place_code", "reason", "withheld").rows() == [("A", "low_reach", True)]
    assert actual["evidence"].to_list() == ["7 counted of 1528 residents, 0.46 %"]


def test_areas_missing_from_a_crosswalk_are_named_in_the_gap(tmp_path: Path) -> None:
    """One of the three districts that became Cumberland is in no lookup, so the sum of two is not shown."""
    rows = [f"{code},x,2023,{value}" for code, value in (("E07000026", 10), ("E07000028", 20))]
    lost = [*with_peers(*rows), "E07999999,x,2023,30"]
    actual = cell_of(Case("children_incomplete", CUMBERLAND, lost, source=OLD), tmp_path)
    assert actual["value"] is None and "E07000029" in str(actual["evidence"])


def test_areas_with_unknown_codes_are_findings_with_their_sum(tmp_path: Path) -> None:
    lost = [f"E0799999{n},x,2023,{100 + n}" for n in range(6)]
    more = [f"{code},x,2022,5" for code in EVERYONE for _ in range(4)]
    project = project_of(Case(None, MERTON, [*with_peers(), *lost, *more]), tmp_path)
    steps.prepare_store(project)
    actual = load_source_tables(project, "a_source").finding.filter(pl.col("reason") == "unmatched_place")
    assert actual.height == 6 and actual["sum_of_values"].sum() == 615.0 and actual["set_aside"].all()


def test_average_does_not_use_weights_of_a_later_year() -> None:
    rates = table([cell("rate", "A", 2.0), cell("rate", "B", 8.0)])
    later = (date(2024, 1, 1), date(2024, 12, 31))
    people = table([cell("people", "A", 300.0, later), cell("people", "B", 100.0, later)])
    row = place_figures(rates, PARTS, MEASURES, people).filter(pl.col("to_code") == "N").row(0, named=True)
    assert later[0] > YEAR[1]
    assert (row["value"], row["reason"], row["lower_bound"], row["upper_bound"]) == (None, "needs_parts", 1.95, 8.05)


def test_rounded_zero_is_not_suppressed_and_a_marker_is_not_zero(tmp_path: Path) -> None:
    rows = with_peers(f"{MERTON},x,2023,0", "E09000029,x,2023,c")
    case = Case(None, MERTON, rows, measure="kind: stock, rounding: 5")
    rounded = cell_of(case, tmp_path / "rounded")
    assert (rounded["value"], rounded["lower_bound"], rounded["upper_bound"], rounded["caveats"]) == (
        0.0,
        0.0,
        2.5,
        "rounded",
    )
    hidden = cell_of(case._replace(place="E09000029"), tmp_path / "hidden")
    assert (hidden["value"], hidden["lower_bound"], hidden["upper_bound"], hidden["reason"]) == (
        None,
        1.0,
        4.0,
        "suppressed",
    )


def test_total_with_estimates_is_not_apportioned_to_missing_councils(tmp_path: Path) -> None:
    """England's total of 72,550 includes estimates for 20 of 309 councils; the others sum to 66,315."""
    source = "period_kind: year\ngeography: lad_2023\ntotals: {E92000001: E92000001}\n"
    returned = EVERYONE[:29]
    rows = [f"{code},x,2023,{n}" for code, n in zip(returned, [2_286] * 28 + [2_307], strict=True)]
    case = Case("not_returned", EVERYONE[32], [*rows, "E92000001,x,2023,72550"], source=source)
    project = project_of(case, tmp_path)
    path = project.catalogue.sources_dir / "a_source.yaml"
    path.write_text(path.read_text().replace("range: [0, 1000]", "range: [0, 100000]"))
    project = project._replace(catalogue=load_catalogue(project.catalogue.root))
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem")
    england = cells.filter(pl.col("nation") == "England")
    assert england["value"].sum() == 66_315.0
    silent = england.filter(pl.col("place_code").is_in(EVERYONE[29:]))
    assert set(silent["reason"]) == {"not_returned"} and silent["value"].null_count() == 4
    kept = load_source_tables(project, "a_source").total.filter(pl.col("role") == "total")
    assert kept["value"].to_list() == [72_550.0]
