"""Drafting the measures of a declaration: which columns may be figures, which are left out, and what marks mean."""

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
"""Letters of a source's name in that of a measure, so that its own heading has room."""
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
"""What a marker usually means: the Analysis Function's symbols, and what older tables have. To be looked up."""

_NONE: Mapping[str, int] = MappingProxyType({})


def quote_yaml(value: Any) -> str:
    """Write a value as YAML takes it: JSON is YAML, and plain words need no quotation marks."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ()/.-]*[A-Za-z0-9_)]", value)
    return str(value) if bare and value.lower() not in _YAML_WORDS else json.dumps(value, ensure_ascii=False)


def draft_column_measures(figures: list[FigureColumn], name: str, roles: dict[str, Role]) -> Iterator[str]:
    """Draft a measure for each column that may be one; none of limits and errors alone, which ask for the estimate."""
    several = len(figures) > 1
    yield from _defaults_line("") if several else ()
    yield "measures:"
    if not figures and any(role.name in UNCERTAINTY_ROLES for role in roles.values()):
        yield f"  {measure_names(name, [''])[0]}: # TODO no column can be the figure by itself: name the one that is"
        yield "    {title: TODO, unit: TODO, kind: index, column: TODO}"
    elif not figures:
        list_measure = measure_names(f"{measure_name(name)}_listed", [""])[0]
        yield f"  {list_measure}: # TODO no column is mostly figures: is it a list whose rows are counted?"
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
        yield f"  # also a column of figures: {normalise_heading(column.name)}"


def _measure_question(figures: FigureColumn, roles: dict[str, Role]) -> str:
    """Ask whether a column is the figure, with why it was taken, and whether its interval is right."""
    limits_question = (
        "; are these its limits, and is that their level?" if confidence_limits(figures.name, roles) else ""
    )
    return (
        f"TODO is {normalise_heading(figures.name)} the figure? {normalise_heading(figures.role.why)}{limits_question}"
    )


def _interval_text(figures: FigureColumn, roles: dict[str, Role]) -> str:
    """Write the columns with the limits of a column's figures, and their level where the headings name it."""
    ends = confidence_limits(figures.name, roles)
    if not ends:
        return ""
    level = confidence_level(ends) or "TODO"
    return f", interval: {{lower: {quote_yaml(ends[0])}, upper: {quote_yaml(ends[1])}, level: {level}}}"


def leftover_column_lines(candidates: list[FigureColumn], drafted: list[FigureColumn], source: str) -> Iterator[str]:
    """Name each column of figures that is no measure of the draft, and why; one that may be is written as a comment."""
    left = [column for column in candidates if column not in drafted]
    keys = measure_names(source, [column.name for column in (*drafted, *left)])[len(drafted) :]
    for key, column in zip(keys[:_MAX_LEFTOVER], left, strict=False):
        yield (
            f"  # not taken: {normalise_heading(column.name)}, {_role_phrase(column.role.name)} "
            f"({normalise_heading(column.role.why)})"
        )
        if (
            column.role.name not in NON_MEASURE_ROLES
        ):  # no TODO in a comment: who does not want it need not decide about it
            kind = "rank" if column.role.name == "rank" else "index"
            yield (
                f"  #   {key}: {{kind: {kind}, column: {quote_yaml(normalise_heading(column.name))}}} # "
                f"with a title and a unit"
            )
    if len(left) > _MAX_LEFTOVER:
        yield f"  # and {len(left) - _MAX_LEFTOVER:,} more columns of figures"


def _role_phrase(role: str) -> str:
    return {"figure": "another column of figures", "error": "a standard error or the like", "notes": "a note"}.get(
        role, f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
    )


def draft_combination_measures(
    frame: pl.DataFrame, figure: FigureColumn, split: list[str], name: str, roles: dict[str, Role]
) -> Iterator[str]:
    """Draft a measure for each combination of what tells rows of one place and period apart."""
    combinations = frame.select(split).unique(maintain_order=True).rows()
    yield f"# {_measure_question(figure, roles)}"
    if figure.rounding:
        yield f"# rounding: {normalise_heading(figure.why)}"
    yield from _defaults_line(f", column: {quote_yaml(figure.name)}{_rounding_text(figure)}")
    yield "measures:"
    yield f"  # rows of one place and period are told apart by {', '.join(split)}: TODO keep the measures wanted"
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
    """Make a name out of a heading."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40] or "figure"


def measure_names(source: str, texts: Iterable[str]) -> list[str]:
    """Make a name for each of several measures of a source, no two alike and none too long."""
    stem = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", source.casefold())).strip("_") or "figures"
    names: list[str] = []
    for text in texts:
        whole = f"{stem[:_STEM_LENGTH]}_{measure_name(text)}" if text else stem[:_MAX_NAME_LENGTH]
        endings = ("", *(f"_{n}" for n in range(2, len(names) + 3)))
        names.append(
            next(key for end in endings if (key := whole[: _MAX_NAME_LENGTH - len(end)].strip("_") + end) not in names)
        )
    return names


KIND_COMMENT = "# kind: count or stock if it may be summed over places, rate with its denominator, else index"


def _defaults_line(more: str) -> Iterator[str]:
    yield f"measure_defaults: {{unit: TODO, kind: index{more}}} {KIND_COMMENT}"


def measure_lines(
    key: str, figure: str, figures: FigureColumn, question: str, has_defaults: bool = False
) -> Iterator[str]:
    """Draft a measure; what all measures share (`alike`) is said of none."""
    if figures.rounding:
        yield f"  # rounding: {normalise_heading(figures.why)}"
    todo = f" # {question}" if question else ""
    if has_defaults:
        yield f"  {key}: {{title: TODO, {figure}{_rounding_text(figures)}}}{todo}"
        return
    yield f"  {key}: {KIND_COMMENT}"
    yield f"    {{title: TODO, unit: TODO, kind: index, {figure}{_rounding_text(figures)}}}{todo}"


def _rounding_text(figures: FigureColumn) -> str:
    return f", rounding: {figures.rounding}" if figures.rounding else ""


def mark_lines(figures: list[FigureColumn], more: Mapping[str, int] = _NONE) -> Iterator[str]:
    """Say which marks follow figures, and list them among the markers; % says nothing of a figure's status."""
    marks = sum((Counter(column.marks) for column in figures), Counter[str]())
    forms = {"%": "%", "*": r"\*"}
    patterns = sorted({forms.get(mark, r"\[[A-Za-z]+\]") for mark in marks})
    if patterns:
        yield f"footnotes: {json.dumps('|'.join(patterns))} # TODO what follows figures, as {', '.join(marks)}"
    rest = Counter({mark: count for mark, count in marks.items() if mark != "%"}) + Counter(more)
    yield from marker_lines(sum((Counter(column.markers) for column in figures), rest))


def marker_lines(markers: dict[str, int]) -> Iterator[str]:
    if not markers:
        return
    yield "markers: # TODO look each up in the publisher's notes: the same sign means different things elsewhere"
    for text, count in markers.items():
        quoted_text = json.dumps(text, ensure_ascii=False)
        if is_unreadable_figure(text):
            yield f"  {quoted_text}: TODO # a figure in a form that is not read; in {count:,} cells"
            continue
        meaning = _USUAL_MEANINGS.get(text)
        prefix = "" if meaning else "TODO "
        yield f"  {quoted_text}: {meaning or 'not_available'} # {prefix}stands {count:,} times"
