"""Dagster code location, and its runs from the command line."""

import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.app.assets import all_assets, answer_assets, answer_key
from pipelines.app.build_event_sensor import define_event_sensor, describe_run
from pipelines.app.build_events import queue_events
from pipelines.app.notice_sensors import define_notice_sensors
from pipelines.app.outcome import BuildOutcome
from pipelines.app.project_resource import ProjectResource, dagster_resources
from pipelines.app.schedules import SENSOR_SECONDS, define_automation, define_jobs, define_schedules
from pipelines.core.paths import project_directory, store_directory
from pipelines.declarations.catalogue import Catalogue, load_catalogue
from pipelines.declarations.project import Project


def define_project(catalogue: Catalogue, home: Path, as_of: date | None = None) -> dg.Definitions:
    """Build all definitions of a catalogue and a store, as of a fixed day or of the day of each run.

    Contracts are judged by Great Expectations, which a build from the command line never imports.
    """
    return dg.Definitions(
        assets=all_assets(catalogue),
        jobs=define_jobs(catalogue),
        schedules=define_schedules(catalogue, home),
        sensors=[
            define_automation(),
            define_event_sensor(home, SENSOR_SECONDS),
            *define_notice_sensors(catalogue, home),
        ],
        resources=dagster_resources(ProjectResource(home, as_of, "great_expectations")),
        executor=dg.in_process_executor,
    )


def define_run(
    assets: Sequence[dg.AssetsDefinition], project: Project, on_step: Callable[[str], None]
) -> dg.Definitions:
    """Build definitions for one run of the given assets, as the job `run`. Definitions of all assets take longer.

    The only log handler calls `on_step` with the name of each finished step.
    """
    return dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("run")],
        resources=dagster_resources(ProjectResource(project.home, project.as_of, prepared=project)),
        executor=dg.in_process_executor,
        loggers={"console": _step_logger(on_step)},
    )


def _step_logger(on_step: Callable[[str], None]) -> dg.LoggerDefinition:
    class StepHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event: Any = getattr(record, "dagster_event", None)
            if event is not None and event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
                on_step(event.step_key)

    @dg.logger
    def step_logger(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("commonground.steps", level=logging.DEBUG)
        logger.addHandler(StepHandler())
        return logger

    return step_logger


@dg.definitions
def defs() -> dg.Definitions:
    """Return the project's definitions for Dagster."""
    return define_project(load_catalogue(project_directory()), store_directory())


StepCallback = Callable[[str], None]


def run_build(project: Project, sources: Sequence[str], problems: Sequence[str], on_step: StepCallback) -> BuildOutcome:
    """Check the observations of sources and the answers of problems, in a store that the caller has prepared.

    Both are built first where they are not current. The module `build` writes the outputs afterwards. `on_step` is
    called with the name of each finished step.
    """
    return _run_assets(project, answer_assets(project.catalogue, sources, problems), on_step)


def _run_assets(project: Project, assets: Sequence[dg.AssetsDefinition], on_step: StepCallback) -> BuildOutcome:
    defs = define_run(assets, project, on_step)
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("run").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {}}},
        )
    queue_events(project.home, describe_run(result))
    failures = [_step_fault(event) for event in result.all_events if event.is_step_failure]
    failing = [check for check in result.get_asset_check_evaluations() if not check.passed]
    unanswered = [str(check.metadata["fault"].value) for check in failing if check.check_name == "answered"]
    broken = {check.asset_key for check in failing if check.severity == dg.AssetCheckSeverity.ERROR}
    # Assets downstream of a table with an ERROR were not built.
    built_keys = {event.asset_key for event in result.all_events if event.is_step_materialization} - broken
    names = frozenset(name for name in project.catalogue.problems if answer_key(name) in built_keys)
    return BuildOutcome(failures + unanswered, names, not broken)


def _step_fault(event: dg.DagsterEvent) -> str:
    data: Any = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error.cause or data.error
    return f"{event.step_key}: {error.message.strip()}"
