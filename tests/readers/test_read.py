"""Keys of a declaration about a file: each is read correctly or refused with what was found."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyarrow import parquet

from pipelines.core.errors import DeclarationError, UnreadableError
from pipelines.core.periods import parse_period
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.declarations.yaml_lines import read_yaml, validate_declaration
from pipelines.observations.conform import Codes, conform_release
from pipelines.readers import parquet as parquet_reader
from pipelines.readers.header import Sheet
from pipelines.readers.parquet import read_parquet
from pipelines.readers.read import read_sheet
from pipelines.readers.rows import count_unread_rows
from tests.workbooks import ods, xlsx, zipped

CODES = Codes(
    frozenset({"E09000024", "E09000029", "E06000052"}),
    {},
    {"merton": "E09000024", "sutton": "E09000029", "cornwall": "E06000052"},
)
HEAD = "title: t\npublisher: p\nlicence: l\npage: https://example.org\ngeography: lad_2023\n"
PLAIN = "columns: {place: code, period: year}\nmeasures: {stock: {title: s, unit: items, kind: stock, column: stock}}\n"


def source(text: str, rest: str = PLAIN) -> Source:
    """Build a source from a declaration file."""
    data, lines = read_yaml(HEAD + text + rest, Path("sources/a.yaml"))
    return validate_declaration(Source, data, lines, Path("sources/a.yaml"))


def cells(declared: Source, content: bytes, file: str = "a.file") -> pl.DataFrame:
    """Read a file to cells."""
    sheet = count_unread_rows(read_sheet(content, declared, file), declared)
    snapshot = Snapshot("a", "x", date(2024, 1, 1), "", "", "test", file, len(content), "")
    return conform_release(sheet, "a", declared, snapshot, CODES)


def values(declared: Source, content: bytes) -> dict[str, float | None]:
    """Return the figure of each area."""
    return dict(cells(declared, content).select("place_code", "value").iter_rows())


def left_out(declared: Source, content: bytes) -> Sheet:
    return count_unread_rows(read_sheet(content, declared, "a.file"), declared)


ROWS = [["code", "year", "stock"], ["E09000024", "2023", "7"], ["E09000029", "2023", "0"]]
SAME = {"E09000024": 7.0, "E09000029": 0.0}
LINES = "\n".join(",".join(row) for row in ROWS) + "\n"
STAT = {
    "version": "2.0", "class": "dataset", "id": ["code", "year"], "size": [2, 1],
    "dimension": {
        "code": {"category": {"index": {"E09000029": 1, "E09000024": 0}, "label": {"E09000024": "Merton"}}},
        "year": {"category": {"index": ["2023"]}},
    },
    "value": [7, 0],
}  # fmt: skip
BY_VALUE = PLAIN.replace("column: stock", "column: value")


@pytest.mark.parametrize(
    ("text", "rest", "content"),
    [
        ("format: excel\n", PLAIN, xlsx({"Notes": [["words"]], "Data": ROWS})),
        ("format: excel\nmember: b.xlsx\n", PLAIN, zipped({"b.xlsx": xlsx({"Data": ROWS}), "c.txt": "c"})),
        ("format: ods\n", PLAIN, ods({"Notes": [["words"]], "Data": [["A title"], [], *ROWS]})),
        ("format: json\n", PLAIN, json.dumps([dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]).encode()),
        (
            "format: json\n",
            PLAIN,
            b'{"result": {"records": [{"code": "E09000024", "year": 2023, "stock": 7.0},'
            b'{"stock": 0, "code": "E09000029", "year": 2023, "note": null}]}}',
        ),
        ("format: jsonstat\n", BY_VALUE, json.dumps(STAT).encode()),
        ("format: jsonstat\n", BY_VALUE, json.dumps({**STAT, "value": {"0": 7, "1": 0}}).encode()),
        ("", PLAIN, LINES.replace(",", "\t").encode()),
        ("", PLAIN, LINES.encode("utf-16")),
        ("header_rows: 0\nheadings: [code, year, stock]\n", PLAIN, LINES.split("\n", 1)[1].encode()),
        ('header_rows: 0\nheadings: [code, year, "", stock]\n', PLAIN, b"E09000024,2023,x,7\nE09000029,2023,y,0\n"),
        ("", PLAIN, LINES.replace("E09000024", "\u00a0'E09000024 ").encode()),
        ("", PLAIN, LINES.replace("stock", '"sto\nck"').encode().replace(b"sto\nck", b"stock\n")),
        ("", PLAIN, (LINES + "code,year,stock\n\nSource: us\n").encode()),
    ],
    ids=["excel", "excel in a zip", "ods", "json", "json records", "json-stat", "sparse json-stat", "tabs", "utf-16",
         "no headings", "no headings, one column not needed", "apostrophe and spaces", "broken heading",
         "headings again"],
)  # fmt: skip
def test_same_figures_are_read_from_every_format(text: str, rest: str, content: bytes) -> None:
    assert values(source(text, rest), content) == SAME


TWO = {"Table 1": [["Table 1: stock"], *ROWS], "Table 2": [["Table 2: deaths"], *ROWS[:2]]}


@pytest.mark.parametrize(
    ("sheet", "actual"),
    [("Table 1", 2), ("Table 2*", 1), ("*deaths", 1), ("Table 1: stock", 2)],
)
def test_sheet_is_selected_by_its_name_or_a_text_in_its_top_rows(sheet: str, actual: int) -> None:
    declared = source(f'format: excel\nsheet: "{sheet}"\n')
    assert read_sheet(xlsx(TWO), declared, "a.xlsx").frame.height == actual


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("format: excel\n", r"headings in 2 sheets: a.xlsx\[Table 1\], a.xlsx\[Table 2\]; .*name it with sheet:"),
        ('format: excel\nsheet: "Table *"\n', "headings in 2 sheets"),
        ("format: excel\nsheet: Table 3\n", "found sheets Table 1, Table 2; expected one named Table 3"),
    ],
)
def test_missing_or_ambiguous_sheet_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UnreadableError, match=complaint):
        read_sheet(xlsx(TWO), source(text), "a.xlsx")


MERGED = [
    ["A title", "", "", "", ""],
    ["Area", "Homes", "", "Rate", ""],
    ["", "Owed a duty", "Total", "Owed a duty", "Total"],
    ["", "", "", "", ""],
    ["E09000024", "3", "7", "0.1", "0.2"],
    ["", "", "", "", ""],
    ["E09000029", "0", "0", "0.1", "0.2"],
    ["", "", "", "", ""],
    ["Source: us", "", "", "", ""],
]


def test_merged_headings_apply_to_the_right_and_blank_rows_are_skipped() -> None:
    declared = source(
        "format: excel\nheader_rows: 2\nblank_rows: true\nperiod: {start: 2023-01-01, end: 2023-12-31}\n",
        "columns: {place: Area}\nmeasures: {stock: {title: s, unit: i, kind: stock, column: Homes / Total}}\n",
    )
    assert values(declared, xlsx({"Data": MERGED})) == SAME
    with pytest.raises(UnreadableError, match=r"row 7 looks like data after the blank row 6.*blank_rows: true"):
        cells(declared.model_copy(update={"blank_rows": False}), xlsx({"Data": MERGED}))


def test_column_without_a_heading_is_named_after_its_number() -> None:
    rows = [["Title"], ["", "year", "stock"], *ROWS[1:]]
    assert values(source("format: ods\n", PLAIN.replace("code", "column 1")), ods({"A": rows})) == SAME


LONG = b"""code,year,Indicator,Value
E09000024,2023,Homicide,7
E09000024,2023,Theft,8
E09000029,2023,Homicide,0
E09000029,2023,Arson,9
"""
BY_ROW = "columns: {place: code, period: year}\nmeasures:\n"
HOMICIDE = "  stock: {title: s, unit: i, kind: count, column: Value, filter: {Indicator: Homicide}}\n"
OTHER = "  other: {title: s, unit: i, kind: count, column: Value, filter: {Indicator: [Theft, Fraud]}}\n"


def test_only_filtered_rows_are_read_and_others_counted() -> None:
    declared = source("filter: {Indicator: Homicide}\n", PLAIN.replace("column: stock", "column: Value"))
    assert values(declared, LONG) == SAME
    assert left_out(declared, LONG).skipped_rows == 2


def test_measures_in_one_column_are_distinguished_by_filter() -> None:
    declared = source("", BY_ROW + HOMICIDE + OTHER)
    read = cells(declared, LONG)
    assert read.select("measure", "value").rows() == [("other", 8.0), ("stock", 7.0), ("stock", 0.0)]
    sheet = left_out(declared, LONG)
    # No measure uses arson; no row has fraud.
    assert sheet.skipped_rows == 1
    assert sheet.unmatched_declarations == ("measure other: no row has 'Fraud' under Indicator",)


@pytest.mark.parametrize(
    ("text", "kind", "span"),
    [
        ("2019-20", "financial_year", (date(2019, 4, 1), date(2020, 3, 31))),
        ("2019/20", "financial_year", (date(2019, 4, 1), date(2020, 3, 31))),
        ("2019/2020", "financial_year", (date(2019, 4, 1), date(2020, 3, 31))),
        ("2019 to 2020", "financial_year", (date(2019, 4, 1), date(2020, 3, 31))),
        ("April 2019 to March 2020", "financial_year", (date(2019, 4, 1), date(2020, 3, 31))),
        ("1999-00", "financial_year", (date(1999, 4, 1), date(2000, 3, 31))),
        ("2019-21", "financial_year", None),
        ("2019", "financial_year", None),
        ("Mid-2020", "mid_year", (date(2020, 6, 30), date(2020, 6, 30))),
        ("2020", "mid_year", (date(2020, 6, 30), date(2020, 6, 30))),
        ("2020-W53", "week", (date(2020, 12, 28), date(2021, 1, 3))),
        ("2021-W53", "week", None),
        ("2020-01-06", "week", (date(2020, 1, 6), date(2020, 1, 12))),
        ("2018q3", "quarter", (date(2018, 7, 1), date(2018, 9, 30))),
        ("2019-20 Q4", "quarter", (date(2020, 1, 1), date(2020, 3, 31))),
        ("October to December 2019", "quarter", (date(2019, 10, 1), date(2019, 12, 31))),
        ("November to January 2019", "quarter", None),
        ("1997 Apr", "month", (date(1997, 4, 1), date(1997, 4, 30))),
        ("202002", "month", (date(2020, 2, 1), date(2020, 2, 29))),
        ("2013-01-01 00:00:00", "month", (date(2013, 1, 1), date(2013, 1, 31))),
        ("2013-01-02 00:00:00", "month", None),
        ("1st March 2020", "day", (date(2020, 3, 1), date(2020, 3, 1))),
        ("01/03/2020", "day", None),
        ("2013-04-01T00:00:00/P3Y", "span", (date(2013, 4, 1), date(2016, 3, 31))),
        ("2015-11-16/P1Y", "span", (date(2015, 11, 16), date(2016, 11, 15))),
        ("04/2021 - 03/2022", "span", (date(2021, 4, 1), date(2022, 3, 31))),
        ("0000", "year", None),
        ("9999", "year", None),
    ],
)
def test_period_is_read_where_its_spelling_is_unambiguous(text: str, kind: Any, span: Any) -> None:
    assert parse_period(text, kind) == span


@pytest.mark.parametrize(
    ("text", "kind", "formats", "ends", "span"),
    [
        ("28/02/2020", "day", ("%d/%m/%Y",), False, (date(2020, 2, 28), date(2020, 2, 28))),
        ("Jan-21", "month", ("%b-%y",), False, (date(2021, 1, 1), date(2021, 1, 31))),
        ("31/01/2021", "week", ("%d/%m/%Y",), True, (date(2021, 1, 25), date(2021, 1, 31))),
        ("31/03/2021", "financial_year", ("%d/%m/%Y", "%Y-%m-%d"), False, (date(2020, 4, 1), date(2021, 3, 31))),
        ("2021-05-31", "quarter", ("%d/%m/%Y", "%Y-%m-%d"), False, (date(2021, 4, 1), date(2021, 6, 30))),
        ("01/02/2020", "day", ("%d/%m/%Y", "%m/%d/%Y"), False, None),
        ("03/03/2020", "day", ("%d/%m/%Y", "%m/%d/%Y"), False, (date(2020, 3, 3), date(2020, 3, 3))),
        ("2020-02-28", "day", ("%d/%m/%Y",), False, None),
    ],
)
def test_date_is_read_in_a_declared_format_and_refused_where_two_differ(
    text: str, kind: Any, formats: tuple[str, ...], ends: bool, span: Any
) -> None:
    assert parse_period(text, kind, formats, ends) == span


UNDATED = "columns: {place: code}\nmeasures: {stock: {title: s, unit: i, kind: stock, column: stock}}\n"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("period_kind: month\nperiod: '(?P<period>[A-Z][a-z]+-\\d{4})'\n", "MSitRep-January-2020-x.csv"),
        ("period_kind: month\nperiod: '^Period: (?P<period>.*)'\n", "a.csv"),
        (
            "period: {start: 1999-01-01, end: 1999-12-31}\n"
            "releases: [{file: starter/b.csv, released: 2024-01-01, period: {start: 2020-01-01, end: 2020-01-31}}]\n",
            "b.csv",
        ),
    ],
    ids=["name", "preamble", "release"],
)
def test_period_of_a_file_comes_from_its_name_preamble_or_declaration(text: str, file: str) -> None:
    read = cells(source(text, UNDATED), b"Period:,January 2020,\n" + LINES.encode(), file)
    assert read["period_start"].unique().to_list() == [date(2020, 1, 1)]
    assert read["period_end"].unique().to_list() == [date(2020, 1, 31)]


@pytest.mark.parametrize("file", ["stock.csv", "January-2020-February-2020.csv", "Smarch-2020.csv"])
def test_file_name_without_exactly_one_period_is_refused(file: str) -> None:
    declared = source("period_kind: month\nperiod: '(?P<period>[A-Z][a-z]+-\\d{4})'\n", UNDATED)
    with pytest.raises(UnreadableError, match=r"in the file name .*; expected one month"):
        cells(declared, LINES.encode(), file)


WIDE = b"code,Female 2021,Male 2021,Female 2022 (r),Change\nE09000024,3,4,5,x\n"
BY_SEX = (
    "measures: {women: {title: w, unit: i, kind: stock, column: Female}, "
    "men: {title: m, unit: i, kind: stock, column: Male}}\nmarkers: {r: revised}\n"
)
HEADING = "columns: {place: code}\nheading_pattern: '(?P<measure>Female|Male) (?P<period>\\d{4}.*)'\n"


def test_headings_with_measure_and_period_are_split() -> None:
    read = cells(source(HEADING + "skip_columns: [Change]\n", BY_SEX), WIDE)
    figures = read.select("measure", pl.col("period_start").dt.year(), "value", "obs_status").rows()
    assert figures == [("men", 2021, 4.0, "normal"), ("women", 2021, 3.0, "normal"), ("women", 2022, 5.0, "revised")]
    with pytest.raises(UnreadableError, match="found headings 'Change'; expected each to match heading"):
        cells(source(HEADING, BY_SEX), WIDE)


MARKED = [
    ("1,234 (r)", 1234.0, "revised", "(r)"),
    ("12 [note 3]", 12.0, "normal", "[note 3]"),
    ("[c]", None, "confidential", "[c]"),
    ("[c] [note 3]", None, "confidential", "[c]"),
    ("1\u00a0234", 1234.0, "normal", None),
    ("'7", 7.0, "normal", None),
    ("-1,234.5", -1234.5, "normal", None),
    ("", None, "not_available", None),
]


@pytest.mark.parametrize(("text", "value", "status", "marker"), MARKED)
def test_footnote_mark_after_a_figure_becomes_its_marker(text: str, value: float, status: str, marker: str) -> None:
    declared = source(
        "footnotes: '\\[note \\d+\\]|\\(\\w\\)'\nmarkers: {r: revised, '[c]': confidential}\n",
        PLAIN.replace("place: code", "label: name").replace("kind: stock", "kind: stock, range: [-10000, 10000]"),
    )
    content = f'name [note 1],year,stock\nCornwall [note 3],2023 (p),"{text}"\n'
    (row,) = cells(declared, content.encode()).to_dicts()
    assert (row["place_code"], row["value"], row["obs_status"], row["published_marker"]) == (
        "E06000052",
        value,
        status,
        marker,
    )
    assert (row["fault"], row["place_label"]) == (None, "Cornwall [note 3]")


@pytest.mark.parametrize(("mark", "status"), [("z", "not_applicable"), ("c", "confidential"), ("", "not_available")])
def test_blank_figure_takes_the_status_of_its_row(mark: str, status: str) -> None:
    declared = source("markers: {z: not_applicable, c: confidential}\n", PLAIN.replace("year}", "year, status: flag}"))
    (row,) = cells(declared, f"code,year,stock,flag\nE09000024,2023,,{mark}\n".encode()).to_dicts()
    assert (row["value"], row["obs_status"], row["fault"]) == (None, status, None)


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,5", "comma", 1.5), ("1.234,5", "comma", 1234.5), ("1.234", "comma", 1234.0), ("1.5", "comma", None),
        ("1,5", "point", None), ("1,234", "point", 1234.0), ("12,34", "point", None),
        ("1,234,567.8", "point", 1234567.8), ("1,2345", "point", None), ("1 234", "point", None),
        ("12%", "point", None), ("1e400", "point", None),
    ],
)  # fmt: skip
def test_comma_that_groups_nothing_is_not_part_of_a_number(text: str, decimal: str, value: float | None) -> None:
    (row,) = cells(source(f"decimal: {decimal}\n"), f'code,year,stock\nE09000024,2023,"{text}"\n'.encode()).to_dicts()
    assert (row["value"], row["fault"]) == (value, None if value is not None else "unreadable")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b'""'])
def test_text_file_without_rows_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"a\.file: found (an empty file|no rows|columns none)"):
        cells(source(""), content)


def test_row_with_more_fields_than_headings_is_a_finding() -> None:
    read = cells(source(""), (LINES + "E06000052,Cornwall, and Scilly,2023,9\n").encode())
    (row,) = read.filter(pl.col("fault").is_not_null()).to_dicts()
    assert (row["fault"], row["file_row"]) == ("unreadable", 4)
    assert "more fields than headings" in row["fault_evidence"]


def test_declared_footnotes_are_excluded_and_counted() -> None:
    declared = source('skip_rows: ["Source*", "1. *"]\n')
    content = (LINES + "Source: us,,\n1. See notes,,\n").encode()
    assert values(declared, content) == SAME
    assert left_out(declared, content).skipped_rows == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sheet: A\n", "sheet is for format excel"),
        ("format: json\nheader_rows: 2\n", "are for format csv, excel or ods"),
        ("header_rows: 0\n", "header_rows: 0 needs headings"),
        ("headings: [a, b, a]\n", "found 'a' twice"),
        ("header_rows: 0\nheadings: [a, b]\n", "headings: 'code' is missing"),
        ("heading_pattern: x\n", "needs a group"),
        ("footnotes: '['\n", "footnotes: expected a regular expression"),
        ("footnotes: '(?=x)'\n", "footnotes: expected a regular expression"),
        ("skip_columns: [x]\n", "skip_columns is for a column for each period or place"),
        ("period: x\n", "period: expected a group"),
        ("period: '['\n", "period: expected a regular expression"),
        ("period: {start: 2020-01-01}\n", "period: end is missing; Last day"),
        ("period: {start: 2020-01-01, end: 2020-01-31, last: x}\n", "period.last: unknown key"),
        ("period: 7\n", "period: Input should be a valid dictionary or instance of Period"),
        ("period_format: soon\n", "expected a format such as"),
        ("period_kind: week\nperiod_format: '%Y-W%W'\n", "'%Y-W%W' cannot state a week"),
        ("period_kind: [year, month]\nperiod_format: '%Y'\n", "period_format is for one kind of period"),
        ("period_kind: []\n", "at least 1 item"),
        ("format: docx\n", "'csv', 'excel', 'ods', 'json', 'jsonstat' or 'parquet'"),
    ],
)  # fmt: skip
def test_incompatible_keys_are_refused_with_file_and_line(text: str, complaint: str) -> None:
    with pytest.raises(DeclarationError, match=complaint) as refusal:
        source(text)
    assert str(refusal.value).startswith("sources/a.yaml:")


@pytest.mark.parametrize("encode", [False, True])
def test_parquet_dictionary_is_read_as_the_texts_of_its_rows(
    encode: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rows = tmp_path / "a.parquet", 9_000
    many = pl.DataFrame(
        {
            "place": [f" p{n // 4_000}{n % 7}" if n % 11 else None for n in range(rows)],
            "own": [f"text {n}" for n in range(rows)],
            "n": range(rows),
        }
    )
    many.write_parquet(path, row_group_size=4_000)
    asked = []
    opened = parquet.ParquetFile
    monkeypatch.setattr(parquet, "ParquetFile", lambda *given, **more: asked.append(more) or opened(*given, **more))
    frames = []
    for least in (parquet_reader.BYTES_OF_AN_ENTRY, 0):
        monkeypatch.setattr(parquet_reader, "BYTES_OF_AN_ENTRY", least)
        frames.append(read_parquet(path.read_bytes(), [("place",)], "a.parquet", encode=encode).frame)
    assert [more for more in asked if more] == [{"read_dictionary": ["place"]}]
    assert frames[0].equals(frames[1]) and frames[0].schema == frames[1].schema
    assert frames[0]["place"].to_list() == [(text or "").strip() for text in many["place"]]


@pytest.mark.parametrize("encode", [False, True])
def test_parquet_columns_of_few_texts_read_as_their_text(encode: bool, tmp_path: Path) -> None:
    many = pl.DataFrame(
        {
            " place": [" a", "b\x01 ", None] * 20,
            "kind": pl.Series(["x", "y", "x"] * 20, dtype=pl.Categorical),
            "n": [1, None, -3] * 20,
            "f": [1.5, None, 1e16] * 20,
            "own": [f" t{n}" for n in range(60)],
        }
    )
    many.write_parquet(tmp_path / "a.parquet")
    frame = read_parquet((tmp_path / "a.parquet").read_bytes(), [("place",)], "a.parquet", encode=encode).frame
    one = many.head(3).select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    expected = {name: one[name].to_list() for name in one.columns} | {" place": ["a", "b\\x01", ""]}
    assert {name: frame[name].head(3).to_list() for name in expected} == expected
    assert frame["_row"].to_list() == list(range(1, 61))
    assert (frame[" place"].dtype == pl.Categorical) == encode and frame["own"].dtype == pl.String
