"""Contracts of stored releases, judged again from the stored files by a runner of choice."""

import polars as pl

from checks import CONTRACT, Runner, judge_releases
from pipelines.core.snapshots import read_snapshot, stored_releases
from pipelines.declarations.project import Project
from pipelines.geography import list_source_geographies, load_places
from pipelines.observations.ingest import read_release, reading_context
from pipelines.observations.source_tables import SourceTables


def judge_stored_releases(project: Project, name: str, tables: SourceTables, runner: Runner) -> pl.DataFrame:
    """Read each release of a source again, one at a time, and judge it; return the rows of checks.CONTRACT.

    `tables` says which file of each release the build read. Raises UnreadableError where a file is damaged.
    """
    systems = list_source_geographies(project, name)
    context = reading_context(project.catalogue, name, load_places(project), systems)
    stored = {
        (snapshot.sha256, snapshot.file): snapshot
        for group in stored_releases(project.home, name, project.as_of)
        for snapshot in group
    }
    judged = [
        judge_releases(
            context.source,
            [read_release(context, stored[key], read_snapshot(project.home, key[0])).cells],
            runner.judge_cells,
        )
        for key in tables.release.select("release", "file").iter_rows()
    ]
    return pl.concat([pl.DataFrame(schema=CONTRACT), *judged])
