"""Geographies: the areas of one kind in one year, from the register or from tables of small areas and shares.

The register takes precedence. Kinds that it lacks, such as LSOAs, come from any table with their codes.
"""

from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import PLACE_COLUMNS, conform_table
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.register import add_regions, require_places, select_places


class GeographyPlaces(NamedTuple):
    """The areas of a geography (schema.PLACE_COLUMNS), and the codes of the same kind at other times."""

    name: str
    places: pl.DataFrame
    other_codes: frozenset[str] = frozenset()


def geography_kind(system: str) -> str:
    """Return the kind of a geography: lad for lad_2023."""
    return system.rsplit("_", 1)[0]


def geography_from_register(register: pl.DataFrame, system: str) -> GeographyPlaces | None:
    """Return a geography from the register; None where the register has none of its areas."""
    rows = select_places(register, system)
    return None if rows.is_empty() else GeographyPlaces(system, rows)


def geography_from_tables(place_data: PlaceData, system: str) -> GeographyPlaces:
    """Return a geography from tables of small areas or shares; raise UnknownNameError where none has it.

    An area that is not in the register has its code as its name, and the region of the district with most of its small
    areas.
    """
    columns = _codes_by_geography(place_data)
    if system not in columns:
        require_places(place_data.places.register, system)  # raises with the known kinds, or finds the geography
        raise UnknownNameError(
            f"unknown geography {system!r}: no stored table has its codes; check the name, or add such a table"
        )
    codes = columns[system].drop_nulls().unique().sort()
    same = [column.drop_nulls() for name, column in columns.items() if geography_kind(name) == geography_kind(system)]
    others = frozenset(set().union(*same) - set(codes))
    return GeographyPlaces(system, _build_place_rows(place_data, system, codes), others)


def _codes_by_geography(place_data: PlaceData) -> dict[str, pl.Series]:
    """Return the codes of every geography in the tables, with all columns of a geography combined."""
    pairs = [(system, areas.table[system]) for areas in place_data.areas for system in areas.systems]
    for share_set in place_data.shares:
        ends = ((share_set.from_system, "from_code"), (share_set.to_system, "to_code"))
        pairs += [(system, share_set.table[column]) for system, column in ends]
    together: dict[str, list[pl.Series]] = {}
    for system, column in pairs:
        together.setdefault(system, []).append(column.rename(system))
    return {system: pl.concat(columns) for system, columns in together.items()}


def _build_place_rows(place_data: PlaceData, system: str, codes: pl.Series) -> pl.DataFrame:
    """Return areas known by code only as rows of schema.PLACE_COLUMNS."""
    register = place_data.places.register
    names = dict(register.select("place_code", "place_name").iter_rows())
    district = _find_main_districts(place_data, system)
    rows = pl.DataFrame({"place_code": codes}).with_columns(
        pl.col("place_code").replace(names).alias("place_name"),
        pl.lit(geography_kind(system)).alias("kind"),
        pl.col("place_code").replace_strict(district, default=None, return_dtype=pl.String).alias("parent_code"),
    )
    context = register.filter(pl.col("place_code").is_in(sorted(set(district.values()) | _list_larger_codes(register))))
    complete = add_regions(pl.concat([conform_table(rows, PLACE_COLUMNS), context]))
    return complete.head(rows.height)


def _list_larger_codes(register: pl.DataFrame) -> set[str]:
    return set(register.filter(pl.col("kind").is_in(["region", "nation", "county"]))["place_code"])


def _find_main_districts(place_data: PlaceData, system: str) -> dict[str, str]:
    """Return the district with most small areas of each area, by the newest districts in a table."""
    for areas in place_data.areas:
        newest = max((other for other in areas.systems if geography_kind(other) == "lad"), default=None)
        if system in areas.systems and newest:
            pairs = areas.table.select(pl.col(system).alias("code"), pl.col(newest).alias("lad")).drop_nulls()
            most = pairs.group_by("code", "lad").len().sort(["code", "len", "lad"]).group_by("code").last()
            return dict(most.select("code", "lad").iter_rows())
    return {}
