"""Sheets of a workbook: the declared one, by its name or by a text at its top, and the only one with the headings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import polars as pl
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.declarations.file_format import FileLayout
from pipelines.readers import workbook
from pipelines.readers.workbook import list_names, read_grids, read_workbook
from pipelines.readers.workbook_process import BrokenBookError

Rows = list[list[str]]
HEAD = ["code", "n"]


class Book(NamedTuple):
    """An open workbook in memory."""

    sheets: dict[str, Rows]
    asked: list[int | None]

    @property
    def sheet_names(self) -> list[str]:
        return list(self.sheets)

    def load_sheet(self, name: str, rows: int | None = None) -> pl.DataFrame:
        self.asked.append(rows)
        return pl.DataFrame(self.sheets[name][:rows], schema=["column_1", "column_2"], orient="row")


@pytest.fixture()
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Open sheets given as the content; return the rows that each look at a sheet asks for."""
    asked: list[int | None] = []

    @contextmanager
    def open_sheets(content: Any, _: str) -> Iterator[Book]:
        if not isinstance(content, dict):
            raise BrokenBookError("no sheets")
        yield Book(content, asked)

    monkeypatch.setattr(workbook, "open_workbook", open_sheets)
    return asked


def read(sheets: Any, sheet: str | None = None, kind: Any = "excel") -> tuple[str, list[tuple[Any, ...]]]:
    """Return the name and the rows of the sheet that is read."""
    read_sheet = read_workbook(sheets, FileLayout(format=kind, sheet=sheet), [("code",)], "a.xlsx")
    return read_sheet.file, read_sheet.frame.rows()


def table(*rows: str) -> Rows:
    return [HEAD, *([row, "1"] for row in rows)]


TWO = {"Notes": [["words", ""]], "Table 1": [["Stock", ""], *table("E1")], "Table 2": [["Deaths", ""], *table("E2")]}


@pytest.mark.parametrize(
    ("sheet", "actual"),
    [("Table 1", "E1"), ("Table 2", "E2"), ("*2", "E2"), ("Deaths", "E2"), ("St*", "E1"), ("Table 1*", "E1")],
)
@pytest.mark.usefixtures("asked")
def test_sheet_is_the_one_of_the_declared_name_or_text(sheet: str, actual: str) -> None:
    assert read(TWO, sheet) == (f"a.xlsx[Table {actual[1]}]", [(actual, "1", 3)])


def test_name_comes_before_a_text_and_both_are_matched_in_full(asked: list[int | None]) -> None:
    named = {"A": [["Stock", ""], *table("E1")], " Stock ": table("E2")}
    assert read(named, "Stoc*")[1] == [("E2", "1", 2)] and asked == [None], "a name needs no look at a sheet"
    assert read({"A*": table("E1"), "AB": table("E2")}, "A*")[1] == [("E1", "1", 2)], "a whole name is no pattern"
    with pytest.raises(UnreadableError, match="found sheets Notes, Table 1, Table 2; expected one named Table,"):
        read(TWO, "Table")


def test_text_is_searched_for_in_the_first_ten_rows(asked: list[int | None]) -> None:
    above: Rows = [["", ""]] * 9
    assert read({"A": [*above, ["", "The\ntext"], *table("E1")], "B": table("E2")}, "The text")[1] == [("E1", "1", 12)]
    assert asked == [10, 10, None]
    with pytest.raises(UnreadableError, match="in its first 10 rows"):
        read({"A": [*above, ["", ""], ["The text", ""], *table("E1")]}, "The text")
    assert read({"A": table("E1")}, "1")[1] == [("E1", "1", 2)]
    with pytest.raises(UnreadableError, match="expected one named 2"):
        read({"A": table("E1")}, "2")  # the number of a row is no text


@pytest.mark.usefixtures("asked")
def test_only_sheet_with_the_headings_is_read_and_several_are_refused() -> None:
    assert read({"Notes": TWO["Notes"], "A": table("E1")}) == ("a.xlsx[A]", [("E1", "1", 2)])
    assert read({"A\x1b": table("E1")})[0] == "a.xlsx[A\\x1b]"
    with pytest.raises(UnreadableError, match=r"in 2 sheets: a.xlsx\[Table 1\], a.xlsx\[Table 2\]; expected one"):
        read(TWO)
    with pytest.raises(UnreadableError, match="in 2 sheets"):
        read(TWO, "Table *")


@pytest.mark.usefixtures("asked")
def test_faults_of_up_to_eight_sheets_are_named() -> None:
    sheets = {f"S{n}": [["words", ""]] for n in range(9)}
    with pytest.raises(UnreadableError) as refusal:
        read(sheets)
    assert [line[:10] for line in str(refusal.value).splitlines()] == [f"a.xlsx[S{n}]" for n in range(8)]
    with pytest.raises(UnreadableError, match="found no sheets; fetch it again"):
        read({})


@pytest.mark.usefixtures("asked")
def test_copies_of_other_workbooks_are_left_out() -> None:
    sheets = {"'file:///b.xlsx'#A": table("E2"), "A": table("E1")}
    assert read(sheets)[1] == [("E1", "1", 2)]
    with pytest.raises(UnreadableError, match=r"found sheets A; expected one named \*b.xlsx\*"):
        read(sheets, "*b.xlsx*")
    ((name, grid),) = read_grids(sheets, "excel", "a.xlsx")  # type: ignore[arg-type]
    assert name == "A" and grid.rows() == [("code", "n", 1), ("E1", "1", 2)]
    assert grid.columns[-1] == "_row"


@pytest.mark.parametrize(("kind", "fault"), [("excel", "not an Excel file, or"), ("ods", "not an ODS file, or")])
@pytest.mark.usefixtures("asked")
def test_broken_workbook_is_refused_by_its_kind(kind: str, fault: str) -> None:
    with pytest.raises(UnreadableError, match=rf"a.xlsx: {fault} truncated \(no sheets\); fetch it again"):
        read(b"", kind=kind)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "none"), (1, "s0"), (20, "s19"), (21, "s19 and 1 more"), (30, "s19 and 10 more")]
)
def test_up_to_twenty_names_are_listed(count: int, text: str) -> None:
    listed = list_names([f"s{n}" for n in range(count)])
    assert listed.split(", ")[-1] == text and len(listed.split(", ")) == max(1, min(count, 20))
