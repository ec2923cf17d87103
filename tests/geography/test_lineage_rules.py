"""Years of the geographies that have a code."""

from datetime import date
from typing import Any

import pytest

from pipelines.geography.lineage import _list_geographies


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
