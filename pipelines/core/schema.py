"""Conformed tables: each column with its type and meaning.

Storage, the analyst's file, the docs and the checks all use these definitions.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

ObservationStatus = Literal[
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
NOT_NEEDED = "not_needed"
"""Value of `need` in a cell outside the nations, places or time of its need, or with another measure in its place."""

OBSERVATION_STATUSES: tuple[str, ...] = get_args(ObservationStatus)

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

STATUSES_WITHOUT_VALUE: frozenset[str] = frozenset({"low", "confidential", "not_available", "not_applicable"})
"""Statuses under which a published cell has no figure."""

Derivation = Literal[
    "observed", "recoded", "moved_land", "merged", "aggregated", "apportioned", "rate_averaged", "aggregated_in_time"
]
"""How a value for a place was derived from published figures."""


class Column(NamedTuple):
    """A column of a conformed table."""

    dtype: pl.DataType | type[pl.DataType]
    meaning: str


TEXT = pl.String
DATE = pl.Date
NUMBER = pl.Float64
WHOLE = pl.Int64

OBSERVATION_COLUMNS: dict[str, Column] = {
    "source": Column(TEXT, "Source of the cell"),
    "release": Column(TEXT, "sha256 of the published file"),
    "released_at": Column(DATE, "Day on which the publisher released the file"),
    "measure": Column(TEXT, "Name of the measure, unique across sources"),
    "place_code": Column(TEXT, "Code of the place; codes joined by + where places are published together"),
    "geography": Column(TEXT, "Geography of the code: kind and vintage, such as lad_2023"),
    "place_label": Column(TEXT, "Place as written by the publisher"),
    "period_start": Column(DATE, "First day of the reference period"),
    "period_end": Column(DATE, "Last day of the reference period; equal to the first for a point in time"),
    "value": Column(NUMBER, "Published figure in the measure's unit; null where the publisher gives none"),
    "lower_bound": Column(NUMBER, "Lower bound of the true figure, from rounding or suppression; null for an estimate"),
    "upper_bound": Column(NUMBER, "Upper bound of the true figure; null for an estimate"),
    "interval_lower": Column(NUMBER, "Lower limit of an estimate's published interval; null where none is published"),
    "interval_upper": Column(NUMBER, "Upper limit of the published interval"),
    "interval_level": Column(NUMBER, "Confidence level of the published interval, in %"),
    "interval_source": Column(TEXT, "published where the publisher gives an interval; else null"),
    "obs_status": Column(TEXT, "Observation status, from the closed set"),
    "published_marker": Column(TEXT, "Publisher's marker, as published; null where there is none"),
    "unit": Column(TEXT, "Unit of the figure"),
    "caveats": Column(TEXT, "Caveats on the figure, comma separated; null where there are none"),
    "caveat_evidence": Column(TEXT, "Evidence for the caveats: their author, day and link"),
    "file": Column(TEXT, "Name of the published file, with its member or sheet"),
    "file_row": Column(WHOLE, "Row of the file, counted from 1 including the header"),
    "file_column": Column(TEXT, "Heading of the file's column"),
}

CATEGORY = pl.Categorical()
STATUS = pl.Enum(OBSERVATION_STATUSES)
ENCODED_TEXTS = ("measure", "place_code", "place_label", "published_marker", "file_column")
"""Texts that many figures share. Files and memory have each once, and a number for each figure."""

VALUE_COLUMNS: dict[str, Column] = {
    name: column._replace(dtype=CATEGORY if name in (*ENCODED_TEXTS, "caveats", "caveat_evidence") else column.dtype)
    for name, column in OBSERVATION_COLUMNS.items()
    if name
    not in ("source", "release", "released_at", "geography", "interval_level", "interval_source", "unit", "file")
} | {
    "obs_status": Column(STATUS, OBSERVATION_COLUMNS["obs_status"].meaning),
    "file_row": Column(pl.UInt32, OBSERVATION_COLUMNS["file_row"].meaning),
    "file_column": Column(CATEGORY, "Heading of the file's column; null where the whole slice has one heading"),
}
"""Figures of one release, one row a figure, sorted by measure, period and place. The rest is in SLICE_COLUMNS."""

SLICE_COLUMNS: dict[str, Column] = {
    "source": OBSERVATION_COLUMNS["source"],
    "release": OBSERVATION_COLUMNS["release"],
    "order": Column(WHOLE, "Order of the source's releases, oldest 0"),
    "released_at": OBSERVATION_COLUMNS["released_at"],
    "measure": OBSERVATION_COLUMNS["measure"],
    "period_start": OBSERVATION_COLUMNS["period_start"],
    "period_end": OBSERVATION_COLUMNS["period_end"],
    "period_kind": Column(TEXT, "Kind of reference period: month, quarter, year, financial_year, mid_year, day, span"),
    "geography": OBSERVATION_COLUMNS["geography"],
    "unit": OBSERVATION_COLUMNS["unit"],
    "interval_level": OBSERVATION_COLUMNS["interval_level"],
    "decimals": Column(WHOLE, "Most decimals in a published figure of the slice; null where it has no figure"),
    "returned_by": Column(TEXT, "Type of provider that returns the figures, where the source declares returns"),
    "file": OBSERVATION_COLUMNS["file"],
    "file_column": Column(TEXT, "Heading of the file's column; null where rows have several"),
    "rows": Column(WHOLE, "Rows of the slice"),
    "known": Column(WHOLE, "Rows with a figure"),
    **{f"rows_{status}": Column(WHOLE, f"Rows with status {status}") for status in OBSERVATION_STATUSES},
    "sum": Column(NUMBER, "Sum of the figures; null where there are none"),
    "min": Column(NUMBER, "Smallest figure"),
    "max": Column(NUMBER, "Largest figure"),
    "sha256": Column(TEXT, "sha256 of the slice: places, labels, figures, bounds, statuses, markers, caveats"),
    "values_file": Column(TEXT, "File of the figures, in state/values/<source> of the store"),
    "first_row": Column(WHOLE, "First row of the slice in that file, counted from 0"),
}
"""One row for each slice: the figures of one release for one measure and reference period."""

PLACE_COLUMNS: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place (GSS)"),
    "place_name": Column(TEXT, "Name in the official register, in English"),
    "place_name_welsh": Column(TEXT, "Name in Welsh, where the register has one"),
    "kind": Column(TEXT, "Kind of place: lad, region, nation"),
    "nation": Column(TEXT, "Nation of the United Kingdom"),
    "parent_code": Column(TEXT, "Code of the parent place in the register: a county, a region or an NHS region"),
    "region_code": Column(TEXT, "Code of the region of England; null elsewhere"),
    "region": Column(TEXT, "Region of England, or the nation elsewhere"),
    "valid_from": Column(DATE, "First day on which the code was in use"),
    "valid_to": Column(DATE, "Last day on which the code was in use; null while in use"),
    "known_up_to": Column(DATE, "Last day for which the register knows the places of this kind; null if not declared"),
}

CODE_CHANGE_COLUMNS: dict[str, Column] = {
    "from_code": Column(TEXT, "Code before the change"),
    "to_code": Column(TEXT, "Code after the change"),
    "kind": Column(
        TEXT, "recoded (same land), moved_land (same place, new boundary) or merged (several places into one)"
    ),
    "changed_on": Column(DATE, "Day on which the change took effect"),
    "authority": Column(TEXT, "Order or notice that made the change"),
}

CELL_COLUMNS: dict[str, Column] = {
    "cell_id": Column(TEXT, "Stable identifier of the cell: problem, measure, place and period"),
    "problem": Column(TEXT, "Problem that needs the cell"),
    "need": Column(TEXT, "needed; wanted, where no publisher reports it; not_needed, where the need does not apply"),
    "measure": Column(TEXT, "Measure requested"),
    "place_code": Column(TEXT, "Code of the place in the problem's geography"),
    "place_name": Column(TEXT, "Name of the place"),
    "nation": Column(TEXT, "Nation of the place"),
    "period_start": Column(
        DATE, "First day of the period requested; for grain latest the day of the last change of the answer"
    ),
    "period_end": Column(DATE, "Last day of the period requested; for grain latest the same day"),
    "value": Column(NUMBER, "Figure in the measure's unit; null if and only if there is a gap reason"),
    "lower_bound": Column(
        NUMBER, "Lower bound of the true figure, which always holds; null for an estimate; also known for some gaps"
    ),
    "upper_bound": Column(
        NUMBER, "Upper bound of the true figure, which always holds; null for an estimate; also known for some gaps"
    ),
    "interval_lower": Column(
        NUMBER, "Lower end of the interval that contains the true figure at the level `interval_level`"
    ),
    "interval_upper": Column(NUMBER, "Upper end of the interval"),
    "interval_level": Column(NUMBER, "Level of the interval, in %"),
    "interval_source": Column(
        TEXT,
        "published: the publisher's interval of an estimate; back-tests: the interval of an apportioned figure, equal "
        "to the figure where no place was split",
    ),
    "unit": Column(TEXT, "Unit of the figure"),
    "obs_status": Column(TEXT, "Worst observation status among the published figures behind the value"),
    "published_marker": Column(TEXT, "Publisher's markers behind the cell, as published"),
    "derivation": Column(
        TEXT,
        "Derivation of the value: observed, recoded, moved_land, merged, aggregated, apportioned (weighted by "
        "residents), rate_averaged or aggregated_in_time (from shorter periods)",
    ),
    "coverage": Column(NUMBER, "Share of the place with observations, 0 to 1; null where not known"),
    "apportioned_share": Column(NUMBER, "Share of the value that comes from source areas split by a boundary"),
    "reason": Column(TEXT, "Gap reason, from the closed set; null where there is a value"),
    "other_reasons": Column(TEXT, "Other gap reasons that apply, comma separated"),
    "caveats": Column(TEXT, "Caveats on the value, comma separated"),
    "proxy_measure": Column(TEXT, "Proxy measure that supplies the figure; the need remains open"),
    "severity": Column(TEXT, "info: expected; warn: requires follow-up; error: a fault"),
    "evidence": Column(TEXT, "Evidence for the reason or the caveat: the figures compared"),
    "data_owner": Column(TEXT, "Data owner who could close the gap"),
    "remedy": Column(TEXT, "Remedy that could close the gap"),
    "source": Column(TEXT, "Source of the value, or the expected source of a gap"),
    "release": Column(TEXT, "sha256 of the file behind the value"),
    "released_at": Column(DATE, "Day on which the file was released"),
    "reference_start": Column(DATE, "First day of the value's reference period"),
    "reference_end": Column(DATE, "Last day of the value's reference period"),
    "source_areas": Column(TEXT, "Codes of the source areas behind the cell, comma separated"),
    "file": Column(TEXT, "Published file of the cell"),
    "file_rows": Column(TEXT, "Rows of that file, comma separated"),
    "file_column": Column(TEXT, "Heading of that file's column"),
}

FINDING_COLUMNS: dict[str, Column] = {
    "source": Column(TEXT, "Source concerned"),
    "release": Column(TEXT, "sha256 of the file concerned; null where there is no file"),
    "check": Column(TEXT, "Check that reports the finding"),
    "reason": Column(TEXT, "Gap reason, from the closed set"),
    "severity": Column(TEXT, "info: expected; warn: requires follow-up; error: a fault"),
    "measure": Column(TEXT, "Measure concerned; null for all measures"),
    "place_code": Column(TEXT, "Code of the place concerned, where known"),
    "place_label": Column(TEXT, "Place as written by the publisher"),
    "period_start": Column(DATE, "First day of the period concerned"),
    "period_end": Column(DATE, "Last day of the period concerned"),
    "rows": Column(WHOLE, "Number of rows of the file concerned"),
    "sum_of_values": Column(NUMBER, "Sum of the figures concerned, in the measure's unit; null where there is none"),
    "set_aside": Column(pl.Boolean, "True where the rows are excluded from the observations"),
    "evidence": Column(TEXT, "Evidence: the values found, and their location"),
    "data_owner": Column(TEXT, "Data owner who could correct it"),
    "remedy": Column(TEXT, "Remedy"),
    "file": Column(TEXT, "File, with row and column where known"),
}


def polars_schema(columns: Mapping[str, Column]) -> pl.Schema:
    """Return the Polars schema of a conformed table."""
    return empty_table(columns).schema


def empty_table(columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return a conformed table with no rows."""
    return _make_empty(tuple((name, column.dtype) for name, column in columns.items())).clone()


def empty_frame(schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return a table with no rows. A build needs thousands, and Polars makes a copy a hundred times as fast."""
    return _make_empty(tuple(schema.items())).clone()


@cache
def _make_empty(columns: tuple[tuple[str, Any], ...]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(columns))


def conform_table(frame: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """Select the columns of a conformed table and cast their types; columns that the frame lacks are null."""
    own = dict(zip(frame.columns, frame.dtypes, strict=True))
    cast = [
        (pl.col(name) if name in own else pl.lit(None)).cast(column.dtype).alias(name)
        for name, column in columns.items()
        if own.get(name) != column.dtype
    ]
    whole = frame.with_columns(cast) if cast else frame
    # A selection keeps the one entry of a constant column; a list of columns would repeat it in each row.
    return whole if whole.columns == list(columns) else whole.select(list(columns))


def table_from_records(records: list[dict[str, Any]], columns: Mapping[str, Column]) -> pl.DataFrame:
    """Build a conformed table from records; keys that a record lacks are null."""
    if not records:
        return empty_table(columns)
    return pl.DataFrame(
        [{name: record.get(name) for name in columns} for record in records],
        schema=polars_schema(columns),
        orient="row",
    )
