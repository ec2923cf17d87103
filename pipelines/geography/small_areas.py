"""Small areas: the larger areas of each, and its residents by group.

Weighted crosswalks are built from such tables. The rows are the finest areas common to all geographies of a table. Each
row is in one area of each geography, so weights can be summed for any of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from pipelines import readers
from pipelines.core.errors import UnknownNameError, UnreadableError
from pipelines.core.geocodes import KIND_PREFIXES
from pipelines.core.snapshots import Snapshot
from pipelines.geography.reach import refuse_unexpected_numbers
from pipelines.geography.register import require_places

if TYPE_CHECKING:
    from pipelines.declarations.catalogue import Catalogue
    from pipelines.declarations.source import Source

AREA_CODE = "area_code"
_CODE_SHAPE = re.compile(r"[A-Z0-9]{2,12}(\+[A-Z0-9]{2,12})*", re.A)
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

    `table` has area_code and one text column for each of `systems`, null where the area is in none, or where unknown.
    For each group of `weights` it has one Float64 column `<set>__<group>`, in residents; an unknown number is null,
    never zero. For a geography in `best_fit`, the larger area contains most of the small area, not all.
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


def build_areas(table: pl.DataFrame, name: str, source: Source, snapshot: Snapshot) -> Areas:
    """Combine a table of small areas with its declaration and its release."""
    # Imported late, as in app.place_lookup: a stored table is described without declarations.
    from pipelines.declarations.base import age_in_days

    weights = tuple(
        WeightSet(key, spec.day, spec.groups, age_in_days(spec.valid_for)) for key, spec in source.weights.items()
    )
    fit = frozenset(source.best_fit)
    return Areas(name, snapshot.released, snapshot.label, source.area_geographies, fit, weights, table, snapshot.sha256)


def weigh_lookup(lookup: Areas, weighted: Iterable[Areas]) -> Areas | None:
    """Add the weights of the first table that has the geography of a lookup's areas; null where there is none.

    A lookup is a table without weights. Its first geography is the geography of its areas, so each row is one area. A
    weight is unknown where any part has none.
    """
    geography = lookup.systems[0]
    origin = next((areas for areas in weighted if geography in areas.systems), None)
    if origin is None:
        return None
    columns = [weight_column(item.name, group) for item in origin.weights for group in item.groups]
    known = [pl.when(pl.col(column).null_count() == 0).then(pl.col(column).sum()).alias(column) for column in columns]
    weights = origin.table.drop_nulls(geography).group_by(geography).agg(known)
    table = lookup.table.join(weights, on=geography, how="left", maintain_order="left")
    return lookup._replace(weights=origin.weights, table=table)


def combine_areas(tables: Sequence[Areas], lookups: Collection[str]) -> list[Areas]:
    """Return the tables with weights, then the lookups among them, which get the weights of another table."""
    weighted = [areas for areas in tables if areas.weights]
    weighed = [weigh_lookup(areas, weighted) for areas in tables if areas.source in lookups]
    return weighted + [areas for areas in weighed if areas]


def read_areas(raw: pl.DataFrame, name: str, source: Source, snapshot: Snapshot, register: pl.DataFrame) -> Areas:
    """Convert a table of small areas to typed columns; refuse the whole table where a value is impossible.

    Takes the declared columns (`Source.area_columns`), as text or typed, and the register (schema.PLACE_COLUMNS).
    Raises UnreadableError for no rows, a missing column, or a blank or duplicated area. The same applies to a weight
    that is not a finite number of at least 0. A code must be well formed and belong to its column's geography.
    """
    raw = _name_columns(raw, source)
    require_rows_and_columns(raw, source.area_columns, snapshot.file)
    _refuse_area_codes(raw, snapshot.file)
    codes = [strip_text(column).alias(column) for column in (AREA_CODE, *source.nested_in)]
    weights = [column for column in source.area_columns if column not in (AREA_CODE, *source.nested_in)]
    for column in weights:
        _refuse_weights(raw, column, snapshot.file)
    table = raw.select(*codes, *(strip_text(column).cast(pl.Float64) for column in weights))
    if source.geography:
        table = table.with_columns(pl.col(AREA_CODE).alias(source.geography))
    for system in source.area_geographies:
        refuse_foreign_codes(table[system], system, register, snapshot.file)
    extent = source.describe_extent(snapshot.file, snapshot.released)
    refuse_unexpected_numbers(_count_codes(table, source), extent)
    return build_areas(table.sort(AREA_CODE), name, source, snapshot)


def _name_columns(raw: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Name the declared headings after their columns, in order; a table that tidy() has named stays."""
    headings = [next((name for name in names if name in raw.columns), names[0]) for names in source.headings]
    if AREA_CODE in raw.columns or len(headings) != len(source.area_columns):
        return raw
    return raw.rename(dict(zip(headings, source.area_columns, strict=True)), strict=False)


def _count_codes(table: pl.DataFrame, source: Source) -> dict[str, int]:
    """Count the codes of each geography, and the small areas with residents in each set of weights."""
    codes = {system: table[system].drop_nulls().n_unique() for system in source.area_geographies}
    counted = {name: table[weight_column(name, item.groups[0])].count() for name, item in source.weights.items()}
    return codes | counted


def strip_text(column: str) -> pl.Expr:
    """Return a column as text without surrounding blanks; null where nothing remains."""
    stripped = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def require_rows_and_columns(raw: pl.DataFrame, columns: Iterable[str], file: str) -> None:
    """Refuse a table without rows or without required columns."""
    missing = [column for column in columns if column not in raw.columns]
    if missing:
        raise UnreadableError(
            f"{file}: found columns {', '.join(raw.columns[:12])}, expected also {', '.join(missing)}"
        )
    if raw.is_empty():
        raise UnreadableError(f"{file}: found headings without rows, expected a row for each code")


def _refuse_area_codes(raw: pl.DataFrame, file: str) -> None:
    areas = raw.select(strip_text(AREA_CODE)).to_series()
    if areas.null_count():
        row = areas.is_null().arg_true()[0] + 1
        raise UnreadableError(
            f"{file}: found a blank {AREA_CODE} in row {row} of its table, expected a code in every row"
        )
    twice = areas.filter(areas.is_duplicated())
    if twice.len():
        raise UnreadableError(f"{file}: found {AREA_CODE} {twice[0]} twice, expected one row for each small area")
    refuse_malformed_codes(areas, AREA_CODE, file)


def refuse_malformed_codes(codes: pl.Series, column: str, file: str) -> None:
    """Refuse malformed codes of any geography: names, formulas, decimal numbers."""
    odd = codes.filter(~codes.str.contains(f"^(?:{_CODE_SHAPE.pattern})$"))
    if odd.len():
        raise UnreadableError(
            f"{file}: found {odd[0][:40]!r} in {column}, expected a code of capital letters and digits"
        )


def _refuse_weights(raw: pl.DataFrame, column: str, file: str) -> None:
    number = strip_text(column).cast(pl.Float64, strict=False)
    unsound = number.is_null() | ~number.is_finite() | (number < 0)
    rows = raw.filter(strip_text(column).is_not_null(), unsound)
    if rows.height:
        area, value = rows.select(AREA_CODE, pl.col(column).cast(pl.String)).row(0)
        raise UnreadableError(
            f"{file}: found {value[:40]!r} in {column} for {area}, expected residents: a number from 0, or a blank"
        )


def refuse_foreign_codes(column: pl.Series, system: str, register: pl.DataFrame, file: str) -> None:
    """Refuse a column with malformed codes or codes outside its geography; nulls are allowed."""
    codes = column.drop_nulls().unique().sort()
    refuse_malformed_codes(codes, column.name, file)
    wrong = find_foreign_codes(codes, system, register)
    if wrong:
        count = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UnreadableError(
            f"{file}: found {describe_code(wrong[0], register)}{count} in {column.name}, "
            f"expected codes of {system}, in use on 31 December {system[-4:]}; declare the year of the column"
        )


def find_foreign_codes(codes: pl.Series, system: str, register: pl.DataFrame) -> list[str]:
    """Return the codes outside a geography; none where the register lacks the geography.

    A nation without areas of the geography in the register is not checked: Northern Ireland in lad_2014.
    """
    register_codes = _list_register_codes(system, register)
    nations = {code[:1] for code in register_codes}
    candidates = codes.to_frame("code").with_columns(
        pl.when(pl.col("code").str.starts_with(_OLD_NORTHERN_IRELAND))
        .then(pl.lit("N"))
        .otherwise(pl.col("code").str.slice(0, 1))
        .alias("nation")
    )
    unjudged = [nation for nation in "ENSW" if nation not in nations]
    wrong = candidates.filter(~pl.col("code").is_in(sorted(register_codes)), ~pl.col("nation").is_in(unjudged))
    return sorted(wrong["code"].to_list()) if register_codes else []


def _list_register_codes(system: str, register: pl.DataFrame) -> frozenset[str]:
    if system.rsplit("_", 1)[0] not in KIND_PREFIXES:
        return frozenset()
    try:
        return frozenset(require_places(register, system)["place_code"])
    except UnknownNameError:
        return frozenset()


def describe_code(code: str, register: pl.DataFrame) -> str:
    """Describe a code by the register: its name, its kind and its period of use."""
    rows = register.filter(pl.col("place_code") == code).sort("valid_from")
    if rows.is_empty():
        return f"{code}, which is in no register,"
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    until = f"from {first['valid_from']} to {last['valid_to']}" if last["valid_to"] else f"since {first['valid_from']}"
    return f"{code} ({last['place_name']}, a {last['kind']} code in use {until})"


def read_areas_release(
    content: bytes, catalogue: Catalogue, name: str, snapshot: Snapshot, register: pl.DataFrame
) -> Areas:
    """Read one release of a source of small areas; raises UnreadableError as read_areas does."""
    source = catalogue.sources[name]
    sheet = readers.tidy_sheet(readers.read_sheet(content, source, snapshot.file), catalogue.sources_dir / f"{name}.py")
    return read_areas(sheet.frame, name, source, snapshot, register)
