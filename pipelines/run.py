"""Running jobs from the command line: the same Dagster assets as the web UI runs, in this process."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dagster as dg

from pipelines.assets import answer_assets, answer_key
from pipelines.definitions import one_run
from pipelines.steps import Project, sources_of

OnStep = Callable[[str], None]


class Built(NamedTuple):
    """What came of a run: what failed, one sentence each; and of which problems a report may be written.

    `sound` is false where any table breaks its own rules: then nothing is made of all of them together.
    """

    faults: list[str]
    answered: frozenset[str]
    sound: bool


def build(project: Project, problems: Sequence[str], on_step: OnStep) -> Built:
    """Build and check the answers of some problems and what they need; outputs are written after it (building.py).

    `on_step` is called with the name of each step that ends.
    """
    sources = sources_of(project, problems)
    return _run(project, answer_assets(project.catalogue, sources, problems), on_step)


def step_count(project: Project, problems: Sequence[str]) -> int:
    """Count the steps of a build, for a progress bar."""
    return 1 + len(sources_of(project, problems)) + len(problems)


def _run(project: Project, assets: Sequence[dg.AssetsDefinition], on_step: OnStep) -> Built:
    defs = one_run(assets, project.home, project.as_of, on_step)
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("run").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
        )
    failed = [_fault(event) for event in result.all_events if event.is_step_failure]
    failing = [check for check in result.get_asset_check_evaluations() if not check.passed]
    unanswered = [str(check.metadata["fault"].value) for check in failing if check.check_name == "answered"]
    broken = {check.asset_key for check in failing if check.severity == dg.AssetCheckSeverity.ERROR}
    # What rests on a table that breaks its own rules was not made.
    made = {event.asset_key for event in result.all_events if event.is_step_materialization} - broken
    names = frozenset(name for name in project.catalogue.problems if answer_key(name) in made)
    return Built(failed + unanswered, names, not broken)


def _fault(event: dg.DagsterEvent) -> str:
    data: Any = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error.cause or data.error
    return f"{event.step_key}: {error.message.strip()}"
