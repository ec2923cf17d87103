"""Providers of a source that return the figures of several places: their places, and shortfalls of their sums."""

from collections.abc import Collection

import polars as pl

from checks import PLAUSIBILITY_FLAG, find_provider_shortfalls
from pipelines.core.schema import empty_table
from pipelines.core.store import load_or_build_table
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.measure import ADDITIVE_KINDS
from pipelines.declarations.project import Project
from pipelines.geography import build_crosswalk, load_geography, load_place_data, load_places
from pipelines.observations.access import read_current

LEAST_PART = 0.5
"""Least share of a place within the area of one provider, for the provider to return its figures."""


def flag_provider_shortfalls(project: Project, name: str, measures: Collection[str] | None = None) -> pl.DataFrame:
    """Flag the figures of a source for places of which the provider's sum falls short (checks.PLAUSIBILITY_FLAG).

    Only for a source that declares the geography of its providers, and for its counts and stocks.
    """
    source = project.catalogue.sources[name]
    tables = [empty_table(PLAUSIBILITY_FLAG)]
    if source.returns and source.returns.geography:
        providers = load_providers(project, source.geography or "", source.returns.geography)
        counts = [key for key, measure in source.measures.items() if measure.kind in ADDITIVE_KINDS]
        current = read_current(project, name, [key for key in counts if measures is None or key in measures])
        own = current.filter(pl.col("geography") == source.geography)
        for part in own.partition_by("measure", maintain_order=True):
            tables.append(find_provider_shortfalls(part, providers, source.returns.providers))
    return pl.concat(tables)


def load_providers(project: Project, system: str, provider_system: str) -> pl.DataFrame:
    """Return the provider of each place of a geography: place_code, provider, name; stored while the tables hold."""
    keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    key = hash_texts(keys.places, *keys.apportioning.values())

    def build_table() -> pl.DataFrame:
        crosswalk = build_crosswalk(load_place_data(project, load_places(project)), system, provider_system)
        most = crosswalk.drop_nulls("to_code").filter(pl.col("weight") >= LEAST_PART)
        chosen = most.sort("from_code", "weight", "to_code").unique("from_code", keep="last", maintain_order=True)
        names = load_geography(project, provider_system).places.select("place_code", pl.col("place_name").alias("name"))
        return chosen.select(pl.col("from_code").alias("place_code"), pl.col("to_code").alias("provider")).join(
            names, left_on="provider", right_on="place_code"
        )

    return load_or_build_table(project.home, "provider", f"{system}_{provider_system}", key, build_table)
