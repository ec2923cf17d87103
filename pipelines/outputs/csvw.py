"""Metadata of a problem's CSV, as the W3C's CSV on the Web asks for it: every column, its type and its meaning."""

import json
from typing import Any

import polars as pl

from pipelines.core.schema import CELL_COLUMNS, Column
from pipelines.outputs.report_model import Report

CREDIT_COLUMNS: dict[str, Column] = {
    "measure_title": Column(pl.String, "What the measure counts, in plain words"),
    "publisher": Column(pl.String, "Body that publishes the figure"),
    "licence": Column(pl.String, "Licence that the figure is published under"),
    "page": Column(pl.String, "Page a person can read about the source on"),
    "attribution": Column(pl.String, "Attribution that the licence asks for"),
}
"""Columns that the CSV has beside those of schema.CELL_COLUMNS."""
REQUIRED_COLUMNS = frozenset(
    {"cell_id", "problem", "need", "measure", "place_code", "place_name", "period_start", "period_end"}
)
"""Columns that are never empty."""


def build_csv_metadata(report: Report) -> str:
    """Write the metadata of `<problem>.csv` (Metadata Vocabulary for Tabular Data, W3C, 17 December 2015)."""
    content = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": f"{report.problem}.csv",
        "dc:title": report.header.question,
        "dc:description": "Every place, period and measure that the question needs: a value, or a reason why there is "
        "none. An empty value is not a nought. Text that a spreadsheet would run as a formula begins with '.",
        "dc:creator": f"Commonground {report.version}, for the {report.header.owner}",
        "dc:issued": {"@value": report.as_of.isoformat(), "@type": "date"},
        "dialect": {"encoding": "utf-8", "delimiter": ",", "quoteChar": '"', "header": True},
        "tableSchema": {
            "columns": [_describe_column(name, column) for name, column in {**CELL_COLUMNS, **CREDIT_COLUMNS}.items()],
            "primaryKey": "cell_id",
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _describe_column(name: str, column: Column) -> dict[str, Any]:
    return {
        "name": name, "titles": name, "datatype": _csvw_datatype(column), "required": name in REQUIRED_COLUMNS,
        "dc:description": column.meaning,
    }  # fmt: skip


def _csvw_datatype(column: Column) -> str | dict[str, str]:
    """Name the type as CSV on the Web does."""
    dtype = pl.DataType.from_python(column.dtype) if isinstance(column.dtype, str) else column.dtype
    if dtype == pl.Date:
        return {"base": "date", "format": "yyyy-MM-dd"}
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Int64:
        return "integer"
    return "number" if dtype == pl.Float64 else "string"
