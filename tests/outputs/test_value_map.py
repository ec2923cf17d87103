"""Map of an answer: whole shapes, legends and summaries, and the classes of figures."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.reasons import REASONS
from pipelines.outputs.answer_ranking import End, RankedPlace, Ranking
from pipelines.outputs.value_map import (
    ClassRange,
    MapShape,
    ValueMap,
    build_value_map,
    classify,
    cut_classes,
    style_of,
)
from tests.gaps.plain import measure_of
from tests.outputs.test_answer_rules import Y2024, answer_of

NAMES = ("Ash", "Bow", "Cam", "Dee")


def end_of(order: str, *names: str) -> End:
    return End(order, tuple(RankedPlace(name, name, 1.0, "1", "") for name in names), 1, False, "")


def ranking_of(group: str = "", highest: tuple[str, ...] = NAMES) -> Ranking:
    return Ranking(group, 4, end_of("highest", *highest), end_of("lowest", *highest[::-1]))


def map_of(*rows: dict[str, Any], rankings: tuple[Ranking, ...] = (ranking_of(),), **said: Any) -> ValueMap:
    return build_value_map(answer_of(*rows, measure=measure_of("rate"), **said), list(rankings))


def valued(*values: float, **said: Any) -> list[dict[str, Any]]:
    return [{"value": value, **said} for value in values]


@pytest.mark.parametrize(
    ("values", "most", "classes"),
    [([], 5, []), ([3.0], 5, [(3, 3, 1)]), ([2.0, 1.0], 5, [(1, 1, 1), (2, 2, 1)]), ([2.0, 2.0], 5, [(2, 2, 2)]),
     ([5.0, -4.0, 3.0, 2.0, 1.0], 5, [(-4, -4, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1), (5, 5, 1)]),
     ([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 5, [(1, 2, 2), (3, 3, 1), (4, 4, 1), (5, 5, 1), (6, 6, 1)]),
     ([10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 5, [(1, 2, 2), (3, 4, 2), (5, 6, 2), (7, 8, 2), (9, 10, 2)]),
     ([1.0, 2.0, 3.0, 4.0], 2, [(1, 2, 2), (3, 4, 2)]), ([1.0, 2.0, 3.0], 1, [(1, 3, 3)]),
     # Equal figures are never in two classes.
     ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 5, [(0, 0, 6), (1, 1, 1), (2, 3, 2), (4, 5, 2)])],
)  # fmt: skip
def test_classes_have_about_equal_numbers_of_places(
    values: list[float], most: int, classes: list[tuple[float, float, int]]
) -> None:
    assert cut_classes(values, most) == cut_classes(values[::-1], most) == [ClassRange(*cut) for cut in classes]


def test_figures_shown_alike_share_a_class() -> None:
    def whole(value: float) -> str:
        return f"{value:.0f}"

    assert cut_classes([1.1, 0.9, 2.1, 1.9], 2, whole) == [ClassRange(0.9, 1.1, 2), ClassRange(1.9, 2.1, 2)]
    assert cut_classes([1.1, 0.9, 2.1, 1.9, 3.0, 3.1], 2, whole) == [ClassRange(0.9, 2.1, 4), ClassRange(3.0, 3.1, 2)]
    assert cut_classes([float(n) for n in range(6)]) == cut_classes([float(n) for n in range(6)], 5)


def test_both_ends_of_a_class_belong_to_it() -> None:
    ranges = [ClassRange(-2.0, -1.0, 2), ClassRange(0.0, 0.0, 1), ClassRange(2.0, 5.0, 3)]
    assert [classify(value, ranges) for value in (-2.0, -1.5, -1.0, 0.0, 2.0, 5.0)] == [0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize(("classes", "styles"), [
    (1, ["c3"]), (2, ["c1", "c5"]), (3, ["c1", "c3", "c5"]), (4, ["c1", "c2", "c4", "c5"]),
    (5, ["c1", "c2", "c3", "c4", "c5"]),
])  # fmt: skip
def test_few_classes_are_spread_over_the_palette(classes: int, styles: list[str]) -> None:
    assert [style_of(number, classes) for number in range(classes)] == styles


def test_shape_has_style_exact_figure_and_tooltip() -> None:
    rows: list[dict[str, Any]] = [
        {"place_name": "Ash", "value": 1.25}, {"place_name": "Bow", "value": 2.0, "caveats": "rounded,estimated"},
        {"place_name": "Cam", "value": 3.0, "caveats": "rounded"},
        {"place_name": "Dee", "state": "missing", "reason": "suppressed"}, {"place_name": "Eye", "state": "missing"},
        {"place_name": "Fal", "state": "doubted", "value": 9.0}, {"place_name": "Gap", "state": "proxy", "value": -1.5},
        {"place_name": "Hay", "state": "other_period", "value": 7.0, **Y2024},
    ]  # fmt: skip
    suppressed = REASONS["suppressed"].title.lower()
    assert list(map_of(*rows).shapes.values()) == [
        MapShape("c1", "1.25", "Ash: 1.2 %"), MapShape("c3 est", "2.0", "Bow: 2 %; estimate"),
        MapShape("c5", "3.0", "Cam: 3 %"), MapShape("none", "", f"Dee: {suppressed}"),
        MapShape("none", "", "Eye: no figure"),
        MapShape("apart", "9.0", "Fal: 9 %, 2025; figure in doubt, not compared"),
        MapShape("apart", "-1.5", "Gap: -1.5 %, 2025; proxy only, not compared"),
        MapShape("apart", "7.0", "Hay: 7 %, 2024; figure of another period, not compared"),
    ]  # fmt: skip
    assert map_of(*valued(2.0), unit="").shapes == {"p0": MapShape("c3", "2.0", "n: 2")}


def legend(*rows: dict[str, Any], **said: Any) -> list[tuple[str, str, int]]:
    return [(row["style"], row["text"], row["places"]) for row in map_of(*rows, **said).legend]


def test_legend_has_classes_from_the_highest_and_then_figures_not_compared() -> None:
    rows = [*valued(4.0, 1.0, 2.0, 2.0), *valued(3.0, caveats="estimated"), {"state": "missing"},
            *valued(8.0, 9.0, state="proxy"), {"state": "missing"}, *valued(5.0, state="other_period"),
            *valued(5.0, 6.0, 7.0, state="doubted", caveats="estimated")]  # fmt: skip
    assert legend(*rows) == [
        ("c5", "4", 1), ("c4", "3", 1), ("c2", "2", 2), ("c1", "1", 1),
        ("apart", "figure in doubt, not compared", 3), ("apart", "proxy only, not compared", 2),
        ("apart", "figure of another period, not compared", 1), ("none", "no figure", 2), ("c3 est", "estimate", 1),
    ]  # fmt: skip
    assert legend(*valued(*range(10, 0, -1))) == [
        ("c5", "9 to 10", 2), ("c4", "7 to 8", 2), ("c3", "5 to 6", 2), ("c2", "3 to 4", 2), ("c1", "1 to 2", 2),
    ]  # fmt: skip


def test_legend_of_several_groups_has_the_class_within_each_nation() -> None:
    england = valued(*range(1, 11), group="a", nation="England")
    wales = valued(*range(20, 10, -1), group="b", nation="Wales")
    assert legend(*england, *wales) == [
        ("c5", "highest fifth of its nation: England 9 to 10; Wales 19 to 20", 4),
        ("c4", "fourth fifth of its nation: England 7 to 8; Wales 17 to 18", 4),
        ("c3", "middle fifth of its nation: England 5 to 6; Wales 15 to 16", 4),
        ("c2", "second fifth of its nation: England 3 to 4; Wales 13 to 14", 4),
        ("c1", "lowest fifth of its nation: England 1 to 2; Wales 11 to 12", 4),
    ]  # fmt: skip
    few = [*valued(1.0, 2.0, group="a", nation="England"), *valued(3.0, 4.0, group="b", nation=None)]
    assert legend(*few) == [
        ("c5", "higher half of its nation: England 2; other places 4", 2),
        ("c1", "lower half of its nation: England 1; other places 3", 2),
    ]
    alone = [*valued(1.0, group="a", nation="England"), *valued(3.0, group="b", nation="Wales")]
    assert legend(*alone) == [("c3", "England 1; Wales 3", 2)]


@pytest.mark.parametrize(("number", "names"), [
    (3, ["highest third", "middle third", "lowest third"]),
    (4, ["highest quarter", "third quarter", "second quarter", "lowest quarter"]),
])  # fmt: skip
def test_class_of_few_has_a_name_of_its_own(number: int, names: list[str]) -> None:
    rows = [*valued(*range(number), group="a", nation="England"), *valued(*range(number), group="b", nation="Wales")]
    assert [text.partition(" of its nation")[0] for _, text, _ in legend(*rows)] == names


def test_class_has_no_name_where_groups_have_different_numbers_of_classes() -> None:
    rows = [*valued(*range(1, 11), group="a", nation="England"), *valued(40.0, 50.0, group="b", nation="Wales")]
    assert [text for _, text, _ in legend(*rows)] == [
        "England 9 to 10; Wales 50", "fourth fifth of its nation: England 7 to 8",
        "middle fifth of its nation: England 5 to 6", "second fifth of its nation: England 3 to 4",
        "England 1 to 2; Wales 40",
    ]  # fmt: skip
    single = [*rows[:10], *valued(40.0, group="b", nation="Wales")]
    assert legend(*single)[2] == ("c3", "England 5 to 6; Wales 40", 3)


def test_summary_has_both_ends_of_each_order_and_the_places_of_each_class() -> None:
    assert map_of(*valued(1.0, 2.0), {"state": "missing"}).summary == (
        "Title, 2025. Highest figures in Ash, Bow, Cam; lowest in Dee, Cam, Bow. "
        "Places by class: 2: 1; 1: 1; no figure: 1."
    )
    two = (ranking_of("England"), ranking_of("Wales", ("Eye",)))
    day = date(2025, 3, 1)
    rows = valued(1.0, reference_start=day, reference_end=day)
    assert map_of(*rows, rankings=two).summary == (
        "Title, 1 March 2025. England: highest figures in Ash, Bow, Cam; lowest in Dee, Cam, Bow. "
        "Wales: highest figures in Eye; lowest in Eye. Places by class: 1: 1."
    )


def test_as_many_different_figures_as_classes_have_a_class_each() -> None:
    values = [1.0] * 10 + [2.0, 3.0, 4.0, 5.0]
    assert [(cut.low, cut.high, cut.places) for cut in cut_classes(values, 5)] == [
        (1.0, 1.0, 10), (2.0, 2.0, 1), (3.0, 3.0, 1), (4.0, 4.0, 1), (5.0, 5.0, 1)
    ]  # fmt: skip
