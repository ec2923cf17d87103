"""Row selection: rows with a declared text under every heading are read, and the others counted."""

from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.declarations.source import Source
from pipelines.readers.header import ROW, Sheet
from pipelines.readers.rows import ColumnTexts, count_unread_rows, filter_rows, is_data_row, match_rows, select_rows

STOCK: dict[str, Any] = {"title": "s", "unit": "items", "kind": "stock", "column": "n"}
FRAME = pl.DataFrame(
    [("E1", "M", "16+", "1"), ("E1", "F", "16+", "2"), ("E2", "Total", "16-24", "3"), ("Note", "", "", "")],
    dict.fromkeys(("code", "sex", "age", "n"), pl.String), orient="row",
).with_row_index(ROW, 2)  # fmt: skip


def declared(**more: Any) -> Source:
    settings = {
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"place": "code"}, "period": {"start": "2020-01-01", "end": "2020-12-31"},
        "measures": {"stock": STOCK},
    }  # fmt: skip
    return Source.model_validate({**settings, **more}, strict=False)


def rows_met(where: dict[str, tuple[str, ...]]) -> list[int]:
    return FRAME.filter(match_rows(FRAME, where))[ROW].to_list()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({}, [2, 3, 4, 5]),
        ({"sex": ("M",)}, [2]),
        ({"sex": ("M", "F")}, [2, 3]),
        ({"sex": ("M", "F"), "age": ("16+",)}, [2, 3]),
        ({"sex": ("M", "Total"), "age": ("16-*",)}, [4]),
        ({"sex": ("M",), "age": ("16-24",)}, []),
        ({" sex ": ("T*",)}, [4]),
        ({"age": ("16*",)}, [2, 3, 4]),
        ({"sex": ("",)}, [5]),
        ({"sex": ("m",)}, []),
    ],
)
def test_row_must_have_a_declared_text_under_every_heading(where: dict[str, tuple[str, ...]], rows: list[int]) -> None:
    assert rows_met(where) == rows
    assert select_rows(ColumnTexts(FRAME), where)[ROW].to_list() == rows


def test_frame_of_which_all_rows_are_declared_is_not_copied() -> None:
    assert select_rows(ColumnTexts(FRAME), {"sex": ("M", "F", "T*", ""), "code": ("*",)}) is FRAME
    assert select_rows(ColumnTexts(FRAME), {"sex": ("M", "F", "T*")}) is not FRAME


def test_missing_heading_is_refused_with_close_matches() -> None:
    with pytest.raises(UnreadableError, match=r"filter: found no column sexx; .*sex"):
        match_rows(FRAME, {"age": ("16+",), "sexx": ("M",)})


def test_other_rows_are_counted_and_unmatched_texts_listed() -> None:
    sheet = Sheet(FRAME, "a.csv", skipped_rows=10, unmatched_declarations=("before",))
    actual = filter_rows(sheet, declared(filter={"sex": ["M", "X"], "age": "1*"}))
    assert actual.frame[ROW].to_list() == [2]
    assert (actual.skipped_rows, actual.unmatched_declarations) == (13, ("before", "filter: no row has 'X' under sex"))


def test_all_rows_are_read_without_a_filter() -> None:
    sheet = Sheet(FRAME, "a.csv", skipped_rows=10)
    assert filter_rows(sheet, declared()) is sheet


def test_rows_that_no_measure_uses_are_counted_but_retained() -> None:
    measures = {"men": {**STOCK, "filter": {"sex": "M"}}, "all": {**STOCK, "filter": {"sex": ["T*", "All"]}}}
    actual = count_unread_rows(
        Sheet(FRAME, "a.csv", skipped_rows=10, unmatched_declarations=("before",)), declared(measures=measures)
    )
    assert actual.frame.equals(FRAME)
    assert (actual.skipped_rows, actual.unmatched_declarations) == (
        12,
        ("before", "measure all: no row has 'All' under sex"),
    )


def test_rows_that_are_not_data_are_counted_once() -> None:
    measures = {"men": {**STOCK, "filter": {"sex": ["M", "F", "Total"]}}}
    sheet = Sheet(FRAME, "a.csv")
    assert count_unread_rows(sheet, declared()).skipped_rows == 0
    assert count_unread_rows(sheet, declared(skip_rows=["Not*"])).skipped_rows == 1
    assert count_unread_rows(sheet, declared(skip_rows=["Not*"], measures=measures)).skipped_rows == 1
    assert count_unread_rows(sheet, declared(skip_rows=["E1", "Note"])).skipped_rows == 3


def test_source_without_measures_reads_every_row() -> None:
    places = {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "provides": "place"}
    actual = count_unread_rows(Sheet(FRAME, "a.csv"), Source.model_validate(places))
    assert (actual.skipped_rows, actual.unmatched_declarations) == (0, ())


def data(source: Source) -> list[int]:
    return FRAME.filter(is_data_row(FRAME, source))[ROW].to_list()


def test_data_rows_are_recognised_by_code_or_else_by_name() -> None:
    assert data(declared()) == [2, 3, 4, 5]
    assert data(declared(skip_rows=["Note", "nowhere"])) == [2, 3, 4]
    assert data(declared(skip_rows=["E*"])) == [5]
    assert data(declared(columns={"label": "sex"}, skip_rows=["", "M"])) == [3, 4]
    # Where the column is missing or undeclared, all rows are data.
    assert data(declared(columns={"label": "name"}, skip_rows=["*"])) == [2, 3, 4, 5]
    one = declared(place="E09000024", columns={"status": "sex"}, skip_rows=["*"])
    assert data(one) == [2, 3, 4, 5]
