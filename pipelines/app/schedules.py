"""Jobs, schedules, and the sensor that builds what rests on a new release.

Each source is refreshed at its publisher's cadence. Its new release builds the problems that rest on it at once. The
build of every morning is for what depends on the day: figures that become too old, and releases that are overdue.
"""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job

from pipelines.declarations.base import Cadence
from pipelines.declarations.catalogue import Catalogue
from pipelines.fetch import is_scheduled

SENSOR_SECONDS = 30
TIME_ZONE = "Europe/London"
# Most official statistics are published at 9:30. A monthly release may appear on any day of the month.
_CRON: dict[Cadence, str] = {
    "daily": "45 9 * * *",
    "weekly": "45 9 * * 1-5",
    "monthly": "45 9 * * 2,4",
    "quarterly": "45 9 * * 4",
    "annual": "45 9 * * 4",
    "once": "45 9 1 * *",
}


def define_jobs(catalogue: Catalogue) -> "list[Job]":
    """Define the jobs: refresh all sources with an address, refresh one, build everything, and publish one problem."""
    snapshots = dg.AssetSelection.key_prefixes(["snapshot"])
    selections = {name: dg.AssetSelection.assets(["snapshot", name]) for name in catalogue.refreshable_sources()}
    every = dg.AssetSelection.assets(*(["snapshot", name] for name in selections))
    refresh_jobs = (
        [dg.define_asset_job("refresh", every, description="Fetch new releases of all sources.")] if selections else []
    )
    return [
        *refresh_jobs,
        dg.define_asset_job("build", dg.AssetSelection.all() - snapshots, description="Build from stored data."),
        *(dg.define_asset_job(f"refresh_{name}", selection) for name, selection in selections.items()),
        *(_problem_job(name) for name in catalogue.problems),
    ]


def _problem_job(name: str) -> Job:
    """Define the job that answers one problem from stored data and publishes its view, report and pages."""
    answer = dg.AssetSelection.assets(["problem", name])
    stored = answer.upstream() - dg.AssetSelection.key_prefixes(["snapshot"])
    outputs = dg.AssetSelection.assets(["report", name], ["out", "commonground"], ["out", "pages"])
    description = f"Answer {name} from stored data; publish its view, report and pages."
    return dg.define_asset_job(f"publish_{name}", stored | outputs, description=description)


def define_automation() -> dg.AutomationConditionSensorDefinition:
    """Define the sensor that builds what rests on a new release, within minutes."""
    built = dg.AssetSelection.all() - dg.AssetSelection.key_prefixes(["snapshot"])
    return dg.AutomationConditionSensorDefinition(
        "build_after_a_new_release",
        target=built,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=SENSOR_SECONDS,
        description="Builds the observations, answers and outputs that rest on a new release.",
    )


def define_schedules(catalogue: Catalogue, home: Path) -> list[dg.ScheduleDefinition]:
    """Define the schedules in London time: one for each source with a proven road, and a daily build after them.

    An inferred road is scheduled once `refresh --check` has succeeded in the store.
    """
    running = dg.DefaultScheduleStatus.RUNNING
    refresh_schedules = [
        dg.ScheduleDefinition(
            name=f"refresh_{name}_{source.cadence}",
            job_name=f"refresh_{name}",
            cron_schedule=_CRON[source.cadence],
            execution_timezone=TIME_ZONE,
            default_status=running,
        )
        for name, source in catalogue.refreshable_sources().items()
        if is_scheduled(home, name, source)
    ]
    build = dg.ScheduleDefinition(
        name="build_every_morning",
        job_name="build",
        cron_schedule="30 10 * * *",
        execution_timezone=TIME_ZONE,
        default_status=running,
    )
    return [*refresh_schedules, build]
