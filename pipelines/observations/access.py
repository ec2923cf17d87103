"""Observations of sources, read from the store or made anew, and all of them stacked."""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from pipelines.core.schema import FINDING, OBSERVATION, empty
from pipelines.core.store import cached, cached_tables, read_table, state_path, table_key
from pipelines.declarations.fingerprints import Keys, keys
from pipelines.declarations.project import Project
from pipelines.geography import place_system, register_places, systems_of
from pipelines.observations.ingest import Observed, observe
from pipelines.observations.reconciliation import RECONCILIATION, reconciled
from pipelines.observations.revisions import revisions
from pipelines.observations.totals import members


def reconcile_source(project: Project, name: str) -> pl.DataFrame:
    """Take apart the totals of one source (RECONCILIATION), or give those made before from the same files."""
    key = keys(project.catalogue, project.home, project.as_of).observation[name]

    def make() -> pl.DataFrame:
        source, places, seen = project.catalogue.sources[name], register_places(project), observe_source(project, name)
        own = place_system(project, source.geography or "").places
        covered = own.filter(pl.col("nation").is_in(list(source.coverage)))
        # Releases of other times have other places: their totals are of those.
        own_codes = pl.col("place_system") == source.geography
        return reconciled(seen.observation.filter(own_codes), seen.total, source, members(covered), places)

    return cached(project.home, "reconciliation", name, key, make)


def all_reconciliations(project: Project, asked: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the totals taken apart of some sources, or of every one, whose observations are there."""
    named = [name for name in project.catalogue.observing() if asked is None or name in asked]
    made = [name for name in named if state_path(project.home, "observation", name).is_file()]
    return pl.concat([empty(RECONCILIATION), *(reconcile_source(project, name) for name in made)])


OBSERVED = Observed._fields


def observed_is_fresh(home: Path, name: str, made: Keys) -> bool:
    """Tell whether a source's tables are there and made from what is held now."""
    return all(table_key(state_path(home, table, name)) == made.observation[name] for table in OBSERVED)


def observe_source(project: Project, name: str) -> Observed:
    """Make the observations of one source, or give those made before from the same files."""
    key = keys(project.catalogue, project.home, project.as_of).observation[name]

    def make() -> Observed:
        systems = systems_of(project, name)
        return observe(project.home, project.catalogue, name, register_places(project), systems, project.as_of)

    return Observed(*cached_tables(project.home, OBSERVED, name, key, make))


def observed_now(project: Project, kind: str, made: Keys, asked: Collection[str] | None = None) -> list[pl.DataFrame]:
    """Read the tables of one kind of some sources, or of every one, that are made from what is held now."""
    named = [name for name in project.catalogue.observing() if asked is None or name in asked]
    paths = {name: state_path(project.home, kind, name) for name in named}
    return [read_table(path) for name, path in paths.items() if table_key(path) == made.observation[name]]


def all_findings(project: Project) -> pl.DataFrame:
    """Stack the findings of every source as it was last read."""
    paths = [state_path(project.home, "finding", name) for name in project.catalogue.observing()]
    return pl.concat([empty(FINDING), *(read_table(path) for path in paths if path.is_file())])


def all_revisions(
    project: Project, made: Keys, names: Collection[str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare the releases of some sources, or of every one, each with the one before: the cells, and in sum."""
    tables = observed_now(project, "observation", made, names)
    return revisions(pl.concat([empty(OBSERVATION).with_columns(pl.lit(0, pl.Int64).alias("order")), *tables]))
