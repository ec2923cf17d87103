"""Observations of sources: read from the store where current, otherwise built, and stacked across sources."""

from collections.abc import Collection

import polars as pl

from pipelines.core.schema import FINDING_COLUMNS, OBSERVATION_COLUMNS, empty_table
from pipelines.core.slices import SLICE_KEY, newest_slices
from pipelines.core.store import load_or_build_table, load_or_build_tables, read_table, state_path, table_key
from pipelines.declarations.fingerprints import OBSERVATION_TABLES, TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.geography import list_source_geographies, load_geography, load_places
from pipelines.observations.ingest import SourceTables, build_observations
from pipelines.observations.reconciliation import RECONCILIATION, reconcile_totals
from pipelines.observations.revisions import compare_releases
from pipelines.observations.totals import total_members


def reconcile_source(project: Project, name: str) -> pl.DataFrame:
    """Return the reconciliation of one source's totals (RECONCILIATION), from the store where unchanged."""
    key = compute_table_keys(project.catalogue, project.home, project.as_of).observation[name]

    def build_reconciliation() -> pl.DataFrame:
        source, places, tables = (
            project.catalogue.sources[name],
            load_places(project),
            load_source_tables(project, name),
        )
        own = load_geography(project, source.geography or "").places
        covered_places = own.filter(pl.col("nation").is_in(list(source.coverage)))
        # A release in another vintage has other places, and its totals refer to those.
        own_codes = pl.col("geography") == source.geography
        return reconcile_totals(
            tables.observation.filter(own_codes), tables.total, source, total_members(covered_places), places
        )

    return load_or_build_table(project.home, "reconciliation", name, key, build_reconciliation)


def all_reconciliations(project: Project, selection: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the reconciliations of the selected sources, or of all, that have stored observations."""
    names = [name for name in project.catalogue.observation_sources() if selection is None or name in selection]
    stored = [name for name in names if state_path(project.home, "observation", name).is_file()]
    return pl.concat([empty_table(RECONCILIATION), *(reconcile_source(project, name) for name in stored)])


def load_source_tables(project: Project, name: str) -> SourceTables:
    """Return the tables of one source, from the store where its files and declarations are unchanged."""
    key = compute_table_keys(project.catalogue, project.home, project.as_of).observation[name]

    def build_tables() -> SourceTables:
        systems = list_source_geographies(project, name)
        return build_observations(project.home, project.catalogue, name, load_places(project), systems, project.as_of)

    return SourceTables(*load_or_build_tables(project.home, OBSERVATION_TABLES, name, key, build_tables))


def read_current(
    project: Project, name: str, measures: Collection[str] | None = None, geography: str | None = None
) -> pl.DataFrame:
    """Read the observations of one source that are in use: the newest release of each measure and period.

    `measures` selects some measures, and `geography` the releases in one geography; by default all are read. Columns:
    schema.OBSERVATION_COLUMNS with their types, and `order` (Int64), the order of the source's releases, oldest 0.
    The rows of a slice are consecutive, and its places are in order of code. Superseded figures are not read.
    """
    observation = load_source_tables(project, name).observation
    if measures is not None:
        observation = observation.filter(pl.col("measure").is_in(list(measures)))
    if geography is not None:
        observation = observation.filter(pl.col("geography") == geography)
    return newest_slices(observation).sort(*SLICE_KEY, "place_code", maintain_order=True)


def current_tables(
    project: Project, kind: str, current_keys: TableKeys, selection: Collection[str] | None = None
) -> list[pl.DataFrame]:
    """Read one table of the selected sources, or of all, where the stored table is current."""
    names = [name for name in project.catalogue.observation_sources() if selection is None or name in selection]
    paths = {name: state_path(project.home, kind, name) for name in names}
    return [read_table(path) for name, path in paths.items() if table_key(path) == current_keys.observation[name]]


def all_findings(project: Project) -> pl.DataFrame:
    """Stack the findings from the last read of every source."""
    paths = [state_path(project.home, "finding", name) for name in project.catalogue.observation_sources()]
    return pl.concat([empty_table(FINDING_COLUMNS), *(read_table(path) for path in paths if path.is_file())])


def all_revisions(
    project: Project, current_keys: TableKeys, names: Collection[str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare each release of the selected sources, or of all, with the one before: by cell and in summary."""
    tables = current_tables(project, "observation", current_keys, names)
    return compare_releases(
        pl.concat([empty_table(OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order")), *tables])
    )
