"""Drafting a source's declaration from a file: what was seen becomes keys, why becomes comments, the rest is TODO."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.core.periods import parse_period
from pipelines.geography import Geography
from pipelines.observations.column_figures import Figures, damaged_codes, figure_columns, unread_figures
from pipelines.observations.column_role import likeliest, offered
from pipelines.observations.draft_measures import (
    KIND,
    columns_as_measures,
    columns_left_out,
    combinations_as_measures,
    mark_lines,
    marker_lines,
    measure_lines,
    measure_names,
    quoted,
)
from pipelines.observations.profile import (
    Guess,
    also_dated,
    code_column,
    label_column,
    period_column,
    place_headings,
    series_columns,
    unread_weeks,
    wide_headings,
)
from pipelines.readers import Looked, looks_like_figure, plain, split_marker

CADENCES = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly"}
"""How often a file that speaks of such periods is likely to come out; to be looked up."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def draft_declaration(
    name: str, looked: Looked, geography: Geography, url: str | None, known: Mapping[str, Any] = _NOTHING
) -> str:
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
    yield (
        f"geography: {known.what or 'TODO'}"
        if known
        else "geography: TODO # no column has codes or names that are known"
    )


def _columns(code: Guess | None, label: Guess | None) -> Iterator[str]:
    yield "columns:"
    if code:
        yield f"  place: {quoted(code.name)} # TODO are these the codes of the places?"
    if label:
        why = f" ({plain(label.why)})" if code else ""
        yield f"  label: {quoted(label.name)} # TODO are these the names of the places?{why}"
    if not code and not label:
        yield "  # If all figures are of one place, give its code under place, beside geography, and no label here."
        yield "  label: TODO # no column has codes or names of places that are known"


def _long(frame: pl.DataFrame, keys: list[str], name: str) -> Iterator[str]:
    period = period_column(frame, keys)
    weeks = None if period else unread_weeks(frame, keys)
    dated = [each.name for each in (period[0] if period else None, weeks) if each]
    yield from _period(frame, period, weeks)
    damaged = damaged_codes(frame, [*keys, *dated])
    for heading, codes in damaged.items():
        yield f"# TODO {plain(heading)}: a spreadsheet has read codes as numbers, as {', '.join(codes[:3])};"
        yield "# ask for the file as it was before, or for its codes as text."
    taken = [*keys, *dated, *damaged]
    found = figure_columns(frame, taken)
    for heading, text in unread_figures(frame, [*taken, *(each.name for each in found)]).items():
        yield f"# TODO {plain(heading)} has figures in a form that is not read, as {plain(text)}: use tidy()"
    roles = {each.name: each.role for each in found}
    chosen = offered(roles)
    figures = [each for each in found if each.name in chosen]
    split = series_columns(frame, [*keys[:1], *dated], [*roles, *damaged])
    first = likeliest(chosen, roles) if split and chosen else None
    shown = [each for each in figures if first in (None, each.name)]
    yield from (
        combinations_as_measures(frame, shown[0], split, name, roles)
        if first
        else columns_as_measures(shown, name, roles)
    )
    yield from columns_left_out(found, shown, name)
    yield from mark_lines(found)


def _period(
    frame: pl.DataFrame, period: tuple[Guess, tuple[str, ...]] | None, weeks: Guess | None = None
) -> Iterator[str]:
    """Say which of the columns, under whose key this stands, has the period; else that the whole file has one."""
    if weeks:
        yield f"# TODO {plain(weeks.name)} has weeks as {weeks.why}, which are not read:"
        yield "# write them as 2025-W09 in tidy(), and say period_kind: week."
        yield "period: {start: TODO, end: TODO}"
        return
    if not period:
        yield "# TODO no column has a period: give the first and last day of the figures, or period_in_name or"
        yield "# period_in_preamble, if the name of the file or the rows above the headings say it."
        yield "period: {start: TODO, end: TODO}"
        return
    guess, formats = period
    yield f"  period: {quoted(guess.name)} # TODO is this the period of the figures?"
    yield f"period_kind: {guess.what} # {plain(guess.why)}"
    others = also_dated(frame, guess.name)
    if others:
        yield f"# TODO is that the whole period? also headed like one: {', '.join(map(plain, others))}"
    if formats:
        yield f"period_format: {quoted(list(formats))}"


def _wide(frame: pl.DataFrame, wide: Guess, keys: list[str], name: str) -> Iterator[str]:
    periods = [each for each in frame.columns if parse_period(split_marker(each)[0], wide.what)]  # type: ignore[arg-type]
    others = [each for each in frame.columns if each not in (*periods, *keys, "_row")]
    yield "layout: wide"
    yield f"period_kind: {wide.what} # TODO {wide.why}: are they the periods of the figures?"
    if others:
        yield f"skip_columns: {quoted(_patterns(others))} # TODO look whether these are no periods"
    figures = figure_columns(frame.select(periods), [])
    bases = {each.rounding for each in figures if each.rounding}
    seen = Figures("", {}, min(bases) if bases else None, "every column of figures is of multiples of it")
    yield "measures:"
    asked = "TODO is that what the columns of periods have?"
    yield from measure_lines(measure_names(name, ["figure"])[0], "column: figure", seen, asked)
    yield from mark_lines(figures, Counter(mark for each in periods if (mark := split_marker(each)[1])))


def _by_place(frame: pl.DataFrame, across: Guess, strange: list[str], name: str) -> Iterator[str]:
    """Draft a file whose headings are places: one measure, told by no heading."""
    period = period_column(frame, [])
    dated = [period[0].name] if period else []
    others = [each for each in strange if each not in dated]
    yield "layout: by_place # a column for each place"
    if others:
        yield f"# TODO not known as places: {', '.join(map(plain, others))[:300]}. Put what is none under skip_columns."
    yield "columns:"
    yield f'  {across.name}: "*" # TODO is each column, but those of the period and under skip_columns, a place?'
    yield from _period(frame, period)
    yield "measures:"
    yield f"  {measure_names(name, [''])[0]}: {KIND}"
    yield "    {title: TODO, unit: TODO, kind: index}"
    # A place whose figures are all hidden has no figure to be known by: markers are looked for in every column.
    cells = [text for each in frame.columns if each not in ("_row", *dated, *strange) for text in frame[each] if text]
    yield from marker_lines(dict(Counter(text for text in cells if not looks_like_figure(text)).most_common(12)))


def _patterns(names: list[str]) -> list[str]:
    """Name the headings that are no periods; many that end alike by one pattern."""
    ends = [" - Annotations"]
    alike = [f"*{end}" for end in ends if sum(name.endswith(end) for name in names) > 1]
    return [*alike, *(name for name in names if not any(name.endswith(end) for end in ends))]
