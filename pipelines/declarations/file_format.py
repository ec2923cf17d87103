"""Declaration of a source's file: its format, the position of its table, and the spelling of its values."""

import codecs
import re
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from pipelines.core.periods import ReferencePeriod as ReferencePeriod
from pipelines.core.periods import parse_period
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import Declaration, ListAsTuple, Names
from pipelines.declarations.source_parts import Period

FileFormat = Literal["csv", "excel", "ods", "json", "jsonstat", "parquet"]
TEXT_FORMATS: frozenset[str] = frozenset({"csv", "json", "jsonstat"})
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
GRID_FORMATS: frozenset[str] = frozenset({"csv", "excel", "ods"})
"""Formats with headings among other rows; other formats name their columns themselves."""


def _validate_pattern(value: str) -> str:
    """Raise ValueError for a pattern that Python's or Polars' regular expressions do not accept."""
    try:
        re.compile(value)
        pl.Series([""]).str.contains(value)
    except (re.error, pl.exceptions.ComputeError) as error:
        raise ValueError(f"expected a regular expression ({str(error).splitlines()[0]})") from error
    return value


def _validate_encoding(value: str) -> str:
    try:
        "".encode(codecs.lookup(value).name)
    except LookupError as error:
        raise ValueError("expected a known encoding, such as utf-8, cp1252 or utf-16") from error
    return value


Encoding = Annotated[str, AfterValidator(_validate_encoding)]
TextPattern = Annotated[str, AfterValidator(_validate_pattern)]
RowFilter = dict[str, Names]
"""Headings, each with the texts of which a row must have one; * matches any text."""


class FileColumns(Declaration):
    """Role of each column of the file; a list where the heading has changed between releases."""

    place: Names = Field((), description="Place codes")
    label: Names = Field((), description="Place names as published; the key where there are no codes")
    period: Names = Field((), description="Period of each row")
    status: Names = Field((), description="Publisher's status or marker of each row")


class FileLayout(Declaration):
    """Layout of the file of a source."""

    format: FileFormat = Field(
        "csv", description="Format of the file, once unpacked from zip or gzip; excel is .xlsx and .xls"
    )
    encoding: Encoding = Field("utf-8", description="Encoding of a text file")
    delimiter: Literal["comma", "semicolon", "tab", "pipe"] = Field(
        "comma", description="What parts fields of a csv file"
    )
    decimal: Literal["point", "comma"] = Field(
        "point", description="Decimal mark of the figures; the other one groups thousands"
    )
    member: str | None = Field(None, description="File inside a zip archive; * stands for anything")
    sheet: str | None = Field(
        None,
        description="Sheet of a workbook, by its name or by a text in its first ten rows; * stands for anything. "
        "Without it, the one sheet with the headings",
    )
    records: str | None = Field(
        None, description="For json: where in the file the list of records is, as in `result.records`"
    )
    header_rows: int = Field(
        1, ge=1, le=9, description="Rows of headings; those above carry over blanks to the right, joined with ` / `"
    )
    headings: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Headings of a file that has none, one for each column; blank for a column not needed"
    )
    blank_rows: bool = Field(
        False, description="True where blank rows lie inside the table; else the first one after data ends it"
    )
    filter: RowFilter = Field(
        default_factory=dict,
        description="Headings and texts: only rows that have one of the texts are read, before tidy(); "
        "the others are counted. * stands for anything",
    )
    footnotes: TextPattern | None = Field(
        None,
        description="Regular expression of the marks that follow a figure, name, period or heading, as "
        r"`\[note \d+\]`; a figure's mark is kept as its marker",
    )
    layout: Literal["long", "wide", "by_place"] = Field(
        "long",
        description="wide: one column a period, or a measure and period (`heading_pattern`); by_place: one column a "
        'place, whose heading is its code (`place: "*"` in `columns`) or its name (`label: "*"`)',
    )
    columns: FileColumns | None = Field(
        None, description="Which column holds what; `column 3` is the third one, where it has no heading"
    )
    header: Names = Field(
        (), description="Headings of the file itself, where tidy() makes the declared columns, or none is declared"
    )
    heading_pattern: TextPattern | None = Field(
        None,
        description="For wide: regular expression of a whole heading, with `(?P<period>...)` and, of several measures, "
        "`(?P<measure>...)`, which gives the measure's `column`",
    )
    skip_columns: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (),
        description="Headings of a wide file that are not periods, or of one by place that are not places; * stands "
        "for anything",
    )
    period_kind: PeriodKind = Field(
        "year",
        description="Kind of period the file speaks of: mid_year is 30 June, span names its first and last month"
        "; if not said, that of the `cadence`, else `year`",
    )
    period_format: Names = Field(
        (), description="How its dates are written, as in `%d/%m/%Y`, or several ways; a date read two ways is refused"
    )
    period_ends: bool = Field(False, description="True where the date given for a week is its last day")
    period: Period | None = Field(None, description="Period of all figures, where the file does not say")
    period_in_name: TextPattern | None = Field(
        None, description="Regular expression with `(?P<period>...)`, found in the name of the file, member or sheet"
    )
    period_in_preamble: TextPattern | None = Field(
        None, description="Regular expression with `(?P<period>...)`, found in a row above the headings"
    )
    skip_rows: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Labels (or codes) of rows that are headings or footnotes, not data; * stands for anything"
    )

    @model_validator(mode="after")
    def _validate_shape(self) -> Self:
        for rule in (_check_format_keys, _check_headings, _check_period_keys):
            rule(self)
        return self


def _check_format_keys(shape: FileLayout) -> None:
    """Raise ValueError for keys that do not apply to the format."""
    if shape.sheet and shape.format not in ("excel", "ods"):
        raise ValueError(f"sheet is for format excel or ods; found format {shape.format}")
    if shape.records and shape.format != "json":
        raise ValueError(f"records is for format json; found format {shape.format}")
    if shape.encoding.lower() not in ("utf-8", "utf8") and shape.format not in TEXT_FORMATS:
        raise ValueError(f"encoding is for text files; found format {shape.format}")
    if shape.delimiter != "comma" and shape.format != "csv":
        raise ValueError(f"delimiter is for format csv; found format {shape.format}")
    grid = shape.header_rows > 1 or shape.headings or shape.blank_rows or shape.period_in_preamble
    if grid and shape.format not in GRID_FORMATS:
        raise ValueError(
            f"header_rows, headings, blank_rows and period_in_preamble are for format csv, excel or ods; found format "
            f"{shape.format}"
        )


def _check_headings(shape: FileLayout) -> None:
    """Raise ValueError for contradictory keys about headings."""
    if shape.headings and shape.header_rows > 1:
        raise ValueError("headings is for a file without header rows; remove header_rows")
    headings = [name for name in shape.headings if name]
    twice = [name for name in headings if headings.count(name) > 1]
    if twice:
        raise ValueError(f"headings: found {twice[0]!r} twice; use each heading once")
    if shape.heading_pattern and shape.layout != "wide":
        raise ValueError("heading_pattern is for layout: wide")
    if shape.heading_pattern and "(?P<period>" not in shape.heading_pattern:
        raise ValueError("heading_pattern needs a group (?P<period>...)")
    if shape.skip_columns and shape.layout == "long":
        raise ValueError("skip_columns is for layout: wide or by_place; other columns of a long file are ignored")


def _check_period_keys(shape: FileLayout) -> None:
    """Raise ValueError for contradictory keys about periods, and for invalid date formats."""
    keys = [name for name in ("period", "period_in_name", "period_in_preamble") if getattr(shape, name)]
    if len(keys) > 1:
        raise ValueError(f"{' and '.join(keys)} each declare the period; keep one")
    for name in ("period_in_name", "period_in_preamble"):
        if getattr(shape, name) and "(?P<period>" not in getattr(shape, name):
            raise ValueError(f"{name}: expected a group (?P<period>...)")
    strange = [text for text in shape.period_format if not re.search(r"%[YyGdmbBjVU]", text)]
    if strange:
        raise ValueError(f"period_format: found {strange[0]!r}, expected a date format such as %d/%m/%Y")
    if shape.period_format and shape.period_kind == "span":
        raise ValueError("period_format is for one date; period_kind: span has two months")
    if shape.period_ends and shape.period_kind != "week":
        raise ValueError("period_ends is for period_kind: week")


def parse_source_period(text: str, shape: FileLayout) -> ReferencePeriod | None:
    """Parse a period in the form that a source declares; return null where the text is not one."""
    return parse_period(text, shape.period_kind, shape.period_format, shape.period_ends)
