"""Keys of place pages: hashes of the rows that a page shows, so that a build composes only pages with other rows.

A page also compares its figures with others of the same measure. So its key has all stored figures of each measure that
it shows.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.declarations.fingerprints import hash_texts, program_key
from pipelines.declarations.project import Project
from pipelines.outputs.freshness import declaration_keys
from pipelines.outputs.place_brief import BriefFacts
from pipelines.outputs.place_context import NO_FACTS, PlaceContext
from pipelines.outputs.place_pages import PageRows


def hash_groups(rows: pl.DataFrame, column: str) -> dict[str, str]:
    """Hash the rows of each entry of a column. Their order has no effect.

    The hashes of rows are added, by two seeds, because sorting them takes longer than all the rest.
    """
    hashed = rows.select(column, *(rows.hash_rows(seed).alias(f"hash_{seed}") for seed in _SEEDS))
    groups = hashed.group_by(column).agg(pl.len(), *(pl.col(f"hash_{seed}").sum() for seed in _SEEDS))
    return {entry: " ".join(map(str, numbers)) for entry, *numbers in groups.iter_rows()}


_SEEDS = (1, 2)


def common_key(project: Project, problems: list[str], people_title: str, names: Mapping[str, str]) -> str:
    """Return the key of what all pages share: code, declarations, and names of places by code."""
    groups = [item.model_dump_json() for item in project.catalogue.partnerships.values()]
    return hash_texts(
        program_key("outputs"), people_title, *declaration_keys(project, problems), *groups, str(sorted(names.items()))
    )


def list_shown_measures(rows: PageRows) -> pl.DataFrame:
    """List the measures that each page shows, also in place of others: place_code, measure."""
    instead = rows.figures.select("place_code", pl.col("proxy_measure").alias("measure")).drop_nulls()
    return rows.figures.select("place_code", "measure").vstack(instead)


def key_pages(
    rows: PageRows, context: PlaceContext, facts: BriefFacts, measure_keys: Mapping[str, str], common: str
) -> dict[str, str]:
    """Return the key of each place's page. `measure_keys` has the hash of all figures of each measure over time."""
    parts = [hash_groups(table, "place_code") for table in rows]
    measures = list_shown_measures(rows).group_by("place_code").agg(pl.col("measure").unique().sort())
    by_place = dict(measures.iter_rows())
    return {
        code: hash_texts(
            common, *(part.get(code, "") for part in parts),
            *(measure_keys.get(name, "") for name in by_place.get(code, ())),
            *map(repr, (context.facts.get(code, NO_FACTS), facts.revisions.get(code), facts.borders.get(code))),
        )
        for code in rows.places["place_code"]
    }  # fmt: skip
