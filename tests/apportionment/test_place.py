"""The engine gives each cell what the definitions give, on random crosswalks and figures."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.apportionment import Crosswalk, build_matrix, list_parts, place_figures
from pipelines.core.errors import CrosswalkError
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from pipelines.geography import Successor
from tests.apportionment.oracle import Leg, Row, Slice, place_cell

YEAR = (date(2023, 1, 1), date(2023, 12, 31))
EARLIER = (date(2021, 1, 1), date(2021, 12, 31))
KINDS: dict[str, dict[str, Any]] = {
    "count": {}, "stock": {"uncertainty": "estimate"}, "issued": {"kind": "count", "range": (-100.0, 100.0)},
    "rate": {"denominator": "people"}, "estimate": {"kind": "rate", "denominator": "people", "uncertainty": "estimate"},
    "rank": {}, "index": {},
}  # fmt: skip
MEASURES = {
    name: Measure.model_validate({"title": "t", "unit": "u", "kind": name, "column": "c", **more})
    for name, more in KINDS.items()
} | {"people": Measure(title="p", unit="people", kind="stock", column=("p",))}
CODES, TARGETS = "ABCDE", ["X", "Y", "Z"]
CHECKED = ("value", "lower_bound", "upper_bound", "coverage", "partial", "reason", "obs_status")


@st.composite
def crosswalks(draw: st.DrawFn) -> list[Leg]:
    """Draw a crosswalk: whole places, places cut by a boundary, split without weights, and partly unallocated."""
    legs: list[Leg] = []
    for code in CODES:
        to = draw(st.lists(st.sampled_from([*TARGETS, None]), min_size=1, max_size=3, unique=True))
        weights = {1: [1.0], 2: draw(st.sampled_from([[0.25, 0.75], [0.0, 1.0]])), 3: [0.5, 0.25, 0.25]}[len(to)]
        unknown = len(to) > 1 and None not in to and draw(st.integers(0, 4)) == 0
        for target, weight in zip(to, weights, strict=True):
            people = draw(st.none() | st.integers(0, 9).map(float))
            legs.append((code, target, None if unknown else weight, people))
    outside = draw(st.lists(st.sampled_from(TARGETS), max_size=1))
    return legs + [(None, to, None, draw(st.none() | st.integers(0, 5).map(float))) for to in outside]


@st.composite
def slices(draw: st.DrawFn, measure: str) -> list[Row]:
    """Draw a slice: figures with bounds, rounded or estimated; suppressed with bounds or without; and absent places."""
    codes = draw(st.lists(st.sampled_from(CODES), min_size=1, unique=True))
    joint = draw(st.sampled_from([None, "A+B", "C+D", "A+Q"]))
    names = [code for code in codes if joint is None or code not in joint.split("+")] + ([joint] if joint else [])
    rows = []
    for number, code in enumerate(sorted(names)):
        value = draw(st.none() | st.integers(-9 if measure == "issued" else 0, 20).map(float))
        around = draw(st.none() | st.just(1.0))
        low = high = None
        if around is not None:
            low, high = (1.0, 4.0) if value is None else (value - around, value + around)
        shown = st.sampled_from(["normal", "provisional", "low"])
        hidden = st.sampled_from(["confidential", "not_available", "not_applicable", "normal"])
        rows.append(
            {"source": "s", "release": "r", "released_at": date(2024, 1, 1), "measure": measure, "place_code": code,
             "geography": "lad_2021", "period_start": YEAR[0], "period_end": YEAR[1], "value": value,
             "lower_bound": low, "upper_bound": high, "obs_status": draw(hidden if value is None else shown),
             "file": "f", "file_row": number + 2, "file_column": "c"}
        )  # fmt: skip
    return rows


def denominators_of(people: dict[str, float], span: tuple[date, date]) -> list[Row]:
    """Build the denominators of some places."""
    return [
        {"source": "s", "release": "r", "released_at": date(2024, 1, 1), "measure": "people", "place_code": code,
         "geography": "lad_2021", "period_start": span[0], "period_end": span[1], "value": value, "file": "f",
         "file_row": 1, "file_column": "c", "obs_status": "normal"}
        for code, value in people.items()
    ]  # fmt: skip


def crosswalk_frame(legs: list[Leg], group: str | None) -> Crosswalk:
    names = ["from_code", "to_code", "weight", "weight_population"]
    frame = pl.DataFrame(legs, schema=dict(zip(names, (pl.String, pl.String, pl.Float64, pl.Float64), strict=True)),
                         orient="row")  # fmt: skip
    ends = {"from_geography": pl.lit("lad_2021"), "to_geography": pl.lit("icb_2022"), "kind": pl.lit("merged")}
    return Crosswalk(frame.with_columns(**ends), group)


def assert_equal(actual: Row, expected: Row, names: tuple[str, ...]) -> None:
    for name in names:
        one, other = actual[name], expected[name]
        same = one == other or (isinstance(one, float) and isinstance(other, float) and math.isclose(one, other))
        assert same, (name, one, other, actual, expected)


@given(st.data(), st.sampled_from(list(KINDS)), st.booleans(), st.booleans())
def test_engine_places_each_cell_as_the_definitions_do(
    data: st.DataObject, measure: str, allowed: bool, same_period: bool
) -> None:
    legs, rows = data.draw(crosswalks()), data.draw(slices(measure))
    people = data.draw(st.dictionaries(st.sampled_from([*CODES, "A+B"]), st.integers(0, 9).map(float)))
    stored = denominators_of(people, YEAR if same_period else EARLIER)
    placed = place_figures(
        table_from_records(rows, OBSERVATION_COLUMNS),
        crosswalk_frame(legs, "all_ages"),
        MEASURES,
        table_from_records(stored, OBSERVATION_COLUMNS),
        frozenset([measure]) if allowed else frozenset(),
    )
    definition = MEASURES[measure]
    below = any(n is not None and n < 0 for row in rows for n in (row["value"], row["lower_bound"]))
    figures = Slice(definition.kind, measure == "issued" or below, definition.is_uncertain,
                    {row["place_code"]: row for row in rows}, people, same_period)  # fmt: skip
    targets = sorted({to for code, to, _, _ in legs if to and code})
    assert placed["to_code"].to_list() == targets
    for actual in placed.iter_rows(named=True):
        expected = place_cell(actual["to_code"], legs, figures, allowed)
        assert_equal(actual, expected, (*CHECKED, "apportioned_share"))
        assert (actual["derivation"] == "rate_averaged") is expected["is_averaged"]


@given(st.data(), st.sampled_from(list(KINDS)))
def test_succession_of_codes_is_a_crosswalk_with_weight_one(data: st.DataObject, measure: str) -> None:
    roll = {code: tuple(data.draw(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2, unique=True)))
            for code in CODES}  # fmt: skip
    rows = data.draw(slices(measure))
    people = data.draw(st.dictionaries(st.sampled_from(CODES), st.integers(1, 9).map(float)))
    placed = place_figures(
        table_from_records(rows, OBSERVATION_COLUMNS),
        Crosswalk(list_parts({code: Successor(to, "merged") for code, to in roll.items()})),
        MEASURES,
        table_from_records(denominators_of(people, YEAR), OBSERVATION_COLUMNS),
    )
    legs: list[Leg] = [
        (code, to, 1.0 if len(there) == 1 else None, None) for code, there in roll.items() for to in there
    ]
    definition = MEASURES[measure]
    below = any(n is not None and n < 0 for row in rows for n in (row["value"], row["lower_bound"]))
    figures = Slice(definition.kind, measure == "issued" or below, definition.is_uncertain,
                    {row["place_code"]: row for row in rows}, people, True)  # fmt: skip
    for actual in placed.iter_rows(named=True):
        assert_equal(actual, place_cell(actual["to_code"], legs, figures), CHECKED)
        assert actual["apportioned_share"] is None


def figure(code: str, value: float | None, measure: str = "count", status: str = "normal", row: int = 2) -> Row:
    """Build one published figure."""
    return {
        "source": "s", "release": "r", "released_at": date(2024, 1, 1), "measure": measure, "place_code": code,
        "geography": "lad_2021", "period_start": YEAR[0], "period_end": YEAR[1], "value": value, "lower_bound": value,
        "upper_bound": value, "obs_status": status, "published_marker": "c" if value is None else None, "file": "f",
        "file_row": row, "file_column": f"column {row}",
    }  # fmt: skip


def place_rows(rows: list[Row], legs: list[Leg], group: str | None = None) -> dict[str, Row]:
    """Place some figures by a crosswalk; return the row of each target place."""
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    placed = place_figures(table, crosswalk_frame(legs, group), MEASURES, table.clear())
    return {row["to_code"]: row for row in placed.iter_rows(named=True)}


MERGED: list[Leg] = [("A", "X", 1.0, 1.0), ("B", "X", 1.0, 1.0), ("C", "Y", 1.0, 1.0)]


@pytest.mark.parametrize("codes", [["A", "A"], ["A", "A+B"], ["A+B", "B+C"]])
def test_place_with_two_figures_in_a_slice_is_refused(codes: list[str]) -> None:
    with pytest.raises(CrosswalkError, match="has two figures in one measure and period"):
        place_rows([figure(code, 1.0) for code in codes], MERGED)


@pytest.mark.parametrize("group", [None, "all_ages"])
def test_marker_on_every_part_is_the_reason_of_the_place(group: str | None) -> None:
    rows = [figure("A", None, status="confidential"), figure("B", None, status="confidential", row=3)]
    actual = place_rows(rows, MERGED, group)["X"]
    assert (actual["reason"], actual["coverage"]) == ("suppressed", 0.0)
    assert actual["evidence"] == "rows 2,3 of f have the marker c"


@pytest.mark.parametrize("group", [None, "all_ages"])
def test_place_without_a_row_has_no_status_bound_or_column(group: str | None) -> None:
    actual = place_rows([figure("A", 1.0), figure("B", 2.0)], MERGED, group)["Y"]
    assert actual["reason"] == "not_returned"
    assert [actual[name] for name in ("obs_status", "lower_bound", "upper_bound", "file_column", "file_rows")] == [
        None, None, None, None, None
    ]  # fmt: skip
    assert actual["unit"] is None and actual["file"] == "f"


def test_value_has_the_status_of_its_published_parts_also_beside_a_hidden_part_with_a_figure() -> None:
    rows = [figure("A", 1.0, status="confidential"), figure("B", 2.0, status="estimated"),
            figure("C", 4.0, status="confidential")]  # fmt: skip
    actual = place_rows(rows, MERGED)
    assert [(row["value"], row["obs_status"]) for row in actual.values()] == [(3.0, "estimated"), (4.0, "confidential")]


def test_rate_that_needs_its_parts_covers_the_whole_place() -> None:
    actual = place_rows([figure("A", 1.0, "rate"), figure("B", 2.0, "rate")], MERGED)["X"]
    assert (actual["reason"], actual["coverage"], actual["lower_bound"]) == ("needs_parts", 1.0, 1.0)
    assert actual["evidence"] == "2 parts (A,B) have 1 to 2; their denominators are not stored"


def test_provenance_lists_rows_markers_and_the_column_of_the_first_part() -> None:
    rows = [{**figure("B", 2.0, row=9), "published_marker": "p", "caveats": "flagged"},
            {**figure("A", 1.0, row=4), "published_marker": "p", "caveat_evidence": "seen"}]  # fmt: skip
    actual = place_rows(rows, MERGED)["X"]
    assert (actual["file_rows"], actual["file_column"], actual["source_areas"]) == ("4,9", "column 9", "A,B")
    assert (actual["published_marker"], actual["caveats"], actual["caveat_evidence"]) == ("p", "flagged", "seen")


def test_many_parts_are_counted_and_not_listed() -> None:
    codes = [f"P{number:02}" for number in range(22)]
    legs: list[Leg] = [(code, "X", 1.0, 1.0) for code in codes]
    actual = place_rows([figure(code, 1.0) for code in codes[1:]], legs)["X"]
    assert (actual["source_areas"], actual["file_rows"]) == ("22 places", None)
    assert actual["evidence"] == "21 of 22 parts have a figure; no figure for P00"
    few = place_rows([figure(code, 1.0) for code in codes[21:]], legs)["X"]
    assert few["evidence"] == "1 of 22 parts have a figure; no figure for 21 places"


def test_slices_in_any_order_and_blocks_of_any_size_give_one_result(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**figure(code, float(number)), "measure": measure} for number, code in enumerate("ABC")
            for measure in ("count", "rate", "index")]  # fmt: skip
    expected = place_rows(rows, MERGED)
    monkeypatch.setattr("pipelines.apportionment.vectors.FIGURES_PER_BLOCK", 1)
    assert place_rows(sorted(rows, key=lambda row: str(row["measure"]), reverse=True), MERGED) == expected


def test_cells_of_all_slices_are_in_one_order_whatever_the_order_of_rows() -> None:
    years = [YEAR, EARLIER]
    rows = [{**figure(code, float(number), measure), "period_start": start, "period_end": end}
            for measure in ("rate", "index", "count") for start, end in years
            for number, code in enumerate(["A+B", "C"] if measure == "index" else "ABC")]  # fmt: skip
    placed = [place_figures(table := table_from_records(order, OBSERVATION_COLUMNS), crosswalk_frame(MERGED, None),
                            MEASURES, table.clear()) for order in (rows, rows[::-1])]  # fmt: skip
    assert placed[0].height == 3 * len(years) * 2
    assert placed[0].equals(placed[0].sort("measure", "period_start", "period_end", "to_code"))
    assert placed[1].select("measure", "to_code", "value").equals(placed[0].select("measure", "to_code", "value"))


def test_unknown_code_is_refused_by_a_crosswalk_of_people_and_ignored_by_a_succession() -> None:
    rows = [figure("A", 1.0), figure("B", 2.0), figure("Q", 4.0)]
    assert place_rows(rows, MERGED)["X"]["value"] == 3.0
    with pytest.raises(CrosswalkError, match="such as Q"):
        place_rows(rows, MERGED, "all_ages")


def test_first_place_with_two_figures_is_named() -> None:
    with pytest.raises(CrosswalkError, match=r"^A has two"):
        place_rows([figure(code, 1.0) for code in ("C", "A", "B", "A+B")], MERGED)


def test_matrices_are_built_once_and_kept_for_eight_crosswalks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each crosswalk is known by the people of its places."""
    built: list[float] = []

    def build(table: pl.DataFrame, together: tuple[str, ...]) -> Any:
        built.append(table["weight_population"][0])
        return build_matrix(table, together)

    monkeypatch.setattr("pipelines.apportionment.place.build_matrix", build)
    monkeypatch.setattr("pipelines.apportionment.place._BUILT", [])
    table = table_from_records([figure("A", 1.0)], OBSERVATION_COLUMNS)
    ways = [crosswalk_frame([(code, "X", 1.0, float(people)) for code in "AB"], None) for people in range(9)]
    for way in (*ways[:8], ways[0], ways[0], *ways[1:8]):
        place_figures(table, way, MEASURES, table.clear())
    place_figures(table, crosswalk_frame([(code, "X", 1.0, 7.0) for code in "AB"], None), MEASURES, table.clear())
    assert built == [0, 1, 2, 3, 4, 5, 6, 7]
    for way in (ways[8], ways[1], ways[0]):
        place_figures(table, way, MEASURES, table.clear())
    assert built[8:] == [8, 0]
