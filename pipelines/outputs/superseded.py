"""Observations of the stored releases for the analyst's file, and those of superseded releases beside it."""

from collections.abc import Iterator, Sequence

import polars as pl

from pipelines.core.output_files import move_into_outputs, remove_groups
from pipelines.core.schema import OBSERVATION_COLUMNS
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import output_path, read_table, state_path, temporary_path
from pipelines.declarations.fingerprints import TableKeys
from pipelines.declarations.project import Project
from pipelines.observations import has_current_tables, load_source_tables, scan_observations
from pipelines.outputs.warehouse_observations import MAX_OBSERVATIONS, SUPERSEDED_FOLDER, ObservationBatches


def collect_observations(project: Project, current_keys: TableKeys) -> ObservationBatches:
    """Return the observations of every source of this build, and write those that the file leaves out beside it."""
    names = [
        name for name in project.catalogue.observation_sources() if has_current_tables(project.home, name, current_keys)
    ]
    has_history = sum(_count_observations(project, name) for name in names) <= MAX_OBSERVATIONS
    _write_superseded(project, [] if has_history else names)
    return ObservationBatches((read_observations(project, name) for name in names), has_history)


def _count_observations(project: Project, name: str) -> int:
    return int(read_table(state_path(project.home, "slice", name))["rows"].sum())


def read_observations(project: Project, name: str) -> pl.DataFrame:
    """Return the observations of every release of a source: schema.OBSERVATION_COLUMNS, `order` and `in_use`.

    Rows are in order of release, measure, period and place.
    """
    newest = load_source_tables(project, name).slice.group_by(SLICE_KEY).agg(pl.col("order").max().alias("newest"))
    in_use = (pl.col("order") == pl.col("newest")).alias("in_use")
    table = scan_observations(project, name).collect().join(newest, on=SLICE_KEY, how="left", maintain_order="left")
    return table.with_columns(in_use).drop("newest")


def _write_superseded(project: Project, names: Sequence[str]) -> None:
    """Write the superseded observations of some sources, and remove those of all others."""
    written = []
    for name in names:
        for table in _superseded(project, name):
            file = f"{SUPERSEDED_FOLDER}/{name}.parquet"
            temporary = temporary_path(output_path(project.home, file))
            table.write_parquet(temporary, compression="zstd")
            move_into_outputs(project.home, f"observations {name}", [name], file, temporary)
            written.append(name)
    remove_groups(project.home, "observations", written)


def _superseded(project: Project, name: str) -> Iterator[pl.DataFrame]:
    """Yield the observations of a source that later releases replaced, if there are any."""
    superseded = read_observations(project, name).filter(~pl.col("in_use")).select(list(OBSERVATION_COLUMNS))
    if superseded.height:
        yield superseded
