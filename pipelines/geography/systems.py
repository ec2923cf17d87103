"""Place systems: the places of one kind at one time, from the register or from tables of small areas and of shares.

The register goes first. A kind that it does not have, such as LSOAs, is read off whatever table has its codes.
"""

from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import PLACE, conformed
from pipelines.geography.crosswalk import Geography
from pipelines.geography.register import places_in, regioned, system_places


class System(NamedTuple):
    """The places of a place system (schema.PLACE), and the codes that its kind has had at other times."""

    name: str
    places: pl.DataFrame
    others: frozenset[str] = frozenset()


def kind_of(system: str) -> str:
    """Give the kind of a place system: lad of lad_2023."""
    return system.rsplit("_", 1)[0]


def registered(register: pl.DataFrame, system: str) -> System | None:
    """Give a place system as the register has it; None where it has no place of it."""
    found = places_in(register, system)
    return None if found.is_empty() else System(system, found)


def listed(geography: Geography, system: str) -> System:
    """Give a place system that tables of areas or shares have; raise UnknownNameError where none does.

    A place that no register names has its code for a name. It lies in the region of the district that most of its
    areas lie in.
    """
    columns = _columns(geography)
    if system not in columns:
        system_places(geography.places.register, system)  # says what is known, or gives it
        raise UnknownNameError(f"unknown place system {system!r}: no table that is held has its codes")
    codes = columns[system].drop_nulls().unique().sort()
    same = [column.drop_nulls() for name, column in columns.items() if kind_of(name) == kind_of(system)]
    others = frozenset(set().union(*same) - set(codes))
    return System(system, _placed(geography, system, codes), others)


def _columns(geography: Geography) -> dict[str, pl.Series]:
    """Give the codes of every place system that a table has: all its columns of the system together."""
    found = [(system, areas.table[system]) for areas in geography.areas for system in areas.systems]
    for each in geography.shares:
        ends = ((each.from_system, "from_code"), (each.to_system, "to_code"))
        found += [(system, each.table[column]) for system, column in ends]
    together: dict[str, list[pl.Series]] = {}
    for system, column in found:
        together.setdefault(system, []).append(column.rename(system))
    return {system: pl.concat(columns) for system, columns in together.items()}


def _placed(geography: Geography, system: str, codes: pl.Series) -> pl.DataFrame:
    """Give places that are known by their codes alone as rows of schema.PLACE."""
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
    """Give the district that most small areas of each place lie in, by the newest districts that a table has."""
    for areas in geography.areas:
        newest = max((each for each in areas.systems if kind_of(each) == "lad"), default=None)
        if system in areas.systems and newest:
            pairs = areas.table.select(pl.col(system).alias("code"), pl.col(newest).alias("lad")).drop_nulls()
            most = pairs.group_by("code", "lad").len().sort(["code", "len", "lad"]).group_by("code").last()
            return dict(most.select("code", "lad").iter_rows())
    return {}
