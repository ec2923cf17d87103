"""Delimited text is split_text as Python's csv reader splits it, without the space around cells."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.csv_rejects import AWKWARD, judge_file
from pipelines.declarations.file_format import FileLayout
from pipelines.readers import csv as delimited
from pipelines.readers.csv import split_text
from pipelines.readers.header import ROW
from tests.breadth import wide

CELLS = st.text(" \tab1é", max_size=5)
ROWS = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))


def cells(text: str, mark: str = ",") -> list[list[str]]:
    """Split delimited text into cells."""
    grid, _ = split_text(text.encode(), FileLayout(), "a.csv", mark)
    return [list(row) for row in grid.drop(ROW).rows()]


@given(ROWS, st.booleans(), st.sampled_from([1, 2, 7, 1 << 17]))
def test_space_around_a_cell_is_removed_everywhere(rows: list[list[str]], ends: bool, piece: int) -> None:
    text = "\n".join(",".join(row) for row in rows) + ("\n" if ends else "")
    with pytest.MonkeyPatch.context() as patch:
        # The text is searched in pieces: a space may be at the boundary of two.
        patch.setattr(delimited, "_IN_CACHE", piece)
        actual = cells(text)
    expected_rows = [[cell.strip() for cell in row] or [""] * len(rows[0]) for row in csv.reader(text.splitlines())]
    assert [row[: len(rows[0])] for row in actual] == expected_rows


@pytest.mark.parametrize(
    "text", [" a,b\n1,2", "a,b\n1,2 ", "a ,b\n1,2", "a, b\n1,2", "a,b \n1,2", "a,b\n 1,2", "\ta,b\n1,2"]
)
def test_single_space_at_an_edge_is_detected(text: str) -> None:
    assert cells(text) == [["a", "b"], ["1", "2"]]


def test_tab_delimiter_is_not_space_around_a_cell() -> None:
    assert cells("a\tb\n1\t\n", "\t") == [["a", "b"], ["1", ""]]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_quotation_mark_inside_a_field_does_not_join_lines(end: str) -> None:
    assert cells(f'a,b\n5" pipe,1\nc,2{end}') == [["a", "b"], ['5" pipe', "1"], ["c", "2"]]


def marks(case: str) -> dict[str, str]:
    """Compare each reader with Python's reader on an awkward file."""
    given = AWKWARD[case]
    content, encoding = given if isinstance(given, tuple) else (given, "utf-8")
    return judge_file(content, encoding, {}, 3)


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_file_is_read_as_python_reads_it_or_refused(case: str) -> None:
    refused = {"a mark that never closes", "a mark that closes in the next row", "zero bytes"}
    guessed = {"quoted, with one more inside"}
    assert marks(case)["ours"] == ("refused" if case in refused else "guessed" if case in guessed else "right")


@wide
@pytest.mark.parametrize(
    ("case", "mark"),
    [
        ("cp1252", "refused"),
        ("lines end in CRLF, one in CR", "refused"),
        ("a preamble and blank lines", "blank lines lost"),
        ("a mark that never closes", "guessed"),
    ],
)
def test_duckdb_still_misreads_awkward_files(case: str, mark: str) -> None:
    """Where this fails after an upgrade, review docs/decisions/0009-csv-reader.md."""
    assert marks(case)["duckdb"] == mark


@pytest.mark.parametrize(
    ("text", "is_paired"),
    [('"a","b"', True), ('a,"b"', True), ('"a""b",c', True), ('x"a",b', False), ('"a"x,b', False), ('"a,b', False),
     ("a,b", True)],
)  # fmt: skip
def test_marks_are_paired_around_whole_fields(text: str, is_paired: bool) -> None:
    assert delimited._has_paired_quotes(text.encode(), ord(",")) == is_paired
