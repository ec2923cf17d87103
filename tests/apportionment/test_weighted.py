"""Apportionment where a boundary crosses places: figures kept, averaged, or withheld with a reason."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.app import steps
from pipelines.apportionment import Crosswalk, place_figures
from pipelines.core.reasons import REASONS
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, table_from_records
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.measure import Measure
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.geography.crosswalk import CROSSWALK
from pipelines.geography.overlay import OVERLAY, compose_overlays

ROOT = Path(__file__).resolve().parent.parent.parent
YEAR = (date(2023, 1, 1), date(2023, 12, 31))
MEASURES = {
    "people": Measure(title="p", unit="people", kind="stock", column=("p",)),
    "events": Measure(title="e", unit="events", kind="count", column=("e",)),
    "rate": Measure(title="r", unit="%", kind="rate", denominator="people", column=("r",)),
    "score": Measure(title="s", unit="score", kind="index", column=("s",)),
}
Bounds = tuple[float | None, float | None]
Legs = dict[str, dict[str | None, float]]
"""Number of people of each source place in each target place."""


def crosswalk_of(legs: Legs) -> pl.DataFrame:
    """Build a crosswalk from the number of people of each source place in each target place."""
    actual = [
        {"from_code": code, "to_code": to, "weight": people / sum(there.values()), "weight_population": people}
        for code, there in legs.items()
        for to, people in there.items()
    ]
    frame = pl.DataFrame(actual, schema=OVERLAY).with_columns(
        pl.lit("lad_2021").alias("from_geography"), pl.lit("icb_2022").alias("to_geography")
    )
    return conform_table(frame, CROSSWALK)


def observed(figures: dict[str, dict[str, float | None]]) -> pl.DataFrame:
    """Build observations of some measures by place, for one year and one release."""
    cells: list[dict[str, Any]] = [
        {"source": "s", "release": "x", "released_at": date(2024, 1, 1), "measure": measure, "place_code": code,
         "geography": "lad_2021", "period_start": YEAR[0], "period_end": YEAR[1], "value": value, "lower_bound": value,
         "upper_bound": value, "obs_status": "normal" if value is not None else "not_available", "file": "f",
         "file_row": 1,
         "file_column": "c"}
        for measure, by_code in figures.items() for code, value in by_code.items()
    ]  # fmt: skip
    return table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))


def shared(figures: dict[str, dict[str, float | None]], legs: Legs, **given: Any) -> dict[tuple[str, str], Any]:
    """Apportion figures; return each row by measure and target place."""
    table = observed(figures)
    stored = table.filter(pl.col("measure") == "people")
    actual = place_figures(table, Crosswalk(crosswalk_of(legs), "all_ages"), MEASURES, stored, **given)
    return {(row["measure"], row["to_code"]): row for row in actual.iter_rows(named=True)}


CUT: Legs = {"A": {"X": 300.0, "Y": 100.0}, "B": {"Y": 200.0}}


def test_count_is_apportioned_by_people_and_marked_estimated() -> None:
    actual = shared({"events": {"A": 40.0, "B": 5.0}}, CUT)
    x, y = actual["events", "X"], actual["events", "Y"]
    assert (x["value"], y["value"]) == (30.0, 15.0)
    assert (x["derivation"], x["obs_status"], x["apportioned_share"]) == ("apportioned", "estimated", 1.0)
    assert y["apportioned_share"] == pytest.approx(10 / 15)
    # Whatever the weights are, Y has all of B, and at most all of both.
    assert (y["lower_bound"], y["upper_bound"]) == (5.0, 45.0)


def test_rate_is_averaged_by_the_apportioned_denominator() -> None:
    actual = shared({"rate": {"A": 2.0, "B": 8.0}, "people": {"A": 400.0, "B": 200.0}}, CUT)
    assert actual["rate", "X"]["value"] == 2.0
    assert actual["rate", "Y"]["value"] == pytest.approx((2 * 100 + 8 * 200) / 300)
    assert (actual["rate", "Y"]["derivation"], actual["rate", "Y"]["obs_status"]) == ("rate_averaged", "estimated")


@pytest.mark.parametrize(
    ("legs", "rate", "score"),
    [({"A": {"Y": 100.0}, "B": {"Y": 200.0}, "C": {"Z": 1.0, "X": 1.0}}, (2.0, 8.0), (1.0, 3.0)),
     (CUT, (None, None), (None, None))],
    ids=["whole parts", "one part cut"],
)  # fmt: skip
def test_rate_without_a_denominator_has_bounds_from_whole_parts(legs: Legs, rate: Bounds, score: Bounds) -> None:
    """The rate of part of a place is unbounded."""
    actual = shared({"rate": {"A": 2.0, "B": 8.0}, "score": {"A": 1.0, "B": 3.0}}, legs)
    for measure, bounds in (("rate", rate), ("score", score)):
        row = actual[measure, "Y"]
        assert (row["value"], row["reason"]) == (None, "needs_parts")
        assert (row["lower_bound"], row["upper_bound"]) == bounds


def test_index_of_a_whole_place_does_not_change() -> None:
    actual = shared({"score": {"A": 1.0, "B": 3.0}}, {"A": {"X": 1.0}, "B": {"Y": 1.0}})
    assert (actual["score", "X"]["value"], actual["score", "Y"]["value"]) == (1.0, 3.0)


def test_part_without_a_figure_is_named_by_the_gap() -> None:
    actual = shared({"events": {"A": 40.0, "B": None}}, CUT)
    row = actual["events", "Y"]
    assert (row["value"], row["reason"]) == (None, "children_incomplete")
    assert "B" in row["evidence"]
    assert row["coverage"] == pytest.approx(100 / 300)


DOWN: Legs = {"A": {"X": 30.0, "Y": 30.0, "Z": 40.0}}


def test_smaller_part_of_a_larger_place_is_withheld_unless_allowed() -> None:
    actual = shared({"events": {"A": 100.0}}, DOWN)
    row = actual["events", "X"]
    assert (row["value"], row["reason"]) == (None, "coarser_only")
    assert (row["lower_bound"], row["upper_bound"]) == (0.0, 100.0)
    asked = shared({"events": {"A": 100.0}}, DOWN, allowed=frozenset({"events"}))["events", "X"]
    assert (asked["value"], asked["reason"], asked["derivation"]) == (30.0, None, "apportioned")


def test_residents_outside_the_source_give_a_gap() -> None:
    way = crosswalk_of({"A": {"X": 60.0}})
    outside = way.with_columns(
        pl.lit(None, pl.String).alias("from_code"),
        pl.lit(None, pl.Float64).alias("weight"),
        pl.lit(40.0).alias("weight_population"),
    )
    actual = place_figures(
        observed({"events": {"A": 6.0}}),
        Crosswalk(pl.concat([way, outside]), "all_ages"),
        MEASURES,
        observed({}),
    )
    row = actual.row(0, named=True)
    assert (row["value"], row["reason"]) == (None, "low_reach")
    assert row["evidence"] == "40.0 % of its residents are outside the source's geography"


def test_combined_places_are_apportioned_by_the_people_of_both() -> None:
    legs: Legs = {"A": {"X": 300.0, "Y": 100.0}, "B": {"Y": 400.0}}
    actual = shared({"events": {"A+B": 80.0}}, legs)
    assert (actual["events", "X"]["value"], actual["events", "Y"]["value"]) == (30.0, 50.0)


PLACES_LED_TO = ["X", "Y", "Z"]


@st.composite
def legs_drawn(draw: st.DrawFn) -> Legs:
    """Draw the distribution of people from source to target places; some are partly unallocated."""
    actual: Legs = {}
    for code in "ABCD":
        to = draw(st.lists(st.sampled_from([*PLACES_LED_TO, None]), min_size=1, max_size=3, unique=True))
        if to == [None]:
            to = ["X"]
        actual[code] = {item: float(draw(st.integers(1, 1000))) for item in to}
    return actual


def numbers(least: int, most: int) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({code: st.integers(least, most).map(float) for code in "ABCD"})


ALL = frozenset(MEASURES)


@given(legs=legs_drawn(), events=numbers(0, 10_000))
def test_totals_are_preserved_except_unallocated_shares(legs: Legs, events: dict[str, float]) -> None:
    actual = shared({"events": dict(events)}, legs, allowed=ALL)
    lost = sum(events[code] * there.get(None, 0.0) / sum(there.values()) for code, there in legs.items())
    assert sum(row["value"] for row in actual.values()) + lost == pytest.approx(sum(events.values()))


@given(legs=legs_drawn(), events=numbers(0, 10_000), shares=st.data())
def test_bounds_include_the_figure_and_every_possible_truth(
    legs: Legs, events: dict[str, float], shares: st.DataObject
) -> None:
    actual = shared({"events": dict(events)}, legs, allowed=ALL)
    truth = dict.fromkeys(PLACES_LED_TO, 0.0)
    for code, there in legs.items():
        left = events[code]
        for to in list(there)[:-1]:
            part = left * shares.draw(st.floats(0, 1))
            left -= part
            truth[to or "X"] += part if to else 0.0
        if (last := list(there)[-1]) is not None:
            truth[last] += left
    for (_, to), row in actual.items():
        assert row["lower_bound"] - 1e-6 <= row["value"] <= row["upper_bound"] + 1e-6
        assert row["lower_bound"] - 1e-6 <= truth[to] <= row["upper_bound"] + 1e-6
        if row["interval_lower"] is not None:
            assert row["lower_bound"] - 1e-6 <= row["interval_lower"] <= row["value"] + 1e-6
            assert row["value"] - 1e-6 <= row["interval_upper"] <= row["upper_bound"] + 1e-6


@given(legs=legs_drawn(), rate=numbers(0, 100), people=numbers(1, 10_000))
def test_rate_is_within_the_range_of_its_parts(legs: Legs, rate: dict[str, float], people: dict[str, float]) -> None:
    actual = shared({"rate": dict(rate), "people": dict(people)}, legs, allowed=ALL)
    for (measure, to), row in actual.items():
        if measure == "rate":
            parts = [rate[code] for code, there in legs.items() if to in there]
            assert min(parts) - 1e-9 <= row["value"] <= max(parts) + 1e-9


@given(events=numbers(0, 10_000), rate=numbers(0, 100))
def test_identity_crosswalk_changes_nothing(events: dict[str, float], rate: dict[str, float]) -> None:
    same: Legs = {code: {code: 10.0} for code in "ABCD"}
    actual = shared({"events": dict(events), "rate": dict(rate)}, same)
    assert {code: actual["events", code]["value"] for code in "ABCD"} == events
    assert {code: actual["rate", code]["value"] for code in "ABCD"} == rate
    assert {row["apportioned_share"] for (measure, _), row in actual.items() if measure == "events"} == {0.0}


@given(
    up=st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("MNO"), min_size=1),
    top=st.fixed_dictionaries({code: st.sampled_from("PQ") for code in "MNO"}),
)
def test_apportionment_through_nested_places_equals_the_direct_one(up: dict[str, str], top: dict[str, str]) -> None:
    def whole(pairs: dict[str, str]) -> pl.DataFrame:
        actual = [(code, to, 1.0, None) for code, to in pairs.items()]
        return pl.DataFrame(actual, schema=OVERLAY, orient="row")

    by_way = compose_overlays(whole(up), whole(top)).select("from_code", "to_code", "weight").sort("from_code")
    straight = whole({code: top[to] for code, to in up.items()}).select("from_code", "to_code", "weight")
    assert by_way.equals(straight.sort("from_code"))


REGISTERS = ("ons_lad_register", "ons_lad_changes", "ons_area_register", "dwp_jobcentres", "ons_small_areas")
ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\nperiod_kind: year\n"
COLUMNS = "columns: {place: code, period: period}\n"


def answered(
    folder: Path, own: str, asked: str, codes: list[str], *, need: str = "", kind: str = "kind: stock",
    values: dict[str, float | None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Answer one problem in one geography from a source in another; return its cells of the measure."""
    root, sources = folder / "project", folder / "project" / "sources"
    (root / "pipelines" / "problems").mkdir(parents=True)
    (sources / "starter").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", sources / "shared")
    for name in REGISTERS:
        shutil.copy(ROOT / "sources" / f"{name}.yaml", sources)
        for path in (ROOT / "sources" / "starter").glob(f"{name}.*"):
            shutil.copy(path, sources / "starter")
    lines = [f"{code},2021,{'' if (v := (values or {}).get(code, 100.0)) is None else v},1000" for code in codes]
    (sources / "starter" / "own.csv").write_text("\n".join(["code,period,figure,people", *lines]) + "\n")
    (sources / "a_source.yaml").write_text(
        f"{ABOUT}{COLUMNS}geography: {own}\nreleases: [{{file: starter/own.csv, released: 2022-05-01}}]\n"
        f"measures:\n  figure: {{title: f, unit: things, column: figure, {kind}}}\n"
        "  people: {title: p, unit: people, column: people, kind: stock}\n"
    )
    allowed = ", ".join(item for item in ("max_age: 10 years", need) if item)
    (root / "pipelines" / "problems" / "a_problem.sql").write_text(
        f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: {asked}\ngrain: latest\n"
        f"needs: {{figure: {{{allowed}}}}}\n*/\n"
        f"select place.place_code, figure.value as figure\nfrom {asked}.place join {asked}.figure using (place_code)\n"
    )
    project = Project(load_catalogue(root), folder / "store", date(2026, 6, 30))
    steps.prepare_store(project)
    return answering.answer_problem(project, "a_problem").filter(pl.col("measure") == "figure")


def places_of(system: str) -> list[str]:
    """Return the codes of a bundled geography."""
    table = pl.read_parquet(ROOT / "sources" / "starter" / "ons_small_areas.parquet")
    return table[system].drop_nulls().unique().sort().to_list()


BOARDS, DISTRICTS, GROUPS = "icb_2022", "lad_2021", "ccg_2021"


def the(cells: pl.DataFrame, code: str) -> dict[str, Any]:
    row = cells.filter(pl.col("place_code") == code).row(0, named=True)
    if row["reason"]:
        assert row["severity"] == REASONS[row["reason"]].severity
        assert row["evidence"] and row["data_owner"] and row["remedy"]
    return row


def test_figures_known_for_boards_only_are_withheld_for_councils(tmp_path: Path) -> None:
    cells = answered(tmp_path, BOARDS, "lad_2023", places_of(BOARDS))
    merton = the(cells, "E09000024")
    assert (merton["value"], merton["reason"]) == (None, "coarser_only")
    assert (merton["lower_bound"], merton["upper_bound"]) == (0.0, 100.0)


def test_figures_with_too_large_an_error_are_withheld(tmp_path: Path) -> None:
    cells = answered(
        tmp_path, DISTRICTS, BOARDS, places_of(DISTRICTS), need="max_error: 0.000001" 
    )  # fmt: skip
    withheld = cells.filter(pl.col("reason") == "too_uncertain")
    assert withheld.height > 5
    row = the(cells, withheld["place_code"][0])
    assert row["value"] is None and row["lower_bound"] <= row["upper_bound"]
    # The figure of a board of whole councils is as exact as theirs.
    whole = cells.filter(pl.col("apportioned_share") == 0)
    assert whole.height > 20
    assert whole["reason"].null_count() == whole.height


def test_places_without_a_target_have_a_reason(tmp_path: Path) -> None:
    cells = answered(tmp_path, "jobcentre_2018", "lad_2023", ["BL11SX", "M155JB"])
    manchester = the(cells, "E08000003")
    assert (manchester["value"], manchester["reason"]) == (None, "children_incomplete")


def test_area_across_the_source_border_is_a_gap_and_not_a_low_figure(tmp_path: Path) -> None:
    cells = answered(tmp_path, GROUPS, "ttwa_2011", places_of(GROUPS), need="downscale: true")
    across = cells.filter(pl.col("reason") == "low_reach")
    assert across.height >= 5
    row = the(cells, across["place_code"][0])
    assert row["value"] is None and "of its residents are outside the source's geography" in row["evidence"]


def test_average_over_most_of_a_place_is_given_where_allowed(tmp_path: Path) -> None:
    codes = places_of(DISTRICTS)
    hole: dict[str, float | None] = dict.fromkeys(codes, 5.0) | {"E09000024": None}
    rate = "kind: rate, denominator: people"
    whole = the(answered(tmp_path / "a", DISTRICTS, BOARDS, codes, kind=rate, values=hole), "E54000031")
    assert (whole["value"], whole["reason"]) == (None, "children_incomplete")
    most = answered(tmp_path / "b", DISTRICTS, BOARDS, codes, kind=rate, values=hole, need="min_coverage: 0.5")
    row = the(most, "E54000031")
    assert (row["value"], row["reason"]) == (5.0, None)
    assert "incomplete_aggregate" in row["caveats"]
    assert 0.5 < row["coverage"] < 1
