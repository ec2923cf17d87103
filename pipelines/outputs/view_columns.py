"""Meaning of the columns of a problem's view."""

from pipelines.declarations.catalogue import Problem
from pipelines.declarations.problem_file import VERDICT_COLUMNS
from pipelines.declarations.project import Project
from pipelines.gaps import PERIOD_SUFFIX, VERDICT


def view_meaning(problem: Problem, project: Project, columns: list[str]) -> tuple[str, dict[str, str]]:
    """Return the question of a problem's view and the meaning of each column."""
    return problem.header.question, {column: _column_meaning(problem, project, column) for column in columns}


def _column_meaning(problem: Problem, project: Project, column: str) -> str:
    measures, inputs = project.catalogue.measures, problem.select.inputs
    if column in VERDICT_COLUMNS:
        return VERDICT[column].meaning
    plain = column.removesuffix("_status")
    if column not in inputs and plain in inputs:
        return f"Gap reason of {plain}, or the worst observation status of its inputs"
    plain = column.removesuffix(PERIOD_SUFFIX)
    if column not in inputs and plain in inputs:
        return f"Reference period of {plain}, or of its inputs"
    rest = inputs.get(column, ())
    if rest == (column,):
        return f"{measures[column].title}, in {measures[column].unit}"
    if rest:
        return "Computed from " + " and ".join(measures[name].title for name in rest)
    return column.replace("_", " ").capitalize()
