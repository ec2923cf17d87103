"""Published limits of estimates: read beside the figure, preserved in other geographies, never invented."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from checks.finding import CheckInput
from checks.rows import find_contradicted_limits
from pipelines.apportionment import INTERVAL_COLUMNS, Crosswalk, list_parts, place_figures
from pipelines.core.errors import DeclarationError
from pipelines.core.schema import OBSERVATION_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography import Successor
from pipelines.observations.access import scan_observations
from pipelines.readers.read import read_sheet
from tests.apportionment.test_weighted_rules import crosswalk_of
from tests.readers.test_read import cells, source

ROOT = Path(__file__).resolve().parent.parent.parent
LIMITS = "{lower: lci_95, upper: [uci_95, Upper], level: 95}"


def declared(interval: str = LIMITS, more: str = "", head: str = "") -> Source:
    measure = f"share: {{title: s, unit: '%', kind: index, column: value, uncertainty: {interval}{more}}}"
    return source(head, f"columns: {{place: code, period: year}}\nmeasures: {{{measure}}}\n")


def read(lines: list[str], headings: str = "code,year,value,lci_95,uci_95", **given: str) -> list[tuple[Any, ...]]:
    """Read figures, and return for each its bounds, interval, level, source and caveats."""
    content = "\n".join([headings, *lines]).encode()
    actual = cells(declared(**given), content)
    return actual.select("lower_bound", "upper_bound", *INTERVAL_COLUMNS, "caveats").rows()


def test_limits_are_read_beside_the_figure_with_their_level() -> None:
    assert read(["E09000024,2023,82.25,81.41,83.09"]) == [(None, None, 81.41, 83.09, 95.0, "published", None)]


def test_limits_are_in_the_unit_of_the_measure() -> None:
    assert read(["E09000024,2023,0.5,0.25,0.75"], more=", scale: 100")[0][2:4] == (25.0, 75.0)


def test_alternative_heading_is_read() -> None:
    assert read(["E09000024,2023,5,4,6"], "code,year,value,lci_95,Upper")[0][2:4] == (4.0, 6.0)


@pytest.mark.parametrize(
    ("interval", "ends"),
    [("{half_width: error, level: 95}", (75.9, 76.5)),
     ("{standard_error: error, level: 95}", (75.612010805, 76.787989195)),
     ("{standard_error: error, level: 68.2689492137}", (75.9, 76.5))],
)  # fmt: skip
def test_standard_error_gives_limits_in_decimals(interval: str, ends: tuple[float, float]) -> None:
    actual = read(["E09000024,2023,76.2,0.3"], "code,year,value,error", interval=interval)
    assert actual[0][2:4] == pytest.approx(ends, abs=1e-9)


def test_half_width_gives_limits_without_floating_point_error() -> None:
    actual = read(["E09000024,2023,76.1,0.05"], "code,year,value,error", interval="{half_width: error, level: 95}")
    assert actual[0][2:4] == (76.05, 76.15)


def test_figure_without_limits_is_not_exact() -> None:
    nothing = (None,) * 7
    assert read(["E09000024,2023,5,,", "E09000029,2023,6,x,x"], head="markers: {x: not_available}\n") == [nothing] * 2


@pytest.mark.parametrize("limits", ["6,7", "3,4", "7,3", "about 4,6"])
def test_limits_that_exclude_the_figure_are_rejected_with_a_caveat(limits: str) -> None:
    actual = read([f"E09000024,2023,5,{limits}"])
    assert actual == [(None, None, None, None, None, None, "limits_contradict")]


def test_limits_that_contradict_their_figure_are_a_finding() -> None:
    table = cells(declared(), b"code,year,value,lci_95,uci_95\nE09000024,2023,5,6,7\nE09000029,2023,5,4,6\n")
    available = Snapshot("a", "x", date(2024, 1, 1), "", "", "test", "a.csv", 1, "")
    actual = find_contradicted_limits(CheckInput("a", declared(), available, table, empty_table(PLACE_COLUMNS)))
    assert actual.select("place_code", "reason", "evidence").rows() == [
        ("E09000024", "limits_contradict", "5 is not within the limits beside it: 6 and 7")
    ]


def test_file_without_the_declared_limit_columns_is_rejected() -> None:
    with pytest.raises(Exception, match="expected also lci_95"):
        read_sheet(b"code,year,value\nE09000024,2023,5\n", declared(), "a.csv")


def test_rows_with_different_limits_are_duplicates() -> None:
    table = cells(declared(), b"code,year,value,lci_95,uci_95\nE09000024,2023,5,4,6\nE09000024,2023,5,3,7\n")
    assert table["fault"].to_list() == ["duplicate"] * 2


@pytest.mark.parametrize(
    ("interval", "expected"),
    [("{lower: a, level: 95}", "declare one form"),
     ("{half_width: a, standard_error: b, level: 95}", "declare one form"),
     ("{lower: a, upper: b}", "level"), ("{lower: a, upper: b, level: 0.95}", "greater than or equal to 50")],
)  # fmt: skip
def test_incomplete_or_redundant_interval_is_rejected(interval: str, expected: str) -> None:
    with pytest.raises(DeclarationError, match=expected):
        declared(interval)


@pytest.mark.parametrize("more", [", uncertainty: estimate", ", uncertainty: perturbed"])
def test_estimate_is_never_its_own_bound(more: str) -> None:
    measure = f"{{title: s, unit: p, kind: stock, column: value{more}}}"
    text = f"columns: {{place: code, period: year}}\nmeasures: {{s: {measure}}}\n"
    actual = cells(source("", text), b"code,year,value\nE09000024,2023,5\n")
    assert actual.select("value", "lower_bound", "upper_bound").rows() == [(5.0, None, None)]


def test_figure_marked_as_estimated_is_not_its_own_bound() -> None:
    text = ("columns: {place: code, period: year, status: mark}\nmarkers: {e: estimated}\n"
            "measures: {s: {title: s, unit: p, kind: stock, column: value}}\n")  # fmt: skip
    actual = cells(source("", text), b"code,year,value,mark\nE09000024,2023,5,e\nE09000029,2023,6,\n")
    assert actual.select("value", "lower_bound", "upper_bound").rows() == [(5.0, None, None), (6.0, 6.0, 6.0)]


MEASURES = {
    "rate": Measure(title="r", unit="%", kind="rate", denominator="people", column=("r",), uncertainty="estimate"),
    "people": Measure(title="p", unit="people", kind="stock", column=("p",), uncertainty="estimate"),
}


def observed(measure: str, figures: dict[str, float]) -> pl.DataFrame:
    """Build observations of estimates of one year, each with limits 1 below and above."""
    actual = [
        {"source": "s", "release": "x", "released_at": date(2024, 1, 1), "measure": measure, "place_code": code,
         "geography": "lad_2019", "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31),
         "value": value, "interval_lower": value - 1, "interval_upper": value + 1, "interval_level": 95.0,
         "interval_source": "published", "obs_status": "normal", "file": "f", "file_row": 1, "file_column": "c"}
        for code, value in figures.items()
    ]  # fmt: skip
    return table_from_records(actual, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))


PARTS = Crosswalk(list_parts({code: Successor((to,), kind) for code, to, kind in
                              (("A", "N", "merged"), ("B", "N", "merged"), ("C", "D", "recoded"))}))  # fmt: skip
NONE = (None, None, None, None, None, None)


def bounds(placed: pl.DataFrame) -> dict[str, tuple[Any, ...]]:
    return {
        row[0]: row[1:]
        for row in placed.select("to_code", "value", "lower_bound", "upper_bound", *INTERVAL_COLUMNS).iter_rows()
    }


@pytest.mark.parametrize("measure", ["rate", "people"])
def test_recoded_place_keeps_its_interval_and_a_merged_one_has_none(measure: str) -> None:
    rates, people = observed(measure, {"A": 10.0, "B": 20.0, "C": 30.0}), observed("people", {"A": 100.0, "B": 300.0})
    actual = bounds(place_figures(rates, PARTS, MEASURES, people))
    assert actual["D"] == (30.0, None, None, 29.0, 31.0, 95.0, "published")
    assert actual["N"] == (17.5 if measure == "rate" else 30.0, *NONE)


@pytest.mark.parametrize("measure", ["rate", "people"])
def test_target_of_one_whole_place_keeps_its_interval_and_a_sum_has_none(measure: str) -> None:
    figures = observed(measure, {"A": 10.0, "B": 20.0, "C": 30.0})
    way = Crosswalk(crosswalk_of({"A": {"N": 100.0}, "B": {"N": 300.0}, "C": {"D": 50.0}}), "all_ages")
    actual = bounds(place_figures(figures, way, MEASURES, observed("people", {"A": 100.0, "B": 300.0, "C": 50.0})))
    assert actual["D"] == (30.0, None, None, 29.0, 31.0, 95.0, "published")
    assert actual["N"] == (17.5 if measure == "rate" else 30.0, *NONE)


def estimating(catalogue: Catalogue) -> list[str]:
    """List the stored sources with an estimate among their measures."""
    return [
        name for name, item in catalogue.sources.items()
        if item.releases and any(measure.is_uncertain for measure in item.measures.values())
    ]  # fmt: skip


def test_no_stored_estimate_is_its_own_bound(starter: Project) -> None:
    catalogue, seen = starter.catalogue, 0
    for name in estimating(catalogue):
        uncertain = sorted(key for key, item in catalogue.sources[name].measures.items() if item.is_uncertain)
        observed = scan_observations(starter, name)
        figures = observed.filter(pl.col("measure").is_in(uncertain), pl.col("value").is_not_null()).collect()
        seen += figures.height
        assert figures.filter(pl.any_horizontal(pl.col("lower_bound", "upper_bound").is_not_null())).is_empty(), name
        outside = ~pl.col("value").is_between("interval_lower", "interval_upper")
        assert figures.filter(outside).is_empty(), name
    assert seen > 30_000


LIMITED = {
    "life_expectancy_at_birth": (650, 650),
    "cigarette_smokers_share": (712, 712),
    "adult_obesity_share": (2_664, 2_664),
    "employment_rate": (2_784, 2_788),
    "employment_rate_ni": (11, 11),
    "modelled_unemployment_rate": (2_632, 2_748),
    "median_weekly_pay": (3_441, 3_552),
    "preventable_circulatory_mortality_ni": (77, 77),
}
"""Number of stored figures with limits, and of all stored figures, by measure."""


@pytest.mark.parametrize("measure", sorted(LIMITED))
def test_limits_of_every_bundled_file_are_read(starter: Project, measure: str) -> None:
    seen = scan_observations(starter, starter.catalogue.measure_source[measure]).collect()
    figures = seen.filter(pl.col("measure") == measure, pl.col("value").is_not_null())
    limited = figures.filter(
        pl.col("interval_lower") < pl.col("interval_upper"), pl.col("interval_source") == "published"
    )
    assert (limited.height, figures.height) == LIMITED[measure]
    assert set(limited["interval_level"]) == {95.0}


LIMIT = re.compile(r"(?i)\b[lu]ci\b|_?[lu]ci_|confidence|standard error|margin of error|half.width|\bcv\b")


def test_every_limit_column_in_a_bundled_file_is_declared() -> None:
    catalogue, seen = load_catalogue(ROOT), 0
    for name, item in catalogue.sources.items():
        named = {
            text
            for measure in item.measures.values()
            if measure.interval
            for names in measure.interval.column_headings
            for text in names
        }
        for release in (
            item.releases if item.format == "csv" and not (catalogue.sources_dir / f"{name}.py").is_file() else ()
        ):
            path = catalogue.sources_dir / release.file
            frame = read_sheet(path.read_bytes(), item, path.name).frame
            actual = [column for column in frame.columns if LIMIT.search(column) and (frame[column] != "").any()]
            seen += len(actual)
            assert set(actual) <= named, (release.file, actual)
    assert seen == 16
