"""Where data break at a border: both sides of each threshold, on pairs of places made for it."""

from datetime import date
from math import exp
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.gaps.discontinuities import BOUNDARY_DISCONTINUITY, add_discontinuity_caveats, find_discontinuities
from tests.gaps.plain import measure_of

Y23, Y24 = (date(2023, 1, 1), date(2023, 12, 31)), (date(2024, 1, 1), date(2024, 12, 31))
MEASURES = {"rate": measure_of("rate"), "count": measure_of("count"), "stock": measure_of()}


def cell(place: str, value: float | None, measure: str = "rate", of: tuple[date, date] = Y23, **said: Any) -> dict[str, Any]:  # fmt: skip  # noqa: E501
    about = {"problem": "p", "measure": measure, "place_code": place, "place_name": f"Place {place}",
             "nation": "England", "value": value, "reason": "suppressed" if value is None else None,
             "period_start": of[0], "period_end": of[1]}  # fmt: skip
    return {**about, **said}


def beside(*pairs: tuple[str, str]) -> pl.DataFrame:
    """Put places beside each other, both ways round."""
    both = [*pairs, *(pair[::-1] for pair in pairs)]
    return pl.DataFrame(both, schema={"place_code": pl.String, "neighbour_code": pl.String}, orient="row")


def find_jumps(cells: list[dict[str, Any]], neighbours: pl.DataFrame) -> pl.DataFrame:
    """Find the cliffs; the order of cells and neighbours changes none."""
    cliff = find_discontinuities(table_from_records(cells, CELL_COLUMNS), neighbours, MEASURES)
    assert cliff.columns == list(BOUNDARY_DISCONTINUITY)
    assert_frame_equal(
        find_discontinuities(table_from_records(cells[::-1], CELL_COLUMNS), neighbours.reverse(), MEASURES), cliff
    )
    return cliff


def row(kind: str, place_a: str, place_b: str | None, value_a: float | None, value_b: float | None,
        reason_b: str | None, evidence: str | None, measure: str = "rate") -> tuple[Any, ...]:  # fmt: skip
    return ("p", measure, *Y23, kind, place_a, place_b, value_a, value_b, reason_b, evidence)


def test_border_with_one_figure_is_listed_once_with_the_known_side_first() -> None:
    cells = [cell("B", 1.256), cell("A", None), cell("C", None), cell("D", -2.0)]
    assert find_jumps(cells, beside(("A", "B"), ("A", "C"), ("C", "D"))).rows() == [
        row("known_unknown", "B", "A", 1.256, None, "suppressed", "Place B has 1.26; Place A has none (suppressed)"),
        row("known_unknown", "D", "C", -2.0, None, "suppressed", "Place D has -2; Place C has none (suppressed)"),
    ]


def test_national_border_gives_nation_edge_only_there() -> None:
    cells = [cell("A", 5.0), cell("W", None, nation="Wales", reason="nation_not_covered"), cell("B", None, nation=None)]
    assert find_jumps(cells, beside(("A", "W"), ("A", "B"))).select("kind", "place_b", "reason_b").rows() == [
        ("known_unknown", "B", "suppressed"), ("nation_edge", "W", "nation_not_covered"),
    ]  # fmt: skip


def test_only_neighbours_of_one_measure_and_period_are_compared() -> None:
    cells = [cell("A", 5.0), cell("B", None, "count"), cell("B", None, of=Y24), cell("C", None), cell("B", 5.0)]
    assert find_jumps(cells, beside(("A", "B"))).is_empty()
    assert find_jumps([cell("A", 5.0)], beside(("A", "B"), ("A", "A"))).is_empty()
    assert find_jumps([], beside(("A", "B"))).is_empty()


APART = [1.0] * 10 + [2.0] * 10 + [3.0] * 9
"""How far neighbours are apart: with one more that is further the median is 2, and so is the deviation 1."""
JUST = 2 + 8 * 1.4826


def board(far: float, measure: str = "rate", apart: list[float] = APART, **said: Any) -> list[dict[str, Any]]:
    """Make pairs of neighbours that are so far apart, the last of them `far`: by difference, or counts by ratio."""
    cells = []
    for n, item in enumerate([*apart, far]):
        low = 7.0 * n if measure == "rate" else float(n % 2)
        high = low + item if measure == "rate" else exp(item) * (low + 1) - 1
        cells += [cell(f"A{n:02}", low, measure, **said), cell(f"B{n:02}", high, measure, **said)]
    return cells


PAIRS = beside(*((f"A{n:02}", f"B{n:02}") for n in range(30)))


@pytest.mark.parametrize("measure", ["rate", "count", "stock"])
def test_jump_exceeds_eight_deviations_above_the_median(measure: str) -> None:
    assert find_jumps(board(JUST - 0.001, measure), PAIRS).is_empty()
    (jump,) = find_jumps(board(JUST + 0.001, measure), PAIRS).to_dicts()
    assert (jump["kind"], jump["place_a"], jump["place_b"], jump["reason_b"]) == ("jump", "B29", "A29", None)
    assert jump["evidence"].endswith(": 8.0 robust deviations above the median of 30 pairs of neighbours")


def test_jump_states_the_comparison() -> None:
    evidence = (
        "Place B29 has 223 and Place A29 has 203: 12.1 robust deviations above the median of 30 pairs of neighbours"
    )
    assert find_jumps(board(20.0), PAIRS).rows() == [row("jump", "B29", "A29", 223.0, 203.0, None, evidence)]


def test_nearer_than_usual_is_no_jump() -> None:
    wide = [item + 40 for item in APART]
    assert find_jumps(board(0.0, apart=wide), PAIRS).is_empty()


def test_negative_count_is_compared_as_zero() -> None:
    for far, height in ((JUST - 0.001, 0), (JUST + 0.001, 1)):
        cells = board(far, "count")
        cells[-2:] = [cell("A29", -50.0, "count"), cell("B29", exp(far) - 1, "count")]
        assert find_jumps(cells, PAIRS).height == height
    both = board(0.0, "count")
    both[-2:] = [cell("A29", -50.0, "count"), cell("B29", -1.0, "count")]
    assert find_jumps(both, PAIRS).is_empty()
    # Ten pairs without anybody on either side are no distance apart: the deviation stays 1.
    for far, height in ((JUST - 1.001, 0), (JUST - 0.999, 1)):
        cells = board(far, "count", [item - 1 for item in APART])
        cells[:20] = [{**item, "value": -5.0 if n % 3 else 0.0} for n, item in enumerate(cells[:20])]
        assert find_jumps(cells, PAIRS).height == height


def test_fewer_than_thirty_pairs_give_no_usual_difference() -> None:
    assert find_jumps(board(99.0), PAIRS).height == 1
    fewer = board(99.0, apart=APART[1:])
    assert find_jumps(fewer, PAIRS).is_empty()
    # Pairs of another measure or year do not make up for them; a pair that is not known is none.
    more = [*fewer, *board(2.0, "count"), *board(2.0, of=Y24)]
    assert find_jumps(more, PAIRS).is_empty()
    unknown = board(99.0)
    unknown[0] = cell("A00", None)
    assert find_jumps(unknown, PAIRS)["kind"].to_list() == ["known_unknown"]


def test_two_of_the_same_figure_are_a_pair_as_well() -> None:
    (jump,) = find_jumps(board(99.0, apart=[*[0.0] * 10, *APART[:19]]), PAIRS).to_dicts()
    assert "the median of 30 pairs" in jump["evidence"]


def test_equal_differences_between_neighbours_give_no_spread() -> None:
    assert find_jumps(board(99.0, apart=[2.0] * 29), PAIRS).is_empty()


def test_each_year_has_a_usual_of_its_own() -> None:
    cells = [*board(20.0), *board(20.0, of=Y24, apart=[item * 20 for item in APART])]
    assert find_jumps(cells, PAIRS).select("kind", "period_start", "place_a").rows() == [("jump", Y23[0], "B29")]


def test_scaling_a_rate_or_adding_to_it_moves_no_jump() -> None:
    cells = board(JUST + 0.001)
    for times, more in ((1000.0, 0.0), (0.001, 0.0), (1.0, -500.0)):
        other = [{**item, "value": item["value"] * times + more} for item in cells]
        assert find_jumps(other, PAIRS).select("kind", "place_a", "place_b").rows() == [("jump", "B29", "A29")]


def test_published_area_in_several_requested_places_straddles() -> None:
    names = ["E", "D", "C", "B", "A"]
    cells = [cell(name, 1.0, source_areas=f"X{name}1,E54000001") for name in names]
    cells += [
        cell("A", 1.0, "count", source_areas="N01,12 places,n01"),
        cell("B", 1.0, "count", source_areas="12 places,n01"),
    ]
    cells += [
        cell("A", 1.0, of=Y24, source_areas="N01"),
        cell("B", 1.0, source_areas=None),
        cell("F", 1.0, "stock", source_areas="N01,N01"),
    ]
    evidence = "lies in 5 of the requested places: Place A, Place B, Place C, Place D"
    assert find_jumps(cells[:-3], beside()).rows() == [row("straddles", "E54000001", None, None, None, None, evidence)]
    assert find_jumps(cells, beside()).rows() == [row("straddles", "E54000001", None, None, None, None, evidence)]
    two = [cell("A", None, source_areas="E01,S01234567"), cell("B", None, source_areas="S01234567")]
    assert find_jumps(two, beside())["evidence"].to_list() == ["lies in 2 of the requested places: Place A, Place B"]
    # One place with the same part twice lies in one.
    assert find_jumps([cell("A", 1.0, source_areas="N01,N01"), cell("B", 1.0, source_areas="N02")], beside()).is_empty()


def test_places_covered_in_part_are_listed_with_their_figure() -> None:
    cells = [
        cell("A", None, reason="low_reach"), cell("B", 5.0, caveats="rounded,low_reach"), cell("C", 5.0),
        cell("D", 5.0, caveats="rounded"), cell("E", None), cell("F", 5.0, caveats="low_reach_"),
    ]  # fmt: skip
    assert find_jumps(cells, beside()).select("kind", "place_a", "place_b", "value_a", "evidence").rows() == [
        ("low_reach", "A", None, None, None), ("low_reach", "B", None, 5.0, None),
    ]  # fmt: skip


def cliff(kind: str, place_a: str, place_b: str, evidence: str, **said: Any) -> dict[str, Any]:
    about = {"problem": "p", "measure": "rate", "period_start": Y23[0], "period_end": Y23[1]}
    return {**about, "kind": kind, "place_a": place_a, "place_b": place_b, "evidence": evidence, **said}


def test_jump_is_a_caveat_on_both_sides_with_evidence() -> None:
    cells = [
        cell("A", 5.0, caveats="rounded", evidence="moved"), cell("B", 1.0), cell("C", 2.0, caveats="rounded"),
        cell("D", None, evidence="marked"), cell("A", 5.0, of=Y24), cell("A", 5.0, "count"),
    ]  # fmt: skip
    jumps = table_from_records(
        [
            cliff("jump", "A", "B", "second"),
            cliff("jump", "D", "A", "first"),
            cliff("known_unknown", "C", "D", "third"),
        ],
        BOUNDARY_DISCONTINUITY,
    )
    expected = [
        {**cells[0], "caveats": "rounded,boundary_cliff", "evidence": "moved. first"},
        {**cells[1], "caveats": "boundary_cliff", "evidence": "second"}, *cells[2:],
    ]  # fmt: skip
    assert_frame_equal(
        add_discontinuity_caveats(table_from_records(cells, CELL_COLUMNS), jumps),
        table_from_records(expected, CELL_COLUMNS),
    )
    assert_frame_equal(
        add_discontinuity_caveats(table_from_records(cells, CELL_COLUMNS), jumps.reverse()),
        table_from_records(expected, CELL_COLUMNS),
    )
    assert_frame_equal(
        add_discontinuity_caveats(table_from_records(cells, CELL_COLUMNS), jumps.clear()),
        table_from_records(cells, CELL_COLUMNS),
    )
