"""Work on one source, problem or output, which a build shares between processes.

Imports are late: a build with nothing to do loads nothing.
"""

from collections.abc import Callable

from pipelines.declarations.project import Project
from pipelines.outputs import INDEX
from pipelines.outputs import WAREHOUSE_NAME as FILE


def read_source(project: Project, name: str) -> None:
    """Build the tables of a source."""
    from pipelines.observations import load_source_tables

    load_source_tables(project, name)


def answer_question(project: Project, name: str) -> None:
    """Build the tables of a problem."""
    from pipelines.gaps import answer_problem

    answer_problem(project, name)


def build_place_tables(project: Project) -> None:
    """Build the place tables that do not depend on sources."""
    from pipelines.geography import load_area_hierarchy, load_neighbour_table

    load_neighbour_table(project)
    load_area_hierarchy(project)


def write_output(project: Project, name: str) -> None:
    """Write the report of a problem, or the pages or the analyst's file if `name` is their file name."""
    from pipelines.outputs import publish_place_pages, publish_warehouse, report_problem

    others: dict[str, Callable[[Project], object]] = {INDEX: publish_place_pages, FILE: publish_warehouse}
    if name in others:
        others[name](project)
    else:
        report_problem(project, name)
