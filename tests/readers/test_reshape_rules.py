"""From a table to one row for each cell: every layout in full, and refused headings."""

from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.declarations.source import Source
from pipelines.readers.header import ROW, Sheet
from pipelines.readers.reshape import melt_sheet, split_marker

STOCK: dict[str, Any] = {"title": "s", "unit": "items", "kind": "stock"}
ONE = {"stock": STOCK}
CELL = ["code_text", "place_label", "status_text", "period_text", "measure", "text", "file_row", "file_column"]


def declared(**more: Any) -> Source:
    """Build a declaration of one measure in column `n`, or as given."""
    settings = {
        "title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
        "columns": {"place": "code", "period": "year"}, "measures": {"stock": {**STOCK, "column": "n"}},
    }  # fmt: skip
    return Source.model_validate({**settings, **more})


def sheet(names: str, *rows: str, first: int = 2, ragged: tuple[int, ...] = ()) -> Sheet:
    """Build a sheet from headings and rows with comma-separated cells."""
    columns = dict.fromkeys(names.split(","), pl.String)
    frame = pl.DataFrame([row.split(",") for row in rows], columns, orient="row")
    return Sheet(frame.with_columns(pl.int_range(first, pl.len() + first).alias(ROW)), "a.csv", ragged_rows=ragged)


def cells(table: Sheet, source: Source) -> list[tuple[Any, ...]]:
    return melt_sheet(table, source).select(CELL).rows()


def test_long_file_gives_a_row_for_each_row_and_measure() -> None:
    columns = {"place": "code", "label": "name", "period": "year", "status": "flag"}
    measures = {"stock": {**STOCK, "column": "n"}, "more": {**STOCK, "column": ["old", "m"]}}
    table = sheet("code,name,year,flag,n,m,other", "E1,One,2022,p,1,5,x", "E2,Two,2023,,2,6,y")
    assert cells(table, declared(columns=columns, measures=measures)) == [
        ("E1", "One", "p", "2022", "stock", "1", 2, "n"), ("E2", "Two", "", "2023", "stock", "2", 3, "n"),
        ("E1", "One", "p", "2022", "more", "5", 2, "m"), ("E2", "Two", "", "2023", "more", "6", 3, "m"),
    ]  # fmt: skip


def test_measure_may_be_in_some_rows_of_a_column() -> None:
    measures = {
        "men": {**STOCK, "column": "n", "filter": {"sex": "M"}},
        "all": {**STOCK, "column": "n", "filter": {"sex": "T*"}}
    }  # fmt: skip
    table = sheet("code,year,sex,n", "E1,2022,M,1", "E1,2022,Total,3", "E1,2022,F,2")
    assert cells(table, declared(measures=measures)) == [
        ("E1", "", "", "2022", "men", "1", 2, "n"), ("E1", "", "", "2022", "all", "3", 3, "n")
    ]  # fmt: skip


def test_measure_without_its_column_is_refused() -> None:
    measures = {"stock": {**STOCK, "column": ["n", "number"]}}
    with pytest.raises(UnreadableError, match=r"^a\.csv: found no column n or number of measure stock$"):
        melt_sheet(sheet("code,year,count", "E1,2022,1"), declared(measures=measures))


def test_file_about_one_area_needs_no_area_column() -> None:
    source = declared(place="E9", columns={"period": "year"})
    assert cells(sheet("code,year,n", "E1,2022,1"), source) == [("E9", "", "", "2022", "stock", "1", 2, "n")]


LIMITED = ["measure", "text", "first_limit", "second_limit"]


def test_interval_limits_accompany_their_figure_in_declared_order() -> None:
    measures = {
        "stock": {**STOCK, "column": "n", "uncertainty": {"upper": "hi", "lower": ["low", "lo"], "level": 95}},
        "wide": {**STOCK, "column": "m", "uncertainty": {"half_width": "ci", "level": 95}},
        "plain": {**STOCK, "column": "p"},
    }  # fmt: skip
    table = sheet("code,year,n,lo,hi,m,ci,p", "E1,2022,1,0,2,5,3,9")
    assert melt_sheet(table, declared(measures=measures)).select(LIMITED).rows() == [
        ("stock", "1", "0", "2"), ("wide", "5", "3", None), ("plain", "9", None, None)
    ]  # fmt: skip


def test_there_are_no_limits_without_an_interval() -> None:
    assert set(melt_sheet(sheet("code,year,n", "E1,2022,1"), declared()).columns) == set(CELL)


COUNTED = {"listed": {**STOCK, "count_rows": True}}


def test_count_has_the_position_of_its_first_row() -> None:
    columns = {"place": "code", "period": "year", "status": "flag"}
    table = sheet("code,year,flag", "E1,2022,p", "E2,2022,q", "E1,2022,r", "E1,2023,s", first=5)
    assert cells(table, declared(columns=columns, measures=COUNTED)) == [
        ("E1", "", "p", "2022", "listed", "2", 5, "rows"), ("E2", "", "q", "2022", "listed", "1", 6, "rows"),
        ("E1", "", "s", "2023", "listed", "1", 8, "rows"),
    ]  # fmt: skip


def test_rows_with_area_names_only_are_counted_by_name() -> None:
    source = declared(columns={"label": "name", "period": "year"}, measures=COUNTED)
    table = sheet("name,year", "One,2022", "Two,2022", "One,2022")
    assert cells(table, source) == [
        ("", "One", "", "2022", "listed", "2", 2, "rows"), ("", "Two", "", "2022", "listed", "1", 3, "rows")
    ]  # fmt: skip


def test_count_with_an_unreadable_row_has_that_rows_position() -> None:
    table = sheet("code,year", "E1,2022", "E1,2022", "E2,2022", "E1,2022", ragged=(3, 5))
    assert [(row[0], row[5], row[6]) for row in cells(table, declared(measures=COUNTED))] == [
        ("E1", "3", 3), ("E2", "1", 4)
    ]  # fmt: skip


BY_PLACE = {"columns": {"place": "*", "period": "year", "status": "flag"}}


def test_file_with_areas_in_headings_gives_a_row_for_each_area() -> None:
    source = declared(**BY_PLACE, skip_columns=["Not*"], measures=ONE)
    table = sheet("year,flag,E1,Notes,E2", "2022,p,1,x,2", "2023,,3,y,4")
    assert cells(table, source) == [
        ("E1", "", "p", "2022", "stock", "1", 2, "E1"), ("E1", "", "", "2023", "stock", "3", 3, "E1"),
        ("E2", "", "p", "2022", "stock", "2", 2, "E2"), ("E2", "", "", "2023", "stock", "4", 3, "E2"),
    ]  # fmt: skip


def test_area_headings_may_be_names_and_a_filter_heading_is_no_area() -> None:
    columns = {"label": "*", "period": "year"}
    source = declared(columns=columns, filter={"sex": "T"}, measures=ONE)
    assert cells(sheet("sex,year,One", "T,2022,1"), source) == [("", "One", "", "2022", "stock", "1", 2, "One")]


def test_file_with_areas_in_headings_needs_an_area() -> None:
    source = declared(**BY_PLACE, skip_columns=["Notes"], measures=ONE)
    with pytest.raises(UnreadableError, match=r"^a\.csv: found only declared headings"):
        melt_sheet(sheet("year,flag,Notes", "2022,p,x"), source)


WIDE = {"columns": {"place": "code", "label": "name", "status": "flag"}}


def test_headings_of_a_wide_file_are_periods_with_markers() -> None:
    source = declared(**WIDE, measures=ONE, markers={"p": "provisional"})
    table = sheet("code,name,2022,2023 (p)", "E1,One,1,2", "E2,Two,3,4")
    assert cells(table, source) == [
        ("E1", "One", "", "2022", "stock", "1", 2, "2022"), ("E2", "Two", "", "2022", "stock", "3", 3, "2022"),
        ("E1", "One", "p", "2023", "stock", "2", 2, "2023 (p)"),
        ("E2", "Two", "p", "2023", "stock", "4", 3, "2023 (p)"),
    ]  # fmt: skip


def test_worse_marker_of_row_and_heading_applies() -> None:
    markers = {"p": "provisional", "r": "revised", "c": "confidential"}
    source = declared(**WIDE, measures=ONE, markers=markers)
    table = sheet(
        "code,name,flag,2021,2022 (p),2023 (q)", "E1,A,,1,2,3", "E2,B,c,1,2,3", "E3,C,r,1,2,3", "E4,D,!,1,2,3"
    )
    settings = melt_sheet(table, source).select("code_text", "period_text", "status_text").rows()
    assert settings == [
        ("E1", "2021", ""), ("E2", "2021", "c"), ("E3", "2021", "r"), ("E4", "2021", "!"),
        ("E1", "2022", "p"), ("E2", "2022", "c"), ("E3", "2022", "p"), ("E4", "2022", "!"),
        ("E1", "2023", "q"), ("E2", "2023", "q"), ("E3", "2023", "q"), ("E4", "2023", "q"),
    ]  # fmt: skip


@pytest.mark.parametrize("strange", ["Total", "2023-24", "sex"])
def test_unknown_heading_of_a_wide_file_is_refused_unless_ignored(strange: str) -> None:
    table = sheet(f"code,name,2022,{strange}", "E1,One,1,2")
    with pytest.raises(UnreadableError, match=rf"found headings '{strange}'; expected each to be a year, or listed"):
        melt_sheet(table, declared(**WIDE, measures=ONE))
    (only,) = cells(table, declared(**WIDE, measures=ONE, skip_columns=[strange]))
    assert only == ("E1", "One", "", "2022", "stock", "1", 2, "2022")


def test_wide_file_may_have_a_filter_heading() -> None:
    source = declared(**WIDE, measures=ONE, filter={"sex": "T"})
    assert len(cells(sheet("code,name,sex,2022", "E1,One,T,1"), source)) == 1


def test_ignored_period_heading_is_not_read() -> None:
    source = declared(**WIDE, measures=ONE, skip_columns=["2021"])
    assert [row[3] for row in cells(sheet("code,name,2021,2022", "E1,One,1,2"), source)] == ["2022"]


def test_wide_file_without_a_period_is_refused() -> None:
    with pytest.raises(UnreadableError, match="found headings without a period; expected each to be a year"):
        melt_sheet(sheet("code,name", "E1,One"), declared(**WIDE, measures=ONE))


def test_six_of_many_unknown_headings_are_listed() -> None:
    names = [f"x{n}" for n in range(7)]
    with pytest.raises(UnreadableError, match="'x0', 'x1', 'x2', 'x3', 'x4', 'x5';"):
        melt_sheet(
            sheet(",".join(["code", "name", *names]), "E1,One,1,2,3,4,5,6,7"),
            declared(**WIDE, measures=ONE),
        )


SEVERAL = {
    **WIDE, "heading_pattern": r"(?P<period>\d{4}.*) (?P<measure>\w+)",
    "measures": {"men": {**STOCK, "column": ["Men", "Males"]}, "women": {**STOCK, "column": "Women"}},
}  # fmt: skip


def test_pattern_extracts_period_and_measure_from_a_heading() -> None:
    table = sheet("code,name,2022 Men,2022 Women,2023 (p) Males", "E1,One,1,2,3")
    assert cells(table, declared(**SEVERAL, markers={"p": "provisional"})) == [
        ("E1", "One", "", "2022", "men", "1", 2, "2022 Men"), ("E1", "One", "", "2022", "women", "2", 2, "2022 Women"),
        ("E1", "One", "p", "2023", "men", "3", 2, "2023 (p) Males"),
    ]  # fmt: skip


def test_heading_without_a_known_measure_or_period_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"'2022 Others', '2022x Men'; expected each to match heading"):
        melt_sheet(sheet("code,name,2022 Men,2022 Women,2022 Others,2022x Men", "E1,One,1,2,3,4"), declared(**SEVERAL))


def test_heading_that_matches_the_pattern_is_read_despite_ignore() -> None:
    table = sheet("code,name,2022 Men,2022 Women,2022 Others", "E1,One,1,2,3")
    assert [row[4] for row in cells(table, declared(**SEVERAL, skip_columns=["*"]))] == ["men", "women"]


def test_measure_without_a_heading_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.csv: found no heading with measure women and a year$"):
        melt_sheet(sheet("code,name,2022 Men", "E1,One,1"), declared(**SEVERAL))


def test_pattern_without_a_measure_refers_to_the_only_one() -> None:
    source = declared(**WIDE, measures=ONE, heading_pattern=r"Year (?P<period>\d{4})( total)?")
    table = sheet("code,name,Year 2022 (p),Year 2023 total", "E1,One,1,2")
    assert [row[2:6] for row in cells(table, source)] == [("p", "2022", "stock", "1"), ("", "2023", "stock", "2")]


def test_bracketed_text_in_a_pattern_is_no_marker() -> None:
    source = declared(**{**SEVERAL, "heading_pattern": r"(?P<period>[^(]*)(\(p\))? \((?P<measure>\w+)\)"})
    table = sheet("code,name,2022 (Men),2023(p) (Women),2021 (Men) (r)", "E1,One,1,2,3")
    assert [row[2:5] for row in cells(table, source)] == [
        ("", "2022", "men"), ("", "2023", "women"), ("r", "2021", "men")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("November 2023 (p)", ("November 2023", "p")), ("2023(r)", ("2023", "r")), ("2023", ("2023", "")),
        ("2023 (p) x", ("2023 (p) x", "")), ("2023 (a b)", ("2023 (a b)", "")), ("(p)", ("", "p")),
    ],
)  # fmt: skip
def test_marker_after_a_heading_is_split_off(heading: str, expected: tuple[str, str]) -> None:
    assert split_marker(heading) == expected
