"""The code location that Dagster loads, and runs of it from the command line."""

import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.app.assets import Place, all_assets, answer_assets, answer_key, resources
from pipelines.app.outcome import Built
from pipelines.app.schedules import jobs, schedules
from pipelines.app.steps import sources_of
from pipelines.core.paths import root, store_of
from pipelines.declarations.catalogue import Catalogue, load
from pipelines.declarations.project import Project


def define_project(catalogue: Catalogue, home: Path, as_of: date | None = None) -> dg.Definitions:
    """Make all definitions from a catalogue and a store, as of a day or of each day on which they run."""
    return dg.Definitions(
        assets=all_assets(catalogue),
        jobs=jobs(catalogue),
        schedules=schedules(catalogue),
        resources=resources(Place(home, as_of)),
        executor=dg.in_process_executor,
    )


def one_run(
    assets: Sequence[dg.AssetsDefinition], home: Path, as_of: date, on_step: Callable[[str], None]
) -> dg.Definitions:
    """Make what is needed to run some assets once, as the job `run`: to define all the others takes time too.

    The log goes nowhere but to `on_step`, which is called with the name of each step that ends.
    """
    return dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("run")],
        resources=resources(Place(home, as_of)),
        executor=dg.in_process_executor,
        loggers={"console": _steps_only(on_step)},
    )


def _steps_only(on_step: Callable[[str], None]) -> dg.LoggerDefinition:
    class Steps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event: Any = getattr(record, "dagster_event", None)
            if event is not None and event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
                on_step(event.step_key)

    @dg.logger
    def steps(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("commonground.steps", level=logging.DEBUG)
        logger.addHandler(Steps())
        return logger

    return steps


@dg.definitions
def defs() -> dg.Definitions:
    """Give Dagster the project's definitions."""
    return define_project(load(root()), store_of())


OnStep = Callable[[str], None]


def build(project: Project, problems: Sequence[str], on_step: OnStep) -> Built:
    """Build and check the answers of some problems and what they need; outputs are written after it (build.py).

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
