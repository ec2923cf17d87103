"""Why a problem has no answer from the current inputs: the fault of its declaration, or a refusal that a build stored.

The state table `refusal` of a problem has one sentence, with the key of the refused inputs.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from pipelines.core.errors import CommongroundError, EngineError
from pipelines.core.store import prune_tables, read_table, state_path, table_key, write_table
from pipelines.declarations.fingerprints import TableKeys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps.built_cells import REFUSAL_TABLE, read_refusal
from pipelines.gaps.current import is_answer_current, list_current_problems


@contextmanager
def storing_refusal(project: Project, name: str, current_keys: TableKeys) -> Iterator[None]:
    """Store why the block refuses to answer a problem; remove an earlier refusal where it answers.

    A fault of the engine ends a build, and says nothing about the problem.
    """
    path, key = state_path(project.home, REFUSAL_TABLE, name), current_keys.answer[name]
    try:
        yield
    except EngineError:
        raise
    except CommongroundError as error:
        refusal = pl.DataFrame({"sentence": [_describe_error(str(error), project)]})
        if table_key(path) != key or not read_table(path).equals(refusal):
            write_table(path, refusal, key, public_input_sources(project.catalogue, [name]))
        raise
    path.unlink(missing_ok=True)


def prune_refusals(project: Project, current_keys: TableKeys) -> None:
    """Remove the refusals of other inputs than the current ones, and of answered problems."""
    home = project.home
    unanswered = {name for name in project.catalogue.problems if not is_answer_current(home, name, current_keys)}
    prune_tables(home, REFUSAL_TABLE, {name for name in unanswered if _is_refused(project, name, current_keys)})


def describe_unanswered(project: Project, current_keys: TableKeys) -> dict[str, str]:
    """Return why each problem without a current answer has none, by name in order; excluded problems too.

    Files of the project and the store are named without their folder: the sentences are published.
    """
    catalogue, current = project.catalogue, list_current_problems(project, current_keys)
    reasons = {name: _describe_error(fault, project) for name, fault in catalogue.excluded_problems.items()}
    for name in catalogue.problems.keys() - set(current):
        if _is_refused(project, name, current_keys):
            reasons[name] = read_refusal(project.home, name)
        else:
            reasons[name] = _NOT_BUILT.format(name=name)
    return dict(sorted(reasons.items()))


_NOT_BUILT = (
    "No build has answered it since its declaration, its figures or the program changed; "
    "run `commonground build {name}`"
)


def _is_refused(project: Project, name: str, current_keys: TableKeys) -> bool:
    return table_key(state_path(project.home, REFUSAL_TABLE, name)) == current_keys.answer[name]


def _describe_error(text: str, project: Project) -> str:
    """Return an error in one line, with the files of the project and the store named from there.

    A line that ends without a mark is a fault of several.
    """
    for folder in sorted({str(project.catalogue.root), str(project.home)}, key=len, reverse=True):
        text = text.replace(f"{folder}{os.sep}", "")
    return " ".join(_UNMARKED_END.sub("; ", text.strip()).split())


_UNMARKED_END = re.compile(r"(?<=[^\s.!:;])[^\S\n]*\n")
