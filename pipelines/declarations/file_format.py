"""Declaration of a source's file: its format, the position of its table, and the spelling of its values."""

import re
from typing import Annotated, Any, Literal, Self

import polars as pl
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from pipelines.core.periods import ReferencePeriod as ReferencePeriod
from pipelines.core.periods import is_usable_format, parse_period
from pipelines.core.vocabulary import PeriodKind
from pipelines.declarations.base import Declaration, ListAsTuple, Names, ValueOrList
from pipelines.declarations.source_parts import Period

FileFormat = Literal["csv", "excel", "ods", "json", "jsonstat", "parquet"]
DELIMITERS = (",", ";", "\t", "|")
"""Delimiters of a csv file; the first is the default."""
_LAST_DAY = re.compile(r"\bweek (?:ending|ended|to)\b|\bw/e\b", re.IGNORECASE)
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


TextPattern = Annotated[str, AfterValidator(_validate_pattern)]
PeriodOrPattern = Annotated[
    Annotated[Period, Tag("days")] | Annotated[TextPattern, Tag("pattern")],
    Discriminator(lambda value: "pattern" if isinstance(value, str) else "days"),
]


def _group_spellings(value: Any) -> Any:
    """Wrap each heading in a tuple of its spellings."""
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(tuple(item) if isinstance(item, list | tuple) else (item,) for item in items)


Headings = Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_group_spellings)]
"""Headings, each with its spellings."""
RowFilter = dict[str, Names]
"""Headings, each with the texts of which a row must have one; * matches any text."""


class FileColumns(Declaration):
    """Role of each column of the file; a list where the heading has changed between releases."""

    place: Names = Field((), description="Place codes")
    label: Names = Field((), description="Place names as published; they identify places where there are no codes")
    period: Names = Field((), description="Period of each row")
    status: Names = Field((), description="Publisher's status or marker of each row")


class FileLayout(Declaration):
    """Layout of the file of a source."""

    format: FileFormat = Field(
        "csv", description="Format of the file, after unpacking from zip or gzip; excel means .xlsx or .xls"
    )
    decimal: Literal["point", "comma"] = Field(
        "point", description="Decimal mark of the figures; the other mark separates thousands"
    )
    member: str | None = Field(None, description="File inside a zip archive; * matches any text")
    sheet: str | None = Field(
        None,
        description="Sheet of a workbook, by its name or by a text in its first ten rows; * matches any text."
        " Default: the only sheet with the headings",
    )
    header_rows: int = Field(
        1,
        ge=0,
        le=9,
        description="Number of heading rows; blank cells of upper rows take the heading to their left, and "
        "rows are joined with ` / `. 0 for a file without headings, which `headings` then "
        "declares",
    )
    headings: Headings = Field(
        (),
        description="Headings of the file where they differ from those in `columns`, as before tidy(); a list where "
        "the heading has changed between releases. With `header_rows: 0`, one for each column, blank for an unused "
        "column",
    )
    blank_rows: bool = Field(
        False,
        description="True where the table contains blank rows; else the first blank row after data ends the table",
    )
    filter: RowFilter = Field(
        default_factory=dict,
        description="Headings with texts: only rows with one of the texts are read, before tidy(). Other rows"
        " are counted; * matches any text",
    )
    footnotes: TextPattern | None = Field(
        None,
        description="Regular expression of note marks after a figure, name, period or heading, such as "
        "`\\[note \\d+\\]`. The mark of a figure is stored as its marker",
    )
    columns: FileColumns | None = Field(
        None, description="Role of each column; `column 3` means the third column, where it has no heading"
    )
    heading_pattern: TextPattern | None = Field(
        None,
        description="For a column per period: regular expression of a complete heading, with "
        "`(?P<period>...)` and, for several measures, `(?P<measure>...)`, which matches the "
        "measure's `column`",
    )
    skip_columns: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (),
        description="Headings of a wide file that are not periods, or of a file by place that are not places;"
        " * matches any text",
    )
    period_kind: Annotated[tuple[PeriodKind, ...], ValueOrList] = Field(
        ("year",),
        min_length=1,
        description="Kind of period in the file, or several, such as `[span, year]`; each text is a period of exactly"
        " one. mid_year means 30 June, span names its first and last month or year. Default: the kind of the"
        " `cadence`, else `year`",
    )
    period_format: Names = Field(
        (), description="Format of the dates, such as `%d/%m/%Y`, or several formats; an ambiguous date is refused"
    )
    file_period: PeriodOrPattern | None = Field(
        None,
        alias="period",
        description="Period of all figures, where no column has it: first and last day; or a regular expression with "
        "`(?P<period>...)`, searched for in the rows above the headings, then in the name of the file, member or sheet",
    )
    skip_rows: Annotated[tuple[str, ...], ListAsTuple] = Field(
        (), description="Labels or codes of rows that are headings or footnotes, not data; * matches any text"
    )

    @property
    def period(self) -> Period | None:
        """Return the declared period of all figures, if any."""
        return self.file_period if isinstance(self.file_period, Period) else None

    @property
    def period_pattern(self) -> str | None:
        """Return the pattern of the period in the rows above the headings or in a name, if any."""
        return self.file_period if isinstance(self.file_period, str) else None

    @property
    def period_ends(self) -> bool:
        """Return whether the date of a week is its last day, as its format or its heading states."""
        texts = (*self.period_format, *(self.columns.period if self.columns else ()))
        return self.period_kind == ("week",) and any(_LAST_DAY.search(text) for text in texts)

    @model_validator(mode="after")
    def _validate_shape(self) -> Self:
        for rule in (_check_format_keys, _check_headings, _check_period_keys):
            rule(self)
        return self


def _check_format_keys(shape: FileLayout) -> None:
    """Raise ValueError for keys that do not apply to the format."""
    if shape.sheet and shape.format not in ("excel", "ods"):
        raise ValueError(f"sheet is for format excel or ods; found format {shape.format}")
    grid = shape.header_rows != 1 or shape.blank_rows
    if grid and shape.format not in GRID_FORMATS:
        raise ValueError(f"header_rows and blank_rows are for format csv, excel or ods; found format {shape.format}")


def _check_headings(shape: FileLayout) -> None:
    """Raise ValueError for contradictory keys about headings."""
    if not shape.header_rows and not shape.headings:
        raise ValueError("header_rows: 0 needs headings, one for each column")
    named = [name for spellings in shape.headings for name in spellings if name]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise ValueError(f"headings: found {twice[0]!r} twice; use each heading once")
    if shape.heading_pattern and "(?P<period>" not in shape.heading_pattern:
        raise ValueError("heading_pattern needs a group (?P<period>...)")


def _check_period_keys(shape: FileLayout) -> None:
    """Raise ValueError for contradictory keys about periods, and for invalid date formats."""
    if shape.period_pattern and "(?P<period>" not in shape.period_pattern:
        raise ValueError("period: expected a group (?P<period>...)")
    if shape.period_format and shape.period_kind == ("span",):
        raise ValueError("period_format is for one date; period_kind: span has two months")
    if shape.period_format and len(shape.period_kind) > 1:
        raise ValueError("period_format is for one kind of period; keep one kind, or write the periods in tidy()")
    for text in shape.period_format:
        if not is_usable_format(text, shape.period_kind[0]):
            kind = describe_period_kind(shape)
            raise ValueError(f"period_format: {text!r} cannot state a {kind}; expected a format such as %d/%m/%Y")


def describe_period_kind(shape: FileLayout) -> str:
    """Return the kinds of period of a source in words, such as `span or financial year`."""
    return " or ".join(shape.period_kind).replace("_", " ")


def parse_source_period(text: str, shape: FileLayout) -> ReferencePeriod | None:
    """Parse a period in the form that a source declares; return null where the text is not one.

    Of several kinds the text must be a period of exactly one, or the same period of each.
    """
    spans = {parse_period(text, kind, shape.period_format, shape.period_ends) for kind in shape.period_kind} - {None}
    return spans.pop() if len(spans) == 1 else None
