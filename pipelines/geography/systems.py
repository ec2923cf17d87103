"""Geographies: the areas of one kind in one year, from the register or from tables of small areas and shares.

The register takes precedence. Kinds that it lacks, such as LSOAs, come from any table with their codes.
"""

from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import PLACE, conformed
from pipelines.geography.crosswalk import Geography
from pipelines.geography.register import places_in, regioned, system_places


class System(NamedTuple):
    """The areas of a geography (schema.PLACE), and the codes of the same kind at other times."""

    name: str
    places: pl.DataFrame
    others: frozenset[str] = frozenset()


def kind_of(system: str) -> str:
    """Return the kind of a geography: lad for lad_2023."""
    return system.rsplit("_", 1)[0]


def registered(register: pl.DataFrame, system: str) -> System | None:
    """Return a geography from the register; None where the register has no area of it."""
    found = places_in(register, system)
    return None if found.is_empty() else System(system, found)


def listed(geography: Geography, system: str) -> System:
    """Return a geography from tables of small areas or shares; raise UnknownNameError where none has it.

    An area that is not in the register has its code as its name. Its region is that of the district with most of its
    small areas.
    """
    columns = _columns(geography)
    if system not in columns:
        system_places(geography.places.register, system)  # raises with the known kinds, or finds the geography
        raise UnknownNameError(
            f"unknown geography {system!r}: no stored table has its codes; check the name, or add such a table"
        )
    codes = columns[system].drop_nulls().unique().sort()
    same = [column.drop_nulls() for name, column in columns.items() if kind_of(name) == kind_of(system)]
    others = frozenset(set().union(*same) - set(codes))
    return System(system, _placed(geography, system, codes), others)


def _columns(geography: Geography) -> dict[str, pl.Series]:
    """Return the codes of every geography in the tables, with all columns of a geography combined."""
    found = [(system, areas.table[system]) for areas in geography.areas for system in areas.systems]
    for each in geography.shares:
        ends = ((each.from_system, "from_code"), (each.to_system, "to_code"))
        found += [(system, each.table[column]) for system, column in ends]
    together: dict[str, list[pl.Series]] = {}
    for system, column in found:
        together.setdefault(system, []).append(column.rename(system))
    return {system: pl.concat(columns) for system, columns in together.items()}


def _placed(geography: Geography, system: str, codes: pl.Series) -> pl.DataFrame:
    """Return areas known by code only as rows of schema.PLACE."""
    register = geography.places.register
    names = dict(register.select("place_code", "place_name").iter_rows())
    district = _districts(geography, system)
    rows = pl.DataFrame({"place_code": codes}).with_columns(
        pl.col("place_code").replace(names).alias("place_name"),
        pl.lit(kind_of(system)).alias("kind"),
        pl.col("place_code").replace_strict(district, default=None, return_dtype=pl.String).alias("parent_code"),
    )
    known = register.filter(pl.col("place_code").is_in(sorted(set(district.values()) | _above(register))))
    told = regioned(pl.concat([conformed(rows, PLACE), known]))
    return told.head(rows.height)


def _above(register: pl.DataFrame) -> set[str]:
    return set(register.filter(pl.col("kind").is_in(["region", "nation", "county"]))["place_code"])


def _districts(geography: Geography, system: str) -> dict[str, str]:
    """Return the district with most small areas of each area, by the newest districts in a table."""
    for areas in geography.areas:
        newest = max((each for each in areas.systems if kind_of(each) == "lad"), default=None)
        if system in areas.systems and newest:
            pairs = areas.table.select(pl.col(system).alias("code"), pl.col(newest).alias("lad")).drop_nulls()
            most = pairs.group_by("code", "lad").len().sort(["code", "len", "lad"]).group_by("code").last()
            return dict(most.select("code", "lad").iter_rows())
    return {}
