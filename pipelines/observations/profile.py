"""Profile of an undeclared table: columns of codes and their vintage, names, periods and series, each with evidence."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.geocodes import KIND_BY_PREFIX, KIND_PREFIXES
from pipelines.core.periods import parse_period
from pipelines.core.vocabulary import PeriodKind
from pipelines.geography import PlaceData, fold_name, list_geography_codes, require_places
from pipelines.observations.column_role import infer_column_role
from pipelines.readers import AREA_CODE_PATTERN, ROW, looks_like_figure, split_marker

MIN_MATCH_SHARE = 0.9
"""Share of a column's texts that must match a kind for the column to be of that kind."""
_FORMATS = ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%b-%y", "%d-%b-%y", "%d %B %Y", "%Y/%m/%d", "%d.%m.%Y", "%b %y")
_PERIOD_KINDS: tuple[PeriodKind, ...] = (
    "year",
    "month",
    "quarter",
    "half_year",
    "financial_year",
    "academic_year",
    "day",
    "week",
    "mid_year",
    "span",
)
_DATED_KINDS: tuple[PeriodKind, ...] = ("day", "week", "mid_year")
"""Kinds that share their spellings with others, so that a draft never combines them."""
_WEEK_DOUBT = "; TODO read as ISO 8601 weeks, Monday to Sunday: confirm, or write the dates of other weeks in tidy()"
VINTAGE_YEARS = range(2009, 2027)
"""Vintages tried; the register of districts begins with the first."""
_KINDS_BY_NAME = ("lad", "utla", "health_board", "pfa", "pcon", "region", "nation")
"""Kinds of geography that files name without a code."""
_MIN_PLACES = 5
_MAX_SERIES = 40


class Guess(NamedTuple):
    """A guess about a column or several headings, with its evidence."""

    name: str
    kind: str
    why: str


def distinct_texts(frame: pl.DataFrame, name: str) -> list[str]:
    """Return the distinct texts of a column, without blanks."""
    return [text for text in frame[name].unique(maintain_order=True).to_list() if text]


def _match_share(hits: Iterable[object], all_: list[str]) -> float:
    return sum(1 for hit in hits if hit) / len(all_) if all_ else 0.0


def code_column(frame: pl.DataFrame, geography: PlaceData) -> Guess | None:
    """Return the column of area codes, and the geography with most of these; the newest among equals."""
    shares = {
        name: _match_share(map(AREA_CODE_PATTERN.fullmatch, distinct_texts(frame, name)), distinct_texts(frame, name))
        for name in table_columns(frame)
    }
    fit = [name for name, share in shares.items() if share >= MIN_MATCH_SHARE / 2]
    if not fit:
        return None
    # Of several columns of codes, the one with the smallest places, and so the most codes, is the key.
    name = max(fit, key=lambda column: len(distinct_texts(frame, column)))
    codes = set(distinct_texts(frame, name))
    system, why = _likeliest_system(codes, geography)
    return Guess(name, system, f"{why}; {_tier_counts(codes)}")


def table_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns of a table, without the row number."""
    return [name for name in frame.columns if name != ROW]


def _tier_counts(codes: set[str]) -> str:
    """Count the codes of each tier."""
    counts = Counter(KIND_BY_PREFIX.get(code[:3], code[:3] if len(code) == 9 else "other") for code in codes)
    return "tiers seen: " + ", ".join(f"{count:,} {tier}" for tier, count in counts.most_common(8))


def _likeliest_system(codes: set[str], geography: PlaceData) -> tuple[str, str]:
    codes_by_system = {
        system: system_codes
        for system in _candidate_systems(codes, geography)
        if (system_codes := _codes(system, geography))
    }
    matches = {system: len(codes & system_codes) for system, system_codes in codes_by_system.items()}
    if not matches or not max(matches.values()):
        return "TODO", f"no stored geography has these codes, such as {', '.join(sorted(codes)[:3])}"
    # Districts precede upper tiers, which share most of their codes; then the geography with fewest other places.
    rank = {
        candidate: (matches[candidate], candidate.startswith("lad_"), -len(codes_by_system[candidate]), candidate[-4:])
        for candidate in codes_by_system
    }
    order = sorted(matches, key=lambda candidate: rank[candidate], reverse=True)
    counts = ", ".join(f"{system} has {matches[system]:,}" for system in order[:3])
    return order[0], f"of {len(codes):,} codes, {counts}"


def _candidate_systems(codes: set[str], geography: PlaceData) -> list[str]:
    """Return the geographies that can include some of these codes."""
    kinds = {kind for kind, starts in KIND_PREFIXES.items() if any(code[:3] in starts for code in codes)}
    kinds -= {"above_nation", "nation"} if len(kinds) > 2 else set()
    vintages = [f"{kind}_{year}" for kind in sorted(kinds) for year in VINTAGE_YEARS]
    tables = [system for areas in geography.areas for system in areas.systems]
    tables += [candidate.from_system for candidate in geography.shares]
    return list(dict.fromkeys([*vintages, *tables]))


def _codes(system: str, geography: PlaceData) -> set[str]:
    """Return the codes of a geography, empty where it is unknown."""
    try:
        return set(list_geography_codes(geography, system))
    except UnknownNameError:
        return set()


def label_column(frame: pl.DataFrame, geography: PlaceData, code: Guess | None) -> Guess | None:
    """Return the column of place names: one to one with the codes, or else the one with most names of districts."""
    return _column_matching_codes(frame, code.name) if code else _name_column(frame, geography, 1 - MIN_MATCH_SHARE)


def place_headings(frame: pl.DataFrame, geography: PlaceData) -> tuple[Guess, list[str]] | None:
    """Return headings that are area codes or names, at least five and half of all, and the headings that are unknown.

    The name of the guess is place for codes and label for names.
    """
    headings = pl.DataFrame({"heading": table_columns(frame)})
    if headings.height < _MIN_PLACES:
        return None
    code = code_column(headings, geography)
    label = None if code else _name_column(headings, geography, 0.5)
    if not (guess := code or label):
        return None
    known_texts = set(list_geography_codes(geography, guess.kind)) if code else _system_names(guess.kind, geography)
    unknown = [
        heading for heading in table_columns(frame) if (heading if code else fold_name(heading)) not in known_texts
    ]
    return guess._replace(name="place" if code else "label"), unknown


def _column_matching_codes(frame: pl.DataFrame, code: str) -> Guess | None:
    codes = len(distinct_texts(frame, code))
    pairs = {name: frame.select(code, name).unique().height for name in table_columns(frame) if name != code}
    fit = [
        n
        for n, count in pairs.items()
        if count <= 1.1 * codes and len(distinct_texts(frame, n)) >= MIN_MATCH_SHARE * codes
    ]
    words = [name for name in fit if not any(map(_is_not_name, distinct_texts(frame, name)[:200]))]
    return Guess(words[0], "", "one to one with the codes") if words else None


def _name_column(frame: pl.DataFrame, geography: PlaceData, least: float) -> Guess | None:
    """Return the column with at least this share of place names, and the geography with most of these."""
    candidates = [f"{kind}_{year}" for kind in _KINDS_BY_NAME for year in VINTAGE_YEARS]
    systems = {system: names for system in candidates if (names := _system_names(system, geography))}
    every = set().union(*systems.values())
    columns = {name: distinct_texts(frame, name) for name in table_columns(frame)}
    shares = {
        name: _match_share((fold_name(text) in every for text in values), values) for name, values in columns.items()
    }
    name = max(shares, key=lambda candidate: shares[candidate], default="")
    if shares.get(name, 0) < least:
        return None
    values = {fold_name(text) for text in columns[name]}
    rank = {
        candidate: (len(systems[candidate] & values), candidate.startswith("lad_"), -len(systems[candidate]), candidate)
        for candidate in systems
    }
    order = sorted(systems, key=lambda candidate: rank[candidate], reverse=True)
    counts = ", ".join(f"{system} has {len(systems[system] & values):,}" for system in order[:3])
    return Guess(name, order[0], f"names only: of {len(values):,}, {counts}; add the others to a table of names")


def _is_not_name(text: str) -> bool:
    return looks_like_figure(text) or bool(AREA_CODE_PATTERN.fullmatch(text))


def _system_names(system: str, geography: PlaceData) -> set[str]:
    """Return the folded names of the places of a geography, empty where the register does not have it."""
    try:
        places = require_places(geography.places.register, system)
    except UnknownNameError:
        return set()
    return {fold_name(name) for name in places["place_name"].drop_nulls()}


def period_column(frame: pl.DataFrame, excluded: list[str]) -> tuple[Guess, tuple[str, ...]] | None:
    """Return the column of periods, their kind and their formats; two formats that both fit leave it undecided."""
    for name in sorted((n for n in table_columns(frame) if n not in excluded), key=lambda n: not _is_period_heading(n)):
        values = distinct_texts(frame, name)
        kind = next((k for k in _PERIOD_KINDS if values and all(parse_period(text, k) for text in values)), None)
        if kind == "month" and _is_weekly_heading(name):
            kind = "week" if all(parse_period(text, "week") for text in values) else None
            if not kind:
                continue
        if not kind and (several := _several_period_kinds(values)):
            return Guess(name, several, f"several kinds of period, such as {values[0]} and {values[-1]}"), ()
        if kind and (kind != "year" or _is_period_heading(name) or all(1900 < int(text[:4]) < 2100 for text in values)):
            digits = kind == "month" and all(text.isdigit() for text in values)
            doubt = "; TODO months, or weeks of a year?" if digits else _WEEK_DOUBT if kind == "week" else ""
            return Guess(name, kind, f"all texts fit, such as {values[0]}{doubt}"), ()
        formats = [form for form in _FORMATS if values and all(parse_period(text, "day", (form,)) for text in values)]
        if formats:
            kind = "month" if "%d" not in formats[0] else "day"
            why = f"such as {values[0]}" if len(formats) == 1 else f"TODO day or month first? {values[0]} fits both"
            return Guess(name, kind, why), tuple(formats)
    return None


def _several_period_kinds(values: list[str]) -> str:
    """Return the kinds of a column with several kinds of period, as YAML; blank unless each text is of one kind."""
    kinds = {
        text: [kind for kind in _PERIOD_KINDS if kind not in _DATED_KINDS and parse_period(text, kind)]
        for text in values
    }
    if not values or not all(kinds.values()):
        return ""
    first = dict.fromkeys(options[0] for options in kinds.values())
    return f"[{', '.join(first)}]" if all(len(first.keys() & set(options)) == 1 for options in kinds.values()) else ""


def _is_weekly_heading(name: str) -> bool:
    return bool(re.search(r"week|wk", name, re.I))


def unreadable_week_column(frame: pl.DataFrame, excluded: list[str]) -> Guess | None:
    """Return a column of weeks in an unsupported form, such as 202509, which can look like months."""
    for name in (column for column in table_columns(frame) if column not in excluded and _is_weekly_heading(column)):
        values = distinct_texts(frame, name)
        if values and all(re.fullmatch(r"(?:19|20)\d{2}[-/ ]?\d{1,2}", text) for text in values):
            return Guess(name, "week", values[0])
    return None


def other_period_columns(frame: pl.DataFrame, name: str) -> list[str]:
    """Return the other columns with a period heading, such as a quarter beside a year."""
    return [
        column
        for column in table_columns(frame)
        if column != name and infer_column_role(column).name == "period" and distinct_texts(frame, column)
    ]


def _is_period_heading(name: str) -> bool:
    return bool(re.search(r"date|year|period|month|quarter|week|time", name, re.I))


def period_headings(frame: pl.DataFrame) -> Guess | None:
    """Return headings that are periods, three or more of one kind."""
    names = [split_marker(name)[0] for name in table_columns(frame)]
    kinds = {kind: [name for name in names if parse_period(name, kind)] for kind in _PERIOD_KINDS}
    kind = max(kinds, key=lambda candidate: (len(kinds[candidate]), -_PERIOD_KINDS.index(candidate)))
    # If some six-digit headings are no month, such as 202513, all are weeks.
    weeks = kind == "month" and any(re.fullmatch(r"\d{6}", name) and name not in kinds[kind] for name in names)
    if len(kinds[kind]) < 3 or weeks:
        return None
    return Guess("", kind, f"{len(kinds[kind])} headings are periods, {kinds[kind][0]} to {kinds[kind][-1]}")


def series_columns(frame: pl.DataFrame, keys: list[str], excluded: list[str]) -> list[str]:
    """Return columns that distinguish rows of one place and period, such as measures, ages or sexes in one column."""
    if not keys or frame.select(keys).is_unique().all():
        return []
    counts = {name: len(distinct_texts(frame, name)) for name in table_columns(frame) if name not in (*keys, *excluded)}
    fit = sorted((name for name, count in counts.items() if 1 < count <= _MAX_SERIES), key=lambda n: counts[n])
    chosen: list[str] = []
    groups = frame.select(keys).unique().height
    for name in fit:
        wider = frame.select([*keys, *chosen, name]).unique().height
        if wider > groups:
            chosen, groups = [*chosen, name], wider
        if groups == frame.height:
            break
    return chosen[:3]
