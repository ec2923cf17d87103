"""The totals of every source taken apart, kept in the state beside the observations they are made from."""

from collections.abc import Collection

import polars as pl

from pipelines.keys import keys
from pipelines.reconciliation import RECONCILIATION, reconciled
from pipelines.schema import empty
from pipelines.steps import Project, observe_source, place_system, register_places
from pipelines.store import read_table, state_path, table_key, write_table
from pipelines.totals import members


def reconcile_source(project: Project, name: str) -> pl.DataFrame:
    """Take apart the totals of one source (RECONCILIATION), or give those made before from the same files."""
    key = keys(project.catalogue, project.home, project.as_of).observation[name]
    path = state_path(project.home, "reconciliation", name)
    if table_key(path) != key:
        source, places, seen = project.catalogue.sources[name], register_places(project), observe_source(project, name)
        own = place_system(project, source.places or "").places
        covered = own.filter(pl.col("nation").is_in(list(source.coverage)))
        # Releases of other times have other places: their totals are of those.
        own_codes = pl.col("place_system") == source.places
        made = reconciled(seen.observation.filter(own_codes), seen.total, source, members(covered), places)
        write_table(path, made, key)
    return read_table(path)


def all_reconciliations(project: Project, asked: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the totals taken apart of some sources, or of every one, whose observations are there."""
    named = [name for name in project.catalogue.observing() if asked is None or name in asked]
    made = [name for name in named if state_path(project.home, "observation", name).is_file()]
    return pl.concat([empty(RECONCILIATION), *(reconcile_source(project, name) for name in made)])
