"""Reference period of a file's figures: from each row, its name, its preamble, or the declaration."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.errors import UnreadableError
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.observations.reference_period import add_period, whole_period
from pipelines.readers import Sheet

SNAPSHOT = Snapshot("s", "x", date(2024, 5, 1), "", "", "test", "whole_2023.csv", 1, "")
CALENDAR = {year: (date(year, 1, 1), date(year, 12, 31)) for year in (2021, 2022, 2023, 2024)}


def declared(columns: dict[str, str] | None = None, **given: Any) -> Source:
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": columns or {"place": "p", "period": "d"},
         "measures": {"m": {"title": "t", "unit": "u", "kind": "count", "column": "c"}}, **given},
        strict=False,
    )  # fmt: skip


def sheet(file: str = "a.csv", *preamble: str) -> Sheet:
    return Sheet(pl.DataFrame(), file, preamble)


def read_periods(source: Source, texts: list[str], file: str = "a.csv", *preamble: str) -> list[tuple[Any, ...]]:
    cells = pl.DataFrame({"row": range(len(texts)), "period_text": texts}, {"row": pl.Int64, "period_text": pl.String})
    result = add_period(cells, sheet(file, *preamble), source, SNAPSHOT)
    assert_frame_equal(result.select(cells.columns), cells)
    assert result.columns == [*cells.columns, "period_start", "period_end", "fault", "fault_evidence"]
    return result.drop(cells.columns).rows()


def test_each_row_has_its_own_period_in_any_order() -> None:
    assert read_periods(declared(), ["2023", "2021", "2023", "2022"]) == [
        (*CALENDAR[year], None, None) for year in (2023, 2021, 2023, 2022)
    ]


def test_invalid_period_faults_only_its_own_cells() -> None:
    assert read_periods(declared(), ["2023", "", "soon", "2023"]) == [
        (*CALENDAR[2023], None, None),
        (None, None, "unreadable", "period : not a year"),
        (None, None, "unreadable", "period soon: not a year"),
        (*CALENDAR[2023], None, None),
    ]
    assert read_periods(declared(period_kind="financial_year"), ["2023"])[0][3] == "period 2023: not a financial year"


def test_date_must_match_a_declared_format() -> None:
    source = declared(period_kind="financial_year", period_format=["%d/%m/%Y", "%Y.%m.%d"])
    assert read_periods(source, ["01/04/2023", "31/03/2023", "2023.03.31", "04-2023"]) == [
        (date(2023, 4, 1), date(2024, 3, 31), None, None),
        (date(2022, 4, 1), date(2023, 3, 31), None, None),
        (date(2022, 4, 1), date(2023, 3, 31), None, None),
        (None, None, "unreadable", "period 04-2023: not a financial year as %d/%m/%Y or %Y.%m.%d"),
    ]


def test_several_kinds_of_period_are_read_row_by_row() -> None:
    source = declared(period_kind=["span", "financial_year", "quarter"])
    assert read_periods(source, ["2021 - 23", "2022/23", "2023/24 Q4", "2022"]) == [
        (date(2021, 1, 1), date(2023, 12, 31), None, None),
        (date(2022, 4, 1), date(2023, 3, 31), None, None),
        (date(2024, 1, 1), date(2024, 3, 31), None, None),
        (None, None, "unreadable", "period 2022: not a span or financial year or quarter"),
    ]


def test_text_that_is_two_kinds_of_period_is_refused() -> None:
    source = declared(period_kind=["month", "week"])
    evidence = "period 202305: not a month or week"
    assert read_periods(source, ["202305", "202313"])[0] == (None, None, "unreadable", evidence)
    assert read_periods(source, ["202313"])[0][:2] == (date(2023, 3, 27), date(2023, 4, 2))


def test_footnote_mark_is_not_part_of_a_period() -> None:
    assert read_periods(declared(footnotes=r"\[note \d\]"), ["2023 [note 1]"]) == [(*CALENDAR[2023], None, None)]
    assert read_periods(declared(), ["2023 [note 1]"])[0][2] == "unreadable"


LABELLED = {"place": "p"}


def test_declared_period_applies_to_every_row() -> None:
    source = declared(LABELLED, period={"start": date(2021, 3, 21), "end": date(2021, 3, 22)})
    assert read_periods(source, ["2023", "soon"]) == [(date(2021, 3, 21), date(2021, 3, 22), None, None)] * 2


@pytest.mark.parametrize(
    ("file", "released", "expected"),
    [
        ("starter/whole_2023.csv", date(2024, 5, 1), (date(2020, 1, 1), date(2020, 6, 30))),
        ("starter/whole_2023.csv", date(2024, 5, 2), CALENDAR[2021]),
        ("starter/other.csv", date(2024, 5, 1), CALENDAR[2021]),
    ],
)
def test_period_of_a_release_overrides_the_period_of_its_source(
    file: str, released: date, expected: tuple[date, date]
) -> None:
    own = {"start": date(2020, 1, 1), "end": date(2020, 6, 30)}
    releases = [{"file": file, "released": released, "period": own}]
    source = declared(LABELLED, period=dict(zip(("start", "end"), CALENDAR[2021], strict=True)), releases=releases)
    assert read_periods(source, ["x"]) == [(*expected, None, None)]


def test_release_without_a_period_uses_those_of_its_rows() -> None:
    source = declared(releases=[{"file": "starter/whole_2023.csv", "released": date(2024, 5, 1)}])
    assert read_periods(source, ["2022"]) == [(*CALENDAR[2022], None, None)]
    assert whole_period(sheet(), source, SNAPSHOT) is None


IN_NAME = r"_(?P<period>\d{4})"
IN_PREAMBLE = r"year (?P<period>\w+)"


@pytest.mark.parametrize("file", ["whole_2023.csv", "a.xlsx", "a_2023.xlsx", "a_2023_2023.xlsx"])
def test_period_comes_from_the_sheet_or_file_name(file: str) -> None:
    assert read_periods(declared(LABELLED, period=IN_NAME), ["x"], file) == [(*CALENDAR[2023], None, None)]


def test_period_comes_from_the_rows_above_the_headings() -> None:
    source = declared(LABELLED, period=IN_PREAMBLE)
    rows = ("A table", "of the year 2022", "", "again: year 2022 and year soon")
    assert read_periods(source, ["x"], "a_2023.csv", *rows) == [(*CALENDAR[2022], None, None)]


@pytest.mark.parametrize(
    ("given", "file", "preamble", "message"),
    [
        ({"period": IN_NAME}, "a_2022.csv", (),
         rf"a_2022.csv: found '2022', '2023' in the file name a_2022.csv by {IN_NAME}; expected one year"),
        ({"period": IN_PREAMBLE}, "a.csv", ("year 2022", "year 2023", "year 2022"),
         f"a.csv: found '2022', '2023' in the rows above its headings by {IN_PREAMBLE}; expected one year"),
        ({"period": IN_PREAMBLE}, "a.csv", ("year soon",),
         f"a.csv: found 'soon' in the rows above its headings by {IN_PREAMBLE}; expected one year"),
        ({"period": IN_PREAMBLE, "period_kind": "mid_year"}, "a_2022.csv", (),
         f"a_2022.csv: found nothing in the file name a_2022.csv by {IN_PREAMBLE}; expected one mid year"),
    ],
)  # fmt: skip
def test_no_period_or_two_for_a_whole_file_is_rejected(
    given: dict[str, Any], file: str, preamble: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_periods(declared(LABELLED, **given), ["x"], file, *preamble)
    assert str(refused.value) == message
