"""A publisher changes a file's layout: each change is reported by name, and no data is dropped silently."""

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.declarations.project import Project
from tests.readers.test_read import PLAIN, SAME, cells, source, values
from tests.road.test_bad_input import collect_findings, observed
from tests.road.test_bad_input import declared as declared
from tests.road.test_bad_input import project as project
from tests.workbooks import xlsx

ROWS = [["code", "year", "stock"], ["E09000024", "2023", "7"], ["E09000029", "2023", "0"]]
BOOK = "format: excel\nsheet: Table 1*\n"


def text(rows: list[list[str]]) -> bytes:
    return "\n".join(",".join(row) for row in rows).encode()


def test_renamed_column_is_reported_with_similar_headings() -> None:
    rows = [["code", "year", "stocks"], *ROWS[1:]]
    with pytest.raises(UnreadableError, match=r"expected also stock \(stock: did you mean stocks\?\)"):
        cells(source(""), text(rows))


def test_inserted_or_reordered_columns_change_nothing() -> None:
    rows = [[row[2], "new", row[0], row[1]] if n else ["stock", "note", "code", "year"] for n, row in enumerate(ROWS)]
    assert values(source(""), text(rows)) == SAME


def test_rows_inserted_above_the_headings_change_nothing() -> None:
    assert values(source(""), text([["Revised edition"], ["See notes", "and", "more"], *ROWS])) == SAME


def test_renamed_sheet_is_reported_with_the_existing_sheets() -> None:
    assert values(source(BOOK), xlsx({"Contents": [["x"]], "Table 1 Total": ROWS})) == SAME
    with pytest.raises(UnreadableError, match="found sheets Contents, Tab 1; expected one named Table 1"):
        cells(source(BOOK), xlsx({"Contents": [["x"]], "Tab 1": ROWS}))


def test_second_sheet_with_the_same_headings_is_reported() -> None:
    with pytest.raises(UnreadableError, match="found the headings in 2 sheets"):
        cells(source(BOOK), xlsx({"Table 1": ROWS, "Table 1a": ROWS}))


def test_new_period_in_a_wide_file_is_read_and_unknown_heading_reported() -> None:
    wide = source("columns: {place: code}\n", "measures: {s: {title: s, unit: i, kind: stock}}\n")
    assert cells(wide, b"code,2022,2023\nE09000024,1,2\n").height == 2
    with pytest.raises(UnreadableError, match="found headings 'Change'"):
        cells(wide, b"code,2022,2023,Change\nE09000024,1,2,3\n")


def test_period_in_another_spelling_is_reported_for_each_cell() -> None:
    read = cells(source(""), text([ROWS[0], ROWS[1], ["E09000029", "2023/24", "0"]]))
    assert read["fault"].to_list() == [None, "unreadable"]
    assert read["fault_evidence"].to_list() == [None, "period 2023/24: not a year"]


def test_row_filter_that_selects_no_new_cells_is_reported() -> None:
    chosen = source("", PLAIN.replace("column: stock", "column: stock, filter: {year: ['2023', '2024']}"))
    assert values(chosen, text(ROWS)) == SAME


@pytest.mark.parametrize(
    ("row", "check", "reason"),
    [
        ("E06000063,Cumberland,2023,[w]", "unreadable_cells", "unreadable"),
        ("E06000063,Cumberland,2023,12 [note 1]", "unreadable_cells", "unreadable"),
        ("E06000063,Cumberland,2023,7,8", "unreadable_cells", "unreadable"),
        ("E06999999,A new place,2023,7", "unknown_places", "unmatched_place"),
        ("Note: revised,,,", "unreadable_cells", "unreadable"),
    ],
    ids=["a new marker", "a footnote", "a cell too many", "a new place", "a row of words"],
)
def test_extra_row_or_new_marker_is_a_finding_with_its_location(
    project: Project, row: str, check: str, reason: str
) -> None:
    seen = observed(project, row)
    assert [result[0] for result in collect_findings(seen, check)] == [reason]
    (where,) = seen.finding.filter(pl.col("check") == check)["file"].to_list()
    assert where == "stock.csv, row 68, column stock"
    (release,) = seen.release.to_dicts()
    counts = ("cells_used", "cells_of_other_tiers", "cells_repeated", "cells_set_aside")
    assert sum(release[name] for name in counts) == release["cells_read"] == 67
    assert release["rows_left_out"] == 0


def test_repeated_heading_rows_are_counted_in_the_release(project: Project) -> None:
    seen = observed(project, "code,name,year,stock")
    (release,) = seen.release.to_dicts()
    assert (release["rows_left_out"], release["cells_read"], release["cells_used"]) == (1, 66, 66)
