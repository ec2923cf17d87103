"""Work on one source, problem or output, which a build shares between processes.

Imports are late: a build with nothing to do loads nothing.
"""

from collections.abc import Callable

import polars as pl

from pipelines.core.garbage import collect_and_freeze
from pipelines.core.store import state_path
from pipelines.core.table_cache import forget_tables
from pipelines.declarations.project import Project
from pipelines.outputs import INDEX
from pipelines.outputs import WAREHOUSE_NAME as FILE

MANY_CELLS = 100_000
"""Most cells of a problem with a report that may use what the reports before it left in memory."""
_STEP: list[str] = []
"""The step of a build that this process works on."""


def _begin_step(step: str) -> None:
    """Forget what this process keeps from the step before, and free what its templates leave in cycles."""
    if [step] != _STEP:
        if _STEP:
            from pipelines.readers import end_workbook_process

            forget_tables()
            end_workbook_process()
            collect_and_freeze()
        _STEP[:] = [step]


def read_source(project: Project, name: str) -> None:
    """Build the tables of a source."""
    _begin_step("reading")
    from pipelines.observations import load_source_tables

    load_source_tables(project, name)


def answer_question(project: Project, name: str) -> None:
    """Build the tables of a problem."""
    _begin_step("answering")
    from pipelines.gaps import store_answer

    store_answer(project, name)


def build_place_tables(project: Project) -> None:
    """Build the place tables that do not depend on sources."""
    _begin_step("places")
    from pipelines.geography import load_area_hierarchy, load_groupings, load_neighbour_table

    load_neighbour_table(project)
    load_area_hierarchy(project)
    load_groupings(project)


def _has_many_cells(project: Project, name: str) -> bool:
    path = state_path(project.home, "cell", name)
    return bool(pl.scan_parquet(path).select(pl.len()).collect().item() > MANY_CELLS) if path.is_file() else False


def write_output(project: Project, name: str) -> None:
    """Write the report of a problem, or the pages or the analyst's file if `name` is their file name."""
    from pipelines.outputs import publish_place_pages, publish_warehouse, report_problem

    others: dict[str, Callable[[Project], object]] = {INDEX: publish_place_pages, FILE: publish_warehouse}
    # A large report is a step by itself: at its peak, memory has no tables of other reports.
    _begin_step(name if name in others or _has_many_cells(project, name) else "reporting")
    if name in others:
        others[name](project)
    else:
        report_problem(project, name)
