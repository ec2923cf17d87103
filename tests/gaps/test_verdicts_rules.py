"""The verdict of a place: blocking and weighing cells, counts, and sums over periods."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.schema import CELL_COLUMNS, table_from_records
from pipelines.gaps.verdicts import VERDICT, add_verdicts, build_verdicts, summarise_by_place, weigh_cells
from tests.gaps.plain import problem_of

JAN, FEB, MAR = (date(2024, n, 1) for n in (1, 2, 3))
PEOPLE = pl.DataFrame({"place_code": ["E1", "E2", "E9"], "people": [100.0, 20.0, 5.0]})
HEADER = problem_of(needs={"a": {}, "b": {}, "c": {"essential": False}}, unknowns=("w",)).header


def cell(measure: str, value: float | None = 5.0, reason: str | None = None, place: str = "E1", day: date = JAN, **said: Any) -> dict[str, Any]:  # fmt: skip  # noqa: E501
    about = {"problem": "p", "need": "wanted" if measure == "w" else "needed", "measure": measure, "place_code": place,
             "place_name": f"Place {place}", "period_start": day, "period_end": day}  # fmt: skip
    return {**about, "value": value, "reason": reason, **said}


def gap(measure: str, reason: str = "suppressed", **said: Any) -> dict[str, Any]:
    return cell(measure, None, reason, **said)


def verdict_of(*cells: dict[str, Any], header: Any = HEADER) -> tuple[Any, ...]:
    """Give verdict, because, needs met and needs in all of the one place and period."""
    actual = build_verdicts(table_from_records(list(cells), CELL_COLUMNS), header, PEOPLE)
    assert actual.height == 1
    return actual.select("verdict", "blocking_reasons", "needs_met", "needs_total").row(0)


KNOWN = [cell("a"), cell("b"), cell("c")]
VERDICTS = [
    (KNOWN, ("answerable", None, 3, 3)),
    ([cell("a"), cell("b"), gap("c", "late")], ("with_caveats", "c: late", 2, 3)),
    ([cell("a"), gap("b"), cell("c")], ("not_answerable", "b: suppressed", 2, 3)),
    ([cell("a", caveats="flagged"), gap("b"), gap("c", "late")], ("not_answerable", "b: suppressed", 1, 3)),
    ([gap("b"), cell("c"), gap("a", "late")], ("not_answerable", "a: late; b: suppressed", 1, 3)),
    ([cell("a"), gap("b", "not_applicable"), cell("c")], ("answerable", None, 2, 2)),
    ([cell("a"), gap("b", "not_applicable"), gap("c", "not_applicable")], ("answerable", None, 1, 1)),
    ([gap(m, "not_applicable") for m in "abc"], ("answerable", None, 0, 0)),
    ([gap("a", "not_applicable"), gap("c"), gap("c", "late")], ("not_answerable", "c: late; c: suppressed", 0, 2)),
    # Nothing at all is known of what can be there, though it is not essential.
    ([gap("a", "not_applicable"), gap("b", "not_applicable"), gap("c")], ("not_answerable", "c: suppressed", 0, 1)),
    # What can't be there has no caveats to mind.
    ([cell("a"), cell("b"), gap("c", "not_applicable", caveats="flagged")], ("answerable", None, 2, 2)),
    ([cell("a", caveats="rounded,perturbed,provisional"), *KNOWN[1:]], ("answerable", None, 3, 3)),
    ([cell("a", caveats="rounded,flagged,conflict"), *KNOWN[1:]], ("with_caveats", "a: conflict and flagged", 3, 3)),
    ([cell("b", caveats="flagged"), cell("c"), cell("a", caveats="estimated")],
     ("with_caveats", "a: estimated; b: flagged", 3, 3)),
    ([cell("a", proxy_measure="b", caveats="proxy_used", other_reasons="late,stale"), *KNOWN[1:]],
     ("with_caveats", "a: proxy_used", 2, 3)),
    ([*KNOWN, gap("w")], ("answerable", None, 3, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "expected"), VERDICTS)
def test_verdict_does_not_depend_on_the_order_of_cells(cells: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    assert verdict_of(*cells) == verdict_of(*cells[::-1]) == expected


def test_each_place_and_period_has_its_own_verdict_in_order() -> None:
    cells = [
        f(m, place=place, day=day)
        for place, day, f in (("E2", JAN, cell), ("E1", FEB, gap), ("E1", JAN, cell), ("E3", JAN, gap))
        for m in ("a", "b")
    ]
    actual = build_verdicts(table_from_records(cells, CELL_COLUMNS), HEADER, PEOPLE)
    both = "a: suppressed; b: suppressed"
    expected = [
        ("p", "E1", "Place E1", JAN, JAN, "answerable", None, 2, 2, 100.0),
        ("p", "E1", "Place E1", FEB, FEB, "not_answerable", both, 0, 2, 100.0),
        ("p", "E2", "Place E2", JAN, JAN, "answerable", None, 2, 2, 20.0),
        ("p", "E3", "Place E3", JAN, JAN, "not_answerable", both, 0, 2, None),
    ]
    assert actual.rows() == expected
    assert actual.columns == list(VERDICT)
    assert build_verdicts(table_from_records([], CELL_COLUMNS), HEADER, PEOPLE).is_empty()


def test_each_relevant_cell_blocks_or_weighs() -> None:
    cells = [cell("a"), gap("b"), gap("c", "late"), gap("w"), gap("a", "not_applicable"), cell("b", caveats="flagged")]
    actual = weigh_cells(table_from_records(cells, CELL_COLUMNS), HEADER).select(
        "measure", "asked", "blocks", "weighs", "met", "why"
    )
    assert actual.rows() == [
        ("a", True, False, False, True, None), ("b", True, True, False, False, "b: suppressed"),
        ("c", True, False, True, False, "c: late"), ("a", False, False, False, False, None),
        ("b", True, False, True, True, "b: flagged"),
    ]  # fmt: skip


def judged(*rows_: tuple[str, date, str, str | None, int, int]) -> pl.DataFrame:
    result = [("p", place, f"Place {place}", day, day, verdict, because, met, asked, 10.0)
            for place, day, verdict, because, met, asked in rows_]  # fmt: skip
    return pl.DataFrame(result, schema={name: column.dtype for name, column in VERDICT.items()}, orient="row")


def test_place_is_answerable_only_if_every_period_is() -> None:
    table = judged(
        ("E2", JAN, "not_answerable", "b: late", 1, 3), ("E2", FEB, "not_answerable", "b: late; a: stale", 0, 3),
        ("E2", MAR, "not_answerable", "a: stale; c: dropped; b: late", 0, 3),
        ("E1", JAN, "answerable", None, 3, 3), ("E1", FEB, "answerable", None, 2, 2),
        ("E3", JAN, "answerable", None, 3, 3), ("E3", FEB, "not_answerable", "a: late", 2, 3),
        ("E4", JAN, "with_caveats", "c: late", 2, 3), ("E4", FEB, "with_caveats", "c: late", 2, 3),
        ("E5", JAN, "answerable", None, 3, 3), ("E5", FEB, "with_caveats", "c: late", 2, 3),
        ("E6", JAN, "not_answerable", "a: late; b: late", 1, 3),
    )  # fmt: skip
    expected = [
        ("p", "E1", "Place E1", "answerable", 5, 5, 10.0, 2, 2, None),
        ("p", "E2", "Place E2", "not_answerable", 1, 9, 10.0, 3, 0,
         "b: late (3 of 3); a: stale (2 of 3); c: dropped (1 of 3)"),
        ("p", "E3", "Place E3", "with_caveats", 5, 6, 10.0, 2, 1, "a: late (1 of 2)"),
        ("p", "E4", "Place E4", "with_caveats", 4, 6, 10.0, 2, 2, "c: late (2 of 2)"),
        ("p", "E5", "Place E5", "with_caveats", 5, 6, 10.0, 2, 2, "c: late (1 of 2)"),
        ("p", "E6", "Place E6", "not_answerable", 1, 3, 10.0, 1, 0, "a: late; b: late"),
    ]  # fmt: skip
    actual = summarise_by_place(table)
    assert actual.columns == ["problem", "place_code", "place_name", "verdict", "needs_met", "needs_total", "residents",
                             "periods", "answered", "blocking_reasons"]  # fmt: skip
    assert actual.rows() == expected
    assert_frame_equal(summarise_by_place(table.reverse()), actual)


def test_view_ends_with_the_verdict_of_its_place_and_period() -> None:
    table = judged(("E1", JAN, "answerable", None, 1, 1), ("E1", FEB, "not_answerable", "a: late", 0, 1))
    view = pl.DataFrame({"place_code": ["E2", "E1", "E1"], "period_start": [JAN, FEB, JAN], "a": [1.0, 2.0, 3.0]})
    monthly = problem_of("month", {"a": {}}, periods={"start": "2024-01"})
    expected = view.with_columns(
        pl.Series("verdict", [None, "not_answerable", "answerable"]),
        pl.Series("blocking_reasons", [None, "a: late", None]),
    )
    assert_frame_equal(add_verdicts(view, table, monthly), expected)
    actual = add_verdicts(view.drop("period_start").head(2), table.head(1), problem_of(needs={"a": {}}))
    assert actual.rows() == [("E2", 1.0, None, None), ("E1", 2.0, "answerable", None)]


def test_view_in_the_order_of_its_verdicts_is_one_piece() -> None:
    table = judged(("E1", JAN, "answerable", None, 1, 1), ("E1", FEB, "not_answerable", "a: late", 0, 1))
    parts = [pl.DataFrame({"place_code": ["E1"], "period_start": [month], "a": [1.0]}) for month in (JAN, FEB)]
    monthly = problem_of("month", {"a": {}}, periods={"start": "2024-01"})
    actual = add_verdicts(pl.concat(parts, rechunk=False), table, monthly)
    assert actual.rows() == [("E1", JAN, 1.0, "answerable", None), ("E1", FEB, 1.0, "not_answerable", "a: late")]
    assert set(actual.n_chunks("all")) == {1}
