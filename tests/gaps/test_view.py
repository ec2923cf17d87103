"""View of a problem: the facts beside each figure, and SELECTs that are refused."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest

from checks import COARSER_PERIOD
from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.errors import CommongroundError, DeclarationError
from pipelines.core.limits import SECONDS
from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, PLACE_COLUMNS, empty_table, table_from_records
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.problem_sql import parse_select
from pipelines.gaps.view import MEASURE_COLUMNS, _create_table, collect_facts, run_problem_select
from tests.gaps.plain import problem_of

YEAR = (date(2024, 1, 1), date(2024, 12, 31))
CODES = ("E1", "E2", "E3")
KEY = ["place_code"]


def cell(measure: str, place: str = "E1", **said: Any) -> dict[str, Any]:
    about = {"cell_id": f"{measure}/{place}", "measure": measure, "place_code": place, "need": "needed",
             "period_start": YEAR[0], "period_end": YEAR[1]}  # fmt: skip
    return {**dict.fromkeys(CELL_COLUMNS), **about, **said}


def known(measure: str, place: str = "E1", status: str = "normal", **said: Any) -> dict[str, Any]:
    return cell(
        measure, place,
        **{"value": 7.0, "obs_status": status, "reference_start": YEAR[0], "reference_end": YEAR[1], **said},
    )  # fmt: skip


def facts(inputs: dict[str, tuple[str, ...]], *cells: dict[str, Any], codes: tuple[str, ...] = CODES[:1]) -> list[Any]:
    rows, table = pl.DataFrame({"place_code": codes}), table_from_records(list(cells), CELL_COLUMNS)
    actual = collect_facts(inputs, rows, table, KEY)
    assert list(actual) == list(inputs) and all(fact.height == len(codes) for fact in actual.values())
    shuffled = collect_facts(inputs, rows, table.sample(fraction=1.0, shuffle=True, seed=3), KEY)
    assert all(shuffled[name].equals(fact) for name, fact in actual.items())
    return [fact.row(0) if len(codes) == 1 else fact.rows() for fact in actual.values()]


def fact(*cells: dict[str, Any]) -> Any:
    """Return why, worst, known, measures and periods of a column of the measures a and b."""
    return facts({"x": ("a", "b")}, *cells)[0]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([known("a")], (None, "normal", 1, "a", "2024")),
        ([known("a", status="of a later version")], (None, "normal", 1, "a", "2024")),
        ([known("a"), known("b", status="provisional")], (None, "provisional", 2, "a and b", "2024")),
        ([known("b", status="revised"), known("a", status="provisional")], (None, "provisional", 2, "a and b", "2024")),
        ([cell("a", reason="suppressed")], ("suppressed", None, 0, None, None)),
        ([cell("b", reason="stale"), cell("a", reason="suppressed")], ("suppressed", None, 0, None, None)),
        ([known("a"), cell("b", reason="stale")], ("stale", "normal", 1, "a", "2024")),
        ([], ("input_missing", None, None, None, None)),
        ([cell("c", reason="stale")], ("input_missing", None, None, None, None)),
        ([cell("a", need=NOT_NEEDED, reason="not_applicable")], ("not_applicable", None, 0, None, None)),
        ([cell("a", need=NOT_NEEDED, reason="not_applicable"), cell("b", reason="stale")],
         ("stale", None, 0, None, None)),
    ],
)  # fmt: skip
def test_facts_of_a_column_are_those_of_its_measures(cells: list[dict[str, Any]], expected: tuple[Any, ...]) -> None:
    why, worst, number, measures, periods = fact(*cells)
    # Where there is a figure, no column shows why; where there is none, no measure or period.
    assert (why if expected[0] else None, worst, number, measures or None, periods or None) == expected


def test_figure_for_another_period_or_of_a_proxy_is_worse_than_any_status() -> None:
    carried = known("a", status="provisional", reference_start=date(2022, 1, 1), reference_end=date(2022, 12, 31))
    assert fact({**carried, "caveats": "carried_forward"})[1:] == ("carried_forward", 1, "a", "2022")
    proxy = known("b", proxy_measure="c", other_reasons="stale")
    assert fact({**carried, "caveats": "carried_forward"}, proxy)[1:] == (
        "proxy_used", 2, "a and b", "2022 and 2024",
    )  # fmt: skip
    assert fact(proxy)[0] == "stale", "its own gap stays open"
    longer = known("a", caveats=COARSER_PERIOD)
    assert fact(longer)[1] == COARSER_PERIOD
    assert fact(longer, {**carried, "measure": "b", "caveats": "carried_forward"})[1] == "carried_forward"


def test_rows_keep_the_order_of_the_view_and_columns_their_own_measures() -> None:
    cells = [known("a", place, value=number) for number, place in enumerate(CODES[:2])]
    cells += [cell("b", place, reason="suppressed") for place in CODES[1:]]
    a, b = facts({"x": ("a",), "y": ("b",)}, *cells, codes=("E3", "E1", "E2"))
    assert [row[2] for row in a] == [None, 1, 1] and [row[3] for row in a] == [None, "a", "a"]
    assert [row[0] for row in b] == ["suppressed", "input_missing", "suppressed"]


def answering(sql: str, needs: dict[str, Any], **said: Any) -> Problem:
    problem = problem_of(needs=needs, **said)
    select = parse_select(sql, "p.sql")
    alternatives = problem.header.alternatives
    inputs = {
        column: tuple(measure for name in names for measure in alternatives.get(name, (name,)))
        for column, names in select.inputs.items()
    }
    return problem._replace(select=select._replace(inputs=inputs))


def answer(problem: Problem, *cells: dict[str, Any]) -> pl.DataFrame:
    return answer_blocks(problem, cells)


def answer_blocks(problem: Problem, *blocks: Sequence[dict[str, Any]]) -> pl.DataFrame:
    places = table_from_records([{"place_code": code, "place_name": code} for code in CODES], PLACE_COLUMNS)
    cells = [table_from_records(list(block), CELL_COLUMNS).lazy() for block in blocks]
    return run_problem_select(problem, places, cells, empty_table(MAPPED_FIGURE))


def select(*columns: str, tables: tuple[str, ...] = ("a",), rest: str = "") -> str:
    joins = "".join(f" left join lad_2023.{name} using (place_code)" for name in tables)
    return f"select place.place_code, {', '.join(columns)} from lad_2023.place{joins} {rest}"


EVERYWHERE = [known("a", code, value=float(number)) for number, code in enumerate(CODES, 1)]


def test_problem_of_eighty_measures_on_three_places_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "600")  # a busy machine takes longer than the limit
    names = [f"m{number}" for number in range(80)]
    sql = select(*(f"{name}.value as {name}" for name in names), tables=tuple(names))
    cells = [known(name, code) for name in names for code in CODES]
    view = answer(answering(sql, {name: {} for name in names}), *cells)
    assert view.height == 3 and [view[name].to_list() for name in names] == [[7.0] * 3] * 80


def test_column_of_figures_is_followed_by_status_and_period() -> None:
    missing = cell("a", "E2", reason="suppressed")
    sql = select("a.value * 2 as twice", "a.reference_end as until", rest="order by place.place_code")
    view = answer(answering(sql, {"a": {}}), EVERYWHERE[0], missing, EVERYWHERE[2])
    assert view.columns == ["place_code", "twice", "twice_status", "twice_period", "until"]
    assert view.rows() == [
        ("E1", 2.0, "normal", "2024", YEAR[1]),
        ("E2", None, "suppressed", None, None),
        ("E3", 6.0, "normal", "2024", YEAR[1]),
    ]


def test_two_measures_keep_their_own_figures() -> None:
    sql = select("a.value as a", "b.value as b", tables=("a", "b"), rest="order by place.place_code")
    cells = [known(name, code, value=value) for name, value in (("a", 1.0), ("b", 2.0)) for code in CODES]
    view = answer(answering(sql, {"a": {}, "b": {}}), *cells)
    assert view["a"].to_list() == [1.0] * 3 and view["b"].to_list() == [2.0] * 3


@pytest.mark.parametrize("blocks", [[slice(3)], [slice(2), slice(2, 3)]], ids=["one block", "two blocks"])
@pytest.mark.parametrize("codes", [CODES, CODES[::-1]], ids=["order of the cells", "another order"])
def test_statuses_stay_with_their_rows_in_any_order(blocks: list[slice], codes: tuple[str, ...]) -> None:
    direction = "desc" if codes != CODES else ""
    sql = select("a.value as figure", rest=f"order by place.place_code {direction}")
    cells = [EVERYWHERE[0], cell("a", "E2", reason="suppressed"), EVERYWHERE[2]]
    view = answer_blocks(answering(sql, {"a": {}}), *(cells[block] for block in blocks))
    expected = {"E1": (1.0, "normal"), "E2": (None, "suppressed"), "E3": (3.0, "normal")}
    rows = view.select("place_code", "figure", "figure_status").rows()
    assert rows == [(code, *expected[code]) for code in codes]


def test_need_with_alternatives_names_the_measure_that_answers() -> None:
    sql = select("x.value as figure", tables=("x",), rest="order by place.place_code")
    cells = [known("a", "E1"), known("b", "E2"), cell("a", "E3", reason="stale")]
    cells += [cell("b", "E1", need=NOT_NEEDED, reason="not_applicable")]
    view = answer(answering(sql, {"x": {"one_of": ["a", "b"]}}), *cells)
    assert view["figure"].to_list() == [7.0, 7.0, None]
    assert view["figure_measure"].to_list() == ["a", "b", None]
    assert view["figure_status"].to_list() == ["normal", "normal", "stale"]


BLOCKS = EVERYWHERE[:2], EVERYWHERE[2:]


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        (select("a.value as figure"), {"value"}),
        (select("case when a.reason is null then a.value end as figure"), {"value", "reason"}),
        (
            select("a.value as figure").replace("left join", "natural join").replace(" using (place_code)", ""),
            set(MEASURE_COLUMNS),
        ),
    ],
    ids=["one column", "two columns", "a natural join"],
)
def test_large_problem_reads_the_columns_that_its_select_names(
    sql: str, read: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, created = answering(sql, {"a": {}}), dict[str, set[str]]()

    def note_columns(con: Any, name: str, frame: pl.DataFrame) -> None:
        created[name] = set(frame.columns) - {"place_code", "period_start", "period_end"}
        _create_table(con, name, frame)

    monkeypatch.setattr("pipelines.gaps.view._create_table", note_columns)
    parts = answer_blocks(problem, *BLOCKS)
    assert created["lad_2023.a"] == read
    assert parts.sort("place_code").equals(answer(problem, *EVERYWHERE).sort("place_code"))
    assert created["lad_2023.a"] == set(MEASURE_COLUMNS), "a small problem has all"


RENAMED = select("a.value as figure").replace(
    "select place.place_code",
    "select case place.place_code when 'E2' then 'E9' else place.place_code end as place_code",
)


def test_place_that_needs_none_of_the_alternatives_keeps_its_row() -> None:
    sql = select("x.value as figure", tables=("x",), rest="order by place.place_code").replace("left join", "join")
    cells = [known("a", "E1"), known("a", "E3")]
    cells += [cell(name, "E2", need=NOT_NEEDED, reason="not_applicable") for name in ("a", "b")]
    view = answer(answering(sql, {"x": {"one_of": ["a", "b"]}}), *cells)
    assert view.select("place_code", "figure").rows() == [("E1", 7.0), ("E2", None), ("E3", 7.0)]
    assert view["figure_status"].to_list() == ["normal", "not_applicable", "normal"]


@pytest.mark.parametrize(
    ("sql", "error", "said"),
    [
        (
            select("a.value as figure", rest="where a.value > 1"),
            CommongroundError,
            r"found 2 rows, expected one for each of 3 place_code; found E1 not at all; join on place_code only",
        ),
        (select("a.value as figure").replace("place.place_code, ", ""), DeclarationError, "must return place_code"),
        (
            RENAMED.replace("E9", "E1"),
            CommongroundError,
            "found 3 rows, expected one for each of 3 place_code; found E1 twice or more, E2 not at all; join",
        ),
        (RENAMED, CommongroundError, "found 3 rows, .*; found E2 not at all, E9, which the spine does not have; join"),
        (select("a.value as figure", rest="where false"), CommongroundError, "found E1 and 2 others not at all; join"),
        (select("a.value as figure", rest="where place.place_code = 'E2'"), CommongroundError, "E1 and 1 other not at"),
        (
            select("a.value as figure").replace("place.place_code", "length(place.place_code) as place_code", 1),
            DeclarationError,
            "returns place_code as Int64, expected String from the spine",
        ),
        (select("a.valeu as figure"), DeclarationError, "DuckDB rejects the SELECT"),
        (select("coalesce(a.value, a.upper_bound, length(place_name)) as figure"), CommongroundError, "leave missing"),
    ],
    ids=[
        "a row is left out",
        "no key",
        "a place twice",
        "a place of no row",
        "no row",
        "one row alone",
        "a number for a code",
        "unknown column",
        "figure from nothing",
    ],
)
def test_select_with_other_rows_or_invented_figures_is_refused(sql: str, error: type[Exception], said: str) -> None:
    problem = answering(sql, {"a": {}})
    with pytest.raises(error, match=said):
        answer(problem, cell("a", "E1", reason="suppressed"), *EVERYWHERE[1:])
