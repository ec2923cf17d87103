"""`datapackage.json`: every data file with its columns, in the form of Frictionless Data Package."""

import json
from typing import Any

import polars as pl

from pipelines.core.schema import CELL_COLUMNS, Column
from pipelines.declarations.version import project_version
from pipelines.outputs.csvw import CREDIT_COLUMNS, REQUIRED_COLUMNS
from pipelines.outputs.datasets import FILE_KINDS, OGL_ADDRESS, OGL_TEXT, DataFile, Dataset
from pipelines.outputs.open_files import MAP_ROW, TREND_ROW

DATA_PACKAGE, CELLS_SCHEMA = "datapackage.json", "cells.schema.json"
"""Names of the package, and of the columns that the cells of all problems have."""
_TYPES = {pl.Date: "date", pl.Boolean: "boolean", pl.String: "string"}


def data_package_contents(datasets: list[Dataset]) -> list[tuple[str, bytes]]:
    """Return the names and the contents of the package and of the shared columns."""
    package = {
        "profile": "data-package",
        "name": "commonground",
        "title": "Answers to problems about places, with every gap and its reason",
        "description": "Every place, period and measure that each question needs: a value, or a gap with its reason. "
        "An empty value is not zero.",
        "version": project_version().split(" ")[0],
        "licenses": [{"name": "OGL-UK-3.0", "path": OGL_ADDRESS, "title": OGL_TEXT}],
        "sources": _list_sources(datasets),
        "resources": [_describe_file(dataset, file) for dataset in datasets for file in dataset.files],
    }
    cells = _table_schema({**CELL_COLUMNS, **CREDIT_COLUMNS}, REQUIRED_COLUMNS, "cell_id")
    return [(DATA_PACKAGE, _encode(package)), (CELLS_SCHEMA, _encode(cells))]


def _encode(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _list_sources(datasets: list[Dataset]) -> list[dict[str, str]]:
    sources = sorted({source for dataset in datasets for source in dataset.sources})
    return [{"title": f"{publisher}: {title}", "path": page} for title, publisher, page in sources]


def _describe_file(dataset: Dataset, file: DataFile) -> dict[str, Any]:
    """Return the resource of a file; a table of text also has its columns."""
    kind = FILE_KINDS[file.ending]
    resource: dict[str, Any] = {
        "name": file.name.lower().replace(".", "-"), "path": file.name, "title": f"{kind.title}: {dataset.question}",
        "format": kind.format, "mediatype": kind.media_type, "bytes": file.size, "hash": f"sha256:{file.sha256}",
    }  # fmt: skip
    if kind.format == "csv":
        resource |= {"profile": "tabular-data-resource", "encoding": "utf-8", "schema": _schema_of(file)}
    elif file.ending.endswith("view.parquet"):
        columns = {name: Column(dtype, meaning) for name, (dtype, meaning) in dataset.view.items()}
        resource["schema"] = _table_schema(columns, frozenset(), None)
    elif file.ending.endswith("cells.parquet"):
        resource["schema"] = CELLS_SCHEMA
    return resource


def _schema_of(file: DataFile) -> str | dict[str, Any]:
    if file.ending in ("csv", "partnerships.csv"):
        return CELLS_SCHEMA
    return _table_schema(MAP_ROW if file.ending == "map.csv" else TREND_ROW, frozenset(), None)


def _table_schema(columns: dict[str, Column], required: frozenset[str], key: str | None) -> dict[str, Any]:
    fields = [
        {"name": name, "type": _field_type(column), "description": column.meaning,
         **({"constraints": {"required": True}} if name in required else {})}
        for name, column in columns.items()
    ]  # fmt: skip
    return {"fields": fields, "missingValues": [""], **({"primaryKey": key} if key else {})}


def _field_type(column: Column) -> str:
    dtype = column.dtype
    if dtype.is_integer():
        return "integer"
    return next((name for base, name in _TYPES.items() if dtype == base), "number" if dtype.is_numeric() else "any")
