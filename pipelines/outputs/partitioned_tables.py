"""Observations and their slices as partitioned Parquet, for engines that read files: DuckDB, Spark, Polars, Power BI.

    out/tables/slices/<source>.parquet                   one row for each slice of every stored release
    out/tables/observations/<source>/<release>.parquet   the observations of one release

Observations are sorted by measure, period and place. All columns are in the files, texts are plain, and no folder name
is a column. docs/scale.md describes the layout.
"""

from pathlib import Path

import polars as pl

from pipelines.core.manifest import read_manifest
from pipelines.core.output_files import is_project_file, move_into_outputs, remove_groups
from pipelines.core.schema import OBSERVATION_COLUMNS, TEXT, WHOLE, Column
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import output_path, state_path, table_key, table_version, temporary_path, write_table
from pipelines.declarations.fingerprints import TableKeys, hash_texts, program_key
from pipelines.declarations.project import Project
from pipelines.observations import has_current_tables, load_source_table, scan_slices
from pipelines.outputs.freshness import TABLES_FOLDER

_ORDER = {"release_order": Column(WHOLE, "Order of the source's releases, oldest 0")}
PARTITIONED_OBSERVATION: dict[str, Column] = {**OBSERVATION_COLUMNS, **_ORDER}
"""Columns of the files of observations."""
PARTITIONED_SLICE: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "released_at", *SLICE_KEY, "geography")},
    **_ORDER,
    "rows": Column(WHOLE, "Number of its observations"),
    "known": Column(WHOLE, "Number of those with a value"),
    "in_use": Column(pl.Boolean, "True in the newest release of its measure and period"),
    "path": Column(TEXT, "File of its observations, from the folder of the tables"),
}
"""Columns of the files of slices."""


def remove_partitioned_tables(home: Path) -> None:
    """Remove the tables that the project wrote."""
    remove_groups(home, TABLES_FOLDER, ())


def write_partitioned_tables(project: Project, current_keys: TableKeys) -> int:
    """Write the tables of sources with current observations, remove those of others; return the files written.

    A source is written again only where its slices or its plausibility flags have changed.
    """
    groups, written = set(), 0
    for name in project.catalogue.observation_sources():
        if has_current_tables(project.home, name, current_keys):
            slices = _list_slices(project, name)
            files = {f"{name} {path}": path for path in [_slices_file(name), *slices["path"].unique().sort()]}
            groups |= set(files)
            if not _is_written(project, name, files):
                _write_source(project, name, slices)
                written += len(files)
    remove_groups(project.home, TABLES_FOLDER, groups)
    return written


def _slices_file(source: str) -> str:
    return f"slices/{source}.parquet"


def _list_slices(project: Project, name: str) -> pl.DataFrame:
    """Return the slices of a source, with the columns of PARTITIONED_SLICE beside their own."""
    slices = load_source_table(project, name, "slice").sort("order", "values_file", "first_row")
    return slices.with_columns(
        pl.col("order").alias("release_order"),
        (pl.col("order") == pl.col("order").max().over(SLICE_KEY)).alias("in_use"),
        pl.format("observations/{}/{}", "source", "values_file").alias("path"),
    )


def _content_key(project: Project, name: str) -> str:
    versions = (table_version(state_path(project.home, kind, name)) or "" for kind in ("slice", "doubt"))
    return hash_texts(program_key("outputs"), *versions)


def _is_written(project: Project, name: str, files: dict[str, str]) -> bool:
    """Return whether the files of a source have its present content and are unchanged."""
    if table_key(state_path(project.home, TABLES_FOLDER, name)) != _content_key(project, name):
        return False
    manifest = read_manifest(project.home)
    for group, path in files.items():
        file = f"{TABLES_FOLDER}/{path}"
        listed = manifest.get(f"{TABLES_FOLDER} {group}")
        if not listed or not is_project_file(output_path(project.home, file), listed.files.get(file)):
            return False
    return True


def _write_source(project: Project, name: str, slices: pl.DataFrame) -> None:
    """Write the files of one source, its slices last, and record their content."""
    flags = load_source_table(project, name, "doubt")
    for (path,), mine in slices.group_by("path", maintain_order=True):
        figures = scan_slices(project.home, mine, flags).rename({"order": "release_order"})
        _write_file(project.home, name, str(path), figures.select(list(PARTITIONED_OBSERVATION)))
    _write_file(project.home, name, _slices_file(name), slices.lazy().select(list(PARTITIONED_SLICE)))
    record = pl.DataFrame({"file": [_slices_file(name), *slices["path"].unique().sort()]})
    write_table(state_path(project.home, TABLES_FOLDER, name), record, _content_key(project, name))


def _write_file(home: Path, source: str, path: str, table: pl.LazyFrame) -> None:
    file = f"{TABLES_FOLDER}/{path}"
    temporary = temporary_path(output_path(home, file))
    try:
        table.sink_parquet(temporary, compression="zstd", statistics=True)
        move_into_outputs(home, f"{TABLES_FOLDER} {source} {path}", [source], file, temporary)
    finally:
        temporary.unlink(missing_ok=True)
