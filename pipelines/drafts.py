"""Drafting a source's declaration from a file: what was seen becomes keys, why becomes comments, the rest is TODO."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.crosswalks import Geography
from pipelines.figures import looks_like_figure
from pipelines.guesses import (
    Figures,
    Guess,
    also_dated,
    code_column,
    figure_columns,
    label_column,
    period_column,
    place_headings,
    series_columns,
    texts,
    wide_headings,
)
from pipelines.matching import plain
from pipelines.melt import split_marker
from pipelines.sheets import Looked
from pipelines.spellings import parse_period

_MEASURES_AT_MOST = 12
CADENCES = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly"}
"""How often a file that speaks of such periods is likely to come out; to be looked up."""
_YAML_WORDS = ("yes", "no", "on", "off", "true", "false", "null")
_KNOWN = {"*": "confidential", "[c]": "confidential", "c": "confidential", "[x]": "not_available", "x": "not_available",
          "..": "not_available", "NA": "not_available", "[z]": "not_applicable", "z": "not_applicable",
          "[low]": "low", "[e]": "estimated", "[p]": "provisional", "[r]": "revised", "[u]": "unreliable",
          "[b]": "break", "p": "provisional", "r": "revised"}  # fmt: skip
"""What a marker usually means: the Analysis Function's symbols, and what older tables have. To be looked up."""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def draft(name: str, looked: Looked, geography: Geography, url: str | None, known: Mapping[str, Any] = _NOTHING) -> str:
    """Write the YAML of a source for a person to finish: every guess with its evidence, every open point with TODO.

    What its publisher or its family says for it (`known`) is not said again.
    """
    frame = looked.sheet.frame
    code = code_column(frame, geography)
    label = label_column(frame, geography, code)
    keys = [each.name for each in (code, label) if each]
    wide = wide_headings(frame)
    across = None if code or label or wide else place_headings(frame, geography)
    if across:
        body = [*_places(across[0], None), *_by_place(frame, *across, name)]
    elif wide:
        body = [*_places(code, label), *_columns(code, label), *_wide(frame, wide, keys, name)]
    else:
        body = [*_places(code, label), *_columns(code, label), *_long(frame, keys, name)]
    kind = next((line.split()[1] for line in body if line.startswith("period_kind: ")), "")
    lines = [*_head(name, url, known, kind), *_shape(looked), *body]
    return "\n".join(_unsaid(lines, known)) + "\n"


def _unsaid(lines: Iterable[str], known: Mapping[str, Any]) -> Iterator[str]:
    """Leave out each key that is known, with what stands under it; comments stay."""
    told = False
    for line in lines:
        if not line.startswith((" ", "#")):
            told = line.partition(":")[0] in known
        if line.startswith(("#", "family:")) or not told:
            yield line


def quoted(value: Any) -> str:
    """Write a value as YAML takes it: JSON is YAML, and plain words need no quotation marks."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ()/.-]*[A-Za-z0-9_)]", value)
    return str(value) if bare and value.lower() not in _YAML_WORDS else json.dumps(value, ensure_ascii=False)


def _head(name: str, url: str | None, known: Mapping[str, Any], kind: str) -> Iterator[str]:
    yield f"title: TODO what {name.replace('_', ' ')} is"
    for family, dataset in known.get("family", {}).items():
        why = " # its columns are this family's: what does the publisher call the dataset?" if dataset == "TODO" else ""
        yield f"family: {{{family}: {dataset}}}{why}"
    yield "publisher: TODO who publishes it"
    yield "licence: TODO under which licence"
    yield "page: TODO the page on which a person can read about it"
    if url:
        yield f"url: {quoted(url)}"
    elif "url" not in known:
        yield f"# No url: keep a file with `commonground add {name} FILE --released DAY`."
    often = CADENCES.get(kind, "annual")
    yield f"cadence: {often} # TODO how often it is published: daily, weekly, monthly, quarterly, annual or once"


def _shape(looked: Looked) -> Iterator[str]:
    for key, value in looked.keys.items():
        why = f" # {plain(looked.why[key])}" if key in looked.why else ""
        yield f"{key}: {quoted(value)}{why}"
    if looked.sheet.preamble:
        yield f"# Above the headings: {plain(' | '.join(looked.sheet.preamble))[:160]}"


def _places(code: Guess | None, label: Guess | None) -> Iterator[str]:
    known = code or label
    if known:
        yield f"# {plain(known.why)}"
    yield f"places: {known.what or 'TODO'}" if known else "places: TODO # no column has codes or names that are known"


def _columns(code: Guess | None, label: Guess | None) -> Iterator[str]:
    yield "columns:"
    if code:
        yield f"  place: {quoted(code.name)}"
    if label:
        yield f"  label: {quoted(label.name)}"
    if not code and not label:
        yield "  # If all figures are of one place, give its code under place, beside places, and no label here."
        yield "  label: TODO # no column has codes or names of places that are known"


def _long(frame: pl.DataFrame, keys: list[str], name: str) -> Iterator[str]:
    period = period_column(frame, keys)
    yield from _period(frame, period)
    taken = [*keys, *([period[0].name] if period else [])]
    figures = figure_columns(frame, taken)
    split = series_columns(frame, [*keys[:1], *([period[0].name] if period else [])], [each.name for each in figures])
    yield from _split(frame, figures, split, name) if split and figures else _plain(figures, name)
    yield from _markers(sum((Counter(each.markers) for each in figures), Counter()))


def _period(frame: pl.DataFrame, period: tuple[Guess, tuple[str, ...]] | None) -> Iterator[str]:
    """Say which of the columns, under whose key this stands, has the period; else that the whole file has one."""
    if not period:
        yield "# TODO no column has a period: give the first and last day of the figures, or period_in_name or"
        yield "# period_in_preamble, if the name of the file or the rows above the headings say it."
        yield "period: {start: TODO, end: TODO}"
        return
    guess, formats = period
    yield f"  period: {quoted(guess.name)}"
    yield f"period_kind: {guess.what} # {plain(guess.why)}"
    others = also_dated(frame, guess.name)
    if others:
        yield f"# TODO is that the whole period? also headed like one: {', '.join(map(plain, others))}"
    if formats:
        yield f"period_format: {quoted(list(formats))}"


def _plain(figures: list[Figures], name: str) -> Iterator[str]:
    several = len(figures) > 1
    names = [measure_name(each.name) for each in figures]
    yield from _alike("") if several else ()
    yield "measures:"
    if not figures:
        yield f"  {measure_name(name)}_listed: # TODO no column is mostly figures: is it a list whose rows are counted?"
        yield "    {title: TODO, unit: TODO, kind: stock, counted: true}"
    for number, each in enumerate(figures[:_MEASURES_AT_MOST]):
        ending = f"_{number}" if names.count(names[number]) > 1 else ""
        yield from _measure(f"{name}_{names[number]}{ending}", f"column: {quoted(each.name)}", each, alike=several)
    for each in figures[_MEASURES_AT_MOST:]:
        yield f"  # also a column of figures: {plain(each.name)}"


def _split(frame: pl.DataFrame, figures: list[Figures], split: list[str], name: str) -> Iterator[str]:
    """Draft a measure for each combination of what tells rows of one place and period apart."""
    met = frame.select(split).unique(maintain_order=True).rows()
    figure = max(figures, key=lambda each: len(texts(frame, each.name)))
    yield from _alike(f", column: {quoted(figure.name)}")
    yield "measures:"
    yield f"  # rows of one place and period are told apart by {', '.join(split)}: TODO keep the measures wanted"
    for number, row in enumerate(met[:_MEASURES_AT_MOST]):
        where = dict(zip(split, row, strict=True))
        parts = "_".join(measure_name(text) for text in row)[:45].strip("_")
        yield from _measure(f"{name}_{parts or 'x'}_{number}", f"where: {json.dumps(where)}", figure, alike=True)
    if len(met) > _MEASURES_AT_MOST:
        yield f"  # and {len(met) - _MEASURES_AT_MOST:,} more combinations"


def measure_name(text: str) -> str:
    """Make a name out of a heading."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:40] or "figure"


_KIND = "# kind: count or stock if it may be summed over places, rate with its denominator, else index"


def _alike(more: str) -> Iterator[str]:
    yield f"alike: {{unit: TODO, kind: index{more}}} {_KIND}"


def _measure(name: str, figure: str, figures: Figures, alike: bool = False) -> Iterator[str]:
    """Draft a measure; what all measures share (`alike`) is said of none."""
    safe = re.sub(r"^[^a-z]+", "", name)[:62].strip("_")
    if figures.rounding:
        yield f"  # rounding: {plain(figures.why)}"
    if alike:
        yield f"  {safe}: {{title: TODO, {figure}{_rounding(figures)}}}"
        return
    yield f"  {safe}: {_KIND}"
    yield f"    {{title: TODO, unit: TODO, kind: index, {figure}{_rounding(figures)}}}"


def _rounding(figures: Figures) -> str:
    return f", rounding: {figures.rounding}" if figures.rounding else ""


def _wide(frame: pl.DataFrame, wide: Guess, keys: list[str], name: str) -> Iterator[str]:
    periods = [each for each in frame.columns if parse_period(split_marker(each)[0], wide.what)]  # type: ignore[arg-type]
    others = [each for each in frame.columns if each not in (*periods, *keys, "_row")]
    yield "layout: wide"
    yield f"period_kind: {wide.what} # {wide.why}"
    if others:
        yield f"ignore: {quoted(_patterns(others))} # TODO look whether these are no periods"
    figures = figure_columns(frame.select(periods), [])
    bases = {each.rounding for each in figures if each.rounding}
    seen = Figures("", {}, min(bases) if bases else None, "every column of figures is of multiples of it")
    yield "measures:"
    yield from _measure(f"{name}_figure", "column: figure", seen)
    marks = Counter(mark for each in periods if (mark := split_marker(each)[1]))
    yield from _markers(sum((Counter(each.markers) for each in figures), marks))


def _by_place(frame: pl.DataFrame, across: Guess, strange: list[str], name: str) -> Iterator[str]:
    """Draft a file whose headings are places: one measure, told by no heading."""
    period = period_column(frame, [])
    dated = [period[0].name] if period else []
    others = [each for each in strange if each not in dated]
    yield "layout: by_place # a column for each place"
    if others:
        yield f"# TODO not known as places: {', '.join(map(plain, others))[:300]}. Put what is none under ignore."
    yield "columns:"
    yield f'  {across.name}: "*"'
    yield from _period(frame, period)
    yield "measures:"
    yield f"  {measure_name(name)}: {_KIND}"
    yield "    {title: TODO, unit: TODO, kind: index}"
    # A place whose figures are all hidden has no figure to be known by: markers are looked for in every column.
    cells = [text for each in frame.columns if each not in ("_row", *dated, *strange) for text in frame[each] if text]
    yield from _markers(dict(Counter(text for text in cells if not looks_like_figure(text)).most_common(12)))


def _patterns(names: list[str]) -> list[str]:
    """Name the headings that are no periods; many that end alike by one pattern."""
    ends = [" - Annotations"]
    alike = [f"*{end}" for end in ends if sum(name.endswith(end) for name in names) > 1]
    return [*alike, *(name for name in names if not any(name.endswith(end) for end in ends))]


def _markers(markers: dict[str, int]) -> Iterator[str]:
    if not markers:
        return
    yield "markers: # TODO look each up in the publisher's notes: the same sign means different things elsewhere"
    for text, count in markers.items():
        known = _KNOWN.get(text)
        told = "" if known else "TODO "
        yield f"  {json.dumps(text, ensure_ascii=False)}: {known or 'not_available'} # {told}stands {count:,} times"
