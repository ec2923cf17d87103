"""Columns of figures in an undeclared table: markers, marks, rounding and role, and forms that the reader rejects."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from pipelines.observations.column_role import Role, infer_column_role
from pipelines.observations.profile import distinct_texts, table_columns
from pipelines.readers import looks_like_figure

_ROUNDING_BASES = (1000, 100, 50, 10, 5)
_MAX_MARKERS = 12
_SYMBOL = re.compile(r"\[[A-Za-z]+\]")
_MARKER_PATTERN = re.compile(r"\[[A-Za-z]+\]|\*|\.\.|[-–:]|N/?A|n/a|[cxzu]")
"""Symbols that publishers print instead of a figure. A column of these and figures is a column of figures."""
_FIGURE_WITH_MARK = re.compile(r"(.+?)\s*(\[[A-Za-z]+\]|%|\*)")
_UNREADABLE_FORMAT = re.compile(r"[(–−-]?\s*[£$€]?\s*[–−-]?[\d.,\s]*\d[\d.,\s]*(?:m|bn|k)?\s*%?\)?")
_SCIENTIFIC_NOTATION = re.compile(r"\d(?:\.\d+)?[eE]\+\d+")


class FigureColumn(NamedTuple):
    """A column of figures: its markers, its marks after figures (each with a count of cells), and its rounding."""

    name: str
    markers: dict[str, int]
    rounding: int | None
    why: str
    role: Role = Role("figure", "")
    marks: Mapping[str, int] = MappingProxyType({})


def figure_columns(frame: pl.DataFrame, excluded: list[str]) -> list[FigureColumn]:
    """Return the columns that hold mostly figures, with few enough other texts to be markers."""
    columns = []
    for name in table_columns(frame):
        cells = [text for text in frame[name].to_list() if text]
        if (
            name not in excluded
            and cells
            and not _is_row_number(cells)
            and (column := _read_figure_column(name, cells))
        ):
            columns.append(column)
    return columns


def _read_figure_column(name: str, cells: list[str]) -> FigureColumn | None:
    """Read a column as figures where at least half of its cells are, with marks such as % or [r] after them."""
    pairs = [split_mark(text) for text in cells]
    figures = [text for text, _ in pairs if looks_like_figure(text)]
    other = Counter(text for text, _ in pairs if not looks_like_figure(text))
    few = len(figures) * 2 >= len(cells) or (figures and all(_MARKER_PATTERN.fullmatch(text) for text in other))
    if not few or len(other) > _MAX_MARKERS:
        return None
    base, why = rounding_base(figures)
    marks = Counter(mark for _, mark in pairs if mark)
    return FigureColumn(
        name, dict(other.most_common()), base, why, infer_column_role(name, cells), dict(marks.most_common())
    )


def split_mark(text: str) -> tuple[str, str]:
    """Split a text into a figure or symbol and the mark after it: `61%`, `230 [r]`, `[low][p]`."""
    match = _FIGURE_WITH_MARK.fullmatch(text)
    return (
        (match[1], match[2]) if match and (looks_like_figure(match[1]) or _SYMBOL.fullmatch(match[1])) else (text, "")
    )


def unreadable_figures(frame: pl.DataFrame, excluded: list[str]) -> dict[str, str]:
    """Return columns that hold mostly figures in an unsupported form, such as £1,200, each with an example."""
    examples = {}
    for name in (column for column in table_columns(frame) if column not in excluded):
        cells = [text for text in frame[name].to_list() if text]
        unreadable = [text for text in cells if is_unreadable_figure(text)]
        if unreadable and len(unreadable) * 2 >= len(cells):
            examples[name] = unreadable[0]
    return examples


def is_unreadable_figure(text: str) -> bool:
    """Return whether a text is a figure in an unsupported form: with a currency, in brackets, or as 12.3m."""
    return bool(_UNREADABLE_FORMAT.fullmatch(text)) and not looks_like_figure(text)


def columns_of_damaged_codes(frame: pl.DataFrame, excluded: list[str]) -> dict[str, list[str]]:
    """Return columns in which a spreadsheet has converted codes to numbers such as 1E+01, each with those texts."""
    columns = {name: distinct_texts(frame, name) for name in table_columns(frame) if name not in excluded}
    damaged = {name: [text for text in all_ if _SCIENTIFIC_NOTATION.fullmatch(text)] for name, all_ in columns.items()}
    return {name: hit for name, hit in damaged.items() if hit and any(not looks_like_figure(t) for t in columns[name])}


def _is_row_number(cells: list[str]) -> bool:
    """Return whether a column only numbers the rows, as some programs write."""
    return len(cells) > 1 and all(text == str(n) for n, text in enumerate(cells, int(cells[0] == "1")))


def rounding_base(cells: list[str]) -> tuple[int | None, str]:
    """Return the apparent rounding base: every figure is a multiple, and there are at least 20 different figures."""
    numbers = [float(text.replace(",", "")) for text in cells]
    whole = {int(number) for number in numbers if number and math.isfinite(number) and number == int(number)}
    if len(whole) < 20 or len(whole) < len({number for number in numbers if number}):
        return None, ""
    base = next((candidate for candidate in _ROUNDING_BASES if all(number % candidate == 0 for number in whole)), None)
    return base, f"all {len(whole):,} different figures are multiples of {base}" if base else ""
