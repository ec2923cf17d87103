"""Metadata for a problem's CSV file in the W3C CSV on the Web format: every column with its type and meaning."""

import json
from typing import Any

import polars as pl

from pipelines.core.schema import CELL_COLUMNS, Column
from pipelines.outputs.report_model import Report
from pipelines.outputs.report_summary import newest_release_day

CREDIT_COLUMNS: dict[str, Column] = {
    "measure_title": Column(pl.String, "Title of the measure"),
    "publisher": Column(pl.String, "Publisher of the figure"),
    "licence": Column(pl.String, "Licence of the figure"),
    "page": Column(pl.String, "Web page about the source"),
    "attribution": Column(pl.String, "Attribution required by the licence"),
}
"""Columns that the CSV has in addition to schema.CELL_COLUMNS."""
REQUIRED_COLUMNS = frozenset(
    {"cell_id", "problem", "need", "measure", "place_code", "place_name", "period_start", "period_end"}
)
"""Columns without empty values."""


def build_csv_metadata(report: Report, ending: str = "csv", place: str = "place") -> str:
    """Return the metadata of a CSV file of a problem as JSON.

    The form is the Metadata Vocabulary for Tabular Data (W3C, 17 December 2015).
    """
    content = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": f"{report.problem}.{ending}",
        "dc:title": report.header.question,
        "dc:description": f"Every {place}, period and measure that the question needs, with a value or a gap reason. "
        "Cells to which no need applies are left out. An empty value is not zero. Text that a spreadsheet could run as "
        "a formula begins with '.",
        "dc:creator": f"Commonground {report.version}, for the {report.header.owner}",
        **_issue_day(report),
        "dialect": {"encoding": "utf-8", "delimiter": ",", "quoteChar": '"', "header": True},
        "tableSchema": {
            "columns": [_describe_column(name, column) for name, column in {**CELL_COLUMNS, **CREDIT_COLUMNS}.items()],
            "primaryKey": "cell_id",
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _issue_day(report: Report) -> dict[str, Any]:
    """Return the day of the newest release behind the figures, where there is one."""
    day = newest_release_day(report.cells)
    return {"dc:issued": {"@value": day.isoformat(), "@type": "xsd:date"}} if day else {}


def _describe_column(name: str, column: Column) -> dict[str, Any]:
    return {
        "name": name, "titles": name, "datatype": _csvw_datatype(column), "required": name in REQUIRED_COLUMNS,
        "dc:description": column.meaning,
    }  # fmt: skip


def _csvw_datatype(column: Column) -> str | dict[str, str]:
    """Return the CSV on the Web datatype of a column."""
    dtype = pl.DataType.from_python(column.dtype) if isinstance(column.dtype, str) else column.dtype
    if dtype == pl.Date:
        return {"base": "date", "format": "yyyy-MM-dd"}
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Int64:
        return "integer"
    return "number" if dtype == pl.Float64 else "string"
