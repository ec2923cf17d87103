"""Small areas: the larger areas of each, and its residents by group.

Weighted crosswalks are built from such tables. The rows are the finest areas common to all geographies of a table, so
each row is in one area of each geography, and weights can be summed for any of them.
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
"""Prefix of codes of districts, wards and super output areas of Northern Ireland before 2015."""


class WeightSet(NamedTuple):
    """One count of residents by small area: its name, its day and its groups."""

    name: str
    day: date
    groups: tuple[str, ...]
    good_for: int = 3652
    """Maximum distance in days between the weights and the figures that they apportion."""


class Areas(NamedTuple):
    """Small areas: the larger areas of each, and its residents by group.

    `table` has area_code, one text column for each of `systems` (null where the area is in none, or where unknown), and
    one Float64 column `<set>__<group>` for each group of `weights`, in residents (null where unknown, never zero for
    unknown). For a geography in `best_fit`, the larger area contains most of the small area, not all.
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
    """Return the name of the column with one group of a set of weights."""
    return f"{name}__{group}"


def areas_of(table: pl.DataFrame, name: str, source: Source, held: Snapshot) -> Areas:
    """Combine a table of small areas with its declaration and its release."""
    weights = tuple(WeightSet(key, each.day, each.groups, days(each.valid_for)) for key, each in source.weights.items())
    fit = frozenset(source.best_fit)
    return Areas(name, held.released, held.label, source.nested_in, fit, weights, table, held.sha256)


def read_areas(raw: pl.DataFrame, name: str, source: Source, held: Snapshot, register: pl.DataFrame) -> Areas:
    """Convert a table of small areas to typed columns; refuse the whole table where a value is impossible.

    Takes the declared columns (`Source.area_columns`), as text or typed, and the register (schema.PLACE). Raises
    UnreadableError for no rows, a missing column, a blank or duplicated area, a weight that is no finite number of at
    least 0, and a code that is malformed or not of its column's geography.
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
    """Return a column as text without surrounding blanks; null where nothing remains."""
    stripped = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def refuse_without(raw: pl.DataFrame, wanted: Iterable[str], file: str) -> None:
    """Refuse a table without rows or without required columns."""
    missing = [column for column in wanted if column not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}, expected also {', '.join(missing)}"
        )
    if raw.is_empty():
        raise UnreadableError(f"{file}: found headings without rows, expected a row for each code")


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
    """Refuse malformed codes of any geography: names, formulas, decimal numbers."""
    odd = codes.filter(~codes.str.contains(f"^(?:{_CODE.pattern})$"))
    if odd.len():
        raise UnreadableError(
            f"{file}: found {odd[0][:40]!r} in {column}, expected a code of capital letters and digits"
        )


def _refuse_weights(raw: pl.DataFrame, column: str, file: str) -> None:
    number = text(column).cast(pl.Float64, strict=False)
    unsound = number.is_null() | ~number.is_finite() | (number < 0)
    found = raw.filter(text(column).is_not_null(), unsound)
    if found.height:
        area, value = found.select(AREA, pl.col(column).cast(pl.String)).row(0)
        raise UnreadableError(
            f"{file}: found {value[:40]!r} in {column} for {area}, expected residents: a number from 0, or a blank"
        )


def refuse_codes(column: pl.Series, system: str, register: pl.DataFrame, file: str) -> None:
    """Refuse a column with malformed codes or codes outside its geography; nulls are allowed."""
    codes = column.drop_nulls().unique().sort()
    refuse_shapes(codes, column.name, file)
    wrong = codes_astray(codes, system, register)
    if wrong:
        count = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UnreadableError(
            f"{file}: found {vintage(wrong[0], register)}{count} in {column.name}, "
            f"expected codes of {system}, in use on 31 December {system[-4:]}; declare the year of the column"
        )


def codes_astray(codes: pl.Series, system: str, register: pl.DataFrame) -> list[str]:
    """Return the codes outside a geography; none where the register lacks the geography.

    A nation without areas of the geography in the register is not checked: Northern Ireland in lad_2014.
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
    """Describe a code by the register: its name, its kind and its period of use."""
    rows = register.filter(pl.col("place_code") == code).sort("valid_from")
    if rows.is_empty():
        return f"{code}, which is in no register,"
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    until = f"from {first['valid_from']} to {last['valid_to']}" if last["valid_to"] else f"since {first['valid_from']}"
    return f"{code} ({last['place_name']}, a {last['kind']} code in use {until})"


def areas_in(content: bytes, catalogue: Catalogue, name: str, held: Snapshot, register: pl.DataFrame) -> Areas:
    """Read one release of a source of small areas; raises UnreadableError as read_areas does."""
    source = catalogue.sources[name]
    sheet = tidied(read_sheet(content, source, held.file), catalogue.sources_dir / f"{name}.py")
    return read_areas(sheet.frame, name, source, held, register)
