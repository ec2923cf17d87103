"""Spreadsheet and CSV metadata: accessibility guidance and W3C rules, checked on the written bytes."""

import csv
import gc
import io
import json
import re
import zipfile
from datetime import date

import polars as pl
import pytest

from pipelines.outputs import report as report_module
from pipelines.outputs import workbook
from pipelines.outputs.csvw import build_csv_metadata
from pipelines.outputs.report import cells_csv, credited_cells
from pipelines.outputs.spreadsheet import answers_table, build_sheets, build_spreadsheet, escape_text, figures_table
from pipelines.outputs.workbook import count_lines
from tests.report_sample import FORMULA, HARM, MEASURES, of_estimates, sample

SHEETS = ["Cover", "Contents", "Notes", "Answers", "Figures", "Gaps", "Reasons", "Sources"]


@pytest.fixture(scope="module", params=["latest", "month"])
def content(request: pytest.FixtureRequest) -> bytes:
    return build_spreadsheet(sample(request.param))


def parts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_spreadsheet_has_cover_contents_notes_and_one_table_per_sheet(content: bytes) -> None:
    files = parts(content)
    assert re.findall(r'<sheet name="([^"]+)"', files["xl/workbook.xml"]) == SHEETS
    tables = [name for name in files if name.startswith("xl/tables/")]
    # Every sheet except the cover has one marked table with a unique name.
    assert len(tables) == len(SHEETS) - 1
    assert len({re.search(r'displayName="([^"]+)"', files[name])[1] for name in tables}) == len(tables)  # type: ignore[index]
    assert all(text.count("<tablePart ") <= 1 for name, text in files.items() if "worksheets/sheet" in name)


def test_no_cell_is_merged_or_blank_or_a_formula(content: bytes) -> None:
    for name, text in parts(content).items():
        if "worksheets/sheet" in name:
            assert "<mergeCell" not in text and "<f>" not in text
    for name in SHEETS[3:]:
        table = pl.read_excel(content, sheet_name=name, has_header=False, infer_schema_length=0)
        start = next(n for n, row in enumerate(table.iter_rows()) if all(row))
        assert all(cell not in (None, "") for row in table.slice(start).iter_rows() for cell in row), name


def test_malicious_name_is_text_and_not_a_link(content: bytes) -> None:
    files = parts(content)
    strings = files["xl/sharedStrings.xml"]
    assert "=cmd()" in strings and "&lt;script&gt;" in strings and HARM not in strings
    links = [name for name in files if name.endswith(".rels") and "hyperlink" in files[name]]
    assert all("javascript" not in files[name] for name in links)
    assert escape_text("[a](javascript:alert(1)) $$x$$\x07") == "[a] - (javascript:alert(1)) $ $x$ $ "


def test_missing_figure_is_shorthand_and_never_zero_or_blank() -> None:
    report = sample()
    table = figures_table(report)
    figures = [name for name in table.columns[2:] if not name.endswith(": reference period")]
    assert figures == [f"{m.title} ({m.unit})" for m in MEASURES.values()]
    households = dict(zip(table["Place code"], table["Households (households)"].to_list(), strict=True))
    assert households == {"E06000001": 0.0, "E06000002": "[c]", "E07000008": 0.0, "E09000001": "[c]", "W06000001": 0.0}
    assert set(table["Unfilled vacancies (vacancies)"].to_list()) == {"[x]"}


def test_figure_of_another_period_than_its_row_has_a_period_column() -> None:
    report = sample("month")
    of_its_row = [pl.col(f"period_{end}").alias(f"reference_{end}") for end in ("start", "end")]
    same = report._replace(cells=report.cells.with_columns(of_its_row))
    other = (pl.col("measure") == "households") & (pl.col("place_code") == "E06000001")
    dates = {"start": date(2025, 1, 1), "end": date(2025, 12, 31)}
    older = [pl.when(other).then(pl.lit(day)).otherwise(f"reference_{end}").alias(f"reference_{end}")
             for end, day in dates.items()]  # fmt: skip
    carried = same._replace(cells=same.cells.with_columns(older))
    plain, table = figures_table(same), figures_table(carried)
    column = "Households (households): reference period"
    assert [name for name in table.columns if name not in plain.columns] == [column]
    assert table.columns.index(column) == table.columns.index("Households (households)") + 1
    assert set(zip(table["Place code"], table[column], strict=True)) >= {("E06000001", "2025"), ("E06000002", "[x]")}
    notes = next(item.notes for item in build_sheets(carried) if item.name == "Figures")
    assert [table.columns[place] for place in notes] == [f"{item.title} ({item.unit})" for item in MEASURES.values()]


def test_figures_stay_numeric_in_columns_with_shorthand() -> None:
    table = pl.read_excel(build_spreadsheet(sample()), sheet_name="Figures", has_header=False, infer_schema_length=0)
    rows = {row[0]: row for row in table.iter_rows() if row[0] in ("E06000001", "E06000002")}
    assert rows["E06000001"][2:6] == ("2.5", "2025", "0", "2025") and rows["E06000002"][4] == "[c]"
    text = parts(build_spreadsheet(sample()))
    figures = next(t for n, t in text.items() if n.endswith("sheet5.xml"))
    assert re.search(r"<c r=\"C\d+\"[^>]*><v>2\.5</v>", figures)


def test_each_sheet_has_each_cell_once_and_counts_its_texts(content: bytes) -> None:
    files = parts(content)
    sheets = {name: text for name, text in files.items() if "worksheets/sheet" in name and not name.endswith(".rels")}
    texts = 0
    for name, text in sheets.items():
        cells = re.findall(r'<c r="([A-Z]+)(\d+)"', text)
        assert len(cells) == len(set(cells)), name
        rows = [int(number) for number in re.findall(r'<row r="(\d+)"', text)]
        assert rows == sorted(set(rows)) and {int(number) for _, number in cells} == set(rows), name
        texts += text.count(' t="s">')
    count, distinct = map(int, re.findall(r'ount="(\d+)"', files["xl/sharedStrings.xml"]))
    # The library counts a text again that a link replaced: one on the contents for each sheet with figures.
    assert (count, distinct) == (texts + len(SHEETS[3:]), files["xl/sharedStrings.xml"].count("<si>"))


def test_every_sheet_prints_across_one_page_wide_with_its_headings(content: bytes) -> None:
    files = parts(content)
    sheets = [text for name, text in files.items() if "worksheets/sheet" in name]
    assert all('orientation="landscape"' in text and 'fitToHeight="0"' in text for text in sheets)
    assert files["xl/workbook.xml"].count("_xlnm.Print_Titles") == len(SHEETS) - 1


@pytest.mark.parametrize(
    ("text", "width", "lines"), [("", 10, 1), ("one two", 10, 1), ("one two three", 10, 2), ("a\nb", 10, 2)]
)
def test_height_of_a_row_fits_its_lines(text: str, width: float, lines: int) -> None:
    assert count_lines(text, width) == lines


def test_reason_of_a_verdict_has_titles_and_no_names_of_columns() -> None:
    reasons = answers_table(sample())["Reason"]
    assert not reasons.str.contains("households: ").any()
    assert reasons.str.contains("Households: ").any()


def test_same_report_gives_the_same_bytes() -> None:
    assert build_spreadsheet(sample()) == build_spreadsheet(sample())


def test_blocks_of_rows_give_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    report = sample("month")
    whole = build_spreadsheet(report), cells_csv(credited_cells(report))
    for room, name in ((workbook, "_BLOCK_ROWS"), (report_module, "CSV_ROWS")):
        assert getattr(room, name) > report.cells.height > 2
        monkeypatch.setattr(room, name, 2)
    assert (build_spreadsheet(report), cells_csv(credited_cells(report))) == whole


def test_finished_spreadsheet_leaves_no_sheets_in_memory() -> None:
    def count_sheets() -> int:
        return sum(str(type(one).__module__).startswith("xlsxwriter.") for one in gc.get_objects())

    gc.collect()
    before = count_sheets()
    gc.disable()
    try:
        assert build_spreadsheet(sample())
        assert count_sheets() == before
    finally:
        gc.enable()


def test_problem_without_gaps_has_a_spreadsheet() -> None:
    report = sample()
    known = pl.lit(None, pl.String).alias("reason"), pl.lit(1.0).alias("value")
    assert (
        "Gaps" in parts(build_spreadsheet(report._replace(cells=report.cells.with_columns(known))))["xl/workbook.xml"]
    )


def test_every_column_of_the_csv_is_described_with_its_type() -> None:
    report = sample("month")
    result = json.loads(build_csv_metadata(report))
    assert result["@context"] == ["http://www.w3.org/ns/csvw", {"@language": "en"}] and result["url"] == "sample.csv"
    columns = result["tableSchema"]["columns"]
    rows = list(csv.DictReader(io.StringIO(cells_csv(credited_cells(report)).decode())))
    assert [column["titles"] for column in columns] == list(rows[0])
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column["name"]) for column in columns)
    assert all(column["dc:description"] for column in columns)
    assert result["tableSchema"]["primaryKey"] == "cell_id" and len({row["cell_id"] for row in rows}) == len(rows)
    for column in columns:
        for row in rows:
            read(row[column["titles"]], column)


def test_estimate_has_interval_columns() -> None:
    table = figures_table(of_estimates())
    head = next(n for n, name in enumerate(table.columns) if name.startswith("Claimant rate (%"))
    assert table.columns[head + 1 : head + 3] == [
        "Claimant rate, 95 % interval, lower (%)", "Claimant rate, 95 % interval, upper (%)",
    ]  # fmt: skip
    assert table.row(0)[head : head + 3] == (2.5, 1.75, 3.25)
    notes = build_sheets(of_estimates())[1].notes
    assert len(notes) == 3 and notes[head] == 1 and head + 1 not in notes


def read(text: str, column: dict[str, object]) -> object:
    """Convert a cell to its declared type. A required column is never empty."""
    if text == "":
        assert not column["required"], column["name"]
        return None
    kind = column["datatype"]
    if isinstance(kind, dict):
        assert kind == {"base": "date", "format": "yyyy-MM-dd"}
        return date.fromisoformat(text)
    assert kind in ("string", "number", "integer", "boolean")
    return float(text) if kind in ("number", "integer") else text


def test_malicious_owner_is_text_in_the_metadata() -> None:
    report = sample()
    header = report.header.model_copy(update={"owner": FORMULA + HARM})
    assert json.loads(build_csv_metadata(report._replace(header=header)))["dc:creator"].endswith(FORMULA + HARM)
