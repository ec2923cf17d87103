"""What the columns of an undeclared table may be: codes and their vintage, names, periods, figures; and why."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.geocodes import ENTITIES, KINDS
from pipelines.core.periods import parse_period
from pipelines.core.vocabulary import PeriodKind
from pipelines.geography import Geography, codes_of, folded, system_places
from pipelines.observations.column_role import column_role
from pipelines.readers import CODE, ROW, looks_like_figure, split_marker

MOST = 0.9
"""Share of a column's texts that must be of a kind for the column to be taken for one."""
_FORMATS = ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%b-%y", "%d-%b-%y", "%d %B %Y", "%Y/%m/%d", "%d.%m.%Y", "%b %y")
_KINDS: tuple[PeriodKind, ...] = ("year", "month", "quarter", "financial_year", "day", "week", "mid_year", "span")
YEARS = range(2009, 2027)
"""Vintages of places that are tried; the register of districts begins with the first."""
_NAMED = ("lad", "utla", "health_board", "pfa", "pcon", "region", "nation")
"""Kinds of place that files name without a code."""
_PLACES_AT_LEAST = 5
_SERIES_AT_MOST = 40


class Guess(NamedTuple):
    """A column, or several headings, taken for something, and why."""

    name: str
    what: str
    why: str


def texts(frame: pl.DataFrame, name: str) -> list[str]:
    """Give the different texts of a column, blanks left out."""
    return [text for text in frame[name].unique(maintain_order=True).to_list() if text]


def _share(found: Iterable[object], all_: list[str]) -> float:
    return sum(1 for each in found if each) / len(all_) if all_ else 0.0


def code_column(frame: pl.DataFrame, geography: Geography) -> Guess | None:
    """Find the column with codes of places, and the place system that has most of them; ties go to the newest."""
    shares = {
        name: _share(map(CODE.fullmatch, texts(frame, name)), texts(frame, name)) for name in table_columns(frame)
    }
    fit = [name for name, share in shares.items() if share >= MOST / 2]
    if not fit:
        return None
    # Of several columns of codes, the one of the smallest places is the key: it has the most of them.
    name = max(fit, key=lambda each: len(texts(frame, each)))
    codes = set(texts(frame, name))
    system, why = _vintage(codes, geography)
    return Guess(name, system, f"{why}; {_tiers(codes)}")


def table_columns(frame: pl.DataFrame) -> list[str]:
    """Name the columns of a table, but for the one with the number of each row."""
    return [name for name in frame.columns if name != ROW]


def _tiers(codes: set[str]) -> str:
    """Say how many codes of each tier there are."""
    counts = Counter(ENTITIES.get(code[:3], code[:3] if len(code) == 9 else "other") for code in codes)
    return "tiers seen: " + ", ".join(f"{count:,} {tier}" for tier, count in counts.most_common(8))


def _vintage(codes: set[str], geography: Geography) -> tuple[str, str]:
    held = {system: found for system in _systems(codes, geography) if (found := _codes(system, geography))}
    met = {system: len(codes & found) for system, found in held.items()}
    if not met or not max(met.values()):
        return "TODO", f"no place system held has these codes, as {', '.join(sorted(codes)[:3])}"
    # Districts before upper tiers, which share most of their codes; then what has fewest places beside these.
    rank = {each: (met[each], each.startswith("lad_"), -len(held[each]), each[-4:]) for each in held}
    order = sorted(met, key=lambda each: rank[each], reverse=True)
    told = ", ".join(f"{system} has {met[system]:,}" for system in order[:3])
    return order[0], f"of {len(codes):,} codes, {told}"


def _systems(codes: set[str], geography: Geography) -> list[str]:
    """List the place systems that may have some of these codes."""
    kinds = {kind for kind, starts in KINDS.items() if any(code[:3] in starts for code in codes)}
    kinds -= {"above_nation", "nation"} if len(kinds) > 2 else set()
    listed = [f"{kind}_{year}" for kind in sorted(kinds) for year in YEARS]
    tables = [system for areas in geography.areas for system in areas.systems]
    tables += [each.from_system for each in geography.shares]
    return list(dict.fromkeys([*listed, *tables]))


def _codes(system: str, geography: Geography) -> set[str]:
    """Return the codes of a place system; none where it is unknown."""
    try:
        return set(codes_of(geography, system))
    except UnknownNameError:
        return set()


def label_column(frame: pl.DataFrame, geography: Geography, code: Guess | None) -> Guess | None:
    """Find the column with names of places: one to one with the codes, or else the one with most names of districts."""
    return _beside(frame, code.name) if code else _by_names(frame, geography, 1 - MOST)


def place_headings(frame: pl.DataFrame, geography: Geography) -> tuple[Guess, list[str]] | None:
    """Find headings that are codes or names of places, five or more and half of all; and those that are not known.

    The guess is named by which they are: place for codes, label for names.
    """
    headings = pl.DataFrame({"heading": table_columns(frame)})
    if headings.height < _PLACES_AT_LEAST:
        return None
    code = code_column(headings, geography)
    label = None if code else _by_names(headings, geography, 0.5)
    if not (found := code or label):
        return None
    known = set(codes_of(geography, found.what)) if code else _names(found.what, geography)
    strange = [each for each in table_columns(frame) if (each if code else folded(each)) not in known]
    return found._replace(name="place" if code else "label"), strange


def _beside(frame: pl.DataFrame, code: str) -> Guess | None:
    codes = len(texts(frame, code))
    pairs = {name: frame.select(code, name).unique().height for name in table_columns(frame) if name != code}
    fit = [n for n, count in pairs.items() if count <= 1.1 * codes and len(texts(frame, n)) >= MOST * codes]
    words = [name for name in fit if not any(map(_no_name, texts(frame, name)[:200]))]
    return Guess(words[0], "", "one to one with the codes") if words else None


def _by_names(frame: pl.DataFrame, geography: Geography, least: float) -> Guess | None:
    """Find the column of whose texts at least a share are names of places, and the system that has most of them."""
    tried = [f"{kind}_{year}" for kind in _NAMED for year in YEARS]
    systems = {system: names for system in tried if (names := _names(system, geography))}
    every = set().union(*systems.values())
    columns = {name: texts(frame, name) for name in table_columns(frame)}
    shares = {name: _share((folded(text) in every for text in found), found) for name, found in columns.items()}
    name = max(shares, key=lambda each: shares[each], default="")
    if shares.get(name, 0) < least:
        return None
    found = {folded(text) for text in columns[name]}
    rank = {each: (len(systems[each] & found), each.startswith("lad_"), -len(systems[each]), each) for each in systems}
    order = sorted(systems, key=lambda each: rank[each], reverse=True)
    told = ", ".join(f"{system} has {len(systems[system] & found):,}" for system in order[:3])
    return Guess(name, order[0], f"names only: of {len(found):,}, {told}; put the others into a table of names")


def _no_name(text: str) -> bool:
    return looks_like_figure(text) or bool(CODE.fullmatch(text))


def _names(system: str, geography: Geography) -> set[str]:
    """Return the names of a place system's places, folded; none where the register does not have the system."""
    try:
        places = system_places(geography.places.register, system)
    except UnknownNameError:
        return set()
    return {folded(name) for name in places["place_name"].drop_nulls()}


def period_column(frame: pl.DataFrame, but: list[str]) -> tuple[Guess, tuple[str, ...]] | None:
    """Find the column with periods, their kind, and the formats they need; one that two formats read is undecided."""
    for name in sorted((n for n in table_columns(frame) if n not in but), key=lambda n: not _dated(n)):
        found = texts(frame, name)
        kind = next((k for k in _KINDS if found and all(parse_period(text, k) for text in found)), None)
        if kind == "month" and _weekly(name):
            continue
        if kind and (kind != "year" or _dated(name) or all(1900 < int(text[:4]) < 2100 for text in found)):
            digits = kind == "month" and all(text.isdigit() for text in found)
            doubt = "; TODO months, or weeks of a year?" if digits else ""
            return Guess(name, kind, f"every text is one, as {found[0]}{doubt}"), ()
        formats = [form for form in _FORMATS if found and all(parse_period(text, "day", (form,)) for text in found)]
        if formats:
            kind = "month" if "%d" not in formats[0] else "day"
            why = f"as {found[0]}" if len(formats) == 1 else f"TODO day or month first? {found[0]} is read both ways"
            return Guess(name, kind, why), tuple(formats)
    return None


def _weekly(name: str) -> bool:
    return bool(re.search(r"week|wk", name, re.I))


def unread_weeks(frame: pl.DataFrame, but: list[str]) -> Guess | None:
    """Find a column of weeks that no kind of period reads, as 202509: never months, though each may look like one."""
    for name in (each for each in table_columns(frame) if each not in but and _weekly(each)):
        found = texts(frame, name)
        if found and all(re.fullmatch(r"(?:19|20)\d{2}[-/ ]?\d{1,2}", text) for text in found):
            return Guess(name, "week", found[0])
    return None


def also_dated(frame: pl.DataFrame, name: str) -> list[str]:
    """Name the other columns that are headed like a part of a period: a quarter beside a year, say."""
    return [
        each
        for each in table_columns(frame)
        if each != name and column_role(each).name == "period" and texts(frame, each)
    ]


def _dated(name: str) -> bool:
    return bool(re.search(r"date|year|period|month|quarter|week|time", name, re.I))


def wide_headings(frame: pl.DataFrame) -> Guess | None:
    """Find headings that are periods themselves, three or more of one kind."""
    names = [split_marker(name)[0] for name in table_columns(frame)]
    kinds = {kind: [name for name in names if parse_period(name, kind)] for kind in _KINDS}
    kind = max(kinds, key=lambda each: (len(kinds[each]), -_KINDS.index(each)))
    # Six digits of which some are no month, as 202513, are weeks: none of them is a month.
    weeks = kind == "month" and any(re.fullmatch(r"\d{6}", name) and name not in kinds[kind] for name in names)
    if len(kinds[kind]) < 3 or weeks:
        return None
    return Guess("", kind, f"{len(kinds[kind])} headings are periods, {kinds[kind][0]} to {kinds[kind][-1]}")


def series_columns(frame: pl.DataFrame, keys: list[str], but: list[str]) -> list[str]:
    """Find columns that tell apart rows of one place and period: several measures, ages, sexes in one column."""
    if not keys or frame.select(keys).is_unique().all():
        return []
    counts = {name: len(texts(frame, name)) for name in table_columns(frame) if name not in (*keys, *but)}
    fit = sorted((name for name, count in counts.items() if 1 < count <= _SERIES_AT_MOST), key=lambda n: counts[n])
    chosen: list[str] = []
    groups = frame.select(keys).unique().height
    for name in fit:
        wider = frame.select([*keys, *chosen, name]).unique().height
        if wider > groups:
            chosen, groups = [*chosen, name], wider
        if groups == frame.height:
            break
    return chosen[:3]
