"""Draft of a source's declaration from a file: findings become keys, evidence becomes comments, the rest is TODO."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.core.periods import parse_period
from pipelines.geography import PlaceData
from pipelines.observations.column_figures import (
    FigureColumn,
    columns_of_damaged_codes,
    figure_columns,
    unreadable_figures,
)
from pipelines.observations.column_role import candidate_measures, likeliest_measure
from pipelines.observations.draft_measures import (
    KIND_COMMENT,
    draft_column_measures,
    draft_combination_measures,
    leftover_column_lines,
    mark_lines,
    marker_lines,
    measure_lines,
    measure_names,
    quote_yaml,
)
from pipelines.observations.profile import (
    Guess,
    code_column,
    label_column,
    other_period_columns,
    period_column,
    period_headings,
    place_headings,
    series_columns,
    unreadable_week_column,
)
from pipelines.readers import SniffedFile, looks_like_figure, normalise_heading, split_marker

CADENCES = {"day": "daily", "week": "weekly", "month": "monthly", "quarter": "quarterly"}
"""Likely frequency of publication for each kind of period, for a person to confirm."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def draft_declaration(
    name: str, inspection: SniffedFile, geography: PlaceData, url: str | None, inherited: Mapping[str, Any] = _NOTHING
) -> str:
    """Write the YAML of a source for a person to complete: each guess with its evidence, each open point with TODO.

    Keys that the publisher or the family already declares (`inherited`) are omitted.
    """
    frame = inspection.sheet.frame
    code = code_column(frame, geography)
    label = label_column(frame, geography, code)
    keys = [guess.name for guess in (code, label) if guess]
    wide = period_headings(frame)
    across = None if code or label or wide else place_headings(frame, geography)
    if across:
        body = [*_geography_lines(across[0], None), *_by_place_lines(frame, *across, name)]
    elif wide:
        body = [
            *_geography_lines(code, label),
            *_column_lines(code, label),
            *_wide_layout_lines(frame, wide, keys, name),
        ]
    else:
        body = [*_geography_lines(code, label), *_column_lines(code, label), *_long_layout_lines(frame, keys, name)]
    kind = next((line.split()[1] for line in body if line.startswith("period_kind: ")), "")
    lines = [*_header_lines(name, url, inherited, kind), *_format_lines(inspection), *body]
    return "\n".join(_omit_inherited_keys(lines, inherited)) + "\n"


def _omit_inherited_keys(lines: Iterable[str], inherited: Mapping[str, Any]) -> Iterator[str]:
    """Omit each key that is already declared, with the lines under it; keep comments."""
    is_inherited = False
    for line in lines:
        if not line.startswith((" ", "#")):
            is_inherited = line.partition(":")[0] in inherited
        if line.startswith(("#", "family:")) or not is_inherited:
            yield line


def _header_lines(name: str, url: str | None, inherited: Mapping[str, Any], kind: str) -> Iterator[str]:
    yield f"title: TODO describe {name.replace('_', ' ')}"
    for family, dataset in inherited.get("family", {}).items():
        why = " # its columns match this family: give the publisher's name of the dataset" if dataset == "TODO" else ""
        yield f"family: {{{family}: {dataset}}}{why}"
    yield "publisher: TODO name of the publisher"
    yield "licence: TODO name of the licence"
    yield "page: TODO web page that describes the data"
    if url:
        yield f"url: {quote_yaml(url)}"
    elif "url" not in inherited:
        yield f"# No url: add a file with `commonground add {name} FILE --released DAY`."
    often = CADENCES.get(kind, "annual")
    yield f"cadence: {often} # TODO frequency of publication: daily, weekly, monthly, quarterly, annual or once"


def _format_lines(inspection: SniffedFile) -> Iterator[str]:
    for key, value in inspection.keys.items():
        why = f" # {normalise_heading(inspection.why[key])}" if key in inspection.why else ""
        yield f"{key}: {quote_yaml(value)}{why}"
    if inspection.sheet.preamble:
        yield f"# Above the headings: {normalise_heading(' | '.join(inspection.sheet.preamble))[:160]}"


def _geography_lines(code: Guess | None, label: Guess | None) -> Iterator[str]:
    guess = code or label
    if guess:
        yield f"# {normalise_heading(guess.why)}"
    yield (f"geography: {guess.kind or 'TODO'}" if guess else "geography: TODO # no column has known codes or names")


def _column_lines(code: Guess | None, label: Guess | None) -> Iterator[str]:
    yield "columns:"
    if code:
        yield f"  place: {quote_yaml(code.name)} # TODO confirm that these are the area codes"
    if label:
        why = f" ({normalise_heading(label.why)})" if code else ""
        yield f"  label: {quote_yaml(label.name)} # TODO confirm that these are the place names{why}"
    if not code and not label:
        yield "  # If all figures are for one place, give its code under place, beside geography, and omit label."
        yield "  label: TODO # no column has known codes or names"


def _long_layout_lines(frame: pl.DataFrame, keys: list[str], name: str) -> Iterator[str]:
    period = period_column(frame, keys)
    weeks = None if period else unreadable_week_column(frame, keys)
    period_columns = [column.name for column in (period[0] if period else None, weeks) if column]
    yield from _period_lines(frame, period, weeks)
    damaged = columns_of_damaged_codes(frame, [*keys, *period_columns])
    for heading, codes in damaged.items():
        yield f"# TODO {normalise_heading(heading)}: a spreadsheet has converted codes to numbers,"
        yield f"# such as {', '.join(codes[:3])}; ask for the original file, or for codes stored as text."
    used = [*keys, *period_columns, *damaged]
    candidates = figure_columns(frame, used)
    for heading, text in unreadable_figures(frame, [*used, *(column.name for column in candidates)]).items():
        yield (
            f"# TODO {normalise_heading(heading)} has figures in an unsupported form, such as "
            f"{normalise_heading(text)}: use tidy()"
        )
    roles = {column.name: column.role for column in candidates}
    chosen = candidate_measures(roles)
    figures = [column for column in candidates if column.name in chosen]
    split = series_columns(frame, [*keys[:1], *period_columns], [*roles, *damaged])
    first = likeliest_measure(chosen, roles) if split and chosen else None
    drafted = [column for column in figures if first in (None, column.name)]
    yield from (
        draft_combination_measures(frame, drafted[0], split, name, roles)
        if first
        else draft_column_measures(drafted, name, roles)
    )
    yield from leftover_column_lines(candidates, drafted, name)
    yield from mark_lines(candidates)


def _period_lines(
    frame: pl.DataFrame, period: tuple[Guess, tuple[str, ...]] | None, weeks: Guess | None = None
) -> Iterator[str]:
    """Yield the lines that name the period column, or state that the whole file has one period."""
    if weeks:
        yield f"# TODO {normalise_heading(weeks.name)} has weeks in an unsupported form, such as {weeks.why}:"
        yield "# write them as 2025-W09 in tidy(), and set period_kind: week."
        yield "period: {start: TODO, end: TODO}"
        return
    if not period:
        yield "# TODO no column has a period: give the first and last day, or a pattern"
        yield "# if the file name or the rows above the headings state it."
        yield "period: {start: TODO, end: TODO}"
        return
    guess, formats = period
    yield f"  period: {quote_yaml(guess.name)} # TODO confirm that this is the reference period"
    yield f"period_kind: {guess.kind} # {normalise_heading(guess.why)}"
    others = other_period_columns(frame, guess.name)
    if others:
        yield f"# TODO confirm the whole period; other period headings: {', '.join(map(normalise_heading, others))}"
    if formats:
        yield f"period_format: {quote_yaml(list(formats))}"


def _wide_layout_lines(frame: pl.DataFrame, wide: Guess, keys: list[str], name: str) -> Iterator[str]:
    periods = [column for column in frame.columns if parse_period(split_marker(column)[0], wide.kind)]  # type: ignore[arg-type]
    others = [column for column in frame.columns if column not in (*periods, *keys, "_row")]
    yield f"period_kind: {wide.kind} # TODO {wide.why}: confirm that they are the reference periods"
    if others:
        yield f"skip_columns: {quote_yaml(_ignore_patterns(others))} # TODO confirm that these are not periods"
    figures = figure_columns(frame.select(periods), [])
    bases = {column.rounding for column in figures if column.rounding}
    summary = FigureColumn("", {}, min(bases) if bases else None, "all figures in every column are multiples")
    yield "measures:"
    question = "TODO confirm that the period columns hold this measure"
    yield from measure_lines(measure_names(name, ["figure"])[0], "", summary, question)
    yield from mark_lines(figures, Counter(mark for column in periods if (mark := split_marker(column)[1])))


def _by_place_lines(frame: pl.DataFrame, across: Guess, unknown: list[str], name: str) -> Iterator[str]:
    """Draft a file with places as headings: one measure, which no heading names."""
    period = period_column(frame, [])
    period_columns = [period[0].name] if period else []
    others = [heading for heading in unknown if heading not in period_columns]
    if others:
        yield (
            f"# TODO unknown places: {', '.join(map(normalise_heading, others))[:300]}. "
            "List other columns under skip_columns."
        )
    yield "columns:"
    yield f'  {across.name}: "*" # TODO confirm that all columns except the period and skip_columns are places'
    yield from _period_lines(frame, period)
    yield "measures:"
    yield f"  {measure_names(name, [''])[0]}: {KIND_COMMENT}"
    yield "    {title: TODO, unit: TODO, kind: index}"
    # A place can have only markers and no figure, so the search covers every column.
    cells = [
        text
        for heading in frame.columns
        if heading not in ("_row", *period_columns, *unknown)
        for text in frame[heading]
        if text
    ]
    yield from marker_lines(dict(Counter(text for text in cells if not looks_like_figure(text)).most_common(12)))


def _ignore_patterns(names: list[str]) -> list[str]:
    """List the headings that are not periods, with one pattern for several that end alike."""
    ends = [" - Annotations"]
    alike = [f"*{end}" for end in ends if sum(name.endswith(end) for name in names) > 1]
    return [*alike, *(name for name in names if not any(name.endswith(end) for end in ends))]
