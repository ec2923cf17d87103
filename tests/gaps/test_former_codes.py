"""Slices under the codes of their own period: which rows of former places are used, and for which codes."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import CODE_CHANGE_COLUMNS, OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.gaps.former_codes import split_by_codes_of_period
from pipelines.geography import Places
from pipelines.observations import TOTAL

SPANS = {"A": (2010, 2022), "B": (2010, 2022), "N": (2023, None), "Z": (2010, None), "C": (2010, 2021),
         "M": (2022, None)}  # fmt: skip
"""First and last year of each code: A and B became N, and C became M; Z is unchanged."""
PLACES = Places(
    table_from_records(
        [
            {"place_code": code, "kind": "lad", "place_name": code, "valid_from": date(first, 1, 1),
             "valid_to": date(last, 12, 31) if last else None}
            for code, (first, last) in SPANS.items()
        ],
        PLACE_COLUMNS,
    ),
    table_from_records(
        [{"from_code": old, "to_code": new, "changed_on": date(SPANS[new][0], 1, 1), "kind": "merged"}
         for old, new in (("A", "N"), ("B", "N"), ("C", "M"))],
        CODE_CHANGE_COLUMNS,
    ),
)  # fmt: skip
CODES = ["N", "Z", "M"]


def figure(code: str, year: int, value: float | None = 5.0, **more: Any) -> dict[str, Any]:
    return {"source": "s", "release": "r", "released_at": date(2024, 1, 1), "measure": "homes", "place_code": code,
            "geography": "lad_2023", "period_start": date(year, 1, 1), "period_end": date(year, 12, 31),
            "value": value, "unit": "homes", "obs_status": "normal", "file": "f.csv", "order": 0, **more}  # fmt: skip


def former(code: str, year: int, value: float | None = 2.0, **more: Any) -> dict[str, Any]:
    return figure(code, year, value, **{"role": "retired_code", **more})


def split(
    observed: list[dict[str, Any]], retired: list[dict[str, Any]], codes: list[str] = CODES, places: Places = PLACES
) -> list[tuple[list[str], list[Any]]]:
    """Return for each part its codes, and year, place and value of its rows."""
    observation = table_from_records(observed, OBSERVATION_COLUMNS).with_columns(
        pl.Series("order", [row["order"] for row in observed], pl.Int64)
    )
    parts = split_by_codes_of_period(observation, table_from_records(retired, TOTAL), codes, places)
    assert all(part.observation.columns == observation.columns for part in parts)
    assert all(set(part.observation["geography"]) == {"lad_2023"} for part in parts)
    return [
        (part.codes, part.observation.select(pl.col("period_end").dt.year(), "place_code", "value").rows())
        for part in parts
    ]


def test_slice_without_former_rows_has_the_codes_of_the_geography() -> None:
    assert split([figure("N", 2023), figure("Z", 2023)], []) == [(CODES, [(2023, "N", 5.0), (2023, "Z", 5.0)])]


def test_former_rows_take_the_place_of_their_successor_in_their_slice_alone() -> None:
    observed = [figure("N", 2023), figure("Z", 2023), figure("Z", 2022)]
    assert split(observed, [former("B", 2022), former("A", 2022, 3.0)]) == [
        (CODES, [(2023, "N", 5.0), (2023, "Z", 5.0)]),
        (["Z", "M", "A", "B"], [(2022, "A", 3.0), (2022, "B", 2.0), (2022, "Z", 5.0)]),
    ]


def test_missing_predecessor_belongs_to_the_slice_too() -> None:
    assert split([figure("Z", 2022)], [former("A", 2022)]) == [
        (["Z", "M", "A", "B"], [(2022, "A", 2.0), (2022, "Z", 5.0)])
    ]


def test_gap_of_the_successor_is_replaced_and_a_figure_is_not() -> None:
    assert split([figure("N", 2022, None), figure("Z", 2022)], [former("A", 2022)]) == [
        (["Z", "M", "A", "B"], [(2022, "A", 2.0), (2022, "Z", 5.0)])
    ]
    known = [figure("N", 2022, 0.0), figure("Z", 2022)]
    assert split(known, [former("A", 2022)]) == [(CODES, [(2022, "N", 0.0), (2022, "Z", 5.0)])]


@pytest.mark.parametrize(
    "wrong",
    [
        former("A", 2024),
        former("A", 2021),
        former("A", 2022, order=1),
        former("A", 2022, role="total"),
        former("A", 2022, place_code=None),
        former("A", 2022, measure="jobs"),
        former("Q", 2022),
    ],
    ids=["after its end", "another period", "another release", "total", "no code", "another measure", "unknown code"],
)
def test_other_rows_change_nothing(wrong: dict[str, Any]) -> None:
    observed = [figure("Z", 2022), figure("Z", 2024)]
    assert split(observed, [wrong]) == [(CODES, [(2022, "Z", 5.0), (2024, "Z", 5.0)])]


@pytest.mark.parametrize(
    ("start", "end", "is_used"),
    [
        (date(2022, 1, 1), date(2022, 12, 31), True),
        (date(2022, 12, 31), date(2023, 3, 31), True),
        (date(2023, 1, 1), date(2023, 3, 31), False),
        (date(2009, 1, 1), date(2010, 1, 1), True),
        (date(2009, 1, 1), date(2009, 12, 31), False),
    ],
)
def test_code_is_used_on_its_last_and_first_day(start: date, end: date, is_used: bool) -> None:
    span = {"period_start": start, "period_end": end}
    [(codes, rows)] = split([figure("Z", 2022, **span)], [former("A", 2022, **span)])
    assert codes == (["Z", "M", "A", "B"] if is_used else CODES)
    assert [place for _, place, _ in rows] == (["A", "Z"] if is_used else ["Z"])


def test_slices_with_the_same_codes_share_a_part() -> None:
    observed = [figure("Z", year) for year in (2020, 2021, 2022)]
    retired = [former("A", 2022), former("B", 2021), former("A", 2020), former("C", 2020)]
    assert split(observed, retired) == [
        (["Z", "A", "B", "C"], [(2020, "A", 2.0), (2020, "C", 2.0), (2020, "Z", 5.0)]),
        (["Z", "M", "A", "B"], [(2021, "B", 2.0), (2021, "Z", 5.0), (2022, "A", 2.0), (2022, "Z", 5.0)]),
    ]


def test_former_code_without_a_last_day_is_still_in_use() -> None:
    first_days = {"E": date(2010, 1, 1), "P": date(2020, 1, 1)}
    spans = [{"place_code": code, "kind": "lad", "valid_from": day} for code, day in first_days.items()]
    change = {"from_code": "E", "to_code": "P", "changed_on": date(2020, 1, 1), "kind": "recoded"}
    places = Places(table_from_records(spans, PLACE_COLUMNS), table_from_records([change], CODE_CHANGE_COLUMNS))
    assert split([figure("P", 2021, None)], [former("E", 2021)], ["P"], places) == [(["E", "P"], [(2021, "E", 2.0)])]
