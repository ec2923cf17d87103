"""Lists of sources, measures, problems and places."""

from pathlib import Path

import polars as pl

from pipelines.app.stored_lists import StoredList, store_list
from pipelines.core.paths import project_directory
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project, build_date
from pipelines.outputs import declared_sources, measures_table


def list_declared(home: Path, target: str) -> StoredList:
    """Read the declarations and return a list of their items; store it, unless it is of places."""
    project = Project(load_catalogue(project_directory(), home), home, build_date())
    unread = [*project.catalogue.list_refusals(), *project.catalogue.excluded_problems.values()]
    listed = StoredList(list_items(project, target), unread)
    if target != "places":
        store_list(home, target, listed)
    return listed


def list_items(project: Project, target: str) -> pl.DataFrame:
    """Return a table of sources, measures, problems or places."""
    catalogue = project.catalogue
    if target == "sources":
        return declared_sources(catalogue).select(
            "source", "title", "publisher", "access", "cadence", "geography", "licence"
        )
    if target == "measures":
        return measures_table(catalogue).select("measure", "title", "unit", "kind", "source")
    if target == "problems":
        rows = [(p.name, p.header.question, p.header.owner, p.header.geography, p.header.grain)
                for p in catalogue.problems.values()]  # fmt: skip
        return pl.DataFrame(rows, schema=["problem", "question", "owner", "geography", "grain"], orient="row")
    from pipelines.app.stored_places import load_place_system

    systems = sorted({problem.header.geography for problem in catalogue.problems.values()})
    tables = [load_place_system(project, system).with_columns(pl.lit(system).alias("system")) for system in systems]
    return pl.concat(tables).select("system", "place_code", "place_name", "place_name_welsh", "region", "nation")
