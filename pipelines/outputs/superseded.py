"""Observations of the stored releases for the analyst's file, and those of superseded releases beside it."""

from collections.abc import Iterator, Sequence

import polars as pl

from pipelines.core.output_files import move_into_outputs, remove_groups
from pipelines.core.schema import OBSERVATION_COLUMNS
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import output_path, read_table, state_path, temporary_path
from pipelines.declarations.fingerprints import TableKeys
from pipelines.declarations.project import Project
from pipelines.observations import cut_batches, has_current_tables, load_source_table, read_slices, scan_slices
from pipelines.outputs.warehouse_observations import FIGURE_COLUMNS, MAX_OBSERVATIONS, SUPERSEDED_FOLDER, SliceBatch


def list_observed_sources(project: Project, current_keys: TableKeys) -> list[str]:
    """List the sources with observations of this build."""
    names = project.catalogue.observation_sources()
    return [name for name in names if has_current_tables(project.home, name, current_keys)]


def keep_history(project: Project, names: Sequence[str]) -> bool:
    """Return whether the file has superseded observations too; where it has not, write these beside it."""
    has_history = sum(_count_observations(project, name) for name in names) <= MAX_OBSERVATIONS
    _write_superseded(project, [] if has_history else names)
    return has_history


def _count_observations(project: Project, name: str) -> int:
    return int(read_table(state_path(project.home, "slice", name))["rows"].sum())


def _list_slices(project: Project, name: str) -> pl.DataFrame:
    """Return the slices of a source (schema.SLICE_COLUMNS) with `in_use`: the newest of each measure and period."""
    slices = load_source_table(project, name, "slice").sort("order", "values_file", "first_row")
    return slices.with_columns((pl.col("order") == pl.col("order").max().over(SLICE_KEY)).alias("in_use"))


def read_batches(project: Project, name: str, has_history: bool) -> Iterator[SliceBatch]:
    """Yield the slices of a source with their figures, some whole slices at a time.

    Without `has_history`, superseded slices come without figures.
    """
    slices, flags = _list_slices(project, name), load_source_table(project, name, "doubt")
    for batch in cut_batches(slices):
        stored = batch if has_history else batch.filter("in_use")
        figures = read_slices(project.home, stored, FIGURE_COLUMNS, flags, encoded=True)
        yield SliceBatch(batch, stored, figures)


def _write_superseded(project: Project, names: Sequence[str]) -> None:
    """Write the superseded observations of some sources, and remove those of all others."""
    written = []
    for name in names:
        slices = _list_slices(project, name).filter(~pl.col("in_use")).drop("in_use")
        if slices.height:
            file = f"{SUPERSEDED_FOLDER}/{name}.parquet"
            temporary = temporary_path(output_path(project.home, file))
            table = scan_slices(project.home, slices, load_source_table(project, name, "doubt"))
            table.select(list(OBSERVATION_COLUMNS)).sink_parquet(temporary, compression="zstd")
            move_into_outputs(project.home, f"observations {name}", [name], file, temporary)
            written.append(name)
    remove_groups(project.home, "observations", written)
