"""Dagster code location."""

from datetime import date
from pathlib import Path

import dagster as dg

from pipelines.app.assets import all_assets
from pipelines.app.build_event_sensor import define_event_sensor
from pipelines.app.notice_sensors import define_notice_sensors
from pipelines.app.project_resource import ProjectResource, dagster_resources
from pipelines.app.schedules import SENSOR_SECONDS, define_automation, define_jobs, define_schedules
from pipelines.core.paths import project_directory, store_directory
from pipelines.declarations.catalogue import Catalogue, load_catalogue


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
        resources=dagster_resources(ProjectResource(home, as_of)),
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the project's definitions for Dagster."""
    return define_project(load_catalogue(project_directory()), store_directory())
