"""Columns of figures in an undeclared table: their markers, marks, rounding and role; and forms that are not read."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from pipelines.observations.column_role import Role, column_role
from pipelines.observations.profile import table_columns, texts
from pipelines.readers import looks_like_figure

_BASES = (1000, 100, 50, 10, 5)
_MARKERS_AT_MOST = 12
_SYMBOL = re.compile(r"\[[A-Za-z]+\]")
_HIDDEN = re.compile(r"\[[A-Za-z]+\]|\*|\.\.|[-–:]|N/?A|n/a|[cxzu]")
"""Signs that publishers write for a figure: a column of figures and these is one of figures, however few it has."""
_MARKED = re.compile(r"(.+?)\s*(\[[A-Za-z]+\]|%|\*)")
_STRANGE = re.compile(r"[(–−-]?\s*[£$€]?\s*[–−-]?[\d.,\s]*\d[\d.,\s]*(?:m|bn|k)?\s*%?\)?")
_POWER = re.compile(r"\d(?:\.\d+)?[eE]\+\d+")


class Figures(NamedTuple):
    """A column of figures: its markers and marks after figures, each with how many cells have it, and its rounding."""

    name: str
    markers: dict[str, int]
    rounding: int | None
    why: str
    role: Role = Role("figure", "")
    marks: Mapping[str, int] = MappingProxyType({})


def figure_columns(frame: pl.DataFrame, but: list[str]) -> list[Figures]:
    """Find the columns of figures: most of their texts are, and the others are few enough to be markers."""
    found = []
    for name in table_columns(frame):
        cells = [text for text in frame[name].to_list() if text]
        if name not in but and cells and not _numbers_rows(cells) and (column := _as_figures(name, cells)):
            found.append(column)
    return found


def _as_figures(name: str, cells: list[str]) -> Figures | None:
    """Read a column as figures, where half of its cells are, with marks such as % or [r] after them."""
    parted = [part_mark(text) for text in cells]
    figures = [text for text, _ in parted if looks_like_figure(text)]
    other = Counter(text for text, _ in parted if not looks_like_figure(text))
    few = len(figures) * 2 >= len(cells) or (figures and all(_HIDDEN.fullmatch(text) for text in other))
    if not few or len(other) > _MARKERS_AT_MOST:
        return None
    base, why = rounding(figures)
    marks = Counter(mark for _, mark in parted if mark)
    return Figures(name, dict(other.most_common()), base, why, column_role(name, cells), dict(marks.most_common()))


def part_mark(text: str) -> tuple[str, str]:
    """Part a text into a figure or a symbol, and the mark after it: `61%`, `230 [r]`, `[low][p]`."""
    found = _MARKED.fullmatch(text)
    return (
        (found[1], found[2]) if found and (looks_like_figure(found[1]) or _SYMBOL.fullmatch(found[1])) else (text, "")
    )


def unread_figures(frame: pl.DataFrame, but: list[str]) -> dict[str, str]:
    """Find columns whose cells are mostly figures in a form that is not read, as £1,200, each with such a cell."""
    found = {}
    for name in (each for each in table_columns(frame) if each not in but):
        cells = [text for text in frame[name].to_list() if text]
        strange = [text for text in cells if is_unread(text)]
        if strange and len(strange) * 2 >= len(cells):
            found[name] = strange[0]
    return found


def is_unread(text: str) -> bool:
    """Tell whether a text is a figure in a form that is not read: with a currency, in brackets, as 12.3m."""
    return bool(_STRANGE.fullmatch(text)) and not looks_like_figure(text)


def damaged_codes(frame: pl.DataFrame, but: list[str]) -> dict[str, list[str]]:
    """Find columns of codes of which a spreadsheet has read some as numbers, as 1E+01, each with these texts."""
    columns = {name: texts(frame, name) for name in table_columns(frame) if name not in but}
    found = {name: [text for text in all_ if _POWER.fullmatch(text)] for name, all_ in columns.items()}
    return {name: hit for name, hit in found.items() if hit and any(not looks_like_figure(t) for t in columns[name])}


def _numbers_rows(cells: list[str]) -> bool:
    """Tell whether a column does nothing but count its rows, as some programs write one."""
    return len(cells) > 1 and all(text == str(n) for n, text in enumerate(cells, int(cells[0] == "1")))


def rounding(cells: list[str]) -> tuple[int | None, str]:
    """Tell the base that figures seem rounded to: all are multiples of it, and they are many and different."""
    numbers = [float(text.replace(",", "")) for text in cells]
    whole = {int(number) for number in numbers if number and math.isfinite(number) and number == int(number)}
    if len(whole) < 20 or len(whole) < len({number for number in numbers if number}):
        return None, ""
    base = next((each for each in _BASES if all(number % each == 0 for number in whole)), None)
    return base, f"all {len(whole):,} different figures are multiples of {base}" if base else ""
