"""Shares: how the population of one area is distributed over the areas of another geography, as published."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from pipelines import readers
from pipelines.core.errors import UnreadableError
from pipelines.core.snapshots import Snapshot
from pipelines.geography.reach import refuse_unexpected_numbers
from pipelines.geography.small_areas import refuse_foreign_codes, require_rows_and_columns, strip_text

if TYPE_CHECKING:
    from pipelines.declarations.catalogue import Catalogue
    from pipelines.declarations.source import Source
    from pipelines.declarations.source_parts import ShareTable


class Shares(NamedTuple):
    """Shares from the areas of one geography to those of another, with a description.

    `table` has from_code and to_code (text) and share (Float64, 0 to 1). The shares of each from_code sum to 1.
    """

    source: str
    from_system: str
    to_system: str
    day: date
    description: str
    table: pl.DataFrame
    released: date = date.min
    label: str = ""
    release: str = ""


def build_shares(table: pl.DataFrame, name: str, source: Source, snapshot: Snapshot) -> Shares:
    """Combine a table of shares with its declaration and its release."""
    declaration = _require_declaration(source)
    return Shares(
        name,
        declaration.from_geography,
        declaration.to_geography,
        declaration.day,
        declaration.description,
        table,
        snapshot.released,
        snapshot.label,
        snapshot.sha256,
    )


def _require_declaration(source: Source) -> ShareTable:
    if source.shares is None:
        raise UnreadableError(f"{source.title}: found provides: {source.provides}, expected provides: shares")
    return source.shares


def read_shares(raw: pl.DataFrame, name: str, source: Source, snapshot: Snapshot, register: pl.DataFrame) -> Shares:
    """Convert a table of shares to typed columns; refuse the whole table where a share is invalid.

    Takes the declared columns, as text or typed, and the register (schema.PLACE_COLUMNS). Raises UnreadableError for no
    rows, a missing column, a blank code, a duplicated pair or a code outside its geography. The same applies to a share
    outside 0 to 1. Shares of a code must sum to 1 within the declared tolerance; the worst is named.
    """
    declaration, file = _require_declaration(source), snapshot.file
    headings = declaration.columns.model_dump()
    require_rows_and_columns(raw, headings.values(), file)
    _refuse_values(raw, headings, file)
    codes = (strip_text(headings[name]).alias(name) for name in ("from_code", "to_code"))
    table = raw.select(*codes, strip_text(headings["share"]).cast(pl.Float64).alias("share")).sort(
        "from_code", "to_code"
    )
    twice = table.filter(table.select("from_code", "to_code").is_duplicated())
    if twice.height:
        pair = " to ".join(twice.row(0)[:2])
        raise UnreadableError(f"{file}: found {pair} twice, expected one row for each pair of codes")
    _refuse_sums(table, declaration.tolerance, file)
    refuse_foreign_codes(table["from_code"], declaration.from_geography, register, file)
    refuse_foreign_codes(table["to_code"], declaration.to_geography, register, file)
    ends = {"from_code": declaration.from_geography, "to_code": declaration.to_geography}
    counts = {system: table[column].n_unique() for column, system in ends.items()}
    refuse_unexpected_numbers(counts, source.describe_extent(file, snapshot.released))
    return build_shares(table, name, source, snapshot)


def _refuse_values(raw: pl.DataFrame, headings: dict[str, str], file: str) -> None:
    for heading in headings.values():
        blank = raw.select(strip_text(heading).is_null()).to_series().arg_true()
        if blank.len():
            raise UnreadableError(f"{file}: found a blank {heading} in row {blank[0] + 1} of its table, expected none")
    share = strip_text(headings["share"]).cast(pl.Float64, strict=False)
    unsound = raw.filter(share.is_null() | ~share.is_between(0, 1))
    if unsound.height:
        value = str(unsound[headings["share"]][0])[:40]
        raise UnreadableError(f"{file}: found {value!r} in {headings['share']}, expected shares from 0 to 1")


def _refuse_sums(table: pl.DataFrame, tolerance: float, file: str) -> None:
    sums = table.group_by("from_code").agg(pl.col("share").sum()).with_columns((pl.col("share") - 1).abs().alias("off"))
    code, total, off = sums.sort("off", "from_code", descending=[True, False]).row(0)
    if off > tolerance:
        wrong = sums.filter(pl.col("off") > tolerance).height
        raise UnreadableError(
            f"{file}: found shares of {code} that sum to {total:.6g}, the worst of {wrong} codes, expected 1 "
            f"within {tolerance:g}; check that the shares belong to the column declared as from_code"
        )


def read_shares_release(
    content: bytes, catalogue: Catalogue, name: str, snapshot: Snapshot, register: pl.DataFrame
) -> Shares:
    """Read one release of a source of shares; raises UnreadableError as read_shares does."""
    source = catalogue.sources[name]
    sheet = readers.tidy_sheet(readers.read_sheet(content, source, snapshot.file), catalogue.sources_dir / f"{name}.py")
    return read_shares(sheet.frame, name, source, snapshot, register)
