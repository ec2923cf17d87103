"""What places lie in, by kind: the register's own line, and every larger place that small areas tell of.

A district lies in one region, and also in a police force, a board of the NHS and a travel-to-work area, of which no
register of districts knows. A place that a boundary cuts has a row for each of the larger places, with its share.
"""

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from pipelines.apportioning import geography
from pipelines.areas import Areas
from pipelines.belonging import people_column
from pipelines.keys import hashed, keys
from pipelines.places import Places, ancestors
from pipelines.schema import NUMBER, TEXT, Column, conformed, empty
from pipelines.steps import Project, place_system, register_places
from pipelines.store import read_table, state_path, table_key, write_table
from pipelines.systems import kind_of

PARENT: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of a place that a problem asks about"),
    "kind": Column(TEXT, "Kind of the larger place: pfa, icb, ttwa, region"),
    "parent_system": Column(TEXT, "Place system of the larger place; null where it is of the register's own line"),
    "parent_code": Column(TEXT, "Code of the larger place; null for a part that is not known to lie in any"),
    "parent_name": Column(TEXT, "Its name, where the register has it"),
    "share": Column(NUMBER, "Share of the place that lies in it, 0 to 1; 1 where it wholly does"),
    "share_of": Column(TEXT, "What the share is of: people or small areas; null where the register tells"),
    "best_fit": Column(
        pl.Boolean,
        "True where a ward or constituency has small areas whole of which it has most: a share is near, not exact",
    ),
    "source": Column(TEXT, "Table that tells it; null for the register"),
}
"""One place, and a larger one that it lies in, wholly or in part."""


def parents(places: Places, tables: Sequence[Areas], codes: Collection[str]) -> pl.DataFrame:
    """Give what some places lie in (PARENT): larger places are those of a system that has fewer.

    Where several tables tell of one system, the first does.
    """
    register = places.register.sort("valid_from").unique("place_code", keep="last", maintain_order=True)
    of_areas = [each for areas in tables for each in _told(areas, codes)]
    first = pl.col("source").first().over("place_code", "parent_system") == pl.col("source")
    drawn = pl.concat([empty(PARENT), *of_areas]).filter(first)
    told = pl.concat([conformed(_line(places, register, codes), PARENT), drawn])
    names = register.select(pl.col("place_code").alias("parent_code"), "place_name")
    named = told.join(names, on="parent_code", how="left", maintain_order="left")
    return conformed(named.with_columns(pl.col("place_name").alias("parent_name")), PARENT).sort(
        "place_code", "kind", "parent_system", "share", "parent_code", descending=[False, False, False, True, False]
    )


def _line(places: Places, register: pl.DataFrame, codes: Collection[str]) -> pl.DataFrame:
    """Give what the register puts some places in, and the nation of each."""
    kinds = dict(register.select("place_code", "kind").iter_rows())
    nation = dict(register.select("place_code", "nation").iter_rows())
    nations = dict(register.filter(pl.col("kind") == "nation").select("place_name", "place_code").iter_rows())
    above = {code: [*ancestors(code, places.parents), nations.get(nation.get(code))] for code in sorted(codes)}
    pairs = [(code, up) for code, found in above.items() for up in dict.fromkeys(found) if up and up != code]
    told = pl.DataFrame(pairs, schema={"place_code": pl.String, "parent_code": pl.String}, orient="row")
    kind = pl.col("parent_code").replace_strict(kinds, default=None, return_dtype=pl.String)
    return told.with_columns(kind.alias("kind"), pl.lit(1.0).alias("share"), pl.lit(False).alias("best_fit"))


def _told(areas: Areas, codes: Collection[str]) -> Iterator[pl.DataFrame]:
    """Give what a table of small areas tells, each place by the newest of the systems that it is of."""
    left = set(codes)
    for system in sorted(areas.systems, key=lambda each: each.rpartition("_")[2], reverse=True):
        mine = areas.table.filter(pl.col(system).is_in(sorted(left)))
        left -= set(mine[system])
        others = [other for other in areas.systems if kind_of(other) != kind_of(system)] if mine.height else []
        yield from (_shares(mine, system, other, areas) for other in others if _fewer(areas.table, other, system))


def _fewer(table: pl.DataFrame, other: str, system: str) -> bool:
    """Tell whether a system has fewer places than another, where there are both."""
    both = table.select(system, other).drop_nulls()
    return both[other].n_unique() < both[system].n_unique()


def _shares(mine: pl.DataFrame, system: str, other: str, areas: Areas) -> pl.DataFrame:
    """Give how some places lie in those of another system; a place of which that is not told at all has no row."""
    people = people_column(areas)
    counted = pl.col(people) if people else pl.lit(None, pl.Float64)
    known = (counted.is_not_null().all() & (counted.sum() > 0)).over(system)
    sized = mine.with_columns(known.alias("known"), pl.when(known).then(counted).otherwise(1.0).alias("size"))
    # In the order of the file: shares are sums of fractions, and their last digit depends on the order.
    sums = sized.group_by(system, other, "known", maintain_order=True).agg(pl.col("size").sum())
    told = sums.filter(pl.col(other).is_not_null().any().over(system), pl.col("size") > 0)
    return conformed(
        told.select(
            pl.col(system).alias("place_code"), pl.col(other).alias("parent_code"),
            pl.lit(other).alias("parent_system"), pl.lit(kind_of(other)).alias("kind"),
            (pl.col("size") / pl.col("size").sum().over(system)).alias("share"),
            pl.when("known").then(pl.lit("people")).otherwise(pl.lit("small areas")).alias("share_of"),
            pl.lit(not areas.best_fit.isdisjoint((system, other))).alias("best_fit"),
            pl.lit(areas.source).alias("source"),
        ),
        PARENT,
    )  # fmt: skip


def parent_table(project: Project) -> pl.DataFrame:
    """Give what the places lie in that problems ask about (PARENT), or the table made before from the same tables."""
    made_from = keys(project.catalogue, project.home, project.as_of)
    asked = sorted({problem.header.places for problem in project.catalogue.problems.values()})
    key = hashed(made_from.places, *made_from.apportioning.values(), *asked)
    path = state_path(project.home, "place", "parent")
    if table_key(path) != key:
        places = register_places(project)
        codes = {code for system in asked for code in place_system(project, system).places["place_code"]}
        write_table(path, parents(places, geography(project, places).areas, codes), key)
    return read_table(path)
