"""The table inside a sheet: its headings, its end, and what every cell belongs to."""

from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.header import (
    HEADER_WITHIN,
    ROW,
    Sheet,
    describe_missing_headings,
    extract_table,
    find_heading,
    is_header,
    match_texts,
    merge_headings,
    strip_footnote_mark,
)

CODE_AND_N = [("code",), ("n", "number")]
HEAD, ONE, TWO, BLANK = ["code", "n"], ["E1", "1"], ["E2", "2"], ["", ""]


def grid_of(*rows: list[str], width: int = 0) -> pl.DataFrame:
    """Make a sheet as text; rows have blanks on their right up to the widest."""
    most = width or max(map(len, rows), default=1)
    columns = {f"c{n}": [row[n] if n < len(row) else "" for row in rows] for n in range(most)}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return frame.with_columns(pl.Series(ROW, range(1, len(rows) + 1), dtype=pl.Int64))


def read(*rows: list[str], required: Any = CODE_AND_N, fields: Any = (), **said: Any) -> Sheet:
    return extract_table(grid_of(*rows), FileLayout(**said), required, "a.csv", fields)


def test_table_begins_below_its_headings_with_the_rows_of_the_file() -> None:
    sheet = read(["A title", "of 2024"], BLANK, ["", "Period"], HEAD, ONE, TWO)
    assert sheet.frame.columns == ["code", "n", ROW]
    assert sheet.frame.rows() == [("E1", "1", 5), ("E2", "2", 6)]
    assert sheet.preamble == ("A title of 2024", "Period")
    assert Sheet(sheet.frame, "b.csv").skipped_rows == 0
    assert (sheet.file, sheet.skipped_rows, sheet.unmatched_declarations, sheet.ragged_rows) == ("a.csv", 0, (), ())


def test_headings_are_searched_for_in_the_first_rows_only() -> None:
    above = [["x", "y"]] * (HEADER_WITHIN - 1)
    assert HEADER_WITHIN == 200
    assert read(*above, HEAD, ONE).frame.rows() == [("E1", "1", 201)]
    assert read(*above, ["code", ""], ["", "n"], ONE, header_rows=2, required=[("code",)]).frame[ROW].to_list() == [202]
    with pytest.raises(UnreadableError, match="expected also code, n or number"):
        read(*above, ["x", "y"], HEAD, ONE)


def test_file_of_headings_alone_has_no_rows_and_one_without_rows_is_refused() -> None:
    assert read(HEAD).frame.rows() == [] and read(HEAD, BLANK).frame.rows() == []
    assert read(["a", ""], ["code", "n"], header_rows=2, required=[("a / code",)]).frame.is_empty()
    with pytest.raises(UnreadableError, match="found no rows"):
        extract_table(grid_of(width=2), FileLayout(), CODE_AND_N, "a.csv")
    with pytest.raises(UnreadableError, match="found columns code, x; expected also n"):
        read(["x", "y"], ["y", "z"], ["code", "x"])
    with pytest.raises(UnreadableError, match="found columns x / code, y / n; expected also code"):
        read(["x", "y"], HEAD, header_rows=2)  # the last row alone is not two rows of headings
    with pytest.raises(UnreadableError, match="found columns code, n; expected also area"):
        read(HEAD, header_rows=2, required=[("area",)])


def test_declared_headings_name_every_column_of_a_file_without_any() -> None:
    sheet = read(ONE, TWO, header_rows=0, headings=(("code",), ("n", "number")))
    assert sheet.frame.rows() == [("E1", "1", 1), ("E2", "2", 2)] and sheet.preamble == ()
    blank = read(["E1", "x", "1"], header_rows=0, headings=(("code",), ("",), (" n  people ",)))
    assert blank.frame.columns == ["code", "n people", ROW]
    with pytest.raises(UnreadableError, match="found rows of 3 fields, expected 2"):
        read(["E1", "1", "2"], header_rows=0, headings=(("code",), ("n",)))


def test_upper_headings_apply_to_the_blank_cells_on_their_right() -> None:
    assert merge_headings([["Area", "", "Men", "", ""], ["", "", "All", "Share", ""]]) == [
        "Area", "", "Men / All", "Men / Share", ""
    ]  # fmt: skip
    assert merge_headings([["", "a", ""], ["", "b", "c"]]) == ["", "a / b", "a / c"]
    assert merge_headings([["a", "b"]]) == ["a", "b"]


def test_heading_extends_no_further_than_the_heading_above() -> None:
    """A second heading row ends where the first begins anew; equal texts are named once."""
    rows = [["Homes", "", "Rates", ""], ["New", "", "", ""], ["All", "Share", "All", "Share"]]
    assert merge_headings(rows) == ["Homes / New / All", "Homes / New / Share", "Rates / All", "Rates / Share"]
    assert merge_headings([["Area"], ["Area"], ["code"]]) == ["Area / code"]
    below = [["Homes", "", ""], ["", "New", ""], ["All", "All", "Share"]]
    assert merge_headings(below) == ["Homes / All", "Homes / New / All", "Homes / New / Share"]


def test_footnote_marks_end_a_heading() -> None:
    mark = r"\[note \d+\]"
    assert merge_headings([["n [note 1]", "code"], ["", "a\nb [note 2] "]], mark) == ["n", "code / a b"]
    assert merge_headings([["n [note 1]", "code"]], mark) == ["n", "code"]
    assert strip_footnote_mark("n [note 1]", mark) == "n" and strip_footnote_mark("n [note 1]", None) == "n [note 1]"
    assert strip_footnote_mark("[note 1] n", mark) == "[note 1] n"


def test_column_without_a_heading_is_named_by_its_number_where_declared() -> None:
    required = [("column 1", "code"), ("n",)]
    assert read(["", "n"], ONE, required=required).frame.columns == ["column 1", "n", ROW]
    assert read(["", "n", "code"], ["E1", "1", "x"], required=[("code",)]).frame.columns == ["n", "code", ROW]
    assert is_header(["", "n"], required) and not is_header(["x", "n"], [("column 1",)])
    assert is_header(["n", ""], [("column 2",)]) and not is_header(["", ""], [("column 1",)])
    assert not is_header(["", ""], []) and is_header(["a", ""], [])


def test_required_heading_is_found_in_any_of_its_spellings() -> None:
    assert is_header(["code", "number"], CODE_AND_N) and is_header([" n", "the  code", "code"], CODE_AND_N)
    assert not is_header(["code", "count"], CODE_AND_N) and not is_header(["n"], CODE_AND_N)


def test_declared_heading_that_occurs_twice_is_refused_and_others_are_numbered() -> None:
    with pytest.raises(UnreadableError, match="found heading 'n' twice, in columns 2 and 4"):
        read(["code", "n", "x", "n"], ["E1", "1", "2", "3"])
    sheet = read(["code", "x", "n", "x", ""], ["E1", "1", "2", "3", ""])
    assert sheet.frame.columns == ["code", "x", "n", "x (column 4)", ROW]
    assert sheet.frame.row(0) == ("E1", "1", "2", "3", 2)


def test_names_made_unique_are_unlike_every_heading_and_the_number_of_the_row() -> None:
    sheet = read(["code", "n", "x", "x (column 5)", "x", "_row", "x"], ["E1", "1", "2", "3", "4", "5", "6"])
    assert sheet.frame.columns == [
        "code", "n", "x", "x (column 5)", "x (column 5) (column 5)", "_row (column 6)", "x (column 7)", ROW
    ]  # fmt: skip
    assert sheet.frame.rows() == [("E1", "1", "2", "3", "4", "5", "6", 2)]
    two = read(["_row", "code", "n", "_row"], ["1", "E1", "2", "3"])
    assert two.frame.columns == ["_row (column 1)", "code", "n", "_row (column 4)", ROW]
    with pytest.raises(UnreadableError, match="found declared heading '_row', which numbers the rows here"):
        read(["code", "_row"], ONE, required=[("code",), ("n", "_row")])
    assert read(HEAD, ONE, required=[("code",), ("n", "_row")]).frame.height == 1


def test_first_blank_row_after_data_ends_the_table() -> None:
    assert read(HEAD, BLANK, BLANK, ONE, TWO, BLANK, ["Source: us", ""]).frame[ROW].to_list() == [4, 5]
    assert read(HEAD, ONE, TWO, BLANK).frame[ROW].to_list() == [2, 3]
    assert read(HEAD, ONE, ["", "2"], BLANK, ["x", ""]).frame.rows() == [("E1", "1", 2), ("", "2", 3)]
    assert read(["code"], ["E1"], [""], ["E2"], required=[("code",)]).frame.rows() == [("E1", 2)]


WIDE_HEAD, WIDE, NOTE = (
    ["code", "n", "a", "b", "c", "d"],
    ["E1", "1", "2", "3", "4", "5"],
    ["Note", "x", "y", "", "", ""],
)
WIDE_BLANK = [""] * 6


def test_data_after_a_blank_row_are_refused_unless_declared() -> None:
    """Four of six columns are data: more than half, and three at least."""
    assert read(WIDE_HEAD, WIDE, WIDE_BLANK, NOTE).frame[ROW].to_list() == [2]
    four = ["E2", "1", "2", "3", "", ""]
    with pytest.raises(UnreadableError, match="row 5 looks like data after the blank row 3"):
        read(WIDE_HEAD, WIDE, WIDE_BLANK, NOTE, four)
    sheet = read(WIDE_HEAD, WIDE, WIDE_BLANK, NOTE, four, WIDE_BLANK, NOTE, blank_rows=True)
    assert sheet.frame[ROW].to_list() == [2, 4, 5]
    again = read(WIDE_HEAD, WIDE, WIDE_BLANK, WIDE_BLANK, four, blank_rows=True)
    assert again.frame[ROW].to_list() == [2, 5]
    assert read(WIDE_HEAD, WIDE, WIDE, WIDE_BLANK, NOTE, blank_rows=True).frame[ROW].to_list() == [2, 3]


def test_narrow_table_ends_at_a_blank_row_whatever_follows() -> None:
    """Two columns do not tell data from notes; three do."""
    assert read(HEAD, ONE, BLANK, TWO).frame[ROW].to_list() == [2]
    assert read(HEAD, ONE, BLANK, TWO, blank_rows=True).frame[ROW].to_list() == [2, 4]
    three = (["code", "n", "x"], ["E1", "1", "2"], ["", "", ""])
    with pytest.raises(UnreadableError, match="row 4 looks like data"):
        read(*three, ["E2", "1", "2"])
    assert read(*three, ["Note", "1", ""]).frame[ROW].to_list() == [2]
    four = (["code", "n", "x", "y"], ["E1", "1", "2", "3"], [""] * 4)
    with pytest.raises(UnreadableError, match="row 4 looks like data"):
        read(*four, ["E2", "1", "2", ""])
    assert read(*four, ["Note", "1", "", ""]).frame[ROW].to_list() == [2]


def test_row_that_repeats_the_headings_is_left_out_and_counted() -> None:
    sheet = read(HEAD, ONE, HEAD, TWO, HEAD)
    assert sheet.frame[ROW].to_list() == [2, 4] and sheet.skipped_rows == 2
    assert read(HEAD, HEAD).skipped_rows == 1
    partial = read(HEAD, ONE, ["code", "2"], ["E3", "n"])
    assert partial.frame[ROW].to_list() == [2, 3, 4] and partial.skipped_rows == 0
    blank = read(["code", "", "n"], ["E1", "", "1"], ["code", "x", "n"], ["code", "", "n"])
    assert blank.frame[ROW].to_list() == [2, 3] and blank.skipped_rows == 1
    merged = read(["a", ""], HEAD, ONE, HEAD, header_rows=2, required=[("a / code",)])
    assert merged.frame[ROW].to_list() == [3] and merged.skipped_rows == 1
    bare = read(ONE, TWO, header_rows=0, headings=(("code",), ("n",)))
    assert bare.frame.height == 2 and bare.skipped_rows == 0


def test_row_with_content_beyond_the_headings_is_ragged() -> None:
    rows = (["code", "n", ""], ["E1", "1", ""], ["E2", "2", "x"], ["E3", "", "y"])
    assert read(*rows, fields=(2, 2, 3, 3)).ragged_rows == (3, 4)
    assert read(*rows, fields=(3, 2, 3, 3)).ragged_rows == ()
    assert read(*rows).ragged_rows == ()
    titled = read(["a", "b", "c"], *rows, fields=(3, 2, 2, 3))
    assert titled.ragged_rows == (4, 5), "fields are those of the headings, not of the rows above"
    deep = read(["a", "", ""], *rows, header_rows=2, required=[("a / code",)], fields=(2, 3, 3, 3))
    assert deep.ragged_rows == (), "the widest row of the headings counts"


def test_message_names_the_row_with_most_of_the_headings_and_the_missing_ones() -> None:
    rows = [["a", "b", "c", "d"], ["code", "nn"], ["code", "nn", "x"], ["y", "z"]]
    assert describe_missing_headings(rows, CODE_AND_N, "a.csv").startswith(
        "a.csv: found columns code, nn, x; expected also n or number (n or number: "
    )
    nine = [f"h{n}" for n in range(9)]
    assert f"found columns {', '.join(nine[:8])} ...; " in describe_missing_headings([nine], [("z",)], "f")
    assert f"found columns {', '.join(nine[:8])}; " in describe_missing_headings([nine[:8]], [("z",)], "f")
    many = [(name,) for name in "pqrs"]
    text = describe_missing_headings([["", " "]], many, "f")
    assert text.startswith("f: found columns none; expected also p, q, r, s (p: ")
    assert "; r: " in text and "; s: " not in text
    late = [["x", ""]] * HEADER_WITHIN + [["code", "n"]]
    assert describe_missing_headings(late, CODE_AND_N, "f").startswith("f: found columns x; ")


def test_heading_is_found_by_the_first_spelling_that_exists() -> None:
    names = ["Area  code", "n", "number"]
    assert find_heading(names, ["number", "n"]) == "number" and find_heading(names, ["x", "Area code"]) == "Area  code"
    assert find_heading(names, ["x"]) is None and find_heading([], ["n"]) is None


def test_star_matches_any_text_and_the_whole_text_must_match() -> None:
    texts = ["Table 1", "Table 10", "a.b", "axb", "Table\n1 of 2"]
    assert match_texts(texts, ["Table 1"]) == ["Table 1"]
    assert match_texts(texts, ["Table*1*", "a.b"]) == ["Table 1", "Table 10", "a.b", "Table\n1 of 2"]
    assert match_texts(texts, []) == [] and match_texts([], ["*"]) == []
