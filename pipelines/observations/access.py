"""Observations of sources: read from the store where current, otherwise built, and stacked across sources."""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.core.schema import empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import (
    load_or_build_table,
    load_or_build_tables,
    read_table,
    release_path,
    state_path,
    table_key,
)
from pipelines.declarations.fingerprints import OBSERVATION_TABLES, REVISION_TABLES, TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.geography import list_source_geographies, load_geography, load_places
from pipelines.observations.current import has_current_tables
from pipelines.observations.reconciliation import RECONCILIATION, reconcile_totals
from pipelines.observations.revisions import COMPARED_COLUMNS, REVISION_SUMMARY, compare_releases
from pipelines.observations.scan import OBSERVATION_SCHEMA, cut_batches, newest_of_slices, read_slices, scan_slices
from pipelines.observations.source_tables import SourceTables, build_source_tables
from pipelines.observations.totals import covered_members


def reconcile_source(project: Project, name: str) -> pl.DataFrame:
    """Return the reconciliation of one source's totals (RECONCILIATION), from the store where unchanged."""
    key = compute_table_keys(project.catalogue, project.home, project.as_of).observation[name]

    def build_reconciliation() -> pl.DataFrame:
        total = load_source_table(project, name, "total")
        with_total = total.filter(pl.col("role") == "total", pl.col("value").is_not_null())
        if with_total.is_empty():
            return empty_table(RECONCILIATION)
        source, places, tables = (
            project.catalogue.sources[name],
            load_places(project),
            load_source_tables(project, name),
        )
        geography = load_geography(project, source.geography or "")
        members = covered_members(geography.places, source.coverage)
        # A release in another vintage has other places, and its totals refer to those.
        own_slices = newest_of_slices(tables.slice.filter(pl.col("geography") == source.geography))
        slices = own_slices.join(with_total, on=[*SLICE_KEY, "order"], how="semi", maintain_order="left")
        observation = read_slices(project.home, slices, list(OBSERVATION_SCHEMA), tables.doubt)
        return reconcile_totals(observation, tables.total, source, members, places)

    return load_or_build_table(project.home, "reconciliation", name, key, build_reconciliation)


def all_reconciliations(project: Project, selection: Collection[str] | None = None) -> pl.DataFrame:
    """Stack the reconciliations of the selected sources, or of all, that have stored observations."""
    names = [name for name in project.catalogue.observation_sources() if selection is None or name in selection]
    stored = [name for name in names if has_observations(project.home, name)]
    return pl.concat([empty_table(RECONCILIATION), *(reconcile_source(project, name) for name in stored)])


def has_observations(home: Path, name: str) -> bool:
    """Return whether observations of a source are stored, current or not."""
    return state_path(home, "slice", name).is_file()


def load_source_tables(project: Project, name: str) -> SourceTables:
    """Return the tables of one source, from the store where its files and declarations are unchanged.

    Where a file of figures is gone, the tables are built again, which reads that release.
    """
    if _lacks_figures(project.home, name):
        state_path(project.home, "slice", name).unlink()
    keys = compute_table_keys(project.catalogue, project.home, project.as_of)

    def build_tables() -> SourceTables:
        systems, places = list_source_geographies(project, name), load_places(project)
        return build_source_tables(
            project.home, project.catalogue, name, places, systems, project.as_of, keys.reading[name]
        )

    return SourceTables(
        *load_or_build_tables(project.home, OBSERVATION_TABLES, name, keys.observation[name], build_tables)
    )


def load_source_table(project: Project, name: str, kind: str) -> pl.DataFrame:
    """Return one of a source's tables, a field of SourceTables. Where all are current, only this one is read."""
    current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    if has_current_tables(project.home, name, current_keys) and not _lacks_figures(project.home, name):
        return read_table(state_path(project.home, kind, name))
    table: pl.DataFrame = getattr(load_source_tables(project, name), kind)
    return table


def _lacks_figures(home: Path, name: str) -> bool:
    """Return whether the stored table of slices names a file of figures that is gone."""
    path = state_path(home, "slice", name)
    files = set(read_table(path)["values_file"].to_list()) if table_key(path) else ()
    return any(not release_path(home, "values", name, file.removesuffix(".parquet")).is_file() for file in files)


def scan_observations(project: Project, name: str) -> pl.LazyFrame:
    """Return a lazy view of the observations of every usable release of a source.

    Columns: schema.OBSERVATION_COLUMNS with their types, and `order` (Int64), the order of the source's releases,
    oldest 0. A query reads only the columns that it uses; a filter on measure, period or release reads only these.
    """
    slices, flags = (load_source_table(project, name, kind) for kind in ("slice", "doubt"))
    return scan_slices(project.home, slices, flags)


def list_observed_places(project: Project, name: str) -> set[str]:
    """Return the codes of all places with an observation in any usable release of a source."""
    files = set(load_source_table(project, name, "slice")["values_file"].to_list())
    paths = [release_path(project.home, "values", name, file.removesuffix(".parquet")) for file in files]
    codes = [pl.read_parquet(path, columns=["place_code"])["place_code"].unique().cast(pl.String) for path in paths]
    return {code for one in codes for code in one.to_list()}


def read_current(
    project: Project,
    name: str,
    measures: Collection[str] | None = None,
    geography: str | None = None,
    columns: Collection[str] | None = None,
) -> pl.DataFrame:
    """Read the observations of one source that are in use: the newest release of each measure and period.

    `measures` selects some measures, and `geography` the releases in one geography; by default all are read. Columns:
    schema.OBSERVATION_COLUMNS and `order` (Int64), the order of the source's releases, oldest 0; or only `columns`.
    The rows of a slice are consecutive, and its places are in order of code. Other releases and measures are not read.
    """
    slices, flags = (load_source_table(project, name, kind) for kind in ("slice", "doubt"))
    if measures is not None:
        slices = slices.filter(pl.col("measure").is_in(list(measures)))
    if geography is not None:
        slices = slices.filter(pl.col("geography") == geography)
    wanted = list(OBSERVATION_SCHEMA) if columns is None else list(columns)
    return read_slices(project.home, newest_of_slices(slices), wanted, flags)


class CurrentBatch(NamedTuple):
    """Some whole slices of one geography that are in use (schema.SLICE_COLUMNS), and their observations."""

    geography: str
    slices: pl.DataFrame
    observation: pl.DataFrame


def read_current_batches(project: Project, name: str, measures: Collection[str]) -> Iterator[CurrentBatch]:
    """Read the observations of some measures that are in use, as read_current does, some slices at a time.

    A source without any yields one batch without rows, of no geography.
    """
    every, flags = (load_source_table(project, name, kind) for kind in ("slice", "doubt"))
    newest = newest_of_slices(every.filter(pl.col("measure").is_in(list(measures))))
    parts = newest.partition_by("geography", as_dict=True, maintain_order=True) or {("",): newest}
    for (geography,), slices in parts.items():
        for batch in cut_batches(slices) or [slices]:
            yield CurrentBatch(str(geography), batch, read_slices(project.home, batch, list(OBSERVATION_SCHEMA), flags))


def current_tables(
    project: Project, kind: str, current_keys: TableKeys, selection: Collection[str] | None = None
) -> list[pl.DataFrame]:
    """Read one table of the selected sources, or of all, where the stored table is current."""
    names = [name for name in project.catalogue.observation_sources() if selection is None or name in selection]
    paths = {name: state_path(project.home, kind, name) for name in names}
    return [read_table(path) for name, path in paths.items() if table_key(path) == current_keys.observation[name]]


def load_revisions(project: Project, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare each release of a source with the one before: REVISION and REVISION_SUMMARY, stored while current."""
    key = compute_table_keys(project.catalogue, project.home, project.as_of).observation[name]

    def compare() -> tuple[pl.DataFrame, pl.DataFrame]:
        slices, flags = (load_source_table(project, name, kind) for kind in ("slice", "doubt"))
        return compare_releases(slices, partial(_read_compared, project.home, flags))

    revised, summary = load_or_build_tables(project.home, REVISION_TABLES, name, key, compare)
    return revised, summary


def summarise_revisions(
    project: Project, current_keys: TableKeys, names: Collection[str] | None = None
) -> pl.DataFrame:
    """Summarise the differences between releases of the selected sources, or of all (REVISION_SUMMARY)."""
    chosen = [name for name in project.catalogue.observation_sources() if names is None or name in names]
    stored = [name for name in chosen if has_current_tables(project.home, name, current_keys)]
    return pl.concat([empty_table(REVISION_SUMMARY), *(load_revisions(project, name)[1] for name in stored)])


def _read_compared(home: Path, flags: pl.DataFrame, slices: pl.DataFrame) -> pl.DataFrame:
    return read_slices(home, slices, COMPARED_COLUMNS, flags)
