"""Partnerships of places: sums and averages of all members, by the rules of every other figure."""

from datetime import date
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import MAPPED_FIGURE
from pipelines.core.errors import DeclarationError
from pipelines.core.schema import CELL_COLUMNS, OBSERVATION_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.core.store import read_table, state_path
from pipelines.declarations.measure import Measure
from pipelines.declarations.partnership import Partnership
from pipelines.declarations.project import Project
from pipelines.gaps import partnerships
from pipelines.gaps.partnerships import (
    MemberFigures,
    _needs_of_members,
    _sum_people,
    answer_partnerships,
    build_partnership_view,
    list_partnership_places,
    place_members,
)
from pipelines.gaps.verdicts import VERDICT
from tests.gaps.plain import problem_of

START, END = date(2022, 1, 1), date(2022, 12, 31)
MEMBERS = ("E09000024", "E09000027", "E09000029")
CODE = "partnership-south"
MEASURES = {
    "homes": Measure(title="Homes", unit="homes", kind="count"),
    "people": Measure(title="People", unit="people", kind="stock"),
    "share": Measure(title="Share", unit="%", kind="rate", denominator="people"),
}
PLACES = table_from_records(
    [{"place_code": code, "place_name": code, "region_code": "E12000007", "region": "London", "nation": "England"}
     for code in (*MEMBERS, "E09000001")], PLACE_COLUMNS,
)  # fmt: skip
SOUTH = Partnership(
    title="South", kind="partnership", geography="lad_2023", members=MEMBERS, membership="inferred: a test"
)


class Declared:
    """A catalogue of measures."""

    measures = MEASURES
    partnerships = MappingProxyType[str, Partnership]({})


def figure(code: str, value: float | None, measure: str = "homes", **more: Any) -> dict[str, Any]:
    reason = None if value is not None else "not_returned"
    return {
        "measure": measure, "to_code": code, "place_code": code, "period_start": START, "period_end": END, "unit": "x",
        "value": value, "lower_bound": value, "upper_bound": value, "obs_status": "normal" if reason is None else None,
        "source": "ons_x", "release": "ab", "released_at": END, "file": "x.csv", "reason": reason,
        "evidence": "no row" if reason else None, "derivation": "observed", "geography": "lad_2023", "order": 0, **more,
    }  # fmt: skip


def placed(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the figures of the partnership by measure."""
    people = table_from_records([row for row in rows if row["measure"] == "people"], OBSERVATION_COLUMNS)
    figures = MemberFigures(
        PLACES, table_from_records(rows, MAPPED_FIGURE), people.with_columns(pl.lit(0, pl.Int64).alias("order")),
        pl.DataFrame(), pl.DataFrame(), {},
    )  # fmt: skip
    return {row["measure"]: row for row in place_members(figures, CODE, MEMBERS, Declared()).iter_rows(named=True)}  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 10**6), min_size=4, max_size=4))
def test_count_is_the_sum_of_its_members_alone(values: list[int]) -> None:
    rows = [figure(code, value) for code, value in zip((*MEMBERS, "E09000001"), values, strict=True)]
    own = placed(rows)["homes"]
    assert (own["value"], own["derivation"]) == (sum(values[:3]), "aggregated")


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10**6)), min_size=3, max_size=3))
def test_rate_is_weighted_by_residents_and_no_mean(pairs: list[tuple[float, int]]) -> None:
    shares = [figure(code, share, "share") for code, (share, _) in zip(MEMBERS, pairs, strict=True)]
    people = [figure(code, float(count), "people") for code, (_, count) in zip(MEMBERS, pairs, strict=True)]
    expected = sum(share * count for share, count in pairs) / sum(count for _, count in pairs)
    own = placed(shares + people)["share"]
    assert own["value"] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert own["obs_status"] == "estimated"


def test_missing_member_makes_a_gap_that_names_it() -> None:
    own = placed([figure(MEMBERS[0], 3), figure(MEMBERS[1], 4), figure(MEMBERS[2], None)])["homes"]
    assert (own["value"], own["reason"]) == (None, "children_incomplete")
    assert MEMBERS[2] in own["evidence"]


def test_suppressed_member_leaves_bounds() -> None:
    hidden = figure(MEMBERS[2], None, obs_status="confidential", reason="suppressed", lower_bound=1, upper_bound=4)
    own = placed([figure(MEMBERS[0], 3), figure(MEMBERS[1], 4), hidden])["homes"]
    assert (own["value"], own["lower_bound"], own["upper_bound"]) == (None, 8, 11)


def test_partial_rate_states_its_coverage() -> None:
    people = [figure(code, 100.0, "people") for code in MEMBERS]
    own = placed([*people, figure(MEMBERS[0], 10, "share"), figure(MEMBERS[1], 20, "share")])["share"]
    assert (own["value"], own["partial"]) == (None, 15)
    assert own["coverage"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [(("not_loaded",) * 3, "not_loaded"), (("not_loaded", "not_loaded", "implausible"), "children_incomplete")],
)
def test_gap_of_all_members_has_their_reason(reasons: tuple[str, ...], expected: str) -> None:
    gaps = [figure(code, None, reason=reason) for code, reason in zip(MEMBERS, reasons, strict=True)]
    assert placed([*gaps, figure("E09000001", 5)])["homes"]["reason"] == expected


def test_evidence_of_a_shared_reason_is_the_first_in_order_and_several_reasons_are_listed() -> None:
    """A measure without a reason, and one with a figure, keep their own."""
    said = zip(MEMBERS, ("c", "a", "b"), strict=True)
    gaps = [figure(code, None, reason="not_loaded", evidence=evidence) for code, evidence in said]
    reasons = zip(MEMBERS, ("not_loaded", "implausible", "implausible"), strict=True)
    gaps += [figure(code, None, "people", reason=reason) for code, reason in reasons]
    gaps += [figure("E09000001", 5.0, "homes"), figure("E09000001", 5.0, "people", evidence=None)]
    actual = placed([*gaps, *(figure(code, 10.0, "share") for code in MEMBERS)])
    assert actual["homes"]["evidence"] == "all members have this reason; for example, a"
    assert actual["people"]["evidence"] == "no member has a figure: implausible, not_loaded"
    assert set(actual) == {"homes", "people", "share"}
    assert actual["share"]["reason"] not in ("not_loaded", "implausible", "not_returned")


def test_partnership_without_any_figure_of_its_members_has_no_row() -> None:
    assert placed([figure(code, None, reason="not_loaded") for code in MEMBERS]) == {}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [((), ()), (MEMBERS, (CODE,)), ((*MEMBERS, "E09000001"), (CODE,)), (MEMBERS[:2], MEMBERS[:2])],
)
def test_need_of_some_places_applies_to_a_partnership_of_them_alone(
    asked: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    needs = _needs_of_members(problem_of(needs={"homes": {"place_codes": asked}, "people": {}}), CODE, SOUTH)
    assert {name: need.place_codes for name, need in needs.items()} == {"homes": expected, "people": ()}


def test_residents_are_known_where_those_of_every_member_are() -> None:
    numbers = {MEMBERS[0]: 5, MEMBERS[1]: 7, MEMBERS[2]: 11, "E09000001": 100}
    people = pl.DataFrame({"place_code": list(numbers), "people": list(numbers.values())})
    assert _sum_people(people, CODE, SOUTH).rows() == [(CODE, 23)]
    unknown = people.with_columns(pl.when(pl.col("people") != 7).then("people"))
    assert _sum_people(unknown, CODE, SOUTH).rows() == [(CODE, None)]
    assert _sum_people(people.head(2), CODE, SOUTH).rows() == [(CODE, None)]


def test_each_partnership_has_its_own_cells_and_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer and the view of two partnerships with a member in common, with the steps in between replaced."""
    both = {
        CODE: SOUTH, "partnership-two": SOUTH.model_copy(update={"members": MEMBERS[:2], "title": "Two"}),
    }  # fmt: skip
    monkeypatch.setattr(partnerships, "select_partnerships", lambda *_: both)
    views: list[tuple[str, list[Any], list[Any], list[Any]]] = []

    def answer(block: Any, _: Any, aside: pl.DataFrame, *__: Any) -> pl.DataFrame:
        assert aside.is_empty() and block.problem.header.nations == ()
        return table_from_records(
            [{"place_code": code, "value": block.placed["value"][0]} for code in block.places["place_code"]],
            CELL_COLUMNS,
        )

    def verdict(_: pl.DataFrame, __: Any, people: pl.DataFrame) -> pl.DataFrame:
        return table_from_records([{"place_code": people["place_code"][0], "residents": people["people"][0]}], VERDICT)

    def view(_: Any, place: pl.DataFrame, cells: list[pl.LazyFrame], own: pl.DataFrame, verdicts: Any) -> pl.DataFrame:
        codes = [frame["place_code"].to_list() for frame in (cells[0].collect(), verdicts)]
        views.append((place["place_name"][0], own["to_code"].to_list(), *codes))
        return place.select("place_code")

    monkeypatch.setattr(partnerships, "answer_block", answer)
    monkeypatch.setattr(partnerships, "build_verdicts", verdict)
    monkeypatch.setattr(partnerships, "build_view", view)
    people = pl.DataFrame({"place_code": MEMBERS, "people": [1, 2, 3]})
    figures = MemberFigures(
        PLACES, table_from_records([figure(code, 2.0) for code in MEMBERS], MAPPED_FIGURE),
        table_from_records([], OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order")), people,
        pl.DataFrame({"a": [1]}), {},
    )  # fmt: skip
    problem = problem_of(nations=("England",))
    actual = answer_partnerships(problem, Declared(), figures, END)  # type: ignore[arg-type]
    assert actual.cells.select("place_code", "value").rows() == [(CODE, 6.0), ("partnership-two", 4.0)]
    assert actual.verdicts.select("place_code", "residents").rows() == [(CODE, 6), ("partnership-two", 3)]
    assert actual.placed.select("to_code", "value").rows() == [(CODE, 6.0), ("partnership-two", 4.0)]
    schema = pl.Schema({"place_code": pl.String})
    table = build_partnership_view(problem, Declared(), PLACES, actual, schema)  # type: ignore[arg-type]
    assert table["place_code"].to_list() == list(both)
    assert views == [(item.title, [code], [code], [code]) for code, item in both.items()]


def test_partnership_has_the_region_that_all_members_share() -> None:
    row = list_partnership_places({CODE: SOUTH}, PLACES).row(0, named=True)
    assert (row["kind"], row["region"], row["nation"]) == ("partnership", "London", "England")
    apart = PLACES.with_columns(pl.when(pl.col("place_code") == MEMBERS[0]).then(pl.lit("X")).otherwise("region")
                                .alias("region"))  # fmt: skip
    assert list_partnership_places({CODE: SOUTH}, apart)["region"][0] is None


def test_unknown_member_is_refused() -> None:
    with pytest.raises(DeclarationError, match="E09000024 is not a place in lad_2023"):
        list_partnership_places({CODE: SOUTH}, PLACES.clear())
    with pytest.raises(DeclarationError, match="member E09000027 is not a place in lad_2023; did you mean E09000029"):
        list_partnership_places({CODE: SOUTH}, PLACES.filter(pl.col("place_code") != "E09000027"))


def test_partnership_of_one_place_has_the_region_of_that_place() -> None:
    alone = SOUTH.model_copy(update={"members": MEMBERS[:1]})
    assert list_partnership_places({CODE: alone}, PLACES)["region"].to_list() == ["London"]


def test_built_partnership_is_the_sum_of_its_boroughs(small: Project) -> None:
    own = read_table(state_path(small.home, "partnership_cell", "jobs_south_london"))
    cells = read_table(state_path(small.home, "cell", "jobs_south_london"))
    members = small.catalogue.partnerships["south_london"].members
    name = "households_on_universal_credit"
    sums = cells.filter(pl.col("place_code").is_in(list(members)), pl.col("measure") == name).group_by(
        "period_start"
    ).agg(pl.when(pl.col("value").count() == len(members)).then(pl.col("value").sum()).alias("total"))  # fmt: skip
    both = own.filter(pl.col("measure") == name).join(sums, on="period_start")
    assert both["value"].count() > 30
    assert both["value"].equals(both["total"], null_equal=True) or (both["value"] - both["total"]).abs().max() == 0


def test_partnerships_are_in_no_table_of_places(small: Project) -> None:
    for kind in ("cell", "verdict", "view"):
        table = read_table(state_path(small.home, kind, "jobs_recovery"))
        own = read_table(state_path(small.home, f"partnership_{kind}", "jobs_recovery"))
        assert not table["place_code"].str.starts_with("partnership-").any()
        assert set(own["place_code"]) == {"partnership-south-london", "partnership-greater-manchester-work"}
        assert own.columns == table.columns
