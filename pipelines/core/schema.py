"""Conformed tables: each column with its type and meaning.

Storage, the analyst's file, the docs and the checks all use these definitions.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

Status = Literal[
    "normal",
    "revised",
    "provisional",
    "estimated",
    "forecast",
    "break",
    "unreliable",
    "low",
    "confidential",
    "not_available",
    "not_applicable",
]
"""Observation status of a published figure, in order from best to worst."""

STATUSES: tuple[str, ...] = get_args(Status)

# GSS symbols: Government Analysis Function, "Using symbols in tables"; SDMX: CL_OBS_STATUS / CL_CONF_STATUS.
STATUS_SYMBOLS: dict[str, tuple[str, str]] = {
    "normal": ("", "A"),
    "revised": ("[r]", "R"),
    "provisional": ("[p]", "P"),
    "estimated": ("[e]", "E"),
    "forecast": ("[f]", "F"),
    "break": ("[b]", "B"),
    "unreliable": ("[u]", "U"),
    "low": ("[low]", "L"),
    "confidential": ("[c]", "C"),
    "not_available": ("[x]", "M"),
    "not_applicable": ("[z]", "Z"),
}

VALUELESS: frozenset[str] = frozenset({"low", "confidential", "not_available", "not_applicable"})
"""Statuses under which a published cell has no figure."""

Basis = Literal["observed", "recoded", "moved_land", "merged", "aggregated", "apportioned", "rate_averaged"]
"""How a value for a place was derived from published figures."""


class Column(NamedTuple):
    """A column of a conformed table."""

    dtype: pl.DataType | type[pl.DataType]
    meaning: str


TEXT = pl.String
DATE = pl.Date
NUMBER = pl.Float64
WHOLE = pl.Int64

OBSERVATION: dict[str, Column] = {
    "source": Column(TEXT, "Name of the source declaration the cell was read by"),
    "release": Column(TEXT, "sha256 of the published file the cell was read from"),
    "released_at": Column(DATE, "Day the publisher released that file"),
    "measure": Column(TEXT, "Name of the measure, unique across sources"),
    "place_code": Column(TEXT, "Code of the place; codes joined by + where places were published together"),
    "place_system": Column(TEXT, "Place system of the code: kind and vintage"),
    "place_label": Column(TEXT, "The place as the publisher wrote it"),
    "period_start": Column(DATE, "First day of the period measured"),
    "period_end": Column(DATE, "Last day of the period measured; equals the first for a point in time"),
    "value": Column(NUMBER, "The figure in the measure's unit; null where the publisher gave none"),
    "low": Column(NUMBER, "Least the true figure can be, given rounding or the suppression rule"),
    "high": Column(NUMBER, "Most the true figure can be; for an estimate neither is known"),
    "likely_low": Column(NUMBER, "Lower limit that the publisher gives of an estimate; null where it gives none"),
    "likely_high": Column(NUMBER, "Upper limit that the publisher gives of it"),
    "likely_level": Column(NUMBER, "How often, in %, such limits hold the true figure, as the publisher says"),
    "likely_source": Column(TEXT, "published, where the publisher gives limits; else null"),
    "status": Column(TEXT, "What the publisher says of the figure; one of the closed set of statuses"),
    "marker": Column(TEXT, "The publisher's own marker, as printed; null where none"),
    "unit": Column(TEXT, "Unit of the figure"),
    "caveats": Column(TEXT, "Reasons to be careful with this very figure, comma separated; null where none"),
    "caveat_evidence": Column(TEXT, "What the caveats rest on: who said so, when, and where that can be read"),
    "file": Column(TEXT, "Name of the published file, with the member or sheet inside it"),
    "file_row": Column(WHOLE, "Row of the file, counted from 1 with the header"),
    "file_column": Column(TEXT, "Heading of the column of the file"),
}

PLACE: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place (GSS)"),
    "place_name": Column(TEXT, "Name in the official register, in English"),
    "place_name_welsh": Column(TEXT, "Name in Welsh, where the register has one"),
    "kind": Column(TEXT, "Kind of place: lad, region, nation"),
    "nation": Column(TEXT, "Nation of the United Kingdom"),
    "parent_code": Column(TEXT, "Code of the place that the register puts it in: a county, a region, an NHS region"),
    "region_code": Column(TEXT, "Code of the region of England; null elsewhere"),
    "region": Column(TEXT, "Region of England, or the nation elsewhere"),
    "valid_from": Column(DATE, "First day on which the code was in use"),
    "valid_to": Column(DATE, "Last day on which the code was in use; null while it is"),
}

CHANGE: dict[str, Column] = {
    "from_code": Column(TEXT, "Code before the change"),
    "to_code": Column(TEXT, "Code after the change"),
    "kind": Column(
        TEXT, "recoded (same land), moved_land (same place, its boundary moved) or merged (several into one)"
    ),
    "changed_on": Column(DATE, "Day the change took effect"),
    "authority": Column(TEXT, "Order or notice that made the change"),
}

CELL: dict[str, Column] = {
    "cell_id": Column(TEXT, "Stable name of the cell: problem, measure, place and period"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed, or wanted: asked for although no source is known to give it"),
    "measure": Column(TEXT, "Measure asked for"),
    "place_code": Column(TEXT, "Code of the place in the problem's place system"),
    "place_name": Column(TEXT, "Name of the place"),
    "nation": Column(TEXT, "Nation of the place"),
    "period_start": Column(DATE, "First day of the period the problem asks about"),
    "period_end": Column(DATE, "Last day of the period the problem asks about"),
    "value": Column(NUMBER, "The figure in the measure's unit; null if and only if there is a reason"),
    "low": Column(
        NUMBER, "Least the true figure can be, where that is sure: never for an estimate; also given for some gaps"
    ),
    "high": Column(
        NUMBER, "Most the true figure can be, where that is sure: never for an estimate; also given for some gaps"
    ),
    "likely_low": Column(
        NUMBER, "Lower end of the interval that holds the true figure as often as `likely_level` says"
    ),
    "likely_high": Column(NUMBER, "Upper end of it"),
    "likely_level": Column(NUMBER, "How often, in %, such an interval holds the true figure"),
    "likely_source": Column(
        TEXT,
        "published: the publisher's limits of an estimate; back-tests: of a figure that was shared out, and the figure "
        "itself where no place was cut",
    ),
    "unit": Column(TEXT, "Unit of the figure"),
    "status": Column(TEXT, "Worst status among the published figures behind the value"),
    "marker": Column(TEXT, "Publisher's markers behind the cell, as printed"),
    "basis": Column(
        TEXT,
        "How the value came to this place: observed, recoded, moved_land, merged, aggregated, apportioned (shared out "
        "by people) or rate_averaged",
    ),
    "coverage": Column(NUMBER, "Share of the place that was observed, 0 to 1; null where it cannot be told"),
    "split_share": Column(NUMBER, "Share of the value that rests on places cut by a boundary"),
    "reason": Column(TEXT, "Why there is no value: one of the closed set of reasons; null where there is one"),
    "reasons_also": Column(TEXT, "Further reasons that hold as well, comma separated"),
    "caveats": Column(TEXT, "Reasons to be careful with a value that is present, comma separated"),
    "stand_in": Column(TEXT, "Measure whose figure stands in for this one; the need is still open"),
    "severity": Column(TEXT, "info: expected; warn: to be followed up; error: something is broken"),
    "evidence": Column(TEXT, "What was compared with what to come to the reason or the caveat"),
    "holder": Column(TEXT, "Who could close the gap"),
    "remedy": Column(TEXT, "How the gap could be closed"),
    "source": Column(TEXT, "Source of the value, or the one that was expected to have it"),
    "release": Column(TEXT, "sha256 of the file behind the value"),
    "released_at": Column(DATE, "Day that file was released"),
    "value_start": Column(DATE, "First day of the period that the value measures"),
    "value_end": Column(DATE, "Last day of the period that the value measures"),
    "parts": Column(TEXT, "Codes of the published places behind the cell, comma separated"),
    "file": Column(TEXT, "Published file the cell was read from"),
    "file_rows": Column(TEXT, "Rows of that file, comma separated"),
    "file_column": Column(TEXT, "Heading of the column of that file"),
}

FINDING: dict[str, Column] = {
    "source": Column(TEXT, "Source the finding is about"),
    "release": Column(TEXT, "sha256 of the file it was found in; null where there is no file"),
    "check": Column(TEXT, "Check that found it"),
    "reason": Column(TEXT, "Kind of gap or fault: one of the closed set of reasons"),
    "severity": Column(TEXT, "info: expected; warn: to be followed up; error: something is broken"),
    "measure": Column(TEXT, "Measure concerned; null where all are"),
    "place_code": Column(TEXT, "Code of the place concerned, where known"),
    "place_label": Column(TEXT, "The place as the publisher wrote it"),
    "period_start": Column(DATE, "First day of the period concerned"),
    "period_end": Column(DATE, "Last day of the period concerned"),
    "rows": Column(WHOLE, "How many rows of the file the finding stands for"),
    "mass": Column(NUMBER, "Sum of the figures concerned, in the measure's unit; null where there is none"),
    "set_aside": Column(pl.Boolean, "True where the rows were left out of the observations"),
    "evidence": Column(TEXT, "What was found, and where"),
    "holder": Column(TEXT, "Who could put it right"),
    "remedy": Column(TEXT, "How it could be put right"),
    "file": Column(TEXT, "File, and row and column where known"),
}


def dtypes(columns: Mapping[str, Column]) -> pl.Schema:
    """Return the Polars schema of a conformed table."""
    return pl.Schema({name: column.dtype for name, column in columns.items()})


def empty(columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return a conformed table with no rows."""
    return pl.DataFrame(schema=dtypes(columns))


def conformed(frame: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Select the columns of a conformed table and cast their types; columns that the frame lacks are null."""
    have = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(column.dtype).alias(name)
        for name, column in columns.items()
    )


def rows(records: list[dict[str, Any]], columns: Mapping[str, Column]) -> pl.DataFrame:
    """Build a conformed table from records; keys that a record lacks are null."""
    if not records:
        return empty(columns)
    return pl.DataFrame(
        [{name: record.get(name) for name in columns} for record in records],
        schema=dtypes(columns),
        orient="row",
    )
