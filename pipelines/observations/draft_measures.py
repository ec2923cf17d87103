"""Drafting the measures of a declaration: which columns may be figures, which are left out, and what marks mean."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.observations.column_figures import Figures, is_unread
from pipelines.observations.column_role import NEVER, UNCERTAINTY, Role, confidence_level, limits
from pipelines.readers import plain

_MEASURES_AT_MOST = 12
_LEFT_OUT_AT_MOST = 24
_LONGEST = 62
_STEM = 30
"""Letters of a source's name in that of a measure, so that its own heading has room."""
_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null")
_KNOWN = {"*": "confidential", "[c]": "confidential", "c": "confidential", "[x]": "not_available", "x": "not_available",
          "..": "not_available", "NA": "not_available", "[z]": "not_applicable", "z": "not_applicable",
          "[low]": "low", "[e]": "estimated", "[p]": "provisional", "[r]": "revised", "[u]": "unreliable",
          "[b]": "break", "p": "provisional", "r": "revised"}  # fmt: skip
"""What a marker usually means: the Analysis Function's symbols, and what older tables have. To be looked up."""

_NONE: Mapping[str, int] = MappingProxyType({})


def quoted(value: Any) -> str:
    """Write a value as YAML takes it: JSON is YAML, and plain words need no quotation marks."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ()/.-]*[A-Za-z0-9_)]", value)
    return str(value) if bare and value.lower() not in _YAML_WORDS else json.dumps(value, ensure_ascii=False)


def columns_as_measures(figures: list[Figures], name: str, roles: dict[str, Role]) -> Iterator[str]:
    """Draft a measure for each column that may be one; none of limits and errors alone, which ask for the estimate."""
    several = len(figures) > 1
    yield from _alike("") if several else ()
    yield "measures:"
    if not figures and any(role.name in UNCERTAINTY for role in roles.values()):
        yield f"  {measure_names(name, [''])[0]}: # TODO no column can be the figure by itself: name the one that is"
        yield "    {title: TODO, unit: TODO, kind: index, column: TODO}"
    elif not figures:
        listed = measure_names(f"{measure_name(name)}_listed", [""])[0]
        yield f"  {listed}: # TODO no column is mostly figures: is it a list whose rows are counted?"
        yield "    {title: TODO, unit: TODO, kind: stock, count_rows: true}"
    chosen = figures[:_MEASURES_AT_MOST]
    for key, each in zip(measure_names(name, [each.name for each in chosen]), chosen, strict=True):
        yield from measure_lines(
            key, f"column: {quoted(each.name)}{_interval(each, roles)}", each, _asked(each, roles), alike=several
        )
    for each in figures[_MEASURES_AT_MOST:]:
        yield f"  # also a column of figures: {plain(each.name)}"


def _asked(figures: Figures, roles: dict[str, Role]) -> str:
    """Ask whether a column is the figure, with why it was taken, and whether its interval is right."""
    about = "; are these its limits, and is that their level?" if limits(figures.name, roles) else ""
    return f"TODO is {plain(figures.name)} the figure? {plain(figures.role.why)}{about}"


def _interval(figures: Figures, roles: dict[str, Role]) -> str:
    """Write the columns with the limits of a column's figures, and their level where the headings name it."""
    ends = limits(figures.name, roles)
    if not ends:
        return ""
    level = confidence_level(ends) or "TODO"
    return f", interval: {{lower: {quoted(ends[0])}, upper: {quoted(ends[1])}, level: {level}}}"


def columns_left_out(found: list[Figures], taken: list[Figures], source: str) -> Iterator[str]:
    """Name each column of figures that is no measure of the draft, and why; one that may be is written as a comment."""
    left = [each for each in found if each not in taken]
    keys = measure_names(source, [each.name for each in (*taken, *left)])[len(taken) :]
    for key, each in zip(keys[:_LEFT_OUT_AT_MOST], left, strict=False):
        yield f"  # not taken: {plain(each.name)}, {_article(each.role.name)} ({plain(each.role.why)})"
        if each.role.name not in NEVER:  # no TODO in a comment: who does not want it need not decide about it
            kind = "rank" if each.role.name == "rank" else "index"
            yield f"  #   {key}: {{kind: {kind}, column: {quoted(plain(each.name))}}} # with a title and a unit"
    if len(left) > _LEFT_OUT_AT_MOST:
        yield f"  # and {len(left) - _LEFT_OUT_AT_MOST:,} more columns of figures"


def _article(role: str) -> str:
    return {"figure": "another column of figures", "error": "a standard error or the like", "notes": "a note"}.get(
        role, f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
    )


def combinations_as_measures(
    frame: pl.DataFrame, figure: Figures, split: list[str], name: str, roles: dict[str, Role]
) -> Iterator[str]:
    """Draft a measure for each combination of what tells rows of one place and period apart."""
    met = frame.select(split).unique(maintain_order=True).rows()
    yield f"# {_asked(figure, roles)}"
    if figure.rounding:
        yield f"# rounding: {plain(figure.why)}"
    yield from _alike(f", column: {quoted(figure.name)}{_rounding(figure)}")
    yield "measures:"
    yield f"  # rows of one place and period are told apart by {', '.join(split)}: TODO keep the measures wanted"
    shown = met[:_MEASURES_AT_MOST]
    keys = measure_names(name, ["_".join(filter(None, row)) for row in shown])
    for key, row in zip(keys, shown, strict=True):
        where = dict(zip(split, row, strict=True))
        yield f"  {key}: {{title: TODO, filter: {json.dumps(where, ensure_ascii=False)}{_interval(figure, roles)}}}"
    if len(met) > _MEASURES_AT_MOST:
        yield f"  # and {len(met) - _MEASURES_AT_MOST:,} more combinations"


def measure_name(text: str) -> str:
    """Make a name out of a heading."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40] or "figure"


def measure_names(source: str, texts: Iterable[str]) -> list[str]:
    """Make a name for each of several measures of a source, no two alike and none too long."""
    stem = re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9]+", "_", source.casefold())).strip("_") or "figures"
    made: list[str] = []
    for text in texts:
        whole = f"{stem[:_STEM]}_{measure_name(text)}" if text else stem[:_LONGEST]
        endings = ("", *(f"_{n}" for n in range(2, len(made) + 3)))
        made.append(next(key for end in endings if (key := whole[: _LONGEST - len(end)].strip("_") + end) not in made))
    return made


KIND = "# kind: count or stock if it may be summed over places, rate with its denominator, else index"


def _alike(more: str) -> Iterator[str]:
    yield f"measure_defaults: {{unit: TODO, kind: index{more}}} {KIND}"


def measure_lines(key: str, figure: str, figures: Figures, asked: str, alike: bool = False) -> Iterator[str]:
    """Draft a measure; what all measures share (`alike`) is said of none."""
    if figures.rounding:
        yield f"  # rounding: {plain(figures.why)}"
    todo = f" # {asked}" if asked else ""
    if alike:
        yield f"  {key}: {{title: TODO, {figure}{_rounding(figures)}}}{todo}"
        return
    yield f"  {key}: {KIND}"
    yield f"    {{title: TODO, unit: TODO, kind: index, {figure}{_rounding(figures)}}}{todo}"


def _rounding(figures: Figures) -> str:
    return f", rounding: {figures.rounding}" if figures.rounding else ""


def mark_lines(figures: list[Figures], more: Mapping[str, int] = _NONE) -> Iterator[str]:
    """Say which marks follow figures, and list them among the markers; % says nothing of a figure's status."""
    marks = sum((Counter(each.marks) for each in figures), Counter[str]())
    forms = {"%": "%", "*": r"\*"}
    patterns = sorted({forms.get(mark, r"\[[A-Za-z]+\]") for mark in marks})
    if patterns:
        yield f"footnotes: {json.dumps('|'.join(patterns))} # TODO what follows figures, as {', '.join(marks)}"
    rest = Counter({mark: count for mark, count in marks.items() if mark != "%"}) + Counter(more)
    yield from marker_lines(sum((Counter(each.markers) for each in figures), rest))


def marker_lines(markers: dict[str, int]) -> Iterator[str]:
    if not markers:
        return
    yield "markers: # TODO look each up in the publisher's notes: the same sign means different things elsewhere"
    for text, count in markers.items():
        spelled = json.dumps(text, ensure_ascii=False)
        if is_unread(text):
            yield f"  {spelled}: TODO # a figure in a form that is not read; in {count:,} cells"
            continue
        known = _KNOWN.get(text)
        told = "" if known else "TODO "
        yield f"  {spelled}: {known or 'not_available'} # {told}stands {count:,} times"
