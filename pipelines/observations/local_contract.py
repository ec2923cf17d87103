"""Local contracts: the declaration of a source that a person completes, with an example file and a description."""

import csv
import io
from pathlib import Path

import polars as pl

from pipelines.core.errors import DeclarationError
from pipelines.core.store import write_atomically
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.file_format import describe_period_kind
from pipelines.declarations.source import Source

PERIOD_EXAMPLES: dict[PeriodKind, str] = {
    "day": "2026-11-30",
    "week": "2026-W48",
    "month": "2026-11",
    "quarter": "2026 Q4",
    "half_year": "2026 H2",
    "year": "2026",
    "financial_year": "2026-27",
    "academic_year": "2026/27",
    "mid_year": "mid-2026",
    "span": "April 2025 to March 2026",
}
"""Form of a period in a local file, for each kind of period."""

_YAML = """\
title: {title}
publisher: TODO name of the data owner
licence: TODO terms of use
page: TODO web page that describes the data
# Figures stay out of every output until the data owner releases them: then write access: open.
access: private
cadence: {cadence}, 1 month later
geography: {places}
columns: {{place: place_code, label: place_name, period: period}}
period_kind: {kind}
measures:
  {name}:
    # kind: count or stock if it adds over places; index if it must not be apportioned.
    {{title: {title}, unit: TODO unit, kind: index, column: value}}
markers:
  "*": {{status: confidential, lower_bound: 1, upper_bound: 4}}
  "..": not_available
"""

_CADENCE = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly", "year": "annual"}


def contract_yaml(name: str, kind: PeriodKind, places: str) -> str:
    """Write the declaration of a local source for a person to complete."""
    title = name.replace("_", " ").capitalize()
    return _YAML.format(name=name, title=title, kind=kind, places=places, cadence=_CADENCE[kind])


def example_rows(source: Source, places: pl.DataFrame) -> list[list[str]]:
    """Return an example of a file: its headings, and a row for each of some real places, with each marker once."""
    columns = source.columns
    if not columns or source.layout != "long" or source.headings:
        raise DeclarationError("found another layout; expected a long file with its own columns to make an example of")
    period = PERIOD_EXAMPLES[source.period_kind[0]]
    headings = [names[0] for names in (columns.place, columns.label, columns.period, columns.status) if names]
    headings += [measure.column[0] for measure in source.measures.values()]
    marks = ["12", *(text for text in source.markers if text)]
    rows = []
    for mark, (code, name) in zip(marks, places.select("place_code", "place_name").iter_rows(), strict=False):
        values = {columns.place: code, columns.label: name, columns.period: period, columns.status: ""}
        own = [values[names] for names in (columns.place, columns.label, columns.period, columns.status) if names]
        rows.append([*own, *(mark for _ in source.measures)])
    return [headings, *rows]


def format_csv(rows: list[list[str]]) -> str:
    """Write rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def describe_columns(source: Source) -> list[tuple[str, str]]:
    """Describe the content of each column of a file."""
    columns = source.columns
    if not columns:
        return []
    example = PERIOD_EXAMPLES[source.period_kind[0]]
    descriptions = [
        (columns.place, f"Code of the place in {source.geography}, such as E09000024"),
        (columns.label, "Name of the place"),
        (columns.period, f"The {describe_period_kind(source)}, such as {example}"),
        (columns.status, "One of the markers below, or blank"),
    ]
    signs = "; ".join(f"{text} for {mark.status.replace('_', ' ')}" for text, mark in source.markers.items() if text)
    figures = []
    for measure in source.measures.values():
        limits = f" from {measure.range[0]:g} to {measure.range[1]:g}" if measure.range else ""
        text = f"{measure.title}, in {measure.unit}: a number{limits}{', or ' + signs if signs else ''}"
        figures.append((measure.column[0], text))
    return [(names[0], text) for names, text in descriptions if names] + figures


def write_new_declaration(path: Path, text: str) -> None:
    """Write a new declaration, and refuse to overwrite an existing one."""
    if path.exists():
        raise DeclarationError(f"{path}: already exists; choose another name or edit the file")
    write_atomically(path, text.encode())
