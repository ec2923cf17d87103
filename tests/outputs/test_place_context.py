"""What a place is compared with: larger places, neighbours, similar districts, and only figures without a doubt."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.gaps import HISTORY
from pipelines.geography import load_nearest_neighbours
from pipelines.geography.register import Places
from pipelines.outputs.place_context import Lines, PlaceFacts, build_place_context, limit_lines
from pipelines.outputs.report_model import DOUBTS

HARTLEPOOL, MERTON, CARDIFF, LONDON, WALES = "E06000001", "E09000024", "W06000015", "E12000007", "W92000004"
REGISTER = table_from_records(
    [{"place_code": HARTLEPOOL, "place_name": "Hartlepool", "kind": "lad"},
     {"place_code": MERTON, "place_name": "Merton", "kind": "lad", "nation": "England", "region_code": LONDON,
      "region": "London"},
     {"place_code": CARDIFF, "place_name": "Cardiff", "place_name_welsh": "Caerdydd", "kind": "lad", "nation": "Wales",
      "region": "Wales"}],
    PLACE_COLUMNS,
)  # fmt: skip
PAIRS = pl.DataFrame(
    [(MERTON, "E99"), (MERTON, CARDIFF), (MERTON, CARDIFF), (MERTON, HARTLEPOOL), (CARDIFF, MERTON)],
    ["place_code", "neighbour_code"], orient="row",
)  # fmt: skip


def point(year: int, value: float | None, code: str = MERTON, level: str = "place", **more: Any) -> dict[str, Any]:
    return {"measure": "m", "level": level, "place_code": code, "period_start": date(year, 1, 1),
            "period_end": date(year, 12, 31), "value": value, "derivation": f"of {level}", **more}  # fmt: skip


def history_of(*points: dict[str, Any]) -> pl.DataFrame:
    return table_from_records(list(points), HISTORY)


def context_of(*points: dict[str, Any], codes: tuple[str, ...] = (MERTON, CARDIFF, HARTLEPOOL)) -> Any:
    places = Places(REGISTER, empty_table(CODE_CHANGE_COLUMNS))
    return build_place_context(places, REGISTER, PAIRS, history_of(*points), set(codes))


def test_facts_of_each_place_with_a_page() -> None:
    facts = {code: fact._replace(similar=()) for code, fact in context_of().facts.items()}
    assert facts == {
        HARTLEPOOL: PlaceFacts("", "lad", "", "", "", (), ()),
        MERTON: PlaceFacts("", "lad", LONDON, "London", "E92000001", (HARTLEPOOL, CARDIFF), ()),
        CARDIFF: PlaceFacts("Caerdydd", "lad", "", "", WALES, (MERTON,), ()),
    }
    assert set(context_of(codes=(MERTON,)).facts) == {MERTON} and context_of().names[CARDIFF] == "Cardiff"


def test_similar_districts_are_those_with_a_page_in_the_order_of_the_list() -> None:
    lists = {model: near.split() for code, model, near in load_nearest_neighbours().iter_rows() if code == MERTON}
    near = lists["global"][::3]
    actual = dict(context_of(codes=(MERTON, *near)).facts[MERTON].similar)
    assert actual["global"] == tuple(near) and list(actual) == ["global", "economic", "demographic"]
    assert actual["economic"] == tuple(code for code in lists["economic"] if code in near)


def test_only_figures_without_a_doubt_are_compared() -> None:
    doubted = [point(2000 + n, 1.0, caveats=f"rounded,{doubt}") for n, doubt in enumerate(sorted(DOUBTS))]
    context = context_of(*doubted, point(2020, None), point(2021, 3.0, caveats="rounded"), point(2021, 4.0, CARDIFF),
                         point(2021, 5.0, WALES, "nation"))  # fmt: skip
    year = ("m", date(2021, 1, 1), date(2021, 12, 31))
    assert dict(context.figures) == {year: {MERTON: 3.0, CARDIFF: 4.0, WALES: 5.0}}
    assert dict(context.derivations) == {year: {WALES: "of nation"}}
    assert len(context.figures) == 1 and len(context.lines) == 3


def test_line_has_each_period_once_in_order_and_a_figure_before_a_gap() -> None:
    lines = Lines(history_of(point(2022, 2.0), point(2020, None), point(2021, None, level="nation"), point(2021, 1.0),
                             point(2021, 9.0, CARDIFF)))  # fmt: skip
    assert [(one.start.year, one.value) for one in lines["m", MERTON]] == [(2020, None), (2021, 1.0), (2022, 2.0)]
    assert [(one.start.year, one.value) for one in lines.begin(("m", MERTON))] == [(2021, 1.0), (2022, 2.0)]
    assert list(lines) == [("m", MERTON), ("m", CARDIFF)] and ("m", "X") not in lines
    gaps = Lines(history_of(point(2020, None), point(2021, None)))
    assert len(gaps["m", MERTON]) == 2 and list(gaps.begin(("m", MERTON))) == []


@pytest.mark.parametrize(
    ("codes", "kept"), [([MERTON], {MERTON, LONDON}), ([CARDIFF], {CARDIFF, WALES}), (["X"], set())]
)
def test_page_has_the_lines_of_its_place_its_region_and_its_nation(codes: list[str], kept: set[str]) -> None:
    every = [point(2020, 1.0, code) for code in (MERTON, CARDIFF, HARTLEPOOL, LONDON, WALES)]
    context = context_of(*every, *({**one, "measure": "n"} for one in every))
    assert {code for _, code in limit_lines(context, codes, ["m"]).lines} == kept
    assert {measure for measure, _ in limit_lines(context, [MERTON], ["m"]).lines} == {"m"}
