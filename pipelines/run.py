"""Running jobs from the command line: the same Dagster assets as the web UI runs, in this process."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from pipelines.assets import PLACES, WAREHOUSE, answer_key, observation_key
from pipelines.definitions import build as definitions
from pipelines.steps import Project, sources_of

OnStep = Callable[[str], None]


def build(project: Project, problems: Sequence[str], on_step: OnStep) -> list[str]:
    """Build some problems and what they need, but for their reports; give what failed, one sentence each.

    Reports and pages are made afterwards (building.py), several at a time, as an executor in one process can't.
    `on_step` is called with the name of each step that ends.
    """
    wanted = [
        PLACES,
        *(observation_key(name) for name in sources_of(project, problems)),
        *(answer_key(name) for name in problems),
        WAREHOUSE,
    ]
    return _run(project, "build", wanted, on_step)


def step_count(project: Project, problems: Sequence[str]) -> int:
    """Count the steps of a build, for a progress bar."""
    return 2 + len(sources_of(project, problems)) + len(problems)


def _run(project: Project, job: str, wanted: list[dg.AssetKey], on_step: OnStep) -> list[str]:
    defs = definitions(project.catalogue, project.home, project.as_of.isoformat(), on_step)
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def(job).execute_in_process(
            asset_selection=wanted,
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
        )
    failed = [_fault(event) for event in result.all_events if event.is_step_failure]
    unanswered = [
        str(check.metadata["fault"].value)
        for check in result.get_asset_check_evaluations()
        if check.check_name == "answered" and not check.passed
    ]
    return failed + unanswered


def _fault(event: dg.DagsterEvent) -> str:
    data: Any = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error.cause or data.error
    return f"{event.step_key}: {error.message.strip()}"
