"""Rates of merged places: averaged by their own denominators where those are stored, and never otherwise."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import Crosswalk, list_parts, place_figures
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.geography import Successor

RATE = Measure(title="r", unit="%", kind="rate", denominator="people", column=("r",), rounding=0.1)
PEOPLE = Measure(title="p", unit="people", kind="stock", column=("p",))
MEASURES = {"rate": RATE, "people": PEOPLE}
YEAR = (date(2023, 1, 1), date(2023, 12, 31))
PARTS = Crosswalk(
    list_parts(
        {
            "A": Successor(("N",), "merged"),
            "B": Successor(("N",), "merged"),
            "C": Successor(("C",), "observed"),
        }
    )
)


def cell(measure: str, place: str, value: float | None, span: tuple[date, date] = YEAR) -> dict[str, Any]:
    half = 0.05 if measure == "rate" else 0.0
    return {
        "source": "s", "release": "x", "released_at": date(2024, 1, 1), "measure": measure, "place_code": place,
        "geography": "lad_2019", "period_start": span[0], "period_end": span[1], "value": value,
        "lower_bound": None if value is None else value - half, "upper_bound": None if value is None else value + half,
        "obs_status": "normal" if value is not None else "not_available", "file": "f", "file_row": 1,
        "file_column": "c",
    }  # fmt: skip


def table(cells: list[dict[str, Any]]) -> pl.DataFrame:
    return table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))


def placed(rates: list[dict[str, Any]], people: list[dict[str, Any]]) -> dict[str, Any]:
    """Convert some rates to N, with parts A and B; return the row of N."""
    return (
        place_figures(table(rates), PARTS, MEASURES, table(people)).filter(pl.col("to_code") == "N").row(0, named=True)
    )


def test_rate_is_the_average_of_its_parts_by_denominator() -> None:
    actual = placed(
        [cell("rate", "A", 2.0), cell("rate", "B", 8.0)], [cell("people", "A", 300.0), cell("people", "B", 100.0)]
    )
    assert (actual["value"], actual["reason"]) == (pytest.approx(3.5), None)
    assert (actual["derivation"], actual["obs_status"], actual["coverage"]) == ("rate_averaged", "estimated", 1.0)
    assert (actual["lower_bound"], actual["upper_bound"]) == (pytest.approx(3.45), pytest.approx(3.55))
    assert actual["evidence"] == "average of the rates of 2 places, weighted by people of 2023-12-31"


def test_weights_of_another_period_give_the_range_of_parts_as_bounds() -> None:
    before = (date(2022, 6, 30), date(2022, 6, 30))
    people = [cell("people", "A", 300.0, before), cell("people", "B", 100.0, before)]
    actual = placed([cell("rate", "A", 2.0), cell("rate", "B", 8.0)], people)
    assert actual["value"] == pytest.approx(3.5)
    assert (actual["lower_bound"], actual["upper_bound"]) == (pytest.approx(1.95), pytest.approx(8.05))


@pytest.mark.parametrize(
    "people",
    [
        [],
        [cell("people", "A", 300.0)],
        [cell("people", "A", 300.0), cell("people", "B", 0.0)],
        [cell("people", "A", 300.0), cell("people", "B", None)],
        [cell("people", p, 9.0, (date(2024, 6, 30), date(2024, 6, 30))) for p in "AB"],
    ],
    ids=["no denominator", "of one part only", "nobody in one part", "not available", "only from after"],
)
def test_rate_without_every_denominator_is_a_gap(people: list[dict[str, Any]]) -> None:
    actual = placed([cell("rate", "A", 2.0), cell("rate", "B", 8.0)], people)
    assert (actual["value"], actual["reason"]) == (None, "needs_parts")
    assert (actual["lower_bound"], actual["upper_bound"]) == (pytest.approx(1.95), pytest.approx(8.05))


def test_part_without_a_rate_gives_a_gap() -> None:
    actual = placed([cell("rate", "A", 2.0)], [cell("people", "A", 300.0), cell("people", "B", 100.0)])
    assert (actual["value"], actual["reason"]) == (None, "children_incomplete")


@given(
    rates=st.tuples(st.floats(0, 100), st.floats(0, 100)),
    people=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)),
)
def test_average_is_within_the_range_of_its_rates(rates: tuple[float, float], people: tuple[float, float]) -> None:
    actual = placed(
        [cell("rate", place, rate) for place, rate in zip("AB", rates, strict=True)],
        [cell("people", place, count) for place, count in zip("AB", people, strict=True)],
    )
    assert min(rates) - 1e-9 <= actual["value"] <= max(rates) + 1e-9
    assert actual["lower_bound"] <= actual["value"] <= actual["upper_bound"]
