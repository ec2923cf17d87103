"""Small areas: which larger places each lies in, and how many people of each group live there.

Every weighted crosswalk is made from such a table. The finest areas that are common to all of its place systems
are its rows, so that each lies in one place of each system, and a weight can be added up along any of them.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError, UnreadableError
from pipelines.core.geocodes import KINDS
from pipelines.core.store import Snapshot
from pipelines.declarations.base import days
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source
from pipelines.geography.register import system_places
from pipelines.readers import read_sheet, tidied

AREA = "area_code"
_CODE = re.compile(r"[A-Z0-9]{2,12}(\+[A-Z0-9]{2,12})*", re.A)
_OLD_NORTHERN_IRELAND = "95"
"""How the codes of districts, wards and super output areas of Northern Ireland began before 2015."""


class WeightSet(NamedTuple):
    """One count of people by small area: its name, its day, and the groups counted."""

    name: str
    day: date
    groups: tuple[str, ...]
    good_for: int = 3652
    """Days from its own for which figures may be shared out by it."""


class Areas(NamedTuple):
    """Small areas: which larger places each lies in, and how many people of each group live there.

    `table` has area_code, one text column for each of `systems` (null where the area lies in none, or where that
    is not known), and one Float64 column `<set>__<group>` for each group of `weights`, in residents (null where
    they are not known; never zero for that). A place of a system in `best_fit` has most of the area, not all.
    """

    source: str
    released: date
    label: str
    systems: tuple[str, ...]
    best_fit: frozenset[str]
    weights: tuple[WeightSet, ...]
    table: pl.DataFrame
    release: str = ""


def weight_column(name: str, group: str) -> str:
    """Name the column that holds one group of a set of weights."""
    return f"{name}__{group}"


def areas_of(table: pl.DataFrame, name: str, source: Source, held: Snapshot) -> Areas:
    """Put a table of small areas that has been read together with what its declaration and release say of it."""
    weights = tuple(WeightSet(key, each.day, each.groups, days(each.valid_for)) for key, each in source.weights.items())
    fit = frozenset(source.best_fit)
    return Areas(name, held.released, held.label, source.nested_in, fit, weights, table, held.sha256)


def read_areas(raw: pl.DataFrame, name: str, source: Source, held: Snapshot, register: pl.DataFrame) -> Areas:
    """Type a table of small areas; one that says something impossible is refused whole.

    Takes the columns that the declaration names (`Source.area_columns`), as text or typed, and schema.PLACE.
    Raises UnreadableError for no rows, a missing column, an area that is blank or stands twice, a weight that is
    no number, negative or endless, and a code that is not one or is of another day than its column.
    """
    refuse_without(raw, source.area_columns, held.file)
    _refuse_areas(raw, held.file)
    codes = [text(column).alias(column) for column in (AREA, *source.nested_in)]
    weights = [column for column in source.area_columns if column not in (AREA, *source.nested_in)]
    for column in weights:
        _refuse_weights(raw, column, held.file)
    table = raw.select(*codes, *(text(column).cast(pl.Float64) for column in weights))
    for system in source.nested_in:
        refuse_codes(table[system], system, register, held.file)
    return areas_of(table.sort(AREA), name, source, held)


def text(column: str) -> pl.Expr:
    """Give a column as text without blanks around it; null where nothing is left."""
    stripped = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def refuse_without(raw: pl.DataFrame, wanted: Iterable[str], file: str) -> None:
    """Refuse a table that has no rows, or lacks some columns."""
    missing = [column for column in wanted if column not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}; expected {', '.join(missing)} as well"
        )
    if raw.is_empty():
        raise UnreadableError(f"{file}: found headings and no rows, expected a row for each code")


def _refuse_areas(raw: pl.DataFrame, file: str) -> None:
    areas = raw.select(text(AREA)).to_series()
    if areas.null_count():
        row = areas.is_null().arg_true()[0] + 1
        raise UnreadableError(f"{file}: found a blank {AREA} in row {row} of its table, expected a code in every row")
    twice = areas.filter(areas.is_duplicated())
    if twice.len():
        raise UnreadableError(f"{file}: found {AREA} {twice[0]} twice, expected one row for each small area")
    refuse_shapes(areas, AREA, file)


def refuse_shapes(codes: pl.Series, column: str, file: str) -> None:
    """Refuse what is no code at all, whatever its place system: a name, a formula, a figure with a point."""
    odd = codes.filter(~codes.str.contains(f"^(?:{_CODE.pattern})$"))
    if odd.len():
        raise UnreadableError(f"{file}: found {odd[0][:40]!r} in {column}, expected a code of capitals and digits")


def _refuse_weights(raw: pl.DataFrame, column: str, file: str) -> None:
    number = text(column).cast(pl.Float64, strict=False)
    unsound = number.is_null() | ~number.is_finite() | (number < 0)
    found = raw.filter(text(column).is_not_null(), unsound)
    if found.height:
        area, value = found.select(AREA, pl.col(column).cast(pl.String)).row(0)
        raise UnreadableError(
            f"{file}: found {value[:40]!r} in {column} for {area}, expected residents: a number not below 0, or a blank"
        )


def refuse_codes(column: pl.Series, system: str, register: pl.DataFrame, file: str) -> None:
    """Refuse a column with a code that is none, or that is not of its place system; nulls are let be."""
    codes = column.drop_nulls().unique().sort()
    refuse_shapes(codes, column.name, file)
    wrong = codes_astray(codes, system, register)
    if wrong:
        count = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UnreadableError(
            f"{file}: found {vintage(wrong[0], register)}{count} in {column.name}, "
            f"expected codes of {system}, in use on 31 December {system[-4:]}; declare the year that the column is of"
        )


def codes_astray(codes: pl.Series, system: str, register: pl.DataFrame) -> list[str]:
    """Give the codes that are not of a place system; none where the register does not know the system.

    A nation of which the register has no place in the system is not judged: Northern Ireland in lad_2014.
    """
    known = _codes_of(system, register)
    nations = {code[:1] for code in known}
    found = codes.to_frame("code").with_columns(
        pl.when(pl.col("code").str.starts_with(_OLD_NORTHERN_IRELAND))
        .then(pl.lit("N"))
        .otherwise(pl.col("code").str.slice(0, 1))
        .alias("nation")
    )
    unjudged = [nation for nation in "ENSW" if nation not in nations]
    wrong = found.filter(~pl.col("code").is_in(sorted(known)), ~pl.col("nation").is_in(unjudged))
    return sorted(wrong["code"].to_list()) if known else []


def _codes_of(system: str, register: pl.DataFrame) -> frozenset[str]:
    if system.rsplit("_", 1)[0] not in KINDS:
        return frozenset()
    try:
        return frozenset(system_places(register, system)["place_code"])
    except UnknownNameError:
        return frozenset()


def vintage(code: str, register: pl.DataFrame) -> str:
    """Say what a code is, by the register, and from when to when it was in use."""
    rows = register.filter(pl.col("place_code") == code).sort("valid_from")
    if rows.is_empty():
        return f"{code}, which no place has had,"
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    until = f"from {first['valid_from']} to {last['valid_to']}" if last["valid_to"] else f"since {first['valid_from']}"
    return f"{code} ({last['place_name']}, a {last['kind']} code in use {until})"


def areas_in(content: bytes, catalogue: Catalogue, name: str, held: Snapshot, register: pl.DataFrame) -> Areas:
    """Read the bytes of one release of a source of small areas; raise UnreadableError as read_areas does."""
    source = catalogue.sources[name]
    sheet = tidied(read_sheet(content, source, held.file), catalogue.sources_dir / f"{name}.py")
    return read_areas(sheet.frame, name, source, held, register)
