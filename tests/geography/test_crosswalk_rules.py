"""Kinds of the pairs of a crosswalk, and the residents of areas with one target."""

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.geography import crosswalk
from pipelines.geography.crosswalk import _add_residents, _complete_rows, _find_residents
from pipelines.geography.overlay import CrosswalkRequest

PAIRS: list[tuple[str | None, str | None, float | None]] = [
    (None, "T1", None), ("A", None, None), ("B", "T1", None), ("C", "T1", 0.5), ("C", "T2", 0.5), ("D", "D", 1.0),
    ("E", "T2", 1.0), ("F", "F", 0.75), ("F", None, 0.25),
]  # fmt: skip
SCHEMA = {"from_code": pl.String, "to_code": pl.String, "weight": pl.Float64, "weight_population": pl.Float64}


def make_rows() -> pl.DataFrame:
    return pl.DataFrame([(*pair, None) for pair in PAIRS], schema=SCHEMA, orient="row")


@pytest.mark.parametrize("order", [1, -1])
def test_kind_of_a_pair_follows_from_its_codes_and_the_other_targets_of_its_area(order: int) -> None:
    completed = _complete_rows(make_rows()[::order], "lookup", "people")[::order]
    assert completed.select("from_code", "kind", "weighed_by").rows() == [
        (None, "outside", None), ("A", "lost", None), ("B", "split", None), ("C", "apportioned", "people"),
        ("C", "apportioned", "people"), ("D", "observed", None), ("E", "aggregated", None),
        ("F", "apportioned", "people"), ("F", "lost", "people"),
    ]  # fmt: skip
    assert completed["source"].to_list() == ["lookup"] * len(PAIRS)


def test_residents_are_added_to_areas_with_one_target_where_others_are_apportioned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    living = pl.DataFrame({"place_code": ["C", "D", "E"], "residents": [10.0, 20.0, 30.0]})
    monkeypatch.setattr(crosswalk, "_find_residents", lambda *_: living)
    rows = _complete_rows(make_rows(), "lookup", "people")
    request = cast(Any, type("Request", (), {"from_system": "lad_2021"}))
    added = _add_residents(rows, cast(Any, None), request)
    assert added.columns == rows.columns
    people = dict(zip(PAIRS, added["weight_population"], strict=True))
    assert {pair: number for pair, number in people.items() if number is not None} == {PAIRS[5]: 20.0, PAIRS[6]: 30.0}
    without = rows.filter(pl.col("kind") != "apportioned")
    assert _add_residents(without, cast(Any, None), request).equals(without), "no area is apportioned"


def test_residents_are_of_the_largest_table_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest table of all has none of the geography's areas."""
    areas = [SimpleNamespace(table=pl.DataFrame({"x": range(rows)})) for rows in (2, 9, 5)]
    data = cast(Any, SimpleNamespace(areas=areas, places=None))
    monkeypatch.setattr(crosswalk, "list_geography_codes", lambda *_: ["A"])

    def residents(most: int) -> list[float] | None:
        """Return the residents where tables of more rows have none."""

        def count(table: Any, places: Any, codes: list[str], within: Any) -> pl.DataFrame | None:
            assert (places, codes) == (None, ["A"])
            assert (within.from_system, within.to_system, within.target) == ("ward_2024", "ward_2024", None)
            rows = table.table.height
            return None if rows > most else pl.DataFrame({"place_code": ["A"], "residents": [float(rows)]})

        monkeypatch.setattr(crosswalk, "count_residents", count)
        living = _find_residents(data, "ward_2024", CrosswalkRequest("lad_2021", "icb_2022", frozenset({"X"})))
        return None if living is None else living["residents"].to_list()

    assert [residents(most) for most in (9, 8, 4, 1)] == [[9.0], [5.0], [2.0], None]
