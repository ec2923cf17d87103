"""Rows of a place page from drawn figures: newest figure, comparison, lines and caveats."""

from datetime import date
from typing import Any

import pytest

from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, table_from_records
from pipelines.gaps import HISTORY
from pipelines.outputs.place_context import Lines, PlaceContext, PlaceFacts
from pipelines.outputs.place_figures import (
    NOT_KNOWN,
    Compared,
    LineRef,
    figure_row,
    key_numbers,
    newest_figures,
    summarise_places,
)
from tests.gaps.plain import catalogue_of, measure_of, source_of

LONDON, ENGLAND = "E12000007", "E92000001"
CATALOGUE = catalogue_of(
    survey=source_of(measures={
        "rate": measure_of("rate", title="Rate", unit="%"), "other_rate": measure_of("rate", title="Other", unit="%"),
        "people": measure_of("stock", title="People", unit="people", rounding=5),
        "tested": measure_of("rate", title="Tested", unit="yes or no"),
    })
)  # fmt: skip
FACTS = PlaceFacts("", "lad", LONDON, "London", ENGLAND, ("B", "C", "D"), (("global", ("C", "X")), ("other", ("B",))))


def years(year: int) -> dict[str, date]:
    return {"period_start": date(year, 1, 1), "period_end": date(year, 12, 31)}


def cell(code: str, year: int, value: float | None, **more: Any) -> dict[str, Any]:
    """Return a cell of a year with a figure from the year before."""
    return {
        "problem": "jobs", "measure": "rate", "place_code": code, "place_name": code, "value": value, "need": "needed",
        "reason": None if value is not None else "not_returned", "source": "survey", "obs_status": "normal",
        "reference_start": date(year - 1, 1, 1), "reference_end": date(year - 1, 12, 31),
        "lower_bound": value, "upper_bound": value, **years(year), **more,
    }  # fmt: skip


def newest(*cells: dict[str, Any], **said: Any) -> list[dict[str, Any]]:
    table = table_from_records(list(cells), CELL_COLUMNS)
    first = newest_figures(CATALOGUE, table, **said)
    again = newest_figures(CATALOGUE, table.reverse(), **said)
    assert first.sort("place_code", "measure").equals(again.sort("place_code", "measure"), null_equal=True)
    return first.sort("place_code", "measure").to_dicts()


def test_newest_known_figure_has_its_rank_among_the_places_of_its_period() -> None:
    cells = [cell("A", 2020, 9.0), cell("A", 2021, 5.0), cell("A", 2022, None), cell("B", 2021, 7.0),
             cell("B", 2022, 1.0), cell("C", 2021, 6.0), cell("D", 2022, None)]  # fmt: skip
    rows = newest(*cells, cell("A", 2023, None, need=NOT_NEEDED, reason="not_applicable"))
    assert [(row["place_code"], row["value"], row["asked"], row["count"]) for row in rows] == [
        ("A", 5.0, 3, 2), ("B", 1.0, 2, 2), ("C", 6.0, 1, 1)
    ]  # fmt: skip
    assert [row["reference_end"].year for row in rows] == [2020, 2021, 2020]
    # B is first in 2021, although its newest figure is of 2022, where the two other places may be above it.
    ranks = [(row["rank"], row["rank_lower_bound"], row["rank_upper_bound"], row["places"]) for row in rows]
    assert ranks == [(3, 3, 3, 3), (None, 1, 3, 3), (2, 2, 2, 3)]


def test_partnerships_have_no_rank() -> None:
    (row,) = newest(cell("A", 2021, 5.0), is_ranked=False)
    assert (row["value"], row["rank"], row["places"]) == (5.0, None, None)
    assert newest(cell("A", 2021, 5.0))[0]["places"] == 1


def test_measure_of_several_problems_is_shown_once_by_its_latest_figure() -> None:
    late = cell("A", 2021, 5.0, problem="late")
    assert [row["problem"] for row in newest(cell("A", 2020, 4.0, problem="z"), late)] == ["late"]
    more = (cell("A", 2020, 4.0, problem="a"), cell("A", 2021, 5.0, problem="a"))
    assert [(row["problem"], row["count"]) for row in newest(late, *more)] == [("a", 2)]
    assert [row["problem"] for row in newest(late, cell("A", 2021, 5.0, problem="a"))] == ["late"]


def context_of(figures: dict[str, float], lines: dict[tuple[str, str], list[float | None]]) -> PlaceContext:
    key = ("rate", date(2020, 1, 1), date(2020, 12, 31))
    history = [
        {"measure": measure, "place_code": code, "value": value, "level": "place", **years(2018 + n)}
        for (measure, code), values in lines.items() for n, value in enumerate(values)
    ]  # fmt: skip
    derivations = {code: "published" if code == ENGLAND else "rate_averaged" for code in figures}
    return PlaceContext(
        facts={"A": FACTS}, figures={key: figures}, derivations={key: derivations}, names={"B": "Bee", "C": "Sea"},
        lines=Lines(table_from_records(history, HISTORY)),
    )  # fmt: skip


FIGURES = {"A": 5.0, "B": 2.5, "C": 4.0, LONDON: 3.0, ENGLAND: 3.5}
LINES: dict[tuple[str, str], list[float | None]] = {
    ("rate", "A"): [None, 4.0, 5.0], ("rate", ENGLAND): [3.0, 3.1, 3.2], ("people", "A"): [1.0, 2.0],
    ("people", ENGLAND): [10.0, 20.0], ("other_rate", "A"): [1.0, None],
}  # fmt: skip


def row_of(is_rendered: bool = False, **more: Any) -> dict[str, Any]:
    (row,) = newest(cell("A", 2021, 5.0))
    return figure_row({**row, **more}, CATALOGUE, context_of(FIGURES, LINES), is_rendered)


def test_row_compares_with_larger_places_neighbours_and_similar_places() -> None:
    row = row_of()
    assert row["region"] == Compared("3", ("weighted average of its places",))
    assert row["nation"] == Compared("3.5", ("published",)) and row["nation_value"] == 3.5
    assert row["neighbours"] == Compared("3.2", ("median of 2 of 3", "2.5 (Bee) to 4 (Sea)"))
    assert row["similar"] == Compared("4", ("median of 1 of 2", "4 (Sea)"))
    assert (row["text"], row["when"], row["starts"], row["unit"]) == ("5", "2020", date(2020, 1, 1), "%")


def test_rendered_row_leaves_out_lines_and_other_places() -> None:
    row = row_of(is_rendered=True)
    assert not {"lines", "neighbours", "similar"} & set(row)
    assert row["region"].text == "3" and {"lines", "neighbours", "similar"} <= set(row_of())


def test_proxy_is_compared_and_drawn_as_the_measure_that_it_is() -> None:
    row = row_of(measure="people", proxy_measure="rate")
    assert row["region"].text == "3" and row["caveats"] == ["proxy measure: Rate"] and row["is_doubted"]
    assert [line.measure for line in row["lines"]] == ["rate"]
    other = row_of(proxy_measure="other_rate")
    assert other["region"] == NOT_KNOWN and other["lines"] == ()


def test_figure_of_another_period_is_not_compared() -> None:
    row = row_of(reference_start=date(2019, 1, 1))
    assert [row[name] for name in ("region", "nation", "neighbours", "similar")] == [NOT_KNOWN] * 4


def test_lines_are_drawn_with_figures_of_two_periods_and_only_rates_have_larger_places() -> None:
    assert row_of()["lines"] == (LineRef("own", "rate", "A"), LineRef("nation", "rate", ENGLAND))
    assert row_of(measure="people")["lines"] == (LineRef("own", "people", "A"),)
    assert row_of(measure="other_rate")["lines"] == (), "one period has a figure"
    assert row_of(measure="tested")["lines"] == (), "no line of the place"
    alone = {("rate", ENGLAND): LINES["rate", ENGLAND]}
    row = newest(cell("A", 2021, 5.0))[0]
    assert figure_row(row, CATALOGUE, context_of({}, alone))["lines"] == (), "no line of a nation alone"


def test_place_without_facts_has_no_line_of_a_blank_code() -> None:
    (row,) = newest(cell("Z", 2021, 5.0))
    lines = {("rate", "Z"): [1.0, 2.0], ("rate", ""): [1.0, 2.0]}
    assert figure_row(row, CATALOGUE, context_of({}, lines))["lines"] == (LineRef("own", "rate", "Z"),)


@pytest.mark.parametrize(
    ("measure", "caveats", "expected", "rounding", "is_doubted"),
    [
        ("people", "rounded,provisional", ["provisional"], "rounded to 5", False),
        ("people", None, [], "", False), ("people", "nonsense", [], "", False),
        ("rate", "rounded", ["rounded"], "", False), ("rate", "implausible", None, "", True),
    ],
)  # fmt: skip
def test_caveats_are_named_and_rounding_has_its_base(
    measure: str, caveats: str | None, expected: list[str] | None, rounding: str, is_doubted: bool
) -> None:
    row = row_of(measure=measure, caveats=caveats)
    assert row["rounding"] == rounding and row["is_doubted"] is is_doubted
    assert len(row["caveats"]) == 1 if expected is None else [text.split()[0] for text in row["caveats"]] == expected


def test_interval_or_else_the_uncertainty_of_the_measure_is_described() -> None:
    assert row_of()["interval"] == ""
    between = {"interval_lower": 4.0, "interval_upper": 6.0, "interval_level": 95.0, "interval_source": "published"}
    assert "4 to 6" in row_of(**between)["interval"]


def test_rank_is_shown_of_ranked_figures_and_periods_where_several_are_asked() -> None:
    assert row_of()["rank"] == "rank 1 of 1"
    assert row_of(places=None, rank=None)["rank"] == ""
    assert row_of(no_interval="an estimate")["rank"] == ""
    assert row_of()["count"] == ""
    assert row_of(asked=2)["count"] == "known in 1 of 2 periods"


def test_yes_or_no_has_no_unit_no_rank_and_no_line() -> None:
    assert (row_of(measure="tested")["unit"], row_of(measure="people")["unit"]) == ("", "people")
    rows = newest(cell("A", 2021, 1.0, measure="tested"), cell("B", 2021, 0.0, measure="tested"), cell("A", 2021, 5.0))
    assert [(row["measure"], row["rank"], row["places"]) for row in rows] == [
        ("rate", 1, 1), ("tested", None, None), ("tested", None, None)
    ]  # fmt: skip
    context = context_of({}, {("tested", "A"): [0.0, 1.0, 1.0]})
    row = figure_row(rows[1], CATALOGUE, context)
    assert (row["lines"], row["no_line"], row["rank"]) == ((), "not drawn", "")
    assert row_of(measure="other_rate")["no_line"] == "one period"


def test_yes_or_no_is_compared_by_the_number_of_places_with_yes() -> None:
    context, measure = context_of({}, {}), CATALOGUE.measures["tested"]
    figures = {"A": 1.0, "B": 0.0, "C": 1.0, "D": 0.0}
    assert summarise_places(["A", "B", "C"], figures, measure, context) == ("2 of 3", ("places have 1",))
    assert summarise_places(["B", "E", "F"], figures, measure, context) == (
        "0 of 1", ("places have 1", "no figure in 2 of 3")
    )  # fmt: skip
    assert summarise_places(["E"], figures, measure, context) == NOT_KNOWN


def test_places_are_summarised_by_their_median_lowest_and_highest() -> None:
    context, measure = context_of({}, {}), CATALOGUE.measures["people"]
    figures = {"A": 10.0, "B": 20.0, "C": 90.0, "D": 25.0}
    assert summarise_places(["A", "B", "C"], figures, measure, context) == (
        "20", ("median of all 3", "10 (A) to 90 (Sea)")
    )  # fmt: skip
    assert summarise_places(["B", "E"], figures, measure, context) == ("20", ("median of 1 of 2", "20 (Bee)"))
    assert summarise_places(["E"], figures, measure, context) == NOT_KNOWN
    assert summarise_places([], figures, measure, context) == NOT_KNOWN


def test_first_lines_have_four_figures_one_of_each_problem_newest_first() -> None:
    rows = [
        {"problem": f"p{n}", "kind": "rate", "ends": date(2020 + n, 1, 1), "measure": f"m{n}"} for n in range(6)
    ] + [{"problem": "p9", "kind": "count", "ends": date(2030, 1, 1), "measure": "c"}]  # fmt: skip
    assert [row["problem"] for row in key_numbers(rows)] == ["p5", "p4", "p3", "p2"]
    assert [row["problem"] for row in key_numbers(rows[-1:] * 2)] == ["p9"]
    assert key_numbers([]) == []
