"""Draft of a declaration's measures: which columns are figures, which are left out, and what marks mean."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.observations.column_figures import FigureColumn, is_unreadable_figure
from pipelines.observations.column_role import (
    NON_MEASURE_ROLES,
    UNCERTAINTY_ROLES,
    Role,
    confidence_level,
    confidence_limits,
)
from pipelines.readers import normalise_heading

_MAX_MEASURES = 12
_MAX_LEFTOVER = 24
_MAX_NAME_LENGTH = 62
_STEM_LENGTH = 30
"""Letters of the source's name in a measure's name, which leave room for the heading."""
_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null")
_USUAL_MEANINGS = {
    "*": "confidential",
    "[c]": "confidential",
    "c": "confidential",
    "[x]": "not_available",
    "x": "not_available",
    "..": "not_available",
    "NA": "not_available",
    "[z]": "not_applicable",
    "z": "not_applicable",
    "[low]": "low",
    "[e]": "estimated",
    "[p]": "provisional",
    "[r]": "revised",
    "[u]": "unreliable",
    "[b]": "break",
    "p": "provisional",
    "r": "revised",
}
"""Usual meaning of each marker: the Analysis Function's symbols, and those of older tables. A person confirms them."""

_NONE: Mapping[str, int] = MappingProxyType({})


def quote_yaml(value: Any) -> str:
    """Write a value as YAML: as JSON, which is valid YAML, or as plain words without quotation marks."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ()/.-]*[A-Za-z0-9_)]", value)
    return str(value) if bare and value.lower() not in _YAML_WORDS else json.dumps(value, ensure_ascii=False)


def draft_column_measures(figures: list[FigureColumn], name: str, roles: dict[str, Role]) -> Iterator[str]:
    """Draft a measure for each column that can be one; limits and errors alone ask for the estimate."""
    several = len(figures) > 1
    yield from _defaults_line("") if several else ()
    yield "measures:"
    if not figures and any(role.name in UNCERTAINTY_ROLES for role in roles.values()):
        yield f"  {measure_names(name, [''])[0]}: # TODO all columns are limits or errors: name the column of estimates"
        yield "    {title: TODO, unit: TODO, kind: index, column: TODO}"
    elif not figures:
        list_measure = measure_names(f"{measure_name(name)}_listed", [""])[0]
        yield f"  {list_measure}: # TODO no column is mostly figures: confirm that the rows of a list are counted"
        yield "    {title: TODO, unit: TODO, kind: stock, count_rows: true}"
    chosen = figures[:_MAX_MEASURES]
    for key, column in zip(measure_names(name, [column.name for column in chosen]), chosen, strict=True):
        yield from measure_lines(
            key,
            f"column: {quote_yaml(column.name)}{_interval_text(column, roles)}",
            column,
            _measure_question(column, roles),
            has_defaults=several,
        )
    for column in figures[_MAX_MEASURES:]:
        yield f"  # another column of figures: {normalise_heading(column.name)}"


def _measure_question(figures: FigureColumn, roles: dict[str, Role]) -> str:
    """Ask whether a column is the measure, with the evidence, and whether its interval is right."""
    limits_question = "; confirm its limits and their level" if confidence_limits(figures.name, roles) else ""
    evidence = normalise_heading(figures.role.why)
    return f"TODO confirm that {normalise_heading(figures.name)} is the measure: {evidence}{limits_question}"


def _interval_text(figures: FigureColumn, roles: dict[str, Role]) -> str:
    """Write the limit columns of a measure, with their level where the headings name it."""
    ends = confidence_limits(figures.name, roles)
    if not ends:
        return ""
    level = confidence_level(ends) or "TODO"
    return f", uncertainty: {{lower: {quote_yaml(ends[0])}, upper: {quote_yaml(ends[1])}, level: {level}}}"


def leftover_column_lines(candidates: list[FigureColumn], drafted: list[FigureColumn], source: str) -> Iterator[str]:
    """List each column of figures that is not a measure, with the reason; a possible measure becomes a comment."""
    left = [column for column in candidates if column not in drafted]
    keys = measure_names(source, [column.name for column in (*drafted, *left)])[len(drafted) :]
    for key, column in zip(keys[:_MAX_LEFTOVER], left, strict=False):
        yield (
            f"  # left out: {normalise_heading(column.name)}, {_role_phrase(column.role.name)} "
            f"({normalise_heading(column.role.why)})"
        )
        if column.role.name not in NON_MEASURE_ROLES:  # no TODO in a comment, because the measure is optional
            kind = "rank" if column.role.name == "rank" else "index"
            yield (
                f"  #   {key}: {{kind: {kind}, column: {quote_yaml(normalise_heading(column.name))}}} # "
                f"with a title and a unit"
            )
    if len(left) > _MAX_LEFTOVER:
        yield f"  # and {len(left) - _MAX_LEFTOVER:,} more columns of figures"


def _role_phrase(role: str) -> str:
    return {"figure": "another column of figures", "error": "a standard error or similar", "notes": "a note"}.get(
        role, f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
    )


def draft_combination_measures(
    frame: pl.DataFrame, figure: FigureColumn, split: list[str], name: str, roles: dict[str, Role]
) -> Iterator[str]:
    """Draft a measure for each combination of the columns that distinguish rows of one place and period."""
    combinations = frame.select(split).unique(maintain_order=True).rows()
    yield f"# {_measure_question(figure, roles)}"
    if figure.rounding:
        yield f"# rounding: {normalise_heading(figure.why)}"
    yield from _defaults_line(f", column: {quote_yaml(figure.name)}{_rounding_text(figure)}")
    yield "measures:"
    yield f"  # rows of one place and period differ by {', '.join(split)}: TODO keep only the measures that you need"
    drafted = combinations[:_MAX_MEASURES]
    keys = measure_names(name, ["_".join(filter(None, row)) for row in drafted])
    for key, row in zip(keys, drafted, strict=True):
        where = dict(zip(split, row, strict=True))
        yield (
            f"  {key}: {{title: TODO, filter: {json.dumps(where, ensure_ascii=False)}{_interval_text(figure, roles)}}}"
        )
    if len(combinations) > _MAX_MEASURES:
        yield f"  # and {len(combinations) - _MAX_MEASURES:,} more combinations"


def measure_name(text: str) -> str:
    """Return a valid name from a heading."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40] or "figure"


def measure_names(source: str, texts: Iterable[str]) -> list[str]:
    """Return a unique name of limited length for each of several measures of a source."""
    stem = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", source.casefold())).strip("_") or "figures"
    names: list[str] = []
    for text in texts:
        whole = f"{stem[:_STEM_LENGTH]}_{measure_name(text)}" if text else stem[:_MAX_NAME_LENGTH]
        endings = ("", *(f"_{n}" for n in range(2, len(names) + 3)))
        names.append(
            next(key for end in endings if (key := whole[: _MAX_NAME_LENGTH - len(end)].strip("_") + end) not in names)
        )
    return names


KIND_COMMENT = "# kind: count or stock if it adds over places, rate with its denominator, otherwise index"


def _defaults_line(more: str) -> Iterator[str]:
    yield f"measure_defaults: {{unit: TODO, kind: index{more}}} {KIND_COMMENT}"


def measure_lines(
    key: str, figure: str, figures: FigureColumn, question: str, has_defaults: bool = False
) -> Iterator[str]:
    """Draft a measure; omit the keys that all measures share (`has_defaults`)."""
    if figures.rounding:
        yield f"  # rounding: {normalise_heading(figures.why)}"
    todo = f" # {question}" if question else ""
    if has_defaults:
        yield f"  {key}: {{title: TODO, {figure}{_rounding_text(figures)}}}{todo}"
        return
    yield f"  {key}: {KIND_COMMENT}"
    column = f", {figure}" if figure else ""
    yield f"    {{title: TODO, unit: TODO, kind: index{column}{_rounding_text(figures)}}}{todo}"


def _rounding_text(figures: FigureColumn) -> str:
    return f", rounding: {figures.rounding}" if figures.rounding else ""


def mark_lines(figures: list[FigureColumn], more: Mapping[str, int] = _NONE) -> Iterator[str]:
    """List the marks after figures and add them to the markers; % does not affect a figure's status."""
    marks = sum((Counter(column.marks) for column in figures), Counter[str]())
    forms = {"%": "%", "*": r"\*"}
    patterns = sorted({forms.get(mark, r"\[[A-Za-z]+\]") for mark in marks})
    if patterns:
        yield f"footnotes: {json.dumps('|'.join(patterns))} # TODO confirm the marks after figures: {', '.join(marks)}"
    rest = Counter({mark: count for mark, count in marks.items() if mark != "%"}) + Counter(more)
    yield from marker_lines(sum((Counter(column.markers) for column in figures), rest))


def marker_lines(markers: dict[str, int]) -> Iterator[str]:
    if not markers:
        return
    yield "markers: # TODO check each in the publisher's notes: the same symbol has several meanings"
    for text, count in markers.items():
        quoted_text = json.dumps(text, ensure_ascii=False)
        if is_unreadable_figure(text):
            yield f"  {quoted_text}: TODO # a figure in an unsupported form, in {count:,} cells"
            continue
        meaning = _USUAL_MEANINGS.get(text)
        prefix = "" if meaning else "TODO "
        yield f"  {quoted_text}: {meaning or 'not_available'} # {prefix}{count:,} cells"
