"""Years of the geographies that have a code."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.geography.lineage import MAX_CHILDREN_LISTED, _list_children, _list_geographies
from pipelines.geography.register import Places


def use(first: str, last: str | None = None, known: date | None = date(2020, 6, 30)) -> dict[str, Any]:
    days = {"valid_from": date.fromisoformat(first), "valid_to": last and date.fromisoformat(last)}
    return {"place_code": "E06000001", "kind": "lad", "known_up_to": known, **days}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([use("2009-04-01")], "lad_2011 to _2020"),
        ([use("2009-04-01", "2011-12-31")], "lad_2011"),
        ([use("2009-04-01", "2012-12-30")], "lad_2011"),
        ([use("2009-04-01", "2012-12-31"), use("2015-01-01", "2015-12-31"), use("2018-12-31")],
         "lad_2011 to _2012, lad_2015, lad_2018 to _2020"),
        ([use("2009-04-01", "2010-12-31")], "none since 2011"),
        ([use("2009-04-01", known=None)], "lad_2011 to _2022"),
        ([use("2009-04-01", known=date(2015, 1, 1)), use("2009-04-01", known=date(2017, 1, 1))], "lad_2011 to _2017"),
    ],
)  # fmt: skip
def test_code_is_in_the_geographies_of_the_years_that_it_was_in_use_on_31_december(
    rows: list[dict[str, Any]], expected: str
) -> None:
    """Years end with the last of the register, and with 2022 where it declares none."""
    listed = _list_geographies("X06000001", rows, 2022)
    assert listed == expected


@pytest.mark.parametrize("number", [1, MAX_CHILDREN_LISTED, MAX_CHILDREN_LISTED + 1])
def test_areas_within_an_area_are_listed_or_counted(number: int) -> None:
    day = date(2020, 6, 30)
    rows = [
        {**use("2009-04-01"), "place_code": f"E{n:02}", "place_name": f"n{n}", "parent_code": "E10"}
        for n in range(number)
    ]
    others = [
        {**rows[0], "place_code": "x1", "kind": "ward"}, {**rows[0], "place_code": "x2", "valid_to": date(2020, 6, 29)},
        {**rows[0], "place_code": "x3", "valid_from": date(2020, 7, 1)},
        {**rows[0], "place_code": "x4", "parent_code": "E11"}, {**rows[0], "valid_to": day},
        {**rows[0], "valid_from": day, "valid_to": None},
    ]  # fmt: skip
    places = Places(table_from_records([*others[::-1], *rows[::-1]], PLACE_COLUMNS), empty_table(CODE_CHANGE_COLUMNS))
    listed = ", ".join(f"E{n:02} n{n}" for n in range(number))
    expected = f"lad: {listed}" if number <= MAX_CHILDREN_LISTED else f"lad: {number} areas"
    assert list(_list_children(places, "E10", day)) == [("contains", expected)]
