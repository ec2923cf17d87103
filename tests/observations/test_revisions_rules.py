"""Rules of revisions: each cell of either release, the summary, and the suspicion of a changed definition."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.observations.revisions import (
    REVISION,
    REVISION_SUMMARY,
    compare_pair,
    readable_summary,
)
from tests.observations.compared import compare_releases

Row = dict[str, Any]


def cell(place: str, value: float | None, year: int = 2020, measure: str = "m", **more: Any) -> Row:
    return {
        "measure": measure, "place_code": place, "period_start": date(year, 1, 1), "period_end": date(year, 12, 31),
        "value": value, "obs_status": "normal" if value is not None else "confidential", "file_column": "figure",
        **more,
    }  # fmt: skip


def release(order: int, *cells: Row, source: str = "s") -> pl.DataFrame:
    known = {"release": f"sha{order}", "released_at": date(2023, 1, 1 + order), "source": source}
    return table_from_records([{**item, **known} for item in cells], OBSERVATION_COLUMNS).with_columns(
        pl.lit(order, pl.Int64).alias("order")
    )


def summed(*releases: pl.DataFrame) -> Row:
    actual = compare_releases(pl.concat(releases))[1]
    assert actual.height == 1
    return actual.row(0, named=True)


def both(old: list[Row], new: list[Row]) -> Row:
    return summed(release(0, *old), release(1, *new))


PAIR = {"old_release": "sha0", "new_release": "sha1", "old_released_at": date(2023, 1, 1),
        "new_released_at": date(2023, 1, 2)}  # fmt: skip
OLD = [cell("A", 5.0), cell("B", 6.0, obs_status="provisional"), cell("C", 7.0), cell("D", None)]
NEW = [cell("A", 5.0), cell("B", 9.0, obs_status="revised"), cell("D", 4.0), cell("E", 1.0)]


def test_changed_new_and_withdrawn_cells_have_every_column() -> None:
    shared = {"source": "s", "measure": "m", "period_start": date(2020, 1, 1), "period_end": date(2020, 12, 31),
              "whole_period": False, **PAIR}  # fmt: skip

    def row(place: str, kind: str, *rest: Any) -> Row:
        names = ("old", "new", "difference", "old_obs_status", "new_obs_status")
        return {**shared, "place_code": place, "kind": kind, **dict(zip(names, rest, strict=True))}

    actual = compare_releases(pl.concat([release(0, *OLD), release(1, *NEW)]))[0]
    assert actual.columns == list(REVISION)
    assert actual.to_dicts() == [
        row("B", "changed", 6.0, 9.0, 3.0, "provisional", "revised"),
        row("C", "disappeared", 7.0, None, None, "normal", None),
        row("D", "changed", None, 4.0, None, "confidential", "normal"),
        row("E", "appeared", None, 1.0, None, None, "normal"),
    ]


def test_summary_has_every_column() -> None:
    actual = both([*OLD, cell("F", 0.0), cell("G", 10.0)], [*NEW, cell("F", 2.0), cell("G", None)])
    # Of six cells in both, B, D, F and G changed. Only B has a ratio, and only B and F have a difference.
    assert actual == {
        "source": "s", "measure": "m", **PAIR, "cells_in_both": 5, "changed": 4, "share_changed": 0.8, "appeared": 1,
        "disappeared": 1, "median_ratio": 1.5, "largest_change": 3.0, "places_most_affected": "B, F",
        "suspicion": "in 1 of 1 periods most figures changed, with a median ratio outside 0.9 to 1.1; "
        "furthest from 1 in January 2020: 1.5",
    }  # fmt: skip
    assert list(actual) == list(REVISION_SUMMARY)


def test_change_of_status_alone_is_not_a_revision() -> None:
    actual, summary = compare_releases(
        pl.concat([release(0, cell("A", 5.0)), release(1, cell("A", 5.0, obs_status="revised"))])
    )
    assert actual.is_empty()
    assert summary.select("cells_in_both", "changed", "share_changed", "largest_change").rows() == [(1, 0, 0.0, None)]


def test_figure_that_becomes_suppressed_has_changed() -> None:
    hidden = [cell("A", None)]
    assert both([cell("A", 5.0)], hidden)["changed"] == 1
    assert both(hidden, hidden)["changed"] == 0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([cell("A", 5.0)], [cell("A", 5.0), cell("A", 6.0, 2021)], [("appeared", True)]),
        ([cell("A", 5.0), cell("A", 6.0, 2021)], [cell("A", 5.0)], [("disappeared", True)]),
        ([cell("A", 5.0)], [cell("B", 5.0)], [("disappeared", False), ("appeared", False)]),
        # Another measure can have the period.
        ([cell("A", 5.0, measure="n")], [cell("A", 5.0, measure="n"), cell("A", 5.0)], [("appeared", True)]),
        ([cell("A", 5.0)], [cell("A", 7.0)], [("changed", False)]),
    ],
)  # fmt: skip
def test_whole_period_is_absent_for_every_place_in_the_other_release(
    old: list[Row], new: list[Row], expected: list[Any]
) -> None:
    actual = compare_releases(pl.concat([release(0, *old), release(1, *new)]))[0]
    assert actual.select("kind", "whole_period").rows() == expected


def test_periods_with_another_first_or_last_day_are_different() -> None:
    for other in ({"period_start": date(2020, 7, 1)}, {"period_end": date(2020, 6, 30)}):
        actual = both([cell("A", 5.0)], [cell("A", 9.0, **other)])
        assert (actual["cells_in_both"], actual["appeared"], actual["disappeared"]) == (0, 1, 1)
        assert (actual["share_changed"], actual["suspicion"]) == (None, None)


def test_rows_are_ordered_by_measure_place_and_period() -> None:
    cells = [cell(p, 1.0, y, m) for m in "nm" for p in "BA" for y in (2021, 2020)]
    actual = compare_pair(release(0, *cells), release(1, *cells[::-1]))
    key = actual.select("measure", "place_code", "period_start").rows()
    assert key == sorted(key) and len(key) == 8
    assert actual["kind"].to_list() == [None] * 8


def test_releases_are_compared_in_order_within_each_source() -> None:
    several = [release(n, cell("A", float(n))) for n in (0, 2, 10, 11)]
    other = [release(n, cell("A", 1.0 + n), source="r") for n in (0, 1)]
    cells, summary = compare_releases(pl.concat([*several[::-1], *other]))
    assert cells.select("source", "old", "new", "difference").rows() == [
        ("r", 1.0, 2.0, 1.0), ("s", 0.0, 2.0, 2.0), ("s", 2.0, 10.0, 8.0), ("s", 10.0, 11.0, 1.0)
    ]  # fmt: skip
    assert summary.select("source", "old_release", "new_release", "new_released_at").rows() == [
        ("r", "sha0", "sha1", date(2023, 1, 2)), ("s", "sha0", "sha2", date(2023, 1, 3)),
        ("s", "sha2", "sha10", date(2023, 1, 11)), ("s", "sha10", "sha11", date(2023, 1, 12)),
    ]  # fmt: skip


def test_fewer_than_two_releases_have_no_revisions() -> None:
    for frame in (release(0, cell("A", 5.0)), release(0)):
        cells, summary = compare_releases(frame)
        assert (cells.height, cells.columns, summary.height, summary.columns) == (
            0, list(REVISION), 0, list(REVISION_SUMMARY)
        )  # fmt: skip


def test_each_measure_has_its_own_summary() -> None:
    alone = both(OLD, NEW)
    other = [[cell(place, factor, measure="l") for place in "ABC"] for factor in (1.0, 100.0)]
    actual = compare_releases(pl.concat([release(0, *OLD, *other[0]).reverse(), release(1, *other[1], *NEW)]))[1]
    assert actual["measure"].to_list() == ["l", "m"]
    assert actual.row(1, named=True) == alone
    first = actual.row(0, named=True)
    assert (first["cells_in_both"], first["changed"], first["median_ratio"]) == (3, 3, 100.0)
    assert first["places_most_affected"] == "A, B, C"
    assert first["suspicion"].endswith("furthest from 1 in January 2020: 100.0")


@pytest.mark.parametrize(
    ("old", "new", "ratio"),
    [
        # The median of changed cells; unchanged and suppressed cells, and those changed from zero, have no ratio.
        ([1, 1, 1, 1, 1], [1, 1, 2, 4, 9], 4.0), ([1, 1], [2, 4], 3.0), ([0, 2], [5, 3], 1.5), ([0], [5], None),
        ([2, 2], [None, 3], 1.5), ([None, 2], [9, 3], 1.5), ([-2], [-4], 2.0), ([4], [0], 0.0), ([5], [5], None),
    ],
)  # fmt: skip
def test_median_ratio_covers_only_changed_cells(old: list[Any], new: list[Any], ratio: float | None) -> None:
    cells = [[cell(str(n), value) for n, value in enumerate(side)] for side in (old, new)]
    actual = both(*cells)
    assert actual["median_ratio"] == ratio


def test_largest_change_is_furthest_from_zero_with_its_sign() -> None:
    old = [cell(place, 10.0) for place in "ABCD"]
    assert both(old, [cell("A", 12.0), cell("B", 3.0), cell("C", 11.0), cell("D", None)])["largest_change"] == -7.0
    assert both(old, [cell("A", 18.0), cell("B", 3.0), cell("C", 11.0), cell("D", None)])["largest_change"] == 8.0
    assert both(old, [*old[:3], cell("D", None)])["largest_change"] is None


def test_five_places_with_the_largest_total_change_are_listed() -> None:
    places = "ABCDEF"
    old = [cell(place, 100.0, year) for place in places for year in (2020, 2021)]
    change = {"A": (1, 1), "B": (5, -5), "C": (0, 6), "D": (4, 4), "E": (-7, 0), "F": (1, 1)}
    new = [cell(p, 100.0 + change[p][y - 2020], y) for p in places for y in (2020, 2021)]
    assert both(old, new)["places_most_affected"] == "B, D, E, C, A"
    assert both(old[::-1], new[::-1])["places_most_affected"] == "B, D, E, C, A"
    # New cells and newly suppressed cells have no difference.
    assert (
        both([cell("A", 1.0), cell("B", 1.0)], [cell("A", None), cell("B", 2.0), cell("C", 99.0)])[
            "places_most_affected"
        ]
        == "B"
    )
    assert both(old, old)["places_most_affected"] is None


def moved(factor: float, changed: int = 3, of: int = 3) -> str | None:
    """Multiply some figures of 2021 by a factor, and leave those of 2020 and 2022."""
    places = [str(n) for n in range(of)]
    old = [cell(place, 100.0, year) for place in places for year in (2020, 2021, 2022)]
    new = [cell(p, 100.0 * (factor if y == 2021 and int(p) < changed else 1), y)
           for p in places for y in (2020, 2021, 2022)]  # fmt: skip
    suspicion = both(old, new)["suspicion"]
    assert suspicion is None or isinstance(suspicion, str)
    return suspicion


@pytest.mark.parametrize(
    ("factor", "suspected"),
    [(1.1, False), (1.11, True), (0.9, False), (0.89, True), (1.05, False), (0.0, True), (1000.0, True)],
)
def test_period_is_suspect_where_the_median_ratio_is_over_a_tenth_from_one(factor: float, suspected: bool) -> None:
    actual = moved(factor)
    assert (actual is not None) == suspected
    if actual:
        assert actual == (
            "in 1 of 3 periods most figures changed, with a median ratio outside 0.9 to 1.1; furthest from 1 in "
            f"January 2021: {factor}"
        )


@pytest.mark.parametrize(("changed", "suspected"), [(2, False), (3, True), (4, True), (1, False)])
def test_period_is_suspect_where_more_than_half_of_its_figures_changed(changed: int, suspected: bool) -> None:
    assert (moved(2.0, changed, 4) is not None) == suspected


def test_cells_of_one_release_only_are_not_in_the_share_changed() -> None:
    old = [cell("A", 10.0), cell("B", 10.0), cell("C", 10.0)]
    new = [cell("A", 20.0), cell("B", 20.0), cell("C", 10.0), *(cell(place, 1.0) for place in "DEFG")]
    assert "in 1 of 1 periods" in both(old, new)["suspicion"]
    assert "in 1 of 1 periods" in both(new, old)["suspicion"]


def test_period_with_the_ratio_furthest_from_one_is_named() -> None:
    factors = {2019: 1.5, 2020: 0.3, 2021: 1.6, 2022: 1.0}
    old = [cell(place, 100.0, year) for place in "ABC" for year in factors]
    new = [cell(place, 100.0 * factor, year) for place in "ABC" for year, factor in factors.items()]
    for turned in (1, -1):
        actual = both(old[::turned], new[::turned])["suspicion"]
        assert actual.startswith("in 3 of 4 periods") and actual.endswith("furthest from 1 in January 2020: 0.3")
    # A period with few changes is not suspect, however large they are.
    new[0] = cell("A", 100.0 * 90, 2022)
    few = [*new[1:], cell("A", 150.0, 2019)]
    assert both(old, few)["suspicion"].endswith("January 2020: 0.3")


def test_period_without_a_ratio_is_not_suspect() -> None:
    nought = [cell(place, 0.0) for place in "ABC"]
    assert both(nought, [cell(place, 5.0) for place in "ABC"])["suspicion"] is None
    # Figures changed from zero count in the share, but not in the ratio.
    assert both([*nought, cell("D", 1.0)], [cell(place, 2.0) for place in "ABCD"])["suspicion"].endswith(": 2.0")


def test_period_without_a_ratio_is_not_counted() -> None:
    old = [cell(p, 0.0 if y == 2020 else 4.0, y) for p in "ABC" for y in (2020, 2021)]
    new = [cell(p, 5.0, y) for p in "ABC" for y in (2020, 2021)]
    assert both(old, new)["suspicion"].startswith("in 1 of 2 periods")


def test_ratio_of_a_period_is_its_median() -> None:
    old = [cell(place, 100.0) for place in "ABC"]
    assert both(old, [cell("A", 104.0), cell("B", 105.0), cell("C", 900.0)])["suspicion"] is None
    actual = both(old, [cell("A", 104.0), cell("B", 123.45), cell("C", 900.0)])["suspicion"]
    assert actual.endswith("January 2020: 1.23")


def test_new_and_withdrawn_cells_are_counted() -> None:
    actual = both([cell(place, 1.0) for place in "ABCDE"], [cell(place, 1.0) for place in "EFG"])
    assert (actual["cells_in_both"], actual["appeared"], actual["disappeared"]) == (1, 2, 4)


HEADING = "the heading changed from Figure to figure"


@pytest.mark.parametrize(
    ("old", "new", "suspected"),
    [
        (["Figure"], ["figure"], True), (["figure"], ["figure"], False),
        # With several headings the match is ambiguous, and with none there is no comparison.
        (["Figure", "Other"], ["figure", "figure"], False), (["Figure", "Figure"], ["figure", "other"], False),
        (["Figure", "Figure"], ["figure", "figure"], True), ([None], ["figure"], False), (["Figure"], [None], False),
    ],
)  # fmt: skip
def test_changed_heading_is_suspect(old: list[Any], new: list[Any], suspected: bool) -> None:
    cells = [[cell(str(n), 5.0, file_column=heading) for n, heading in enumerate(side)] for side in (old, new)]
    assert both(*cells)["suspicion"] == (HEADING if suspected else None)


def test_changed_heading_of_other_cells_is_not_suspect() -> None:
    assert both([cell("A", 5.0, file_column="Figure")], [cell("B", 5.0)])["suspicion"] is None


def test_both_suspicions_are_reported() -> None:
    actual = both([cell("A", 5.0, file_column="Figure")], [cell("A", 10.0)])["suspicion"]
    assert actual.startswith(f"{HEADING}; in 1 of 1 periods")


def test_readable_summary_is_short() -> None:
    old = [cell(place, 3.0) for place in "ABC"]
    summary = compare_releases(pl.concat([release(0, *old), release(1, *old[:2], cell("C", 3.4567), cell("D", 1.0))]))[
        1
    ]
    actual = readable_summary(summary)
    assert actual.to_dicts() == [
        {"source": "s", "measure": "m", "from": date(2023, 1, 1), "to": date(2023, 1, 2), "in both": 3, "changed": 1,
         "share": "33.3%", "appeared": 1, "disappeared": 0, "ratio": 1.152, "largest": 0.46,
         "places_most_affected": "C", "suspicion": None}
    ]  # fmt: skip
    assert_frame_equal(readable_summary(summary.clear()), actual.clear())


def test_comparison_of_thousands_of_cells_loses_none() -> None:
    old = release(0, *(cell(str(n), float(n)) for n in range(3_000)))
    new = release(1, *(cell(str(n), float(n + (n % 2))) for n in range(1_000, 4_000)))
    actual = compare_pair(old, new)
    assert actual.height == 4_000
    counted = dict(actual.group_by("kind").len().iter_rows())
    assert counted == {None: 1_000, "changed": 1_000, "appeared": 1_000, "disappeared": 1_000}
