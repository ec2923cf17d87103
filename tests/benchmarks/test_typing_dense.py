"""Typed large grids equal the result of plain joins, and account for every cell."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.typing_dense import REASON_OF_STATUS, REASONS, Grid, type_gaps
from pipelines.core.errors import CrosswalkError
from pipelines.core.schema import OBSERVATION_STATUSES, STATUSES_WITHOUT_VALUE
from pipelines.core.slices import SLICE_KEY

PLACES = ["E1", "E2", "S1", "S2"]
NATIONS = ["England", "England", "Scotland", "Scotland"]
PERIODS = [(date(2023, 1, 1), date(2023, 1, 31)), (date(2023, 2, 1), date(2023, 2, 28))]
SLICES = pl.DataFrame(
    [(measure, *span) for measure in ("a", "b") for span in PERIODS],
    schema={"measure": pl.String, "period_start": pl.Date, "period_end": pl.Date},
    orient="row",
)
GRID = Grid(PLACES, NATIONS, SLICES, {"b": ["England"]})
SCHEMA = {**SLICES.schema, "place_code": pl.String, "value": pl.Float64, "obs_status": pl.String}
Row = tuple[str, int, str, float | None, str]


def observed(rows: list[Row]) -> pl.DataFrame:
    """Build rows in slice order, each (measure, period number, place, value, status)."""
    report = [
        (measure, *PERIODS[n], place, value, status)
        for measure, n, place, value, status in sorted(rows, key=lambda r: r[:3])
    ]
    return pl.DataFrame(report, schema=SCHEMA, orient="row")


def dense(rows: pl.DataFrame, grid: Grid = GRID, cut: int = 3) -> list[tuple[object, ...]]:
    batches = [rows.slice(n, cut) for n in range(0, max(rows.height, 1), cut)]
    actual = pl.concat(
        [item.with_columns(pl.col("place_code", "reason").cast(pl.String)) for item in type_gaps(batches, grid)]
    )
    return actual.sort(pl.all()).rows()


def plain(rows: pl.DataFrame, grid: Grid = GRID) -> list[tuple[object, ...]]:
    """Type the grid in the plain form: cross join, left join, and one condition after another."""
    places = pl.DataFrame({"place_code": grid.places, "nation": grid.nations})
    known = rows.select(SLICE_KEY).unique().with_columns(pl.lit(True).alias("there"))
    cells = grid.slices.join(places, how="cross").join(rows, on=[*SLICE_KEY, "place_code"], how="left")
    cells = cells.join(known, on=SLICE_KEY, how="left")
    outside = pl.any_horizontal(
        (pl.col("measure") == name) & ~pl.col("nation").is_in(list(covered)) for name, covered in grid.coverage.items()
    )
    absent = pl.col("obs_status").is_null()
    reason = (
        pl.when(pl.col("value").is_not_null()).then(None)
        .when(absent & outside).then(pl.lit("nation_not_covered"))
        .when(pl.col("there").is_null()).then(pl.lit("late"))
        .when(absent).then(pl.lit("not_returned"))
        .otherwise(pl.col("obs_status").replace_strict(REASON_OF_STATUS, default="not_available"))
    )  # fmt: skip
    report = cells.with_columns(reason.alias("reason")).filter(pl.col("reason").is_not_null())
    return report.select(*SLICE_KEY, "place_code", "reason").sort(pl.all()).rows()


def reasons(rows: list[Row], measure: str = "a", period: int = 0) -> dict[object, object]:
    return {row[3]: row[4] for row in dense(observed(rows)) if row[:2] == (measure, PERIODS[period][0])}


def test_each_place_of_a_slice_has_a_figure_or_a_reason() -> None:
    rows: list[Row] = [
        ("a", 0, "E1", 5.0, "normal"),
        ("a", 0, "E2", None, "confidential"),
        ("a", 0, "S1", None, "not_applicable"),
    ]
    assert reasons(rows) == {"E2": "suppressed", "S1": "not_applicable", "S2": "not_returned"}


def test_zero_is_a_figure_and_not_a_gap() -> None:
    assert "E1" not in reasons([("a", 0, "E1", 0.0, "normal")])


def test_uncovered_nation_has_its_reason_unless_it_has_a_row() -> None:
    report = reasons([("b", 0, "E1", 5.0, "normal"), ("b", 0, "S1", 3.0, "normal")], "b")
    assert report == {"E2": "not_returned", "S2": "nation_not_covered"}


def test_missing_due_slice_is_late_for_every_place() -> None:
    assert set(reasons([("a", 0, "E1", 5.0, "normal")], "a", 1).values()) == {"late"}
    assert len(dense(observed([]))) == 16


def test_null_without_a_marker_is_not_available() -> None:
    assert reasons([("a", 0, "E1", None, "normal")])["E1"] == "not_available"


def test_slices_not_yet_due_are_excluded() -> None:
    few = GRID._replace(slices=SLICES.head(1))
    assert {row[1] for row in dense(observed([("a", 1, "E1", None, "low")]), few)} == {PERIODS[0][0]}


def test_code_outside_the_grid_is_refused_by_name() -> None:
    with pytest.raises(CrosswalkError, match="W1 is not a place of the grid"):
        dense(observed([("a", 0, "W1", 5.0, "normal")]))


def test_reasons_belong_to_the_closed_set() -> None:
    from pipelines.core.reasons import REASONS as ALL

    assert set(REASONS) - {"known"} <= set(ALL)
    assert set(REASON_OF_STATUS) == set(STATUSES_WITHOUT_VALUE)


cells_ = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.sampled_from(PLACES))


@given(
    st.dictionaries(cells_, st.tuples(st.one_of(st.none(), st.floats(-5, 5)), st.sampled_from(OBSERVATION_STATUSES))),
    st.integers(1, 7),
)
def test_dense_typing_equals_plain_joins_for_any_batches(
    given_: dict[tuple[str, int, str], tuple[float | None, str]], cut: int
) -> None:
    rows: list[Row] = [
        (*key, value if status not in STATUSES_WITHOUT_VALUE else None, status)
        for key, (value, status) in given_.items()
    ]
    frame = observed(rows)
    actual = dense(frame, cut=cut)
    assert actual == plain(frame)
    # Every cell is accounted for once, as a figure or a gap.
    known = frame.filter(pl.col("value").is_not_null()).height
    assert known + len(actual) == len(PLACES) * SLICES.height
