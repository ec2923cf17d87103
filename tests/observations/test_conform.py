"""From text to observations: each cell keeps its row, with code, period and bounds, or with a fault."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.corrections import Correction
from pipelines.declarations.source import Source
from pipelines.observations.conform import CELLS, Codes, _combine_labelled_places, add_marker_bounds, conform_release
from pipelines.readers import Sheet

MERTON, SUTTON, KENT = "E09000024", "E09000029", "E10000016"
CODES = Codes(
    frozenset({MERTON, SUTTON}),
    {MERTON: "lad", SUTTON: "lad", "E07000026": "lad", "E12000007": "region", "QMF": "stp"},
    {"merton": MERTON, "sutton": SUTTON, "kent": KENT},
)
SNAPSHOT = Snapshot("s", "sha", date(2024, 5, 1), "", "", "test", "a.zip", 1, "")
Row = dict[str, str]


def declared(measure: dict[str, Any] | None = None, **given: Any) -> Source:
    one = {"title": "t", "unit": "homes", "kind": "count", "column": "n", **(measure or {})}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": {"place": "code", "period": "year", "status": "mark"}, "measures": {"m": one}, **given},
        strict=False,
    )  # fmt: skip


def typed(
    source: Source,
    *lines: Row,
    ragged: tuple[int, ...] = (),
    corrections: tuple[Correction, ...] = (),
    codes: Codes = CODES,
) -> pl.DataFrame:
    """Convert rows given by heading; the default is Merton's 7 in 2023."""
    plain = {"code": MERTON, "year": "2023", "n": "7", "mark": ""}
    frame = pl.DataFrame([{**plain, **line} for line in lines]).fill_null("").with_columns(
        pl.int_range(2, 2 + len(lines), dtype=pl.Int64).alias("_row")
    )  # fmt: skip
    return conform_release(Sheet(frame, "a.zip/a.csv", ragged_rows=ragged), "s", source, SNAPSHOT, codes, corrections)


def select_rows(table: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return table.select(names).rows()


def test_valid_cell_has_every_column() -> None:
    actual = typed(declared(), {})
    assert actual.columns == list(CELLS)
    assert actual.to_dicts() == [
        {**dict.fromkeys(CELLS), "source": "s", "release": "sha", "released_at": date(2024, 5, 1), "measure": "m",
         "place_code": MERTON, "geography": "lad_2023", "place_label": "", "period_start": date(2023, 1, 1),
         "period_end": date(2023, 12, 31), "value": 7.0, "lower_bound": 7.0, "upper_bound": 7.0,
         "obs_status": "normal", "unit": "homes",
         "file": "a.zip/a.csv", "file_row": 2, "file_column": "n", "text": "7"}
    ]  # fmt: skip


def test_row_with_too_many_fields_is_unreadable() -> None:
    actual = typed(declared(), {}, {"code": SUTTON}, {"year": "2022"}, {"code": "E12000007"}, ragged=(3, 5))
    why = "its row has more fields than headings, so its columns are ambiguous"
    assert select_rows(actual, "file_row", "fault", "fault_evidence") == [
        (2, None, None), (3, "unreadable", why), (4, None, None), (5, "unreadable", why)
    ]  # fmt: skip


UNMATCHED = "unmatched_place"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (MERTON, (MERTON, None, None)),
        # A workbook's apostrophe before text.
        (f"'{MERTON} ", (MERTON, None, None)),
        ("LDN", ("E12000007", "total", "LDN: the publisher's total")),
        ("-", (None, "unallocated", "-: the publisher's row for figures without a place")),
        ("E99999999", (None, "unallocated", "E99999999: a pseudo code for no place")),
        ("E07000026", ("E07000026", "retired_code", "E07000026: a code of another vintage than lad_2023")),
        # A district by its prefix, a region and an STP by the register, and a county by its prefix.
        (
            "E09000099",
            (
                "E09000099",
                UNMATCHED,
                "E09000099: a London borough of England, by its first three characters; the register has no such code",
            ),
        ),
        ("E12000007", ("E12000007", "total", "E12000007: a region, another tier than lad_2023")),
        ("QMF", ("QMF", "total", "QMF: a stp, another tier than lad_2023")),
        ("E11000001", ("E11000001", "total", "E11000001: a county, another tier than lad_2023")),
        ("QQQ", ("QQQ", UNMATCHED, "QQQ: no code of lad_2023")),
        ("", (None, UNMATCHED, "blank: no code of lad_2023")),
    ],
)
def test_code_matches_a_place_or_has_a_fault(code: str, expected: tuple[str | None, ...]) -> None:
    actual = typed(declared(totals={"LDN": "E12000007", "-": "unallocated"}), {"code": code}, {"code": SUTTON})
    assert select_rows(actual, "place_code", "fault", "fault_evidence") == [expected, (SUTTON, None, None)]


def test_kind_of_two_words_is_separated_from_its_year() -> None:
    boards = Codes(frozenset({"S08000015"}), {"S08000001": "health_board"}, {})
    actual = typed(declared(geography="health_board_2023"), {"code": "S08000015"}, {"code": "S08000001"}, codes=boards)
    assert select_rows(actual, "geography", "fault") == [
        ("health_board_2023", None),
        ("health_board_2023", "retired_code"),
    ]


BY_NAME = {"label": "name", "period": "year", "status": "mark"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Merton", (MERTON, None, None)),
        ("MERTON [1]", (MERTON, None, None)),
        # The apostrophe is removed from codes only.
        ("'Merton", (None, UNMATCHED, "'Merton: no name of lad_2023")),
        ("All [1]", ("E92000001", "total", "All: the publisher's total")),
        ("Unknown", (None, "unallocated", "Unknown: the publisher's row for figures without a place")),
        ("Kent", (KENT, "total", "Kent: a utla, another tier than lad_2023".replace("Kent:", f"{KENT}:"))),
        ("Nowhere", (None, UNMATCHED, "Nowhere: no name of lad_2023")),
        ("", (None, UNMATCHED, "blank: no name of lad_2023")),
    ],
)
def test_name_matches_a_place_or_has_a_fault(name: str, expected: tuple[str | None, ...]) -> None:
    source = declared(columns=BY_NAME, footnotes=r"\[\d\]", totals={"All": "E92000001", "Unknown": "unallocated"})
    actual = typed(source, {"name": name}, {"name": "Sutton"})
    assert select_rows(actual, "place_code", "fault", "fault_evidence") == [expected, (SUTTON, None, None)]
    assert actual["place_label"].to_list() == [name, "Sutton"]


def test_rows_without_data_are_skipped_by_code_or_name() -> None:
    actual = typed(declared(skip_rows=["Note*"]), {"code": "Note 1"}, {}, {"code": "Notes"})
    assert select_rows(actual, "file_row", "fault") == [(3, None)]
    by_name = typed(declared(columns=BY_NAME, skip_rows=["Source: *"]), {"name": "Merton"}, {"name": "Source: x"})
    assert select_rows(by_name, "file_row", "fault") == [(2, None)]


def test_file_for_one_place_needs_no_place_column() -> None:
    actual = typed(declared(place=SUTTON, columns={"period": "year"}), {}, {"year": "2022"})
    assert select_rows(actual, "place_code", "period_start", "fault") == [
        (SUTTON, date(2023, 1, 1), None), (SUTTON, date(2022, 1, 1), None)
    ]  # fmt: skip


def test_first_fault_of_a_cell_is_final() -> None:
    actual = typed(declared(), {"year": "soon", "code": "QQQ", "n": "x"}, {"code": "QQQ", "n": "x"}, {"n": "x"})
    assert select_rows(actual, "fault", "fault_evidence") == [
        ("unreadable", "period soon: not a year"), (UNMATCHED, "QQQ: no code of lad_2023"),
        ("unreadable", "found x with status , expected a figure or a declared marker"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "text", "low", "high"),
    [
        ({}, "7", 7.0, 7.0),
        ({"rounding": 5}, "10", 7.5, 12.5),
        # A count is never negative. An index can be, and then it has no lower limit.
        ({"rounding": 5}, "0", 0.0, 2.5),
        ({"rounding": 5, "kind": "index"}, "-5", -7.5, -2.5),
        ({"rounding": 5, "kind": "index"}, "0", -2.5, 2.5),
        ({"rounding": 5, "kind": "median"}, "0", 0.0, 2.5),
        ({"rounding": 0.5, "range": (0, 100)}, "100", 99.75, 100.0),
        ({"rounding": 0.5, "range": (0, 100)}, "0", 0.0, 0.25),
        ({"rounding": 5, "range": (-20, 20), "kind": "index"}, "20", 17.5, 20.0),
        ({"rounding": 5, "range": (1, 20)}, "2", 1.0, 4.5),
        # A figure with noise, from a sample or with limits gives no bounds.
        ({"uncertainty": "perturbed"}, "7", None, None),
        ({"uncertainty": "estimate", "range": (0, 100)}, "7", None, None),
    ],
)
def test_figure_has_bounds_from_rounding_and_range(
    measure: dict[str, Any], text: str, low: float | None, high: float | None
) -> None:
    actual = typed(declared(measure), {"n": text})
    assert select_rows(actual, "value", "lower_bound", "upper_bound", "fault") == [(float(text), low, high, None)]


@pytest.mark.parametrize(
    ("mark", "bounded"), [("", True), ("p", True), ("r", True), ("b", True), ("u", True), ("e", False), ("f", False)]
)
def test_figure_marked_as_estimate_or_forecast_has_no_bounds(mark: str, bounded: bool) -> None:
    statuses = {"p": "provisional", "r": "revised", "b": "break", "u": "unreliable", "e": "estimated", "f": "forecast"}
    actual = typed(declared({"range": (0, 100)}, markers=statuses), {"mark": mark})
    ends = (7.0, 7.0) if bounded else (None, None)
    assert select_rows(actual, "value", "obs_status", "lower_bound", "upper_bound") == [
        (7.0, statuses.get(mark, "normal"), *ends)
    ]


@pytest.mark.parametrize(
    ("text", "fault"), [("-0.1", "implausible"), ("0", None), ("7", None), ("100", None), ("100.5", "implausible")]
)
def test_figure_outside_the_range_is_implausible(text: str, fault: str | None) -> None:
    actual = typed(declared({"range": (0, 100), "kind": "index"}), {"n": text})
    evidence = f"found {float(text)}, expected 0.0 to 100.0" if fault else None
    assert select_rows(actual, "fault", "fault_evidence") == [(fault, evidence)]


def test_blank_cell_is_in_every_range_and_has_no_bounds() -> None:
    actual = typed(declared({"range": (1, 9), "rounding": 5}), {"n": ""})
    assert select_rows(actual, "value", "lower_bound", "upper_bound", "obs_status", "fault") == [
        (None, None, None, "not_available", None)
    ]


MARKERS = {
    "c": {"status": "confidential", "lower_bound": 1, "upper_bound": 4},
    "x": "not_available",
    "p": "provisional",
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"n": "c"}, (None, 1.0, 4.0, "confidential", "c")),
        ({"n": "x"}, (None, None, None, "not_available", "x")),
        ({"n": ""}, (None, None, None, "not_available", None)),
        ({"n": "7", "mark": "p"}, (7.0, 7.0, 7.0, "provisional", "p")),
        # A figure beside a suppression marker is not used, and gives no bounds.
        ({"n": "7", "mark": "c"}, (None, 1.0, 4.0, "confidential", "c")),
    ],
)
def test_suppressed_figure_has_only_the_bounds_of_its_marker(line: Row, expected: tuple[Any, ...]) -> None:
    actual = typed(declared(markers=MARKERS), line)
    assert select_rows(actual, "value", "lower_bound", "upper_bound", "obs_status", "published_marker") == [expected]


def test_bounds_of_markers_do_not_affect_figures() -> None:
    cells = typed(declared(), {}, {"code": SUTTON, "n": "9"})
    assert add_marker_bounds(cells, declared(markers=MARKERS)).equals(cells)


def test_each_measure_has_its_own_unit_and_bounds() -> None:
    second = {"title": "t", "unit": "tens", "kind": "count", "column": "k", "rounding": 10}
    source = declared()
    source = source.model_copy(update={"measures": {**source.measures, "a": declared(second).measures["m"]}})
    actual = typed(source, {"k": "20"}, {"code": SUTTON, "k": "10"})
    columns = ("measure", "place_code", "value", "lower_bound", "upper_bound", "unit", "file_column")
    assert select_rows(actual, *columns) == [
        ("a", MERTON, 20.0, 15.0, 25.0, "tens", "k"), ("a", SUTTON, 10.0, 5.0, 15.0, "tens", "k"),
        ("m", MERTON, 7.0, 7.0, 7.0, "homes", "n"), ("m", SUTTON, 7.0, 7.0, 7.0, "homes", "n"),
    ]  # fmt: skip


def test_places_published_together_have_one_code_and_their_figure_once() -> None:
    source = declared(published_together=[[MERTON, SUTTON]])
    actual = typed(source, {}, {"code": SUTTON})
    joined = f"{MERTON}+{SUTTON}"
    assert select_rows(actual, "file_row", "place_code", "value", "fault") == [
        (2, joined, 7.0, None),
        (3, joined, 7.0, "repeat"),
    ]
    differ = typed(source, {}, {"code": SUTTON, "n": "8"})
    assert select_rows(differ, "place_code", "fault") == [(joined, "duplicate")] * 2
    assert select_rows(typed(declared(), {}, {"code": SUTTON}), "place_code", "fault") == [
        (MERTON, None),
        (SUTTON, None),
    ]


SAYS_AGAIN = "repeats another row"


def test_first_of_identical_rows_remains() -> None:
    actual = typed(declared(), {}, {"code": SUTTON}, {}, {"year": "2022"}, {})
    assert select_rows(actual, "file_row", "fault", "fault_evidence") == [
        (2, None, None), (3, None, None), (4, "repeat", SAYS_AGAIN), (5, None, None), (6, "repeat", SAYS_AGAIN)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "evidence"),
    [
        (({}, {"n": "8"}), "2 rows of the file, 2 different figures"),
        (({}, {"n": "8"}, {"n": "7"}), "3 rows of the file, 2 different figures"),
        (({}, {"n": "8"}, {"n": "9"}), "3 rows of the file, 3 different figures"),
        (({}, {"n": ""}), "2 rows of the file, 2 different figures"),
        (({"n": "c"}, {"n": "x"}), "2 rows of the file, 2 different figures"),
    ],
)
def test_rows_that_differ_all_have_a_fault(lines: tuple[Row, ...], evidence: str) -> None:
    actual = typed(declared(markers=MARKERS), *lines, {"code": SUTTON})
    assert select_rows(actual, "fault", "fault_evidence") == [("duplicate", evidence)] * len(lines) + [(None, None)]
    assert typed(declared(markers=MARKERS), *reversed(lines))["fault"].to_list() == ["duplicate"] * len(lines)


def test_repeats_are_noticed_where_every_period_has_the_same_rows() -> None:
    later = {"year": "2022"}
    actual = typed(declared(), {}, {}, {"code": SUTTON}, later, later, {"code": SUTTON, **later})
    assert select_rows(actual, "fault") == [(None,), ("repeat",), (None,)] * 2
    again = typed(declared(), {}, {"code": SUTTON}, later, {"code": SUTTON, **later})
    assert select_rows(again, "fault") == [(None,)] * 4


def test_other_periods_and_measures_are_not_repeats() -> None:
    second = {"title": "t", "unit": "u", "kind": "count", "column": "k"}
    source = declared()
    source = source.model_copy(update={"measures": {**source.measures, "a": declared(second).measures["m"]}})
    actual = typed(source, {"k": "7"}, {"year": "2022", "k": "8"}, {"year": "2022", "n": "9", "k": "8"})
    assert select_rows(actual, "measure", "file_row", "fault") == [
        ("a", 2, None), ("a", 3, None), ("a", 4, "repeat"), ("m", 2, None), ("m", 3, "duplicate"), ("m", 4, "duplicate")
    ]  # fmt: skip


def test_cell_with_a_fault_is_not_compared_with_others() -> None:
    actual = typed(declared({"range": (0, 9)}), {}, {"n": "99"}, {"n": "x"}, {"code": "QQQ"}, {"code": "QQQ"})
    assert actual["fault"].to_list() == [None, "implausible", "unreadable", UNMATCHED, UNMATCHED]


def test_correction_changes_the_figure_and_preserves_the_printed_text() -> None:
    mend = Correction(
        action="override", measure="m", period="2023", expected={MERTON: 7.0}, value=70.0, reason="a digit was lost",
        who="A", when=date(2024, 6, 1), link="https://example.org",
    )  # fmt: skip
    actual = typed(declared(), {}, {"code": SUTTON}, {"year": "2022"}, corrections=(mend,))
    assert select_rows(actual, "place_code", "value", "lower_bound", "text", "caveats") == [
        (MERTON, 70.0, 70.0, "7", "corrected"), (SUTTON, 7.0, 7.0, "7", None), (MERTON, 7.0, 7.0, "7", None)
    ]  # fmt: skip


def test_wide_file_is_ordered_by_row_and_period() -> None:
    source = declared({"column": ()}, columns={"place": "code"}, skip_columns=["year", "n", "mark"])
    actual = typed(source, {"2023 ": "5", "2022": "4"}, {"code": SUTTON, "2023 ": "7", "2022": "6"})
    assert select_rows(actual, "place_code", "period_start", "value") == [
        (MERTON, date(2022, 1, 1), 4.0), (MERTON, date(2023, 1, 1), 5.0),
        (SUTTON, date(2022, 1, 1), 6.0), (SUTTON, date(2023, 1, 1), 7.0),
    ]  # fmt: skip


def test_unrelated_places_and_periods_change_no_cell() -> None:
    lines = ({}, {"code": SUTTON, "n": "c"}, {"code": SUTTON, "n": "c"}, {"code": "QQQ"})
    source = declared(markers=MARKERS)
    actual = typed(source, *lines)
    more = typed(source, *lines, {"year": "2020"}, {"code": "E12000007", "n": "99"})
    assert more.filter(pl.col("file_row") <= 5).equals(actual)
    assert (actual.height, more.height) == (4, 6)


def of_rates(*rates: tuple[str, str, str]) -> pl.DataFrame:
    """Convert rows of a code, people and a rate."""
    source = declared(
        measures={
            "people": {"title": "p", "unit": "people", "kind": "stock", "column": "people"},
            "share": {"title": "s", "unit": "%", "kind": "rate", "denominator": "people", "column": "share"},
        }
    )
    return typed(source, *({"code": code, "people": people, "share": share, "n": ""} for code, people, share in rates))


def test_numbers_that_are_no_figures_are_faults_with_evidence() -> None:
    """A division by 0 is more than unreadable text; a marker has no value, also in the row of a total."""
    actual = of_rates((MERTON, "0", "#DIV/0!"), (SUTTON, "7", "seven"), ("E12000007", "-99", "5"))
    assert select_rows(actual.sort("measure", "file_row"), "measure", "value", "fault") == [
        ("people", 0.0, None), ("people", 7.0, None), ("people", None, "total"),
        ("share", None, "zero_denominator"), ("share", None, "unreadable"), ("share", 5.0, "total"),
    ]  # fmt: skip
    printed = actual.filter(pl.col("fault") == "zero_denominator")
    assert printed["fault_evidence"].to_list() == ["found #DIV/0!: a division by 0"]


def test_number_used_as_a_marker_and_a_negative_count_of_a_larger_place_have_no_value() -> None:
    actual = typed(declared(), {"n": "-99"}, {"code": SUTTON, "n": "-4"}, {"code": "E12000007", "n": "-5"})
    assert select_rows(actual, "place_code", "value", "fault", "text") == [
        (MERTON, None, "numeric_marker", "-99"), (SUTTON, -4.0, "implausible", "-4"),
        ("E12000007", None, "total", "-5"),
    ]  # fmt: skip


def test_rate_of_nothing_keeps_its_value_beside_the_fault() -> None:
    actual = of_rates((MERTON, "0", "4"), (SUTTON, "7", "5")).filter(pl.col("measure") == "share")
    assert select_rows(actual.sort("file_row"), "value", "fault", "fault_evidence") == [
        (4.0, "zero_denominator", "found 4, but people is 0"), (5.0, None, None)
    ]  # fmt: skip


STJOHN = "E09000001"
NAMED = Codes(
    frozenset({MERTON, SUTTON, STJOHN}),
    CODES.ever,
    {"merton": MERTON, "sutton": SUTTON, "st john's": STJOHN, "sutton borough": SUTTON},
    table_from_records(
        [{"place_code": MERTON, "place_name": "Merton", "place_name_welsh": "Merthin"},
         {"place_code": SUTTON, "place_name": "Sutton"}, {"place_code": STJOHN, "place_name": "St John's"},
         {"place_code": SUTTON, "place_name": "Sutton Borough"}],
        PLACE_COLUMNS,
    ),
)  # fmt: skip
LABELLED = {"columns": {"place": "code", "label": "name", "period": "year"}}


def fault_of_label(code: str, label: str, **given: Any) -> tuple[Any, ...]:
    actual = typed(declared(**{**LABELLED, **given}), {"code": code, "name": label}, codes=NAMED)
    return select_rows(actual, "place_code", "fault", "fault_evidence")[0]


@pytest.mark.parametrize(
    ("code", "label", "other"),
    [
        (MERTON, "Merton", None), (MERTON, "Sutton", SUTTON), (MERTON, "Sutton borough", SUTTON),
        (MERTON, "Merthin", None), (MERTON, "Merton / Merthin", None), (MERTON, "Merthin / Merton", None),
        (MERTON, "Sutton / Sutton", SUTTON), (MERTON, "Kingston", None), (MERTON, "", None),
        (STJOHN, "St Johns", None), (STJOHN, "Merton", MERTON), (SUTTON, "Sutton Borough", None),
    ],
)  # fmt: skip
def test_name_of_another_place_contradicts_the_code(code: str, label: str, other: str | None) -> None:
    why = (code, "label_contradicts_code", f"{code}: {label} is the name of {other}") if other else (code, None, None)
    assert fault_of_label(code, label) == why


def test_name_contradicts_a_code_only_with_both_columns() -> None:
    by_code = {"columns": {"place": "code", "period": "year"}}
    assert fault_of_label(MERTON, "Sutton", **by_code) == (MERTON, None, None)
    by_name = {"columns": {"label": "name", "period": "year"}}
    assert fault_of_label(MERTON, "Sutton", **by_name) == (SUTTON, None, None)


@pytest.mark.parametrize(
    ("code", "label", "expected"),
    [
        (MERTON, "Merton and Sutton", (f"{MERTON}+{SUTTON}", None, None)),
        (SUTTON, "Merton and Sutton", (f"{MERTON}+{SUTTON}", None, None)),
        (STJOHN, "Merton and Sutton", (STJOHN, None, None)),
        ("E09999999", "Merton", ("E09999999", "unmatched_place")),
    ],
)  # fmt: skip
def test_label_of_several_places_gives_the_code_of_all(code: str, label: str, expected: tuple[Any, ...]) -> None:
    assert fault_of_label(code, label)[: len(expected)] == expected


def test_label_of_several_places_changes_no_other_row_and_no_other_fault() -> None:
    both = {"code": MERTON, "name": "Merton and Sutton"}
    actual = typed(
        declared(**LABELLED), both, {"code": SUTTON, "name": "Sutton"}, {**both, "year": "soon"},
        {"code": STJOHN, "name": "Merton", "year": "2022"}, codes=NAMED,
    )  # fmt: skip
    assert select_rows(actual, "place_code", "fault") == [
        (f"{MERTON}+{SUTTON}", None), (SUTTON, None), (MERTON, "unreadable"), (STJOHN, "label_contradicts_code"),
    ]  # fmt: skip


def test_label_of_several_places_without_a_code_gives_the_code_of_all() -> None:
    by_name = {"columns": {"label": "name", "period": "year"}}
    assert fault_of_label("", "Merton and Sutton", **by_name) == (f"{MERTON}+{SUTTON}", None, None)
    assert fault_of_label("", "Merton and Kingston", **by_name)[1] == "unmatched_place"
    assert fault_of_label("", "Merton", **by_name) == (MERTON, None, None)
    turned = {**LABELLED, "published_together": [[SUTTON, MERTON]]}
    assert fault_of_label(MERTON, "Merton and Sutton", **turned) == (f"{SUTTON}+{MERTON}", None, None)


def test_places_are_combined_by_their_labels_only_where_a_source_has_labels() -> None:
    cells = typed(declared(), {})
    for source in (declared(), cast(Any, SimpleNamespace(columns=None))):
        assert _combine_labelled_places(cells, source, CODES) is cells
