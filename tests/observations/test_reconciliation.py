"""Reconciliation of totals: each part in turn explains a difference, and the parts always add exactly."""

import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.app import steps
from pipelines.core.schema import (
    CODE_CHANGE_COLUMNS,
    OBSERVATION_COLUMNS,
    PLACE_COLUMNS,
    empty_table,
    table_from_records,
)
from pipelines.core.slices import SLICE_KEY
from pipelines.declarations.file_format import FileColumns
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.register import Places
from pipelines.observations.access import reconcile_source
from pipelines.observations.reconciliation import DIFFERENCE_PARTS, RECONCILIATION, reconcile_totals
from pipelines.observations.totals import TOTAL
from pipelines.outputs.charts import build_waterfall_bars as bars
from pipelines.outputs.charts import describe_waterfall, draw_waterfall, render_waterfall_table
from tests.gaps.test_cells import EVERYONE, MERTON, Case, cell_of, project_of

SOURCE = "period_kind: year\ngeography: lad_2023\ncoverage: [England]\n"
LONDON, ENGLAND = "E12000007", "E92000001"


def apart(
    lines: list[str], folder: Path, source: str = "", measure: str = "kind: count"
) -> dict[str, dict[str, object]]:
    """Reconcile the totals of a file; return each by its place."""
    project = project_of(Case(None, MERTON, lines, source=SOURCE + source, measure=measure), folder)
    steps.prepare_store(project)
    actual = reconcile_source(project, "a_source")
    for row in actual.iter_rows(named=True):
        assert row["total"] == row["sum_of_places"] + sum(row[part] for part in DIFFERENCE_PARTS)
    return {row["place_code"]: row for row in actual.iter_rows(named=True)}


def london(*lines: str, total: str) -> list[str]:
    """Give every borough 5, except those named, and London a total; 33 of 5 make 165."""
    named = {line.split(",")[0] for line in lines}
    return [*lines, *(f"{c},x,2023,5" for c in EVERYONE if c not in named), f"{LONDON},London,2023,{total}"]


def parts(row: dict[str, object]) -> dict[str, object]:
    return {part: row[part] for part in DIFFERENCE_PARTS if row[part]}


def test_total_equal_to_the_sum_has_no_remainder(tmp_path: Path) -> None:
    row = apart(london(total="165"), tmp_path)[LONDON]
    assert (row["total"], row["sum_of_places"], parts(row)) == (165, 165, {})
    assert (row["places_due"], row["places_given"], row["tier"], row["unit"]) == (33, 33, "region", "things")


def test_row_without_a_place_counts_in_the_total_of_full_coverage(tmp_path: Path) -> None:
    lines = [*london(total="165"), f"{ENGLAND},England,2023,999", "-,Unknown,2023,7"]
    actual = apart(lines, tmp_path, "totals: {'-': unallocated}\n")
    assert actual[ENGLAND]["unallocated"] == 7
    assert parts(actual[LONDON]) == {}


def test_place_given_twice_in_one_period_is_in_no_sum(tmp_path: Path) -> None:
    """A trust was in a daily file twice, so that the trusts added to 4,073 and the total said 4,006."""
    earlier = [f"{code},x,2022,5" for code in EVERYONE]  # more than one cell in twenty is not used at all
    lines = [*london(f"{MERTON},Merton,2023,72", f"{MERTON},Merton,2023,5", total="165"), *earlier]
    row = apart(lines, tmp_path / "total")[LONDON]
    assert (row["total"], row["sum_of_places"], parts(row)) == (165, 160, {"missing_places": 5})
    assert (row["places_due"], row["places_given"]) == (33, 32)
    cell = cell_of(Case("duplicate", MERTON, lines, source=SOURCE), tmp_path / "cell")
    assert (cell["value"], cell["reason"]) == (None, "duplicate")
    assert cell["evidence"] == "2 rows of the file, 2 different figures"


def test_old_code_counts_only_where_its_successor_has_no_figure(tmp_path: Path) -> None:
    old = "E07000026,Allerdale,2023,40"
    lines = [*london(total="165"), f"{ENGLAND},England,2023,1000", old]
    actual = apart(lines, tmp_path / "alone")
    assert actual[ENGLAND]["retired_codes"] == 40
    both = [*lines, "E06000063,Cumberland,2023,90"]
    assert apart(both, tmp_path / "both")[ENGLAND]["retired_codes"] == 0


def test_places_published_together_count_once(tmp_path: Path) -> None:
    lines = london("E09000001,x,2023,10", "E09000033,x,2023,10", total="165")
    row = apart(lines, tmp_path, "published_together: [[E09000001, E09000033]]\n")[LONDON]
    assert (row["sum_of_places"], row["places_given"], parts(row)) == (165, 33, {})


def small(values: list[float | None], totals: dict[str, float], rounding: float | None = None) -> pl.DataFrame:
    """Reconcile totals of places a, b, c in region r (a, b) and region s (c), both in England."""
    day = {"measure": "figure", "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31), "order": 0}
    seen = [
        {**day, "place_code": code, "value": value, "obs_status": "normal" if value is not None else "confidential",
         "lower_bound": None if value is None else value, "upper_bound": None if value is None else value}
        for code, value in zip("abc", values, strict=True)
    ]  # fmt: skip
    observation = table_from_records(seen, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    tier = {"r": "region", "s": "region", ENGLAND: "nation"}
    total = table_from_records(
        [
            {**day, "role": "total", "tier": tier[c], "place_code": c, "value": v, "unit": "things"}
            for c, v in totals.items()
        ],
        TOTAL,
    )
    pairs = [("r", "a"), ("r", "b"), ("s", "c"), *((ENGLAND, code) for code in "abc")]
    member = pl.DataFrame(pairs, schema=["total_code", "place_code"], orient="row")
    source = Source(
        title="t", publisher="p", licence="l", page="https://example.org", geography="lad_2023", coverage=("England",),
        columns=FileColumns(place=("code",), period=("period",)),
        measures={"figure": Measure(title="f", unit="things", kind="count", column=("figure",), rounding=rounding)},
    )  # fmt: skip
    return reconcile_totals(
        observation, total, source, member, Places(empty_table(PLACE_COLUMNS), empty_table(CODE_CHANGE_COLUMNS))
    )


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=3, max_size=3),
    st.integers(0, 4000),
    st.sampled_from([None, 5.0]),
)
def test_parts_add_exactly_for_any_published_figures(
    values: list[int | None], total: int, rounding: float | None
) -> None:
    actual = small([None if v is None else float(v) for v in values], {ENGLAND: total, "r": total / 2}, rounding)
    for row in actual.iter_rows(named=True):
        assert row["total"] == pytest.approx(
            row["sum_of_places"] + sum(row[part] for part in DIFFERENCE_PARTS), abs=1e-9
        )


def test_no_totals_give_an_empty_table_with_all_columns() -> None:
    assert small([1, 2, 3], {}).schema == pl.Schema({name: column.dtype for name, column in RECONCILIATION.items()})
    assert SLICE_KEY == ["measure", "period_start", "period_end"]


def test_chart_has_a_text_alternative_and_a_bar_for_each_part() -> None:
    row = small([10, 20, 30], {ENGLAND: 66, "r": 30, "s": 31}).row(0, named=True)
    row["place_name"] = '<England> & "Wales"'
    picture = ET.fromstring(draw_waterfall(row))
    named = "{http://www.w3.org/2000/svg}" if picture.tag.startswith("{") else ""
    assert len(picture.findall(f"{named}rect")) == len(bars(row)) == 4
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == picture.findtext(f"{named}title") == describe_waterfall(row)
    for said in ("published total 66", "sum of its places 60", "5 not allocated to a place", "1 not explained"):
        assert said in describe_waterfall(row)


def test_bars_stay_within_the_chart_for_any_figures() -> None:
    for values, total in (([0.0, 0.0, 0.0], 0.0), ([5e6, 4e6, 3e6], 12_000_050.0), ([900.0, 0.0, 0.0], 3.0)):
        row = small(list(values), {ENGLAND: total}).row(0, named=True)
        for bar in ET.fromstring(draw_waterfall(row)).findall("rect"):
            assert 190 <= float(bar.get("x", 0)) <= 490.1
            assert 0 < float(bar.get("width", 0)) <= 301.6


def test_table_matches_the_chart_and_escapes_names() -> None:
    row = small([10, 20, 30], {ENGLAND: 66, "r": 30, "s": 31}).row(0, named=True)
    table = render_waterfall_table([{**row, "place_name": "<England>"}])
    assert "&lt;England&gt;" in table
    assert ET.fromstring(table).findtext("caption")
    assert all(f">{figure}</td>" in table for figure in (66, 60, 5, 1))


def test_source_of_unregistered_small_areas_has_no_totals(bundled: Project) -> None:
    assert reconcile_source(bundled, "nisra_deprivation").is_empty()


def test_wards_add_within_their_district_of_the_time_up_to_rounding(bundled: Project) -> None:
    """Barnsley and Sheffield received new codes in 2025, but most of their wards kept theirs."""
    actual = reconcile_source(bundled, "nomis_claimants_wards")
    assert actual.filter(pl.col("remainder") != 0).is_empty()
    districts = actual.filter(pl.col("tier") == "lad").with_columns(
        (pl.col("total") - pl.col("sum_of_places")).alias("apart")
    )
    assert districts["place_code"].n_unique() == 72
    assert districts.filter(pl.col("apart") != 0).height == 155
    assert (districts["apart"].min(), districts["apart"].max()) == (-20, 15)
    barnsley = districts.filter(pl.col("place_code") == "E08000016").select("total", "places_given").rows()
    assert barnsley == [(5_285, 21), (5_245, 21), (5_180, 21)]
