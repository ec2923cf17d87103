"""Steps that build a table and check it: the register of places, the observations of a source, the answer of a problem.

A build from the command line and Dagster's assets run the same steps. The caller locks the store.
"""

from typing import NamedTuple

import polars as pl

from checks import POLARS, Runner
from pipelines.app import check_results
from pipelines.app.check_results import CheckResult, Metadata
from pipelines.apportionment import problem_residents
from pipelines.core.errors import CommongroundError, EngineError
from pipelines.core.store import read_table, state_path, table_key
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.project import Project
from pipelines.gaps import answer_problem, instant_measures, stack_returns, update_ledger
from pipelines.geography import load_places
from pipelines.observations import (
    judge_stored_releases,
    list_observed_places,
    load_source_tables,
    reconcile_source,
    summarise_completeness,
)


class CheckedTable(NamedTuple):
    """What a step built: counts, the version of its content, and the results of its checks."""

    counts: Metadata
    version: str
    checks: list[CheckResult]

    @property
    def errors(self) -> list[CheckResult]:
        """Return the failed checks that stop what rests on the table."""
        return list_errors(self.checks)


def list_errors(checks: list[CheckResult]) -> list[CheckResult]:
    """Return the failed checks of severity ERROR."""
    return [result for result in checks if result.is_error and not result.passed]


def check_register(project: Project) -> CheckedTable:
    """Load the register of places and check it."""
    places = load_places(project)
    keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    version = hash_texts(keys.places, keys.boundaries, *keys.apportioning.values())
    counts = {"codes": places.register.height, "changes": places.changes.height}
    return CheckedTable(counts, version, [check_results.register_result(places.register)])


def check_source(project: Project, name: str, runner: Runner) -> CheckedTable:
    """Build the tables of a source where they are not current, and check them.

    Polars judged the contract in the build. Any other runner judges it again, from the stored files.
    """
    source, tables = project.catalogue.sources[name], load_source_tables(project, name)
    contract = tables.contract if runner is POLARS else judge_stored_releases(project, name, tables, runner)
    apart, due = reconcile_source(project, name), summarise_completeness(stack_returns(project, [name]))
    checks = [
        *check_results.source_results(source, tables, contract, runner, project.as_of),
        check_results.totals_result(apart, runner),
        check_results.returns_result(due, runner),
    ]
    counts = check_results.count_slices(tables.slice, len(list_observed_places(project, name)))
    return CheckedTable(counts, _stored_version(project, "slice", name), checks)


def check_answer(project: Project, name: str, runner: Runner) -> CheckedTable:
    """Answer a problem where its answer is not current, check it, and record it in the gap ledger.

    If its SELECT fails, the last good answer stays in place and the check reports the fault. Raises CommongroundError
    where no answer is stored, and EngineError where the engine fails.
    """
    try:
        cells, fault = answer_problem(project, name), ""
    except EngineError:
        raise
    except CommongroundError as error:
        path = state_path(project.home, "cell", name)
        if not path.is_file():
            raise
        cells, fault = read_table(path), str(error)
    results = check_results.problem_results(cells)
    fault = fault or _record_answer(project, name, cells, results)
    problem = project.catalogue.problems[name]
    at_instants = instant_measures(project.catalogue, problem.measures)
    checks = [
        check_results.answered_result(fault),
        *results,
        check_results.coverage_result(cells, problem_residents(project, problem)[0], runner),
        check_results.period_result(cells, problem.header.grain, at_instants),
    ]
    counts = {
        **check_results.count_metadata(cells, "place_code"),
        "known": cells["value"].count(),
        "gaps": cells["reason"].count(),
    }
    return CheckedTable(counts, _stored_version(project, "view", name), checks)


def _record_answer(project: Project, name: str, cells: pl.DataFrame, results: list[CheckResult]) -> str:
    """Record an answer in the gap ledger if no check has an ERROR. Return the fault, or an empty text.

    An answer with an ERROR is not published, so it is not recorded either.
    """
    if list_errors(results):
        return ""
    try:
        update_ledger(project, name, cells)
    except CommongroundError as error:
        return str(error)
    return ""


def _stored_version(project: Project, kind: str, name: str) -> str:
    """Return the version of a state table: what it was built from, so that a build without news changes nothing."""
    return hash_texts(table_key(state_path(project.home, kind, name)) or "")
